"""Figures of a unit, or of a few in their colours."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from dashboard.analysis.unit_picture import UnitPicture
from dashboard.analysis.units.amplitudes import N_BINS
from dashboard.analysis.units.clouds import Cloud, cloud, value_range
from dashboard.analysis.units.correlograms import Correlogram
from dashboard.analysis.units.features import FeaturePicture
from dashboard.analysis.units.isi import CONTAMINATION_PCT
from dashboard.analysis.units.templates import lay_template, together
from dashboard.analysis.units.turns import TAKE_TURNS
from dashboard.figures.figure import (
    Axis,
    Bars,
    Figure,
    Ink,
    Levels,
    Lines,
    Matrix,
    Numbers,
    Pictures,
    Range,
    Words,
    room_above,
)
from dashboard.figures.registry import Declared
from dashboard.model.colours import hex_colour
from dashboard.model.texts import counted, duration_text

SESSION = Axis("Time", "s", is_session_time=True)


def autocorrelogram(found: UnitPicture) -> Figure:
    """Return the lags of the unit's spikes as rates, with its mean rate."""
    title = f"Autocorrelogram, {duration_text(found.acg.bin_s)} bins; dashed: mean rate"
    return lags("unit-acg", title, found.acg, found.mean_hz(found.focus.unit))


def close_up(found: UnitPicture) -> Figure:
    """Return the short lags of the unit's spikes."""
    title = f"Close-up, {duration_text(found.close_acg.bin_s)} bins"
    return lags("unit-close", title, found.close_acg, found.mean_hz(found.focus.unit))


def pair(found: UnitPicture, k: int) -> Figure:
    """Return the lags of one of the pairs of units, as rates of the second one, with its mean rate.

    Of a unit with itself it is the autocorrelogram.
    """
    names = {unit.unit: name for unit, name in zip(found.units, found.names, strict=True)}
    first, second, own = found.pair(k)
    turns = ", they take turns" if found.shared_time(k) < TAKE_TURNS else ""
    title = f"{names[second]} from {names[first]}{turns}" if first != second else f"{names[first]} alone"
    return lags(f"unit-pair-{k}", title, own, found.mean_hz(second))


def declare(found: UnitPicture) -> Declared:
    """Declare all figures of units, those of pairs included."""
    return Declared("unit", found, {f"unit-pair-{k}": partial(pair, k=k) for k in range(found.n_pairs)})


def lags(name: str, title: str, found: Correlogram, mean_hz: float, ink: Ink = "bar") -> Figure:
    """Return a correlogram as rates, with the mean rate of the unit whose spikes are counted."""
    half = found.bin_s / 2
    edges = 1e3 * np.append(found.lags_s - half, found.lags_s[-1] + half)
    return Figure(
        name,
        title,
        Axis("Lag", "ms", _ends(edges)),
        Axis("Rate", "Hz", room_above(found.rate_hz, mean_hz)),
        (Bars(edges, found.rate_hz, ink), Levels([mean_hz], "y", "mean")),
    )


def intervals(found: UnitPicture) -> Figure:
    """Return the histogram of intervals."""
    isi = found.isi
    edges = 1e3 * isi.edges_s
    return Figure(
        "unit-isi",
        f"Inter-spike intervals, {duration_text(float(isi.edges_s[1] - isi.edges_s[0]))} bins",
        Axis("Interval", "ms", _ends(edges)),
        Axis("Intervals", limits=room_above(isi.counts), is_whole=True),
        (Bars(edges, isi.counts),),
    )


def refractory(found: UnitPicture) -> Figure:
    """Return the confidence of the sliding test over refractory period and contamination.

    The line is the lowest contamination that the test is confident of, the dashed one that by which a unit passes.
    """
    test = found.refractory
    periods, levels = 1e3 * test.periods_s, test.contamination_pct
    if np.isfinite(test.max_confidence_pct):
        verdict = "passes" if test.passes else "fails"
        title = f"Refractory test {verdict}, {test.max_confidence_pct:.0f} % sure of ≤ {CONTAMINATION_PCT:g} %"
    else:
        title = "Refractory test not available: too few spikes"
    return Figure(
        "unit-refractory",
        title,
        Axis("Refractory period", "ms", _ends(periods)),
        Axis("Contamination", "%", _ends(levels)),
        (
            Matrix(
                test.confidence_pct, _ends(periods), _ends(levels), "binary", (0.0, 100.0), label="Confidence", unit="%"
            ),
            Levels([CONTAMINATION_PCT], "y", "limit"),
            Lines([periods], [test.contour_pct], ["high"], width=2.0),
        ),
    )


def amplitude_over_time(found: UnitPicture) -> Figure:
    """Return the amplitude of all spikes over the session, with the limits of single spikes."""
    title = "Amplitude over time" + ("" if found.amp_range_uv is None else ", all spikes; dashed: limits")
    if found.amplitude_cloud is None:
        return Figure("unit-amplitude", title, absent=found.why_no_amplitudes)
    spikes = [(unit.times_s, unit.amps_uv) for unit in found.whole if unit.amps_uv is not None]
    made = _cloud("unit-amplitude", title, found, found.amplitude_cloud, spikes, Axis("Amplitude", found.amp_unit))
    return replace(made, marks=(*made.marks, _limits(found)))


def amplitudes(found: UnitPicture) -> Figure:
    """Return the histogram that the noise cut-off looks at, or the plain one where it has no verdict or other bins are
    wanted. Bars over the bins that the test compares have their colours.
    """
    if found.amplitude_cloud is None or found.amplitudes is None:
        return Figure("unit-amplitudes", "Amplitudes", absent=found.why_no_amplitudes)
    noise, plain = found.amplitudes.noise, found.amplitudes
    is_tests_own = bool(noise.counts.size) and len(plain.counts) == N_BINS
    counts, edges = (noise.counts, noise.edges_uv) if is_tests_own else (plain.counts, plain.edges_uv)
    inks: list[Ink] = ["bar"] * len(counts)
    low_bins = np.array([noise.low_bin] if noise.low_bin >= 0 else [], dtype=np.int64)
    for bins, ink in ((noise.high_bins, "high"), (low_bins, "limit")):
        for low, high in zip(noise.edges_uv[bins], noise.edges_uv[bins + 1], strict=True):
            for k in np.flatnonzero((edges[:-1] < high) & (edges[1:] > low)):
                inks[k] = ink
    return Figure(
        "unit-amplitudes",
        f"Amplitudes, {counted(len(counts), 'bin')}" + "; noise test: orange against blue" * (len(set(inks)) > 1),
        Axis("Spikes", limits=room_above(counts, share=1.05), is_whole=True),
        Axis("Amplitude", found.amp_unit, found.amplitude_cloud.value_range),
        (Bars(edges, counts, inks, along="y"), _limits(found)),
    )


def depth_over_time(found: UnitPicture) -> Figure:
    """Return the depth of the spikes over the session."""
    spikes = [(unit.times_s, unit.depths_um) for unit in found.units]
    return _cloud("unit-depth", "Depth over time", found, found.depth_cloud, spikes, Axis("Depth", "µm"))


def rate(found: UnitPicture) -> Figure:
    """Return the firing rate over the session, a line per unit."""
    edges, inks = found.rate_edges_s, [hex_colour(colour) for colour in found.colours]
    most = max((float(rates.max(initial=0.0)) for rates in found.rates_hz), default=0.0)
    return Figure(
        "unit-rate",
        f"Firing rate, {duration_text(float(edges[1] - edges[0]))} bins",
        replace(SESSION, limits=_ends(edges)),
        Axis("Rate", "Hz", room_above([most])),
        (
            Lines(
                [np.repeat(edges, 2)[1:-1]] * len(inks), [np.repeat(rates, 2) for rates in found.rates_hz], inks,
                names=[str(name) for name in found.names], width=1.3,
            ),
        ),
    )  # fmt: skip


def template(found: UnitPicture) -> Figure:
    """Return the mean waveforms at the places of their channels, with scale bars."""
    picture, title = found.template, "Template, orange: peak channel"
    if picture is None:
        return Figure("unit-template", "Template", absent=found.why_no_template)
    inks = ["limit" if is_peak else "bar" for is_peak in picture.is_peak]
    if len(found.templates) > 1:
        picture, title = together([one for _, one in found.templates]), "Templates, each in the colour of its unit"
        inks = [hex_colour(found.colours[place]) for place, one in found.templates for _ in one.is_peak]
    traces, bars, words = lay_template(picture, found.amp_unit)
    x = np.concatenate([*traces["x"], bars["x1"]])
    y = np.concatenate([*traces["y"], bars["y0"], bars["y1"]])
    left, right, low, high = float(x.min()), float(x.max()), float(y.min()), float(y.max())
    ends = zip(bars["x0"], bars["x1"], bars["y0"], bars["y1"], strict=True)
    scale = [(np.array([x0, x1]), np.array([y0, y1])) for x0, x1, y0, y1 in ends]
    return Figure(
        "unit-template",
        title,
        Axis("Lateral position", "µm", (left - 6, right + 0.3 * (right - left))),
        Axis("Depth along probe", "µm", (low - 0.14 * (high - low), high + 6)),
        (
            Lines(traces["x"], traces["y"], inks),
            Lines([bar[0] for bar in scale], [bar[1] for bar in scale], ["quiet"] * len(scale), width=2.0),
            Words(bars["x0"], bars["y0"], words, [False, True, True]),
        ),
    )


def features(found: FeaturePicture, colours: npt.NDArray[np.uint8]) -> Figure:
    """Return the first principal components of single spikes on two channels, a dot for each.

    Parameters
    ----------
    found : FeaturePicture
    colours : ndarray, shape (n_units, 3), uint8
    """
    x, y = ([unit[:, k].astype(np.float64) for unit in found.values] for k in range(2))
    low, high, _ = value_range(x, from_zero=False)
    drawn = cloud(x, y, (low, high), colours=colours)
    inks = map(hex_colour, colours)
    marks = tuple((one, other, ink) for one, other, ink in zip(x, y, inks, strict=True))
    a, b = (Axis(f"Component of channel {channel}", "a.u.") for channel in found.channels)
    n = sum(map(len, found.values))
    return Figure(
        "unit-features", f"First principal components of {counted(n, 'spike')}",
        replace(a, limits=drawn.time_range_s), replace(b, limits=drawn.value_range),
        (Pictures([drawn.image], [drawn.time_range_s], [drawn.value_range], marks),),
    )  # fmt: skip


def _cloud(
    name: str, title: str, found: UnitPicture, cloud: Cloud, spikes: list[tuple[Numbers, Numbers]], y: Axis
) -> Figure:
    inks = (hex_colour(colour) for colour in found.colours)
    title += f", {counted(cloud.n_beyond, 'spike')} beyond the axis" if cloud.n_beyond else ""
    marks = tuple((times, values, ink) for (times, values), ink in zip(spikes, inks, strict=True))
    return Figure(
        name,
        title,
        replace(SESSION, limits=cloud.time_range_s),
        replace(y, limits=cloud.value_range),
        (Pictures([cloud.image], [cloud.time_range_s], [cloud.value_range], marks),),
    )


def _limits(found: UnitPicture) -> Levels:
    return Levels([limit for limit in found.amp_range_uv or () if np.isfinite(limit)], "y")


def _ends(edges: Numbers) -> Range:
    return float(edges[0]), float(edges[-1])

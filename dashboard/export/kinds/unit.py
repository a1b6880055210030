"""One unit on paper."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dashboard.analysis.events.picture import EventPicture
from dashboard.analysis.inputs import UnitSpikes, session_rates, unit_spikes, within
from dashboard.analysis.units.amplitudes import AmplitudeHistogram, amplitude_histogram
from dashboard.analysis.units.bins import DEFAULT_BINS, UnitBins
from dashboard.analysis.units.correlograms import Correlogram, autocorrelogram
from dashboard.analysis.units.isi import CONTAMINATION_PCT, IsiHistogram, RefractoryTest, isi_histogram, refractory_test
from dashboard.analysis.units.templates import TemplatePicture, lay_template, unit_template
from dashboard.export.kinds.events import bins_of, draw_rates
from dashboard.export.origin import Subject, provenance, whole_recording
from dashboard.export.sheet import NARROW_EM, Sheet, SheetStyle, lay_out_between
from dashboard.model.errors import BadRequest


def chosen_unit(subject: Subject) -> int:
    """Return the index of the unit that was selected last.

    Raises
    ------
    BadRequest
        None is selected.
    """
    if not subject.selected:
        raise BadRequest("No unit is selected", "", "Click a unit in the raster or the table first")
    return subject.selected[-1]


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """What a unit does around an event, as the Events tab shows it.

    Attributes
    ----------
    event, split : str
        What `picture` was aligned to and split by.
    picture : EventPicture
        Of that unit alone.
    """

    event: str
    split: str
    picture: EventPicture


def unit_sheet(
    subject: Subject, style: SheetStyle, bins: UnitBins = DEFAULT_BINS, response: Response | str = "not asked for"
) -> Sheet:
    """Compute a sheet of the selected unit: correlogram, intervals, refractory test, amplitudes, depth, rate, response,
    template.

    Parameters
    ----------
    subject : Subject
        Limits of single spikes hold for all but amplitudes and template, which are those of all its spikes.
    style : SheetStyle
    bins : UnitBins
    response : Response or str
        Or why there is none.

    Raises
    ------
    BadRequest
        No unit is selected.
    """
    cluster = chosen_unit(subject)
    whole = unit_spikes(subject.columns, cluster)
    unit, limits = within(whole, subject.amp_range_uv), subject.amp_range_uv
    acg = autocorrelogram(unit.times_s, bins.lag_bin_s, 2 * bins.lag_half_s)
    intervals = isi_histogram(unit.times_s, bins.isi_bin_s, bins.isi_window_s)
    histogram = None if whole.amps_uv is None else amplitude_histogram(whole.amps_uv, bins.n_amp_bins)
    edges, (rate,) = session_rates([unit.times_s], subject.columns.time_range_s, bins.rate_bin_s)
    refractory = refractory_test(unit.times_s)
    template, why_no_template = unit_template(subject.sorting, subject.columns, cluster)
    amplitude_unit = subject.sorting.amp_unit

    def marks(axes: Axes, shown: UnitSpikes, values: npt.NDArray[Any]) -> None:
        size = (0.08 if len(shown) > 5000 else 0.13) * style.preset.font_pt
        axes.plot(shown.times_s, values, "o", ms=size, mew=0, color="C0", rasterized=len(shown) > 2000)

    def amplitudes(axes: Axes) -> None:
        if whole.amps_uv is None:
            absent(axes, "amplitudes are not in the files")
            return
        marks(axes, whole, whole.amps_uv)
        axes.set(xlabel="time (s)", ylabel=f"amplitude ({amplitude_unit})", ylim=(0, None))
        for limit in limits or ():
            if np.isfinite(limit):
                axes.axhline(limit, color=style.colours.dim, ls="--", lw=0.6)
        if limits is not None:
            axes.set_title("all spikes; dashed: limits")

    def depths(axes: Axes) -> None:
        if not len(unit):
            absent(axes, "no spikes")
            return
        marks(axes, unit, unit.depths_um)
        axes.set(xlabel="time (s)", ylabel="depth (µm)")

    def templates(axes: Axes) -> None:
        if template is None:
            absent(axes, why_no_template)
        else:
            _draw_template(axes, template, amplitude_unit, style)

    def rates(axes: Axes) -> None:
        axes.stairs(rate, edges, color="C0", lw=0.6)
        axes.set(xlabel="time (s)", ylabel=f"rate (Hz), {bins.rate_bin_s:g} s bins", ylim=(0, None))

    def responses(axes: Axes) -> None:
        if isinstance(response, str):
            absent(axes, response)
        else:
            draw_rates(axes, style, response.picture, response.event, response.split, is_small=True)

    parts: tuple[Callable[[Axes], None], ...] = (
        lambda axes: draw_correlogram(axes, acg, f"autocorrelogram, {1e3 * bins.lag_bin_s:g} ms bins"),
        lambda axes: _draw_intervals(axes, intervals),
        lambda axes: _draw_refractory(axes, refractory, style),
        amplitudes,
        lambda axes: _draw_amplitudes(axes, histogram, amplitude_unit),
        templates,
        depths,
        rates,
        responses,
    )
    row, name = subject.sorting.clusters.iloc[cluster], subject.unit_name(cluster)
    where = f" · {row['acronym']}" if "acronym" in row else ""
    title = f"{subject.sorting.title} · cluster {name}{where} · {len(unit):,} spikes"
    said = f"autocorrelogram {bins.lag_bin_s:g} s, intervals {bins.isi_bin_s:g} s, rate {bins.rate_bin_s:g} s"
    more = {}
    if not isinstance(response, str):
        said += f", {bins_of(response.picture, has_map=False)}"
        more = {
            "event": response.event,
            "split": response.split,
            "trials": response.picture.trials_text(response.event),
        }
    words = provenance(subject, cluster=name, bins=said, **more) | {
        "spikes": whole_recording(subject, f"{len(unit):,} of {subject.columns.n_spikes:,} spikes, cluster {name}")
    }
    return Sheet(title, words, style, lambda figure: fill(figure, style, (3, 3), parts))


def fill(figure: Figure, style: SheetStyle, shape: tuple[int, int], parts: tuple[Callable[[Axes], None], ...]) -> None:
    """Draw parts into a grid of axes between the title and the stamp."""
    lay_out_between(figure, style)
    for axes, part in zip(np.ravel(figure.subplots(*shape)), parts, strict=True):
        part(axes)
    if style.preset.width < NARROW_EM * style.preset.em:
        for axes in figure.axes:
            axes.set_title(textwrap.fill(axes.get_title(), 22), fontsize=0.8 * style.preset.font_pt)
            for label in (axes.xaxis.label, axes.yaxis.label):
                label.set(text=textwrap.fill(label.get_text(), 14 if label is axes.yaxis.label else 24))
                label.set_fontsize(0.8 * style.preset.font_pt)
            axes.tick_params(labelsize=0.7 * style.preset.font_pt)


def draw_correlogram(axes: Axes, found: Correlogram, title: str) -> None:
    """Draw counts by lag."""
    lags_ms, width_ms = found.lags_s * 1e3, found.bin_s * 1e3
    edges = np.append(lags_ms - width_ms / 2, lags_ms[-1] + width_ms / 2)
    axes.stairs(found.counts, edges, fill=True, color="C0")
    axes.set(xlabel="lag (ms)", ylabel="pairs of spikes", title=title, ylim=(0, 1.05 * max(found.counts.max(), 1)))


def _draw_intervals(axes: Axes, found: IsiHistogram) -> None:
    axes.stairs(found.counts, found.edges_s * 1e3, fill=True, color="C0")
    width = 1e3 * float(found.edges_s[1] - found.edges_s[0])
    axes.set(xlabel="interval (ms)", ylabel="intervals", title=f"intervals, {width:.3g} ms bins")
    axes.set_ylim(0, 1.05 * max(found.counts.max(initial=0), 1))


def _draw_refractory(axes: Axes, found: RefractoryTest, style: SheetStyle) -> None:
    """Draw the confidence by period and level, and the lowest level that the test is confident of."""
    image = axes.pcolormesh(
        found.periods_s * 1e3, found.contamination_pct, np.ma.masked_invalid(found.confidence_pct),
        cmap="binary" if style.theme == "light" else "gray", vmin=0, vmax=100, shading="nearest", rasterized=True,
    )  # fmt: skip
    axes.plot(found.periods_s * 1e3, found.contour_pct, color="C0")
    axes.axhline(CONTAMINATION_PCT, color="#D55E00", ls="--", lw=0.6)
    axes.figure.colorbar(image, ax=axes, pad=0.02).set_label("confidence (%)")
    verdict = f"{'passes' if found.passes else 'fails'}, {found.max_confidence_pct:.0f} % sure of ≤ 10 %"
    if np.isnan(found.max_confidence_pct):
        verdict = "not available: too few spikes"
    axes.set(xlabel="refractory period (ms)", ylabel="contamination (%)", title=f"refractory test {verdict}")


def _draw_template(axes: Axes, template: TemplatePicture, unit: str, style: SheetStyle) -> None:
    """Draw the mean waveforms at the places of their channels, with scale bars."""
    traces, bars, words = lay_template(template, unit)
    for x, y, is_peak in zip(traces["x"], traces["y"], template.is_peak, strict=True):
        axes.plot(x, y, color="#D55E00" if is_peak else "C0")
    for x0, y0, x1, y1 in zip(*(bars[name] for name in ("x0", "y0", "x1", "y1")), strict=True):
        axes.plot([x0, x1], [y0, y1], color=style.colours.dim)
    size = (0.55 if style.preset.width < NARROW_EM * style.preset.em else 0.8) * style.preset.font_pt
    for k, (left, text) in enumerate(zip(words["x"], words["text"], strict=True)):
        # Upright beside their bars, the words of the two vertical ones do not meet on a narrow sheet.
        axes.text(
            left, bars["y0"][k], text, color=style.colours.dim, va="bottom" if k else "top", fontsize=size,
            rotation=90 if k else 0,
        )  # fmt: skip
    right = max(bars["x0"]) + 0.35 * (max(bars["x0"]) - float(template.lateral_um.min()))
    axes.set(xlabel="lateral position (µm)", ylabel="depth (µm)", title="template, orange: peak channel")
    axes.set_xlim(None, right)
    axes.set_ylim(axes.get_ylim()[0] - 0.12 * float(np.diff(axes.get_ylim())[0]))


def _draw_amplitudes(axes: Axes, found: AmplitudeHistogram | None, unit: str) -> None:
    if found is None:
        absent(axes, "amplitudes are not in the files")
        return
    counts, edges = _histogram_of(found)
    axes.stairs(counts, edges, fill=True, color="C0")
    axes.set(xlabel=f"amplitude ({unit})", ylabel="spikes", title=f"amplitudes, {len(counts)} bins")


def _histogram_of(amplitudes: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    return np.asarray(amplitudes.counts), np.asarray(amplitudes.edges_uv)


def absent(axes: Axes, reason: str) -> None:
    """Say why there is nothing to draw."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, reason, ha="center", va="center", transform=axes.transAxes, wrap=True)

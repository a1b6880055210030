"""One unit on paper."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dashboard.compute.amplitude_histograms import AmplitudeHistogram, amplitude_histogram
from dashboard.compute.correlograms import Correlogram, autocorrelogram
from dashboard.compute.event_maps import BASELINE_S, span_of
from dashboard.compute.events import WINDOW_S, EventTimes, Psth, psth, usable_events
from dashboard.compute.isi import CONTAMINATION_PCT, IsiHistogram, RefractoryTest, isi_histogram, refractory_test
from dashboard.compute.trial_groups import available_events, event_times
from dashboard.compute.unit_templates import TemplatePicture, lay_template, unit_template
from dashboard.compute.units import DEFAULT_BINS, UnitBins, select_spikes, unit_spikes
from dashboard.exporting.sheets import Sheet, SheetStyle
from dashboard.exporting.subject import Subject, provenance, whole_recording
from dashboard.model.errors import BadRequest

NARROW_EM = 60
"""Sheets that are less wide than so many letters have smaller words, in lines."""


def chosen_unit(subject: Subject) -> int:
    """Return the unit that was selected last.

    Raises
    ------
    BadRequest
        None is selected.
    """
    if not subject.selected:
        raise BadRequest("No unit is selected", "", "Click a unit in the raster or the table first")
    return subject.selected[-1]


def aligned_events(subject: Subject, event: str | None = None) -> tuple[str, EventTimes]:
    """Return the name and the times of the event to align to: the named one, the subject's, or the first there is.

    Raises
    ------
    BadRequest
        The session has no trials, or none of them has the event.
    """
    trials = subject.sorting.trials
    names = () if trials is None else available_events(trials.table)
    if trials is None or not names:
        raise BadRequest("The session has no trials to align to", subject.sorting.ref.insertion.session)
    name = event or (subject.event if subject.event in names else names[0])
    times = event_times(trials.table, name)
    return name, usable_events(times, span_of(WINDOW_S, BASELINE_S), subject.columns.time_range_s)


def unit_psth(subject: Subject, cluster: int, event: str | None = None) -> tuple[str, Psth]:
    """Return the event's name and the unit's mean rate around it, in 50 ms bins."""
    name, events = aligned_events(subject, event)
    keep = np.zeros(subject.columns.n_clusters, np.bool_)
    keep[cluster] = True
    return name, psth(select_spikes(subject.columns, keep), events)


def unit_sheet(subject: Subject, style: SheetStyle, bins: UnitBins = DEFAULT_BINS) -> Sheet:
    """Compute a sheet of the selected unit: correlogram, intervals, refractory test, amplitudes, depth, rate, response,
    template.

    Raises
    ------
    BadRequest
        No unit is selected.
    """
    cluster = chosen_unit(subject)
    unit = unit_spikes(subject.columns, cluster)
    acg = autocorrelogram(unit.times_s, bins.lag_bin_s, 2 * bins.lag_half_s)
    intervals = isi_histogram(unit.times_s, bins.isi_bin_s, bins.isi_window_s)
    histogram = None if unit.amps_uv is None else amplitude_histogram(unit.amps_uv)
    end = max(float(subject.columns.time_range_s[1]), bins.rate_bin_s)
    edges = np.arange(0.0, end + bins.rate_bin_s, bins.rate_bin_s)
    rate = np.histogram(unit.times_s, edges)[0] / bins.rate_bin_s
    refractory = refractory_test(unit.times_s)
    template, why_no_template = unit_template(subject.sorting, subject.columns, cluster)
    response: tuple[str, Psth] | str
    try:
        response = unit_psth(subject, cluster)
    except BadRequest as error:
        response = str(error.what)
    amplitude_unit = "µV" if subject.sorting.amps_are_volts else "a.u."

    def marks(axes: Axes, values: npt.NDArray[Any]) -> None:
        size = (0.08 if len(unit) > 5000 else 0.13) * style.preset.font_pt
        axes.plot(unit.times_s, values, "o", ms=size, mew=0, color="C0", rasterized=len(unit) > 2000)

    def amplitudes(axes: Axes) -> None:
        if unit.amps_uv is None:
            absent(axes, "amplitudes are not in the files")
            return
        marks(axes, unit.amps_uv)
        axes.set(xlabel="time (s)", ylabel=f"amplitude ({amplitude_unit})", ylim=(0, None))

    def depths(axes: Axes) -> None:
        marks(axes, unit.depths_um)
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
            _draw_psth(axes, *response)

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
    row = subject.sorting.clusters.loc[cluster] if cluster in subject.sorting.clusters.index else None
    where = f" · {row['acronym']}" if row is not None and "acronym" in row else ""
    title = f"{subject.sorting.title} · cluster {cluster}{where} · {len(unit):,} spikes"
    said = (
        f"autocorrelogram {bins.lag_bin_s:g} s, intervals {bins.isi_bin_s:g} s, rate {bins.rate_bin_s:g} s, PSTH 0.05 s"
    )
    words = provenance(subject, cluster=str(cluster), bins=said) | {
        "spikes": whole_recording(subject, f"{len(unit):,} of {subject.columns.n_spikes:,} spikes, cluster {cluster}")
    }
    return Sheet(title, words, style, lambda figure: fill(figure, style, (3, 3), parts))


def lay_out_between(figure: Figure, style: SheetStyle) -> None:
    """Let axes share what is left between the title and the stamp."""
    preset = style.preset
    figure.set_layout_engine("constrained")
    engine: Any = figure.get_layout_engine()
    bottom = style.room / preset.height
    top = 2.4 * preset.em / preset.height
    engine.set(rect=(0.01, bottom, 0.98, 1 - bottom - top))


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
    axes.set(xlabel="lag (ms)", ylabel="pairs of spikes", title=title)


def _draw_intervals(axes: Axes, found: IsiHistogram) -> None:
    axes.stairs(found.counts, found.edges_s * 1e3, fill=True, color="C0")
    width = 1e3 * float(found.edges_s[1] - found.edges_s[0])
    axes.set(xlabel="interval (ms)", ylabel="intervals", title=f"intervals, {width:.3g} ms bins")


def _draw_refractory(axes: Axes, found: RefractoryTest, style: SheetStyle) -> None:
    """Draw the confidence by period and level, and the lowest level that the test is confident of."""
    image = axes.pcolormesh(
        found.periods_s * 1e3, found.contamination_pct, np.ma.masked_invalid(found.confidence_pct),
        cmap="binary" if style.theme == "light" else "gray", vmin=0, vmax=100, shading="nearest", rasterized=True,
    )  # fmt: skip
    axes.plot(found.periods_s * 1e3, found.contour_pct, color="C0")
    axes.axhline(CONTAMINATION_PCT, color="#D55E00", ls="--", lw=0.6)
    axes.figure.colorbar(image, ax=axes, pad=0.02).set_label("confidence (%)")
    verdict = "passes" if found.passes else "fails"
    known = "" if np.isnan(found.max_confidence_pct) else f", {found.max_confidence_pct:.0f} % sure of ≤ 10 %"
    axes.set(xlabel="refractory period (ms)", ylabel="contamination (%)", title=f"refractory test {verdict}{known}")


def _draw_template(axes: Axes, template: TemplatePicture, unit: str, style: SheetStyle) -> None:
    """Draw the mean waveforms at the places of their channels, with scale bars."""
    traces, bars, words = lay_template(template, unit)
    for x, y, is_peak in zip(traces["x"], traces["y"], template.is_peak, strict=True):
        axes.plot(x, y, color="#D55E00" if is_peak else "C0")
    for x0, y0, x1, y1 in zip(*(bars[name] for name in ("x0", "y0", "x1", "y1")), strict=True):
        axes.plot([x0, x1], [y0, y1], color=style.colours.dim)
    size = (0.55 if style.preset.width < NARROW_EM * style.preset.em else 0.8) * style.preset.font_pt
    for k, (left, bottom, text) in enumerate(zip(words["x"], words["y"], words["text"], strict=True)):
        place = bars["y0"][0] if k == 0 else bottom
        axes.text(left, place, text, color=style.colours.dim, va="bottom" if k else "top", fontsize=size)
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


def _draw_psth(axes: Axes, name: str, found: Psth) -> None:
    axes.fill_between(
        found.centres_s, found.mean_hz - found.sem_hz, found.mean_hz + found.sem_hz, color="C0", alpha=0.25, lw=0
    )  # fmt: skip
    axes.plot(found.centres_s, found.mean_hz, color="C0")
    axes.axvline(0, color="#888888", lw=0.6)
    axes.set(
        xlabel=f"time from {name} (s)", ylabel="rate (Hz), mean ± SEM", title=f"{found.n_trials:,} trials, 50 ms bins"
    )


def absent(axes: Axes, reason: str) -> None:
    """Say why there is nothing to draw."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, reason, ha="center", va="center", transform=axes.transAxes, wrap=True)

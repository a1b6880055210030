"""Sentences of the Unit tab. Text from files is escaped here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from dashboard.analysis.computed import value_of
from dashboard.analysis.filters.words import say_spike_amp
from dashboard.analysis.raw.many import ManySpikes
from dashboard.analysis.unit_picture import UnitPicture
from dashboard.analysis.units.amplitudes import CUTOFF_FAILS, N_BINS, AmplitudeHistogram
from dashboard.analysis.units.clouds import Cloud
from dashboard.analysis.units.features import FeaturePicture
from dashboard.analysis.units.isi import CONFIDENCE_PCT, CONTAMINATION_PCT, RefractoryTest
from dashboard.model.colours import hex_colour
from dashboard.model.conventions import LabelKind
from dashboard.model.curation import ALL_LABELS, CURATED, FLAG, MERGE, MY_LABEL, NOTE, SPLIT
from dashboard.model.sorting import QUALITY, SpikeSorting
from dashboard.model.texts import counted, duration_text
from dashboard.page.core.panes import caption
from dashboard.page.core.scene import UNKNOWN, Scene
from dashboard.page.tabs.unit.picture import MAX_UNITS
from dashboard.sources.alf.clusters import AMP_MEDIAN_V, MAX_CONFIDENCE_PCT, NOISE_CUTOFF, label_tests

EMPTY = (
    '<div class="unit empty-tab"><p><b>Select a unit</b></p><p>Click a spike in the raster or a row of the table, '
    "or walk through them with J and K. Shift-click adds a unit, up to six are compared here.</p></div>"
)

TESTS = {
    "max_confidence": ("sliding refractory test: confidence", MAX_CONFIDENCE_PCT, "≥", 1.0, " %"),
    "noise_cutoff": ("noise cut-off", NOISE_CUTOFF, "<", 1.0, " SD"),
    "amp_median": ("median amplitude", AMP_MEDIAN_V, ">", 1e6, " µV"),
}
"""The tests behind the IBL label: words, threshold, comparison, factor to the shown unit."""

NOTHING_COMPUTED: Mapping[str, tuple[float, bool]] = MappingProxyType({})

KILOSORTS = ("KSLabel", "ks2_label")
NOT_LISTED = (
    "uuids", "x", "y", "z", "atlas_id", "channels", "cluster_id", MY_LABEL, CURATED, ALL_LABELS, NOTE, FLAG,
    MERGE, SPLIT,
)  # fmt: skip


def chosen(selected: tuple[int, ...]) -> tuple[tuple[int, ...], str]:
    """Return the units to draw, and a sentence where they are not all that are selected."""
    if len(selected) > MAX_UNITS:
        units = counted(len(selected), "unit is", "units are")
        return selected[-MAX_UNITS:], f"{units} selected; the last {MAX_UNITS} are shown."
    return selected, ""


def head(scene: Scene, picture: UnitPicture, aside: str) -> str:
    """Return who the unit is, and which of IBL's tests it passes."""
    unit, sorting = picture.focus, scene.sorting
    row = sorting.clusters.iloc[unit.unit]
    names = scene.region_names(np.array([unit.unit]))
    region = "region not known" if names[0] == UNKNOWN else names[0]
    if "depths" in row and pd.notna(row["depths"]):
        depth = f"{row['depths']:,.0f} µm"
    else:
        depth = f"channel at {row['axial_um']:,.0f} µm" if pd.notna(row.get("axial_um")) else UNKNOWN
    uuid, name = row.get("uuids"), escape(str(scene.units.of(unit.unit)))
    lines = [
        f"<h2>Unit {name} <small>{escape(region)} · {depth} · {_spikes(scene, picture)}</small></h2>",
        f'<p class="uuid">uuid {escape(str(uuid))}</p>' if isinstance(uuid, str) and uuid else "",
        _decided(row),
        f'<p class="absent">{escape(aside)}</p>' if aside else "",
        f'<p class="absent">{escape(_limited(scene))}</p>' if scene.amp_range_uv is not None else "",
    ]
    if len(picture.units) > 1:
        colours = [hex_colour(colour) for colour in picture.colours]
        chips = "".join(
            f'<span class="chip"><i style="background:{colour}"></i>{escape(str(name))}</span>'
            for name, colour in zip(picture.names, colours, strict=True)
        )
        lines.append(f'<p class="chips">{chips}</p>')
    return f'<div class="unit">{"".join(lines)}{tests(sorting, unit.unit, _computed(scene, picture))}</div>'


def _decided(row: pd.Series) -> str:
    """Return what people have decided about a unit, a chip for each kind."""
    texts = [str(row.get(name) or "") for name in (ALL_LABELS, FLAG, NOTE, MERGE, SPLIT)]
    words = (
        texts[0],
        f"flagged by {texts[1]}" if texts[1] else "",
        texts[2],
        f"same unit as {texts[3]}" if texts[3] else "",
        texts[4],
    )
    chips = "".join(f'<span class="chip">{escape(text)}</span>' for text in words if text)
    return f'<p class="chips">{chips}</p>' if chips else ""


def _spikes(scene: Scene, picture: UnitPicture) -> str:
    """Return how many of the unit's spikes are drawn."""
    if scene.amp_range_uv is None:
        return _whole(scene, picture.n_whole)
    return f"{len(picture.focus):,} of {counted(picture.n_whole, 'spike')}"


def _whole(scene: Scene, n_spikes: int) -> str:
    """Return a number of spikes, said to be all where none of the sorting was left out."""
    spikes = counted(n_spikes, "spike")
    return (
        f"{spikes} (without those that have {scene.sorting.drop_reason})"
        if scene.sorting.n_dropped
        else f"all {spikes}"
    )


def _limited(scene: Scene) -> str:
    """Return what limits of single spikes change here, and what they do not."""
    limits = say_spike_amp(scene.amp_range_uv or (-np.inf, np.inf), scene.sorting.amp_unit)
    return f"Only spikes with {limits}. Amplitudes, template, label and metrics are those of all its spikes."


def _computed(scene: Scene, picture: UnitPicture) -> dict[str, tuple[float, bool]]:
    """Return value and verdict of the tests that the figures make of all spikes of the unit, by the column's name."""
    if scene.amp_range_uv is not None:
        return {}
    found = {}
    test: RefractoryTest | None = value_of(picture, "refractory")
    if test is not None and np.isfinite(test.max_confidence_pct):
        found["max_confidence"] = (float(test.max_confidence_pct), bool(test.passes))
    at_peak = scene.sorting.amps_at_peak  # the test is of peak-to-peak amplitudes
    amplitudes: AmplitudeHistogram | None = value_of(picture, "amplitudes")
    if amplitudes is not None and np.isfinite(amplitudes.noise.cutoff) and not at_peak:
        found["noise_cutoff"] = (float(amplitudes.noise.cutoff), bool(amplitudes.noise.passes_label))
    return found


def tests(sorting: SpikeSorting, unit: int, computed: Mapping[str, tuple[float, bool]] = NOTHING_COMPUTED) -> str:
    """Return the tests of the IBL label of a unit, by its index, as a table: value, threshold, verdict.

    What the files lack is taken of `computed`, and called that.
    """
    clusters = sorting.clusters
    row: dict[Any, Any] = clusters.iloc[unit].to_dict()
    label = float(sorting.labels[unit])
    said = "".join(
        f"<p>{name} <b>{escape(str(row[name]))}</b> (Kilosort's own opinion)</p>" for name in KILOSORTS if name in row
    )
    if sorting.label_kind is LabelKind.KILOSORT and not any(name in row for name in KILOSORTS) and "label" in row:
        own = row["label"] if isinstance(row["label"], str) else f"{row['label']:g}"
        said = f"<p>Kilosort's own label <b>{escape(own)}</b></p>"
    made = label_tests(clusters.iloc[[unit]]).iloc[0]
    if not np.isfinite(label):
        why = sorting.why_no_labels or "this unit has none"
        verdict = f'<p class="absent">No IBL label: {escape(why)}.</p>'
    elif sorting.label_kind in (LabelKind.CURATED, LabelKind.KILOSORT):
        is_curated = sorting.label_kind is LabelKind.CURATED
        whose = "group of the curation, else Kilosort's label" if is_curated else "Kilosort's label"
        verdict = f"<p>Quality <b>{escape(str(row[QUALITY]))}</b> ({whose}); the IBL tests were not made</p>"
    elif sorting.label_kind is LabelKind.FILE:
        verdict = f"<p>Label of the file <b>{label:g}</b>: the IBL tests are not in the file</p>"
    else:
        n_passed = round(3 * label)
        verdict = (
            f"<p>IBL label <b>{label:.2f}</b>: {n_passed} of 3 tests pass{' (good unit)' if n_passed == 3 else ''}</p>"
        )
    rows = []
    of_peaks = (
        ("noise_cutoff", "amp_median") if sorting.amps_at_peak else ()
    )  # the tests are of peak-to-peak amplitudes
    for name, (words, threshold, comparison, factor, suffix) in TESTS.items():
        if name not in made.index and name in computed:
            value, is_passed = computed[name]
            outcome = "pass" if is_passed else "fail"
            number = (
                f"{round(value, 3):.4g}{suffix} <small>({comparison} {factor * threshold:g}; computed here)</small>"
            )
            rows.append(f'<tr><th>{words}</th><td>{number}</td><td><b class="{outcome}">{outcome}</b></td></tr>')
            continue
        if name not in made.index or (name == "amp_median" and not sorting.amps_are_volts) or name in of_peaks:
            rows.append(f'<tr><th>{words}</th><td class="absent" colspan="2">not available</td></tr>')
            continue
        value = float(row[name]) * factor
        outcome = "pass" if made[name] else "fail"
        number = f"{round(value, 3):.4g}{suffix}" if np.isfinite(value) else "not defined"
        wanted = f"{comparison} {factor * threshold:g}"
        shown = f'<b class="{outcome}">{outcome}</b>'
        rows.append(f"<tr><th>{words}</th><td>{number} <small>({wanted})</small></td><td>{shown}</td></tr>")
    return f'{verdict}<table class="tests">{"".join(rows)}</table>{said}'


def metrics(sorting: SpikeSorting, unit: int) -> str:
    """Return every column of the clusters table for one unit, by its index, folded, with what ``snr`` is there.

    Where there is no such column it says why.
    """
    row = sorting.clusters.iloc[unit]
    lines = []
    for name, value in row.items():
        if name in NOT_LISTED or (isinstance(value, float) and np.isnan(value)):
            continue
        text = f"{value:.5g}" if isinstance(value, float | np.floating) else str(value)
        title = "drift (depth jitter, µm/h)" if name == "drift" else str(name)
        lines.append(f"<tr><th>{escape(title)}</th><td>{escape(text)}</td></tr>")
    why, definition = sorting.why_no_snr, sorting.snr_definition
    columns = counted(len(lines), "column")
    no_snr = f'<p class="absent">No signal to noise (snr): {escape(why)}.</p>' if why else ""
    said = f"<p><small>{escape(definition)}.</small></p>" if definition else ""
    return (
        f'<div class="unit">{no_snr}<details><summary>All {columns} of the clusters table</summary>'
        f"<table>{''.join(lines)}</table>{said}</details></div>"
    )


def heading(name: str, scene: Scene, picture: UnitPicture) -> str:
    """Return the heading over a figure of the tab, with what it measures; empty for one of another package."""
    write = HEADINGS.get(name)
    return "" if write is None else caption(write(scene, picture))


def _acg(scene: Scene, picture: UnitPicture) -> str:
    return f"Autocorrelogram, {_bin(picture.acg.bin_s)} bins; dashed: mean rate"


def _close(scene: Scene, picture: UnitPicture) -> str:
    return f"Close-up, {_bin(picture.close_acg.bin_s)} bins"


def _isi(scene: Scene, picture: UnitPicture) -> str:
    isi = picture.isi
    width = _bin(float(isi.edges_s[1] - isi.edges_s[0]))
    return f"Inter-spike intervals, {width} bins; {isi.n_beyond:,} of {isi.n_intervals:,} are longer"


def _refractory(scene: Scene, picture: UnitPicture) -> str:
    test = picture.refractory
    confidence, contamination = test.max_confidence_pct, test.min_contamination_pct
    if not np.isfinite(confidence):
        return f"Refractory test{absent('too few spikes')}"
    verdict = f'<b class="{"pass" if test.passes else "fail"}">{"pass" if test.passes else "fail"}</b>'
    least = (
        f"contamination ≤ {contamination:g} % at {CONFIDENCE_PCT:g} %"
        if np.isfinite(contamination)
        else f"no level of contamination reaches {CONFIDENCE_PCT:g} %"
    )
    words = f"{confidence:.0f} % confident of ≤ {CONTAMINATION_PCT:g} %; {least} (blue)"
    return f"Refractory test {verdict} {words}{_computed_here(scene, picture, 'max_confidence', passes=test.passes)}"


def _computed_here(scene: Scene, picture: UnitPicture, name: str, *, passes: bool) -> str:
    """Return that a test was made here of the spikes, and what the files say of it where that is something else."""
    made = label_tests(scene.sorting.clusters.iloc[[picture.focus.unit]])
    if name not in made or bool(made[name].iloc[0]) == passes:
        return "; computed here"
    return f"; computed here, the file says {'fail' if passes else 'pass'}"


def _pairs(scene: Scene, picture: UnitPicture) -> str:
    if not picture.n_pairs:
        return ""
    if picture.n_beside:
        return f"The units that it was merged from, alone and in pairs, {_bin(picture.bins.lag_bin_s)} bins"
    n = len(picture.units)
    which = f" with {escape(str(picture.names[picture.place]))}" if picture.n_pairs < n * (n - 1) // 2 else ""
    return f"Cross-correlograms{which}, {_bin(picture.bins.lag_bin_s)} bins; dashed: mean rate of the second unit"


def _amplitude(scene: Scene, picture: UnitPicture) -> str:
    words = "Amplitude over time"
    if picture.amplitude_cloud is None:
        return words + absent(picture.why_no_amplitudes)
    words += _beyond(scene, picture.amplitude_cloud)
    amplitudes: AmplitudeHistogram | None = value_of(picture, "amplitudes")
    if amplitudes is not None:
        noise, n_bins = amplitudes.noise, len(amplitudes.counts)
        words += f"; {_cutoff(noise.cutoff, passes=noise.passes_label)}"
        if np.isfinite(noise.cutoff):
            words += _computed_here(scene, picture, "noise_cutoff", passes=bool(noise.passes_label))
        if noise.low_bin >= 0:
            words += " (orange bin against the blue ones)"
        if n_bins != N_BINS:
            words += f"; drawn in {counted(n_bins, 'bin')}, tested in {len(noise.counts):,}"
    if scene.amp_range_uv is not None:
        words += "; dashed: limits of single spikes"
    if not scene.sorting.amps_are_volts:
        words += "; arbitrary units: the values in the file cannot be volts"
    return words


def _depth(scene: Scene, picture: UnitPicture) -> str:
    beyond = _beyond(scene, picture.depth_cloud, is_limited=scene.amp_range_uv is not None)
    return f"Depth over time ({_displacement(scene)}){beyond}"


def _rate(scene: Scene, picture: UnitPicture) -> str:
    edges = picture.rate_edges_s
    return f"Firing rate, {_bin(float(edges[1] - edges[0]))} bins"


def _template(scene: Scene, picture: UnitPicture) -> str:
    if picture.template is None:
        return "Template" + absent(picture.why_no_template)
    what = "each unit in its colour" if len(picture.templates) > 1 else "orange: peak channel"
    return f"Template ({escape(picture.template.name)}), 30 kHz; {what}"


def singles(of_units: Sequence[ManySpikes]) -> str:
    """Return what the single spikes are: of one unit, or of several."""
    found = of_units[0]
    if len(of_units) > 1:
        spikes = counted(sum(len(one.uv) for one in of_units), "single spike")
        units = ", ".join(escape(str(one.unit)) for one in of_units)
        return f"{spikes} of units {units} ({escape(found.source)}), each unit in its colour; thick: their means"
    template = "orange: template" if found.template_uv is not None else f"no template: {escape(found.why_no_template)}"
    spikes = f"{len(found.uv)} of {counted(found.n_all, 'single spike')}"
    return f"{spikes} ({escape(found.source)}); thick: their mean; {template}"


def features(found: FeaturePicture) -> str:
    """Return what the dots are."""
    spikes = f"{sum(map(len, found.values)):,} of {counted(sum(found.n_all), 'spike')}"
    a, b = found.channels
    return f"First principal component on channels {a} and {b}, a dot for each of {spikes} ({escape(found.source)})"


HEADINGS: Mapping[str, Callable[[Scene, UnitPicture], str]] = MappingProxyType(
    {
        "unit-acg": _acg,
        "unit-close": _close,
        "unit-isi": _isi,
        "unit-refractory": _refractory,
        "unit-pairs": _pairs,
        "unit-amplitude": _amplitude,
        "unit-depth": _depth,
        "unit-rate": _rate,
        "unit-template": _template,
    }
)
"""Name of a figure -> what stands over it."""


def _displacement(scene: Scene) -> str:
    return "displacement of the unit" + ("; what the sorter removed is not in it" if scene.sorting.drift else "")


def _bin(seconds: float) -> str:
    return duration_text(seconds)


def absent(why: str) -> str:
    """Return why a figure is not there."""
    return f'<span class="absent">: not available, {escape(why)}</span>'


def _beyond(scene: Scene, found: Cloud, *, is_limited: bool = False) -> str:
    aside = f", {found.n_beyond:,} of them beyond the axis" if found.n_beyond else ""
    limited = f"{counted(found.n_spikes, 'spike')} within the limits"
    return f": {limited if is_limited else _whole(scene, found.n_spikes)}{aside}"


def _cutoff(cutoff: float, *, passes: bool) -> str:
    if not np.isfinite(cutoff):
        return "noise cut-off not defined"
    verdict = f'<b class="{"pass" if passes else "fail"}">{"pass" if passes else "fail"}</b>'
    return f"noise cut-off {cutoff:.2f} (below {CUTOFF_FAILS:g} passes) {verdict}"

"""Sentences of the Probe tab. Text from files is escaped here."""

from __future__ import annotations

from html import escape

import numpy as np

from dashboard.engine.count.rates import MIN_SPIKES_FOR_AMPLITUDE
from dashboard.model.texts import counted
from dashboard.page.core.scene import UNKNOWN, Scene
from dashboard.page.core.shading import diverging
from dashboard.page.plot.profiles import ProfilePicture, ProfileRequest
from dashboard.page.tabs.probe.marks import (
    DURATION,
    DURATION_MS,
    GOOD,
    OTHER,
    PEAK_FIRST,
    RATE,
    UNLABELLED,
    MarkStyle,
    is_drawn,
    palette,
    places,
    rate_limits,
)
from dashboard.page.tabs.probe.picture import CorrelationPicture, CorrelationRequest, SpikesPicture, Units

WORKING = '<div class="unit empty-tab"><p>Placing the units …</p></div>'
CORRELATING = '<div class="unit"><h2 class="caption">Correlation of depths: computing …</h2></div>'
ABSENT = '<span class="absent">{}</span>'


def amplitude_unit(scene: Scene) -> str:
    """Return the unit of amplitudes."""
    return scene.sorting.amp_unit


def number(scene: Scene, units: Units, look: MarkStyle) -> str:
    """Return how many units are drawn, and why some cannot be."""
    drawn = is_drawn(scene, units, look.selected)
    passing = scene.n_clusters_passing
    words = [f"{passing:,} of {counted(len(units), 'unit')}"]
    if passing < len(units):
        words[0] += f" ({len(units) - passing:,} hidden by filters)"
    n_aside = int(drawn.sum()) - passing
    if n_aside > 0:
        words.append(f"{n_aside} selected, hidden by filters")
    at = places(units)
    n_nowhere = int((drawn & ~(np.isfinite(at["lateral"]) & np.isfinite(at["depth"]))).sum())
    if n_nowhere:
        words.append(f"{n_nowhere:,} not drawn: their place on the probe is not known")
    return f'<div class="readout-line">{escape("; ".join(words))}</div>'


def pointed(scene: Scene, units: Units, at: list[int], picked: list[int]) -> str:
    """Return what lies under the mouse, the unit that a click picks first."""
    unit = picked[0]
    row = int(np.flatnonzero(units.ids == unit)[0])
    parts = [f"click: unit {scene.units.of(unit)}"]
    region = scene.region_names(np.array([unit]))[0]
    parts += [region] if region != UNKNOWN else []
    parts += [f"{units.depth_um[row]:,.0f} µm", f"{units.rate_hz[row]:.3g} Hz"]
    amplitude = places(units)["amplitude"][row]
    parts += [f"{amplitude:.3g} {amplitude_unit(scene)}"] if np.isfinite(amplitude) else []
    others = [str(other) for other in scene.ids(at) if other != scene.units.of(unit)]
    parts += [f"also here: {', '.join(others[:4])}{' …' if len(others) > 4 else ''}"] if others else []
    return f'<div class="readout-line">{escape(" · ".join(parts))}</div>'


def legend(scene: Scene, units: Units, look: MarkStyle) -> str:
    """Return what colour, size and filling of the marks mean, in two lines."""
    why = scene.sorting.why_no_labels
    words = ["size: firing rate", "all hollow: no IBL labels" if why else f"filled: {_good(scene)}"]
    shanks = units.layout.shanks
    if not shanks:
        words.append("positions of the channels are not known")
    elif not any(shank.regions for shank in shanks):
        words.append("grey shank: no brain locations")
    aside = escape("; ".join(words))
    return f'<div class="unit two-lines">{_colours(scene, units, look)}<p class="aside">{aside}</p></div>'


def _colours(scene: Scene, units: Units, look: MarkStyle) -> str:
    if look.colour == RATE:
        low, high = rate_limits(units)
        return _bar("firing rate (Hz), log", f"{low:.2g}", f"{high:.3g}", palette(dark=look.dark))
    durations, whence = units.peak_to_trough if look.colour == DURATION else (None, "")
    if durations is not None:
        title = f"trough to peak (ms), {escape(whence)}"
        return _bar(title, "0", f"≥ {DURATION_MS:g}", palette(dark=look.dark), {"peak first": (PEAK_FIRST, True)})
    chips = {_good(scene): (GOOD, True), "other": (OTHER, False)}
    if scene.sorting.why_no_labels:
        chips = {"no IBL label": (UNLABELLED, False)}
    elif not np.isfinite(units.labels).all():
        chips["no label"] = (UNLABELLED, False)
    absent = ""
    if look.colour == DURATION:
        words = escape(f"peak-to-trough is not available: {whence}")
        absent = f'<span class="absent" title="{words}">{words}</span>'
    return f'<div class="bar-row">{_chips(chips)}{absent}</div>'


def _good(scene: Scene) -> str:
    return scene.sorting.good_words


def _chips(chips: dict[str, tuple[str, bool]]) -> str:
    """Return words, each with its mark: its colour, and whether it is filled."""
    return "".join(
        f'<span class="chip"><i class="dot" style="border-color:{colour};background:{colour if filled else "none"}">'
        f"</i>{words}</span>"
        for words, (colour, filled) in chips.items()
    )


def _bar(
    title: str, low: str, high: str, colours: tuple[str, ...], chips: dict[str, tuple[str, bool]] | None = None
) -> str:
    stops = ",".join(colours[round(share * (len(colours) - 1))] for share in np.linspace(0, 1, 16))
    return (
        f'<div class="bar-row"><span class="title">{title}</span><span>{low}</span>'
        f'<i class="bar" style="background:linear-gradient(to right,{stops})"></i><span>{high}</span>'
        f"{_chips(chips or {})}</div>"
    )


def amplitudes(scene: Scene, units: Units) -> str:
    """Return what the amplitude of a unit is, or why there is none."""
    if units.amplitudes.why:
        return _caption(ABSENT.format(f"Amplitude by depth: not available, {escape(units.amplitudes.why)}"))
    n_none = int(np.isnan(units.amplitudes.values).sum())
    aside = f"; {counted(n_none, 'unit has', 'units have')} none" if n_none else ""
    return _caption(f"Amplitude: {escape(units.amplitudes.name)}{aside}{_arbitrary(scene)}")


def spikes(scene: Scene, picture: SpikesPicture, colours: tuple[str, ...]) -> str:
    """Return how many spikes are drawn, and what their colours mean."""
    total = scene.columns.n_spikes
    words = [f"{picture.n_passing:,} of {counted(total, 'spike')}"]
    if picture.n_drawn + picture.n_beyond < picture.n_passing:
        words.append(f"{picture.n_drawn:,} in view")
    words += [f"{picture.n_beyond:,} beyond the axis"] if picture.n_beyond else []
    height, width = picture.counts.shape
    per = (
        f"spikes per {(picture.amp_range[1] - picture.amp_range[0]) / width:.2g} {amplitude_unit(scene)} × "
        f"{(picture.depth_range[1] - picture.depth_range[0]) / height:.2g} µm, log"
        f"{'' if scene.sorting.amps_are_volts else '; arbitrary units'}"
    )
    bar = _bar(per, "1", f"{max(int(picture.counts.max(initial=0)), 1):,}", colours[1:])
    return _caption(" · ".join(words), bar)


def no_spikes(scene: Scene) -> str:
    """Return why there is no amplitude of any spike."""
    why = scene.sorting.missing_reason("spikes.amps") or "there are no amplitudes"
    return _caption(ABSENT.format(f"All spikes: not available, {escape(why)}"))


def profile(request: ProfileRequest, picture: ProfilePicture) -> str:
    """Return what the line by depth shows, and which bins it leaves blank."""
    start, end = request.time_range
    what = "Mean amplitude of the spikes" if request.of_amplitudes else "Firing rate of all units that pass together"
    words = f"{what} per {request.bin_um:g} µm, {start:,.1f}–{end:,.1f} s (the window in view)"
    if request.of_amplitudes:
        n_blank = picture.n_bins - picture.n_known
        bins = counted(picture.n_bins, "bin")
        words += f"; blank: bins of fewer than {MIN_SPIKES_FOR_AMPLITUDE} spikes ({n_blank} of {bins} with spikes)"
        words += _arbitrary(request.scene)
    return _caption(words)


def correlation(request: CorrelationRequest, picture: CorrelationPicture, *, dark: bool) -> str:
    """Return what the matrix shows, and what its colours mean."""
    scene = request.scene
    n_bins = len(picture.found.values)
    if picture.n_known < 2:
        why = "no spike passes" if not scene.n_spikes_passing else "fewer than two depths have spikes"
        return _caption(ABSENT.format(f"Correlation of depths: nothing to show, {why}"))
    words = (
        f"Correlation of firing rates, {request.depth_bin_um:g} µm × {1e3 * request.time_bin_s:g} ms bins, whole "
        f"session, units that pass; {picture.n_known} of {counted(n_bins, 'depth')} have spikes"
    )
    bar = _bar("Pearson's r", f"−{picture.limit:.2g}", f"{picture.limit:.2g}", diverging(dark=dark))
    return _caption(words, bar)


def no_profile(error: Exception) -> str:
    """Return why there is no line by depth."""
    return _caption(ABSENT.format(f"Not available, {escape(str(error))}"))


def not_correlated(error: Exception) -> str:
    """Return why there is no matrix."""
    return _caption(ABSENT.format(f"Correlation of depths: not available, {escape(str(error))}"))


def _arbitrary(scene: Scene) -> str:
    return "" if scene.sorting.amps_are_volts else "; arbitrary units: the values in the file cannot be volts"


def _caption(words: str, bar: str = "") -> str:
    return f'<div class="unit"><h2 class="caption">{words}</h2>{bar}</div>'

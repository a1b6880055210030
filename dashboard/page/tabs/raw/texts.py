"""What the Raw tab says."""

from __future__ import annotations

from html import escape

import numpy as np

from dashboard.analysis.quality.summary import BAD_CHANNELS
from dashboard.analysis.raw.lf_picture import LfPicture
from dashboard.analysis.raw.many import ManySpikes
from dashboard.analysis.raw.maps import DepthImage, QualityMaps
from dashboard.analysis.raw.picture import SnippetPicture
from dashboard.analysis.raw.snippet import PADDING_S
from dashboard.analysis.raw.spectra import CONDUCTIVITY_S_PER_M, OVERLAP, WINDOW_S
from dashboard.figures.quality import BAND_COLOURS
from dashboard.figures.raw import GOOD, OTHER
from dashboard.model.raw import BANDS, RAW, NotRecorded
from dashboard.model.texts import counted

WORKING = '<div class="unit"><p>Reading …</p></div>'
NO_UNIT = '<div class="unit"><p>Select a unit to see its single spikes.</p></div>'
STEPS = {"raw": "as recorded", "high-pass": "high-pass", "destriped": "destriped"}
OF_EVENTS = ", of the kind that the tab Events aligns to"
ENDS = {"grey": "Black to white", "PuOr": "Orange to purple"}
_DOT = '<span style="color:{colour}">○</span> {word}'


def _said(text: str) -> str:
    return f'<div class="unit">{text}</div>'


def snippet(picture: SnippetPicture, at_s: float, gain_db: int, palette: str) -> str:
    """Return what is shown: file, samples, filter, colours, marks."""
    found = picture.snippet
    end = picture.scale_uv * 10 ** (-gain_db / 20)
    last = found.first + found.volts.shape[1] - 1
    made = "<b>Synthetic voltage of the demo.</b> " if picture.recording.is_synthetic else ""
    made += f"<b>{escape(found.band.note)}.</b> " if found.band.note else ""
    unit = "µV" if found.band.unit == "V" else "bits (no file says what a bit is: --bit-uv does)"
    padding = "" if found.step == RAW else f" (filtered with {PADDING_S[found.band.name]:g} s more on either side)"
    n_pooled = picture.n_pooled
    pooled = f" Each column shows the farthest from zero of {counted(n_pooled, 'sample')}." if n_pooled > 1 else ""
    labels = "" if picture.recording.labels is not None else " No file of bad channels: all count as good."
    others = picture.marks.n_elsewhere
    hidden = f", {counted(others, 'spike')} on channels out of view" if others else ""
    return _said(
        f"<p>{made}{found.band.name.upper()} at {at_s:,.5f} s, samples {found.first:,}–{last:,} of "
        f"{escape(found.band.path.name)}; {escape(found.filtered)}{padding}. {ENDS[palette]}: ∓{end:,.0f} {unit} "
        f"({gain_db:+d} dB); {counted(len(picture.uv), 'channel')} of {found.band.n_channels}.{pooled}{labels}</p>"
        f"<p>{counted(len(picture.marks.units), 'spike')} marked, by {picture.marks.placed_by}{hidden}: "
        f"{_DOT.format(colour=GOOD, word='good')}, "
        f"{_DOT.format(colour=OTHER, word='other')}, larger: selected units in their colours.</p>"
    )


def not_recorded(error: NotRecorded) -> str:
    """Return that nothing is recorded where the tab is to look, and what is."""
    at, (first, last) = sum(error.asked_s) / 2, error.recorded_s
    return _said(f"<p>No raw voltage at {at:,.3f} s: it is recorded from {first:,.3f} to {last:,.3f} s.</p>")


def current_sources(found: LfPicture | None, end: float) -> str:
    """Return what the image of current sources shows; empty for AP."""
    if found is None:
        return ""
    if not np.isfinite(found.csd).any():
        return _said("<p>No current sources: no column of sites has three good channels in view.</p>")
    return _said(
        f"<p>Current sources, −σ d²V/dz² along each column of sites (σ = {CONDUCTIVITY_S_PER_M:g} S/m); red: sinks, "
        f"blue: sources, ∓{end:,.{0 if end >= 100 else 2}f} A/m³; {escape(found.filtered)}, no common reference taken "
        "off. Channels outside of the brain and the ends of a column have none.</p>"
    )


def spectrogram(found: LfPicture | None) -> str:
    """Return what the spectrogram shows; empty for AP."""
    if found is None:
        return ""
    power = found.power
    if not power.power_db.size:
        return _said(f"<p>No spectrogram: less than {WINDOW_S:g} s are recorded here.</p>")
    low, high = DepthImage(power.power_db, power.hz, power.times_s).levels
    return _said(
        f"<p>Power of the channel at {found.depth_um:,.0f} µm (column {found.column} of the file), {low:,.0f} to "
        f"{high:,.0f} dB re 1 V²/Hz, dark to bright: Hann windows of {WINDOW_S:g} s, overlap {OVERLAP:.0%}, bins "
        f"of {1 / WINDOW_S:g} Hz; as recorded, over the snippet and the {PADDING_S['lf']:g} s on either side that "
        "filters are given.</p>"
    )


def many(found: ManySpikes) -> str:
    """Return what the single spikes are."""
    template = "orange: the template" if found.template_uv is not None else f"no template: {found.why_no_template}"
    return _said(
        f"<p>{len(found.uv)} of {counted(found.n_all, 'spike')} of unit {escape(str(found.unit))}, chosen at random, "
        "from "
        f"{escape(found.source)}. Thick: their mean; {escape(template)}.</p>"
    )


def rms(maps: QualityMaps, name: str) -> str:
    """Return what the image of RMS shows, or why there is none."""
    if name not in maps.rms:
        names = " and ".join(band.upper() for band in BANDS if band in maps.rms) or "none"
        files = f"_iblqc_ephysTimeRms{name.upper()}.rms and .timestamps in raw_ephys_data of the probe"
        return _said(f"<p>No RMS of {name.upper()} over time ({names} is there); it would be drawn from {files}.</p>")
    image = maps.rms[name]
    low, high = image.levels
    step = float(np.median(np.diff(image.along)))
    return _said(
        f"<p>RMS of {name.upper()} ({low:,.1f}–{high:,.1f} {maps.noise.rms_unit}), less the median over depths of each "
        f"time; as recorded, "
        f"in steps of {step:,.2g} s, {maps.clock}.</p>"
    )


def spectrum(maps: QualityMaps) -> str:
    """Return what the spectrum shows, or why there is none, and which channels are bad."""
    bad = _channels(maps)
    if maps.spectrum is None:
        files = "_iblqc_ephysSpectralDensityLF.power and .freqs in raw_ephys_data of the probe"
        return _said(f"<p>No spectrum of LF; it would be drawn from {files}.</p>{bad}")
    low, high = maps.spectrum.levels
    hz = maps.spectrum.along
    of_sum = "a sum over an unknown number of windows" if maps.is_sum else "the mean over windows"
    return _said(
        f"<p>Power of LF ({low:,.0f} to {high:,.0f} dB re 1 V²/Hz, {of_sum}), bins of {hz[1] - hz[0]:.2f} Hz, "
        f"no common reference taken off.</p>{bad}"
    )


def ap_spectrum(maps: QualityMaps) -> str:
    """Return what the spectrum of AP shows; empty where the data have none."""
    if maps.ap_spectrum is None:
        return ""
    low, high = maps.ap_spectrum.levels
    hz = maps.ap_spectrum.along
    return _said(
        f"<p>Power of AP ({low:,.0f} to {high:,.0f} dB re 1 V²/Hz, the mean over windows), bins of "
        f"{hz[1] - hz[0]:.2f} Hz, before destriping.</p>"
    )


def bands(maps: QualityMaps) -> str:
    """Return which line is which band, with its median over channels; empty without a spectrum."""
    named = ", ".join(
        f'<span style="color:{colour}">━</span> {name} (median {np.nanmedian(values):.0f} dB)'
        for colour, (name, values) in zip(BAND_COLOURS, maps.powers.items(), strict=False)
    )
    return _said(f"<p>Power of LF by depth, without 0 Hz: {named}.</p>") if named else ""


def _channels(maps: QualityMaps) -> str:
    """Return which channels are bad."""
    if maps.labels is None:
        return "<p>Bad channels are not known: no _iblqc_ephysChannels.labels.</p>"
    said = [
        f"{word} {_numbers(np.flatnonzero(maps.labels == label).tolist())}"
        for label, word in BAD_CHANNELS.items()
        if (maps.labels == label).any()
    ]
    return f"<p>Bad channels, by column of the file: {'; '.join(said) or 'none'}.</p>"


def _numbers(rows: list[int]) -> str:
    """Return numbers with runs shortened: ``55, 364–383``."""
    runs: list[list[int]] = []
    for row in rows:
        if runs and runs[-1][-1] == row - 1:
            runs[-1][1:] = [row]
        else:
            runs.append([row])
    return ", ".join("–".join(map(str, run)) for run in runs)

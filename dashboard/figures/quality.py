"""Quality of the recording by depth: noise over time, spectra, power of LF by band."""

from __future__ import annotations

import numpy as np

from dashboard.analysis.raw.heat import PALETTES
from dashboard.analysis.raw.maps import DepthImage, QualityMaps, by_depth, channel_runs
from dashboard.figures.figure import Axis, Bands, Figure, Lines, Matrix, Range
from dashboard.model.raw import BANDS

BAND_COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00")
"""Of the bands of LF, from the slowest."""


def quality_figures(maps: QualityMaps) -> dict[str, Figure]:
    """Return the figures of a recording by name; one whose file is not there says which."""
    ends = _depth_range(maps)
    found = {f"rms-{band}": _rms(maps, band, ends) for band in BANDS}
    found |= {f"spectrum-{band}": _spectrum(maps, band, ends) for band in BANDS}
    return found | {"bands": _bands(maps, ends)}


def _depth_range(maps: QualityMaps) -> Range:
    known = np.unique(maps.depths_um[np.isfinite(maps.depths_um)])
    half = float(np.median(np.diff(known))) / 2 if len(known) > 1 else 10.0
    return (float(known[0]) - half, float(known[-1]) + half) if len(known) else (0.0, 1.0)


def _depth(ends: Range) -> Axis:
    return Axis("Depth along probe", "µm", ends)


def _matrix(image: DepthImage, ends: Range, palette: str, label: str, unit: str) -> tuple[Matrix, Range]:
    """Return an image on a grid with a row for each depth, and where it begins and ends along x."""
    along = image.along
    step = float(np.median(np.diff(along))) if len(along) > 1 else 1.0
    left, right = float(along[0]) - step / 2, float(along[-1]) + step / 2
    apart = float(np.median(np.diff(image.depths_um))) if len(image.depths_um) > 1 else 20.0
    n_rows = max(round((ends[1] - ends[0]) / apart), 1)
    values = image.binned(np.linspace(left, right, len(along) + 1), np.linspace(*ends, n_rows + 1))
    return Matrix(values, (left, right), ends, palette, image.levels, label, unit), (left, right)


def _bad(maps: QualityMaps, left: float, right: float) -> Bands:
    runs = channel_runs(maps)
    x = np.array([left, right])
    return Bands(
        [x] * len(runs), [np.full(2, run.bottom_um) for run in runs], [np.full(2, run.top_um) for run in runs],
        [run.colour for run in runs],
    )  # fmt: skip


def _rms(maps: QualityMaps, band: str, ends: Range) -> Figure:
    name, title = f"quality-rms-{band}", f"RMS of {band.upper()}, less the median over depths of each time"
    image = maps.rms.get(band)
    if image is None:
        why = f"no _iblqc_ephysTimeRms{band.upper()}.rms with .timestamps for this probe"
        return Figure(name, title, absent=why)
    matrix, (left, right) = _matrix(image, ends, PALETTES[band], "RMS", maps.noise.rms_unit)
    time = Axis("Time", "s", (left, right), is_session_time=True)
    return Figure(name, f"{title}, {maps.clock}", time, _depth(ends), (matrix, _bad(maps, left, right)))


def _spectrum(maps: QualityMaps, band: str, ends: Range) -> Figure:
    name, title = f"quality-spectrum-{band}", f"Power of {band.upper()} by depth"
    image = maps.ap_spectrum if band == "ap" else maps.spectrum
    if image is None or len(image.along) < 2:
        return Figure(
            name, title, absent=f"no _iblqc_ephysSpectralDensity{band.upper()}.power with .freqs for this probe"
        )
    matrix, (left, right) = _matrix(image, ends, "inferno", "Power", "dB re 1 V²/Hz")
    bins = f", bins of {image.along[1] - image.along[0]:.2f} Hz"
    of_sum = ", a sum over windows" if band == "lf" and maps.is_sum else ""
    marks = (matrix, _bad(maps, left, right))
    return Figure(name, f"{title}{bins}{of_sum}", Axis("Frequency", "Hz", (left, right)), _depth(ends), marks)


def _bands(maps: QualityMaps, ends: Range) -> Figure:
    name, title = "quality-bands", "Power of LF by depth, without 0 Hz"
    if not maps.powers:
        return Figure(name, title, absent="no _iblqc_ephysSpectralDensityLF.power with .freqs for this probe")
    drawn = [by_depth(values[np.newaxis], maps.depths_um) for values in maps.powers.values()]
    known = np.concatenate([values[np.isfinite(values)] for values, _ in drawn])
    left, right = (float(known.min()) - 2, float(known.max()) + 2) if known.size else (0.0, 1.0)
    lines = Lines([values[0] for values, _ in drawn], [depths for _, depths in drawn], BAND_COLOURS, list(maps.powers))
    return Figure(
        name, title, Axis("Power", "dB re 1 V²/Hz", (left, right)), _depth(ends), (_bad(maps, left, right), lines),
        legend="band",
    )  # fmt: skip

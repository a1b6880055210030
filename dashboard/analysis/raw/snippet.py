"""What is cut out of a raw recording around a moment: voltage by channel, filtered, with the spikes in it."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.raw import filters
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.model.errors import BadRequest, DatasetInvalid, DownloadFailed
from dashboard.model.raw import DESTRIPED, HIGH_PASS, RAW, STEPS, NotRecorded, RawBand, RawRecording
from dashboard.model.sorting import SpikeSorting

if TYPE_CHECKING:
    from xarray import DataArray

PADDING_S = MappingProxyType({"ap": 0.05, "lf": 2.0})
"""Read on either side before filters, whose ends are then not in what is returned; less at the ends of the file."""
MAX_SAMPLES = MappingProxyType({"ap": 300_000, "lf": 300_000})
"""Ten seconds of AP are about 1 GB while they are filtered."""


@dataclass(frozen=True, slots=True, eq=False)
class Snippet:
    """Voltage of every channel over a short time.

    Attributes
    ----------
    volts : ndarray, shape (n_channels, n_samples), float32
        In the order of the file.
    times_s : ndarray, shape (n_samples,), float64
        Session time.
    first : int
        Sample of the file that the first column is.
    band : RawBand
    step : str
        One of `STEPS`.
    filtered : str
        What was done, in words.
    """

    volts: npt.NDArray[np.float32]
    times_s: npt.NDArray[np.float64]
    first: int
    band: RawBand
    step: str
    filtered: str


def cut(recording: RawRecording, t0: float, t1: float, band: str = "ap", step: str = HIGH_PASS) -> Snippet:
    """Return the voltage between two session times; what lies outside of the file is left out.

    Parameters
    ----------
    recording : RawRecording
    t0, t1 : float
        In s.
    band : str
        ``ap`` or ``lf``.
    step : str
        ``raw``: as recorded. ``high-pass``: AP above 300 Hz less the median of each shank; LF from 0.5 to 300 Hz, with
        what is common. ``destriped``: `dashboard.analysis.raw.filters.destripe` or `destripe_lf`.

    Raises
    ------
    BadRequest
        No sample lies between the times, or too many do.
    DashboardError
        A file cannot be read.
    """
    found, first, end, start, stop = _samples(recording, t0, t1, band, step)
    volts, words = _filtered(recording, found, found.volts(start, stop), step)
    kept = np.ascontiguousarray(volts[:, first - start : end - start], np.float32)
    return Snippet(kept, recording.times_at(band, np.arange(first, end)), first, found, step, words)


def read_ahead(
    recording: RawRecording, t0: float, t1: float, band: str, step: str, cancel: threading.Event | None = None
) -> None:
    """Have the chunks decoded that `cut` reads for the same, where a file on the disk has to be decoded.

    Raises
    ------
    DashboardError
        What `cut` raises.
    Cancelled
        `cancel` was set.
    """
    found, _, _, start, stop = _samples(recording, t0, t1, band, step)
    if found.hold is not None:
        found.hold(start, stop, cancel)


def _samples(recording: RawRecording, t0: float, t1: float, band: str, step: str) -> tuple[RawBand, int, int, int, int]:
    """Return the band, the samples between two times, and those that are read: `PADDING_S` more before filters."""
    if step not in STEPS:
        raise BadRequest(f"There is no step '{step}'", "", f"Steps are {', '.join(STEPS)}")
    found = recording.band(band)
    # A thousandth of a sample: the time of a sample, turned back, is that sample.
    ends = recording.samples_at(band, [t0, t1]) + np.array([-1e-3, 1e-3])
    first, end = max(math.ceil(ends[0]), 0), min(math.floor(ends[1]) + 1, found.n_samples)
    if not t0 <= t1 or first >= end:
        begins, ends_at = recording.times_at(band, [0, found.n_samples - 1]).tolist()
        raise NotRecorded(band, found.path, (t0, t1), (begins, ends_at))
    if end - first > MAX_SAMPLES[band]:
        longest = MAX_SAMPLES[band] / found.fs_hz
        raise BadRequest(f"{(end - first) / found.fs_hz:.1f} s at once", found.path, f"Read up to {longest:.0f} s")
    n_pad = 0 if step == RAW else round(PADDING_S[band] * found.fs_hz)
    start, stop = max(first - n_pad, 0), min(end + n_pad, found.n_samples)
    return found, first, end, start, stop


def _filtered(recording: RawRecording, band: RawBand, volts: Any, step: str) -> tuple[Any, str]:
    if step == RAW:
        return volts, "as in the file" if band.note else "as recorded"
    options = {"is_shifted": band.is_shifted}
    shifted = "" if band.is_shifted else ", delays of converters removed"
    if volts.shape[1] < _MIN_FILTERED:
        raise BadRequest(f"{volts.shape[1]} samples are too few to filter", band.path, "Read more, or without filter")
    if band.name == "lf":
        lf = filters.destripe_lf(
            volts, band.fs_hz, band.sites, recording.labels, common=step == HIGH_PASS, **options
        )  # fmt: skip
        common = "" if step == HIGH_PASS else ", less the median"
        passed = "{} to {:g} Hz".format(*filters.LF_BAND_HZ)
        if band.fs_hz <= 2 * filters.LF_BAND_HZ[1]:
            passed = f"above {filters.LF_BAND_HZ[0]} Hz"
        return lf, f"{passed}{shifted}{common}"
    if step == HIGH_PASS:
        done: Any = filters.reference(filters.high_pass(volts, band.fs_hz), band.sites.shank, recording.labels)
        return done, "above 300 Hz, less the median of each shank"
    done = filters.destripe(volts, band.fs_hz, band.sites, recording.labels, **options)
    return done, f"above 300 Hz{shifted}, bad channels replaced, high-pass along the probe"


_MIN_FILTERED = 32
"""More than the samples by which a filter of third order continues the ends."""


def read(
    recording: RawRecording, t0: float, t1: float, band: str = "ap", destripe: bool = False, step: str = ""
) -> DataArray:
    """Return the voltage between two session times, in volts; in bits where no file says what a bit is.

    Parameters
    ----------
    recording : RawRecording
    t0, t1 : float
        In s.
    band : str
        ``ap`` or ``lf``.
    destripe : bool
        Short for ``step="destriped"``; else what was recorded.
    step : str
        ``raw``, ``high-pass`` or ``destriped``; see `cut`.

    Returns
    -------
    DataArray, dims (channel, time), float32
        In the order of the file. Coordinates: ``time`` (session, s), ``sample`` of the file, ``channel`` (column of the
        file, which ``channels.rawInd`` of a sorting names), ``depth_um``, ``lateral_um``, ``shank`` and, where they are
        known, ``label`` (0 good, 1 dead, 2 noisy, 3 outside the brain). The attributes say what was done.

    Raises
    ------
    BadRequest
        No sample lies between the times, or too many do.
    DashboardError
        A file cannot be read.
    """
    from xarray import DataArray

    found = cut(recording, t0, t1, band, step or (DESTRIPED if destripe else RAW))
    sites, n = found.band.sites, found.volts.shape[1]
    by_channel = {"depth_um": sites.y_um, "lateral_um": sites.x_um, "shank": sites.shank}
    if recording.labels is not None:
        by_channel["label"] = recording.labels
    coordinates: dict[str, Any] = {
        "channel": np.arange(len(found.volts)),
        "time": ("time", found.times_s, {"units": "s"}),
        "sample": ("time", np.arange(found.first, found.first + n)),
        **{name: ("channel", values) for name, values in by_channel.items()},
    }
    attributes = {
        "units": found.band.unit,
        "band": band,
        "step": found.step,
        "filtered": found.filtered,
        "padding_s": 0.0 if found.step == RAW else PADDING_S[band],
        "sampling_rate_hz": found.band.fs_hz,
        "file": str(found.band.path),
        "clock": recording.clock.source,
        "note": found.band.note,
        "is_synthetic": recording.is_synthetic,
    }
    values = found.volts if found.band.unit == "V" else found.volts * np.float32(1e6)
    return DataArray(values, coordinates, ("channel", "time"), "voltage", attributes)


def displayed_rows(
    recording: RawRecording, channels: pd.DataFrame, band: RawBand
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the columns of the file by depth, the lowest first, and the depth of each, in um.

    Depths are those of the sorting's channels, whose ``rawInd`` names the column; where a sorting has none, those of
    the file's sites.
    """
    depths = band.sites.y_um.copy()
    if "axial_um" in channels and "rawInd" in channels:
        columns = file_columns(channels)
        known = np.isfinite(columns) & (columns >= 0) & (columns < len(depths))
        depths[columns[known].astype(np.int64)] = channels["axial_um"].to_numpy(np.float64)[known]
    order = np.lexsort((band.sites.x_um, depths, band.sites.shank))
    return order, depths[order]


def spike_samples(
    sorting: SpikeSorting, columns: SpikeColumns, recording: RawRecording, spikes: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], str]:
    """Return the samples of the AP file that spikes lie on, and by what they are known.

    They are ``spikes.samples`` where the sorting has them and they can be read; else those at their session times.

    Parameters
    ----------
    sorting : SpikeSorting
    columns : SpikeColumns
    recording : RawRecording
    spikes : ndarray, shape (n,), int64
        Rows of `columns`.
    """
    try:
        known = sorting.samples(spikes if columns.spike_rows is None else np.asarray(columns.spike_rows[spikes]))
    except (DatasetInvalid, DownloadFailed):
        known = None
    if known is not None:
        return known.astype(np.float64), "spikes.samples"
    return recording.clock.to_samples(columns.times_s[spikes]), "session times"


def file_columns(channels: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the column of the file of each channel of the sorting; NaN where it is not known."""
    if "rawInd" not in channels:
        return np.full(len(channels), np.nan)
    return pd.to_numeric(channels["rawInd"], errors="coerce").to_numpy(np.float64, na_value=np.nan)

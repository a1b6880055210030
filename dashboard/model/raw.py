"""A raw recording beside a sorting: its bands by range of samples, its sites, and its clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import BadRequest, DatasetInvalid, DatasetMissing

BANDS = ("ap", "lf")
RAW, HIGH_PASS, DESTRIPED = STEPS = ("raw", "high-pass", "destriped")
"""What can be done to the voltage; see `dashboard.analysis.raw.snippet.cut`."""
PALETTES = ("grey", "PuOr")
"""Of its picture, from negative to positive: black to white, or orange to purple."""
MIN_HZ, MAX_HZ = 1.0, 1e6
"""Rates of a band: a file that says another one is not of a probe."""


class NotRecorded(BadRequest):
    """No raw sample lies between two times.

    Attributes
    ----------
    asked_s, recorded_s : (float, float)
        What was asked for, and what the file has, in s of the session.
    """

    def __init__(self, band: str, where: Path, asked_s: tuple[float, float], recorded_s: tuple[float, float]) -> None:
        self.asked_s, self.recorded_s = asked_s, recorded_s
        what = f"No raw {band.upper()} sample lies from {asked_s[0]:.4f} to {asked_s[1]:.4f} s"
        super().__init__(what, where, f"The file has {recorded_s[0]:.3f} to {recorded_s[1]:.3f} s")


@dataclass(frozen=True, slots=True)
class Sites:
    """Where the columns of a raw file were recorded, in the order of the file, without the sync word.

    Attributes
    ----------
    x_um, y_um : ndarray, shape (n_channels,), float64
        Across and along the probe; the tip is at 0 and the first site 20 um up.
    shank : ndarray, shape (n_channels,), int64
    shift : ndarray, shape (n_channels,), float64, in samples
        How much later than the first channel of its converter a channel is sampled.
    """

    x_um: npt.NDArray[np.float64]
    y_um: npt.NDArray[np.float64]
    shank: npt.NDArray[np.int64]
    shift: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RawBand:
    """One file of a raw recording.

    Attributes
    ----------
    name : str
        ``ap`` or ``lf``.
    path : Path
    fs_hz : float
        Samples per second, of the probe's clock.
    n_samples : int
    volts_per_bit : ndarray, shape (n_channels,), float32
        The sync word is not a channel.
    sites : Sites
    is_shifted : bool
        Whether the converters' delays were removed before the file was written (CatGT).
    columns : callable (i0, i1) -> ndarray, shape (n, n_columns), int16
        Samples `i0` to `i1`, all columns of the file, the sync word last; float where LF is derived.
    unit : str
        ``V``; ``bit`` where no file says what a bit is: "volts" are then millionths of one.
    note : str
        What it is, where it is not what was recorded.
    remote_key : str
        Names the state of a file on a server, of which parts are read; empty for files on the disk.
    hold : callable (i0, i1, cancel) -> None, or None
        Decodes samples into the memory for chunks, as far as it has room, so that `columns` finds them there; None
        where that is not worth it, or costs a line. Raises what `columns` does, and `Cancelled`.
    """

    name: str
    path: Path
    fs_hz: float
    n_samples: int
    volts_per_bit: npt.NDArray[np.float32]
    sites: Sites
    is_shifted: bool
    columns: Callable[[int, int], npt.NDArray[Any]]
    unit: str = "V"
    note: str = ""
    remote_key: str = ""
    hold: Callable[[int, int, threading.Event | None], None] | None = None

    def __post_init__(self) -> None:
        if not MIN_HZ <= self.fs_hz <= MAX_HZ:
            what = f"A rate of {self.fs_hz:,.6g} Hz is not that of a recording"
            raise DatasetInvalid(what, [self.path], "Check the file that describes the recording")

    @property
    def n_channels(self) -> int:
        """Columns without the sync word."""
        return len(self.volts_per_bit)

    def volts(self, i0: int, i1: int) -> npt.NDArray[np.float32]:
        """Return samples `i0` to `i1` of every channel, shape (n_channels, n), float32, in volts, in file order."""
        counts = self.columns(i0, i1)[:, : self.n_channels]
        return np.ascontiguousarray(counts.T) * self.volts_per_bit[:, np.newaxis]


@dataclass(frozen=True, slots=True, eq=False)
class SingleWaveforms:
    """Single spikes of a unit.

    Attributes
    ----------
    volts : ndarray, shape (n_spikes, n_channels, n_samples), float32
        NaN where a spike has no such channel.
    columns : ndarray, shape (n_spikes, n_channels), int64
        Column of the raw file of each trace; -1 for none.
    samples : ndarray, shape (n_spikes,), int64
        Of the AP file, at `trough`.
    trough : int
        Sample of a trace that the spike's sample is.
    fs_hz : float
    source : str
        Where they come from, in words.
    """

    volts: npt.NDArray[np.float32]
    columns: npt.NDArray[np.int64]
    samples: npt.NDArray[np.int64]
    trough: int
    fs_hz: float
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class SpikeFeatures:
    """Principal components of single spikes of a unit.

    Attributes
    ----------
    values : ndarray, shape (n_spikes, n_near), float32
        First component on the channels of each spike, in the sorter's own unit.
    channels : ndarray, shape (n_spikes, n_near), int64
        Row of each channel; below 0, or beyond the channels, for none.
    n_all : int
        Spikes of the unit that have some; these are chosen at random, the same ones each time.
    source : str
        Where they come from, in words.
    """

    values: npt.NDArray[np.float32]
    channels: npt.NDArray[np.int64]
    n_all: int
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class SampleClock:
    """Session time of samples of the AP file: linear between the known points, extrapolated at both ends.

    As ``brainbox.io.one.SpikeSortingLoader.samples2times`` of ibllib.

    Attributes
    ----------
    samples, times_s : ndarray, shape (n_points,), float64, increasing
        Samples of the file, or seconds of the probe where `per_sample` is not 1; session time, in s.
    per_sample : float
        What a sample is in the unit of `samples`: 1, or one over the sampling rate.
    source : str
        Name of the file that it was read from, or what it was taken to be.
    """

    samples: npt.NDArray[np.float64]
    times_s: npt.NDArray[np.float64]
    per_sample: float
    source: str

    def times(self, samples: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the session time of samples, in s."""
        return _interpolate(self.samples, self.times_s, np.asarray(samples, np.float64) * self.per_sample)

    def to_samples(self, times_s: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the samples, with fractions, at session times in s."""
        return _interpolate(self.times_s, self.samples, np.asarray(times_s, np.float64)) / self.per_sample


def _interpolate(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], at: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    above = np.clip(np.searchsorted(x, at), 1, len(x) - 1)
    below = above - 1
    slope = (y[above] - y[below]) / (x[above] - x[below])
    return slope * (at - x[below]) + y[below]


@dataclass(frozen=True, slots=True, eq=False)
class RawRecording:
    """The raw files of one probe.

    Attributes
    ----------
    bands : mapping of str to RawBand
        ``ap``, ``lf``, or both.
    clock : SampleClock
        Of the AP file's samples; those of LF are slower by the ratio of the rates.
    labels : ndarray, shape (n_channels,), int64, or None
        Of the file's columns: 0 good, 1 dead, 2 noisy, 3 outside the brain; None where there is no file of them.
    ap_fs_hz : float
        Rate of the samples that `clock` knows.
    is_synthetic : bool
        Whether a program made it up.
    """

    bands: Mapping[str, RawBand]
    clock: SampleClock
    labels: npt.NDArray[np.int64] | None
    ap_fs_hz: float
    is_synthetic: bool = False

    def band(self, name: str) -> RawBand:
        """Return one band.

        Raises
        ------
        BadRequest
            There is no such band.
        DatasetMissing
            The recording has no file of it.
        """
        if name not in BANDS:
            raise BadRequest(f"There is no band '{name}'", "", "Bands are ap and lf")
        if name not in self.bands:
            where = next(iter(self.bands.values())).path.parent
            raise DatasetMissing(f"A {name} file", where, f"Put the {name}.cbin with its .ch and .meta into the folder")
        return self.bands[name]

    def samples_at(self, name: str, times_s: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the samples of a band, with fractions, at session times in s."""
        return self.clock.to_samples(times_s) * self._slower(name)

    def of_ap(self, name: str, samples: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return samples of the AP file as samples, with fractions, of a band."""
        return np.asarray(samples, np.float64) * self._slower(name)

    def times_at(self, name: str, samples: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the session time of samples of a band, in s."""
        return self.clock.times(np.asarray(samples, np.float64) / self._slower(name))

    def _slower(self, name: str) -> float:
        ratio = self.ap_fs_hz / self.band(name).fs_hz
        return 1.0 / (round(ratio) if abs(ratio - round(ratio)) < 1e-6 * ratio else ratio)

    def read(self, t0: float, t1: float, band: str = "ap", destripe: bool = False, **options: Any) -> Any:
        """Return the voltage between two session times as an `xarray.DataArray`, in volts.

        See `dashboard.analysis.raw.snippet.read`.

        Raises
        ------
        BadRequest
            The times are outside of the recording; or nothing has said what reads (`read_with`).
        """
        if not _readers:
            raise BadRequest("Nothing is there to read raw data", "", "Open the sorting with dashboard.open_insertion")
        return _readers[-1](self, t0, t1, band=band, destripe=destripe, **options)


_readers: list[Callable[..., Any]] = []


def read_with(reader: Callable[..., Any]) -> None:
    """Say what `RawRecording.read` calls: filters are above the model."""
    _readers[:] = [reader]

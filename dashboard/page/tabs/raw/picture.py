"""What the Raw tab draws, computed away from the page: voltage by channel with its spikes, and maps by depth."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.inputs import unit_spikes
from dashboard.analysis.raw.maps import DepthImage, rms_image, spectrum_image
from dashboard.analysis.raw.snippet import Snippet, cut, displayed_rows
from dashboard.analysis.raw.spectra import band_powers
from dashboard.model.errors import BadRequest, Cancelled, DashboardError
from dashboard.model.noise import Noise
from dashboard.model.raw import RawRecording
from dashboard.page.core.scene import Scene

THREADS = 2
MIN_ROWS = 8
MAX_COLUMNS = 3_000
"""Of a picture: of more samples the one farthest from zero in each column of pixels is shown."""

TRACES_BELOW = 25
"""Channels in view, below which they are lines."""

SCALE_QUANTILE = 0.999
"""Of the magnitudes in a snippet: what the colours end at with a gain of 0 dB."""


@cache
def threads() -> ThreadPoolExecutor:
    """Return the threads that read and filter raw data, of the whole process: no raster waits for a filter."""
    return ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="raw")


@dataclass(frozen=True, slots=True)
class SnippetRequest:
    """Voltage around a moment; the filters of the scene say which units are marked."""

    scene: Scene
    at_s: float
    width_s: float
    band: str
    step: str
    depth_range: tuple[float, float]
    selected: tuple[int, ...]

    def is_of_the_samples_of(self, other: SnippetRequest) -> bool:
        """Return whether another request reads the same samples."""
        mine, others = ((r.scene.sorting, r.at_s, r.width_s, r.band) for r in (self, other))
        return mine[0] is others[0] and mine[1:] == others[1:]


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Spikes in a snippet, of the units that pass the filters.

    Attributes
    ----------
    times_s : ndarray, shape (n,)
        Session times of the samples that they lie on.
    rows : ndarray, shape (n,)
        Row of the picture of the unit's peak channel.
    units : ndarray, shape (n,), int64
        Indexes.
    n_elsewhere : int
        Spikes of these units whose channel is not in view, or not known.
    """

    times_s: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]
    units: npt.NDArray[np.int64]
    n_elsewhere: int


@dataclass(frozen=True, slots=True, eq=False)
class SnippetPicture:
    """A snippet as it is drawn.

    Attributes
    ----------
    snippet : Snippet
    uv : ndarray, shape (n_rows, n_columns), float32
        Channels in view, the lowest first.
    columns : ndarray, shape (n_rows,), int64
        Columns of the file.
    depths_um : ndarray, shape (n_rows,)
    labels : ndarray, shape (n_rows,), int64
        0 good, 1 dead, 2 noisy, 3 outside the brain.
    regions : tuple of str
    marks : Marks
    scale_uv : float
        What the colours end at with a gain of 0 dB.
    n_pooled : int
        Samples in a column of the picture.
    recording : RawRecording
    """

    snippet: Snippet
    uv: npt.NDArray[np.float32]
    columns: npt.NDArray[np.int64]
    depths_um: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    regions: tuple[str, ...]
    marks: Marks
    scale_uv: float
    n_pooled: int
    recording: RawRecording


def render_snippet(request: SnippetRequest, cancel: threading.Event) -> SnippetPicture:
    """Cut a snippet, filter it, and find the spikes in it.

    Raises
    ------
    DashboardError
        There are no raw data, or not there, or they are damaged.
    Cancelled
        `cancel` was set.
    """
    scene = request.scene
    recording = scene.sorting.raw
    half = request.width_s / 2
    snippet = cut(recording, request.at_s - half, request.at_s + half, request.band, request.step)
    if cancel.is_set():
        raise Cancelled
    rows, depths = displayed_rows(recording, scene.sorting.channels, snippet.band)
    low, high = request.depth_range
    inside = (depths >= low) & (depths <= high)
    if inside.sum() < MIN_ROWS:
        inside = np.zeros(len(rows), np.bool_)
        inside[np.argsort(np.abs(depths - (low + high) / 2), kind="stable")[:MIN_ROWS]] = True
    rows, depths = rows[inside], depths[inside]
    uv = snippet.volts[rows] * np.float32(1e6)
    scale = float(np.quantile(np.abs(uv), SCALE_QUANTILE)) or 1.0
    n_pooled = -(-uv.shape[1] // MAX_COLUMNS)
    labels = recording.labels if recording.labels is not None else np.zeros(snippet.band.n_channels, np.int64)
    return SnippetPicture(
        snippet, _farthest(uv, n_pooled), rows, depths, labels[rows], _regions(scene, rows),
        _marks(request, recording, snippet, rows), scale, n_pooled, recording,
    )  # fmt: skip


def _farthest(uv: npt.NDArray[np.float32], n: int) -> npt.NDArray[np.float32]:
    """Return of each `n` samples the one farthest from zero."""
    if n == 1:
        return uv
    padded = np.pad(uv, ((0, 0), (0, -uv.shape[1] % n)), mode="edge").reshape(len(uv), -1, n)
    return np.take_along_axis(padded, np.abs(padded).argmax(axis=2)[..., np.newaxis], axis=2)[..., 0]


def _file_columns(channels: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the column of the file of each channel of the sorting; NaN where it is not known."""
    if "rawInd" not in channels:
        return np.full(len(channels), np.nan)
    return pd.to_numeric(channels["rawInd"], errors="coerce").to_numpy(np.float64, na_value=np.nan)


def _regions(scene: Scene, rows: npt.NDArray[np.int64]) -> tuple[str, ...]:
    channels = scene.sorting.channels
    if "acronym" not in channels:
        return ("",) * len(rows)
    named = dict(zip(_file_columns(channels).tolist(), channels["acronym"].astype(str), strict=True))
    return tuple(named.get(float(row), "") for row in rows)


def _marks(request: SnippetRequest, recording: RawRecording, snippet: Snippet, rows: npt.NDArray[np.int64]) -> Marks:
    """Return the spikes in a snippet: at the sample that the session time means, on the unit's peak channel."""
    scene, columns = request.scene, request.scene.columns
    ends = snippet.times_s[[0, -1]] + np.array([-0.5, 0.5]) / snippet.band.fs_hz
    first, end = np.searchsorted(columns.times_s, ends)
    units = np.asarray(columns.clusters[first:end], np.int64)
    times = np.asarray(columns.times_s[first:end], np.float64)
    if scene.mask is not None:
        kept = scene.mask[units] | np.isin(units, request.selected)
        units, times = units[kept], times[kept]
    samples = np.rint(recording.samples_at(snippet.band.name, times))
    at = _rows_of_units(scene, rows)[units] if len(units) else np.zeros(0, np.int64)
    seen = at >= 0
    placed = recording.times_at(snippet.band.name, samples[seen])
    return Marks(placed, at[seen], units[seen], int((~seen).sum()))


def _rows_of_units(scene: Scene, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the row of each unit's peak channel, -1 where it is not in view or not known."""
    clusters, columns = scene.sorting.clusters, _file_columns(scene.sorting.channels)
    found = np.full(max(scene.columns.n_clusters, len(clusters)), -1, np.int64)
    if "channels" not in clusters:
        return found
    channels = pd.to_numeric(clusters["channels"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    known = np.isfinite(channels) & (channels >= 0) & (channels < len(columns))
    own = np.full(len(clusters), np.nan)
    own[known] = columns[channels[known].astype(np.int64)]
    row_of = {int(column): row for row, column in enumerate(rows)}
    found[: len(own)] = [row_of.get(int(column), -1) if np.isfinite(column) else -1 for column in own]
    return found


def step_to_spike(scene: Scene, unit: int, at_s: float, direction: int) -> float:
    """Return the time of the spike of a unit before (-1) or after (1) a time.

    Raises
    ------
    BadRequest
        There is none.
    """
    times = unit_spikes(scene.columns, unit).times_s
    margin = 5e-6  # links hold times to 10 us
    row = np.searchsorted(times, at_s + margin) if direction > 0 else np.searchsorted(times, at_s - margin) - 1
    if not 0 <= row < len(times):
        where = "after" if direction > 0 else "before"
        raise BadRequest(f"The unit has no spike {where} {at_s:.3f} s", "", "Step the other way")
    return float(times[row])


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """Quality of the recording by depth; None where its files are not there.

    Attributes
    ----------
    rms : mapping of str to DepthImage
        ``ap`` and ``lf``, over session time where a clock is known.
    spectrum : DepthImage or None
        Of LF.
    powers : mapping of str to ndarray, shape (n_depths,)
        Of LF, in dB, by band.
    labels : ndarray, shape (n_channels,), or None
    depths_um : ndarray, shape (n_channels,)
        Of the columns of the files.
    clock : str
        In words: what the times are.
    missing : tuple of str
        What is not there, and why.
    """

    rms: dict[str, DepthImage]
    spectrum: DepthImage | None
    powers: dict[str, npt.NDArray[np.float64]]
    labels: npt.NDArray[np.float64] | None
    depths_um: npt.NDArray[np.float64]
    clock: str
    missing: tuple[str, ...]
    is_sum: bool


def render_maps(scene: Scene, cancel: threading.Event) -> Maps:
    """Read the small files of the recording's quality, and put their channels by depth.

    Raises
    ------
    DashboardError
        They cannot be fetched.
    """
    sorting = scene.sorting
    noise = scene.opened.source.noise(sorting.ref.insertion)
    to_session, clock = _session_clock(scene)
    depths = _depths(noise, sorting.channels)
    rms = {
        name: rms_image(values, to_session(times), depths)
        for name, values, times in (
            ("ap", noise.ap_rms_v, noise.ap_times_s),
            ("lf", noise.lf_rms_v, noise.lf_times_s),
        )
        if values is not None and times is not None and len(times) > 1 and values.shape[1] == len(depths)
    }
    spectrum = powers = None
    if noise.lfp_power is not None and noise.lfp_hz is not None and noise.lfp_power.shape[1] == len(depths):
        spectrum = spectrum_image(noise.lfp_power, noise.lfp_hz, depths)
        powers = band_powers(noise.lfp_power, noise.lfp_hz)
    missing = tuple(f"{item.dataset}: {item.reason}" for item in noise.missing)
    labels = noise.channel_labels if noise.channel_labels is not None else _own_labels(sorting.channels, len(depths))
    return Maps(rms, spectrum, powers or {}, labels, depths, clock, missing, noise.n_lfp_windows is None)


def _session_clock(scene: Scene) -> tuple[Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]], str]:
    """Return what turns the probe's seconds into the session's, and what the result is."""
    try:
        recording = scene.sorting.raw
    except DashboardError:
        return lambda times: times, "on the probe's clock, since no .timestamps.npy is there"
    return lambda times: recording.clock.times(times * recording.ap_fs_hz), "session time"


def _depths(noise: Noise, channels: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the depth of each column of the files, NaN for those that the sorting does not have."""
    arrays = (noise.ap_rms_v, noise.lf_rms_v, noise.lfp_power)
    n = next((array.shape[1] for array in arrays if array is not None), 0)
    depths, columns = np.full(n, np.nan), _file_columns(channels)
    if "axial_um" in channels:
        known = np.isfinite(columns) & (columns >= 0) & (columns < n)
        depths[columns[known].astype(np.int64)] = channels["axial_um"].to_numpy(np.float64)[known]
    return depths


def _own_labels(channels: pd.DataFrame, n: int) -> npt.NDArray[np.float64] | None:
    if "labels" not in channels:
        return None
    labels, columns = np.zeros(n), _file_columns(channels)
    known = np.isfinite(columns) & (columns >= 0) & (columns < n)
    labels[columns[known].astype(np.int64)] = channels["labels"].to_numpy(np.float64)[known]
    return labels

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
from dashboard.analysis.raw.many import ManySpikes, many_spikes
from dashboard.analysis.raw.maps import DepthImage, rms_image, spectrum_image
from dashboard.analysis.raw.picture import SnippetPicture, file_columns, snippet_picture
from dashboard.analysis.raw.spectra import band_powers
from dashboard.model.errors import BadRequest, DashboardError
from dashboard.model.noise import Noise
from dashboard.page.core.scene import Scene

THREADS = 2
TRACES_BELOW = 25
"""Channels in view, below which they are lines."""


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
    return snippet_picture(
        scene.sorting, scene.columns, request.at_s, request.width_s, request.band, request.step, request.depth_range,
        scene.mask, request.selected, cancel,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ManyRequest:
    """Single spikes of a unit."""

    scene: Scene
    unit: int
    n: int
    step: str


def render_many(request: ManyRequest, cancel: threading.Event) -> ManySpikes:
    """Read single spikes of a unit.

    Raises
    ------
    DashboardError
        There are none, or they cannot be read.
    Cancelled
        `cancel` was set.
    """
    scene = request.scene
    return many_spikes(scene.sorting, scene.columns, request.unit, request.n, request.step, cancel)


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
    depths, columns = np.full(n, np.nan), file_columns(channels)
    if "axial_um" in channels:
        known = np.isfinite(columns) & (columns >= 0) & (columns < n)
        depths[columns[known].astype(np.int64)] = channels["axial_um"].to_numpy(np.float64)[known]
    return depths


def _own_labels(channels: pd.DataFrame, n: int) -> npt.NDArray[np.float64] | None:
    if "labels" not in channels:
        return None
    labels, columns = np.zeros(n), file_columns(channels)
    known = np.isfinite(columns) & (columns >= 0) & (columns < n)
    labels[columns[known].astype(np.int64)] = channels["labels"].to_numpy(np.float64)[known]
    return labels

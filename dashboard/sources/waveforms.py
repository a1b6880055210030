"""Mean waveforms of units or templates: un-whitened where they were, their largest channel, their size."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import Cancelled

MAX_CHANNELS = 64
"""Channels around the largest one whose traces are kept: those within 100 um of it on any Neuropixels probe."""

_BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Undone:
    """Waveforms without the whitening.

    Attributes
    ----------
    peaks : ndarray, shape (n_templates,), int64
        Row of the channel with the largest peak-to-peak; -1 for a template without a channel.
    sizes : ndarray, shape (n_templates,), float64
        Peak-to-peak on that channel, in the templates' own unit.
    waveforms : ndarray, shape (n_templates, n_samples, n_near), float32
        Of the nearest channels, in the templates' own unit.
    channels : ndarray, shape (n_templates, n_near), int64
        Row of the channel of each trace; -1 for none.
    heights : ndarray, shape (n_templates,), float64
        Largest magnitude before the whitening is undone, on the channel with the largest peak-to-peak then.
    norms : ndarray, shape (n_templates,), float64
        Root of the sum of squares before the whitening is undone.
    """

    peaks: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.float64]
    waveforms: npt.NDArray[np.float32]
    channels: npt.NDArray[np.int64]
    heights: npt.NDArray[np.float64]
    norms: npt.NDArray[np.float64]


def is_mixing(whitening: npt.NDArray[Any] | None) -> bool:
    """Return whether a whitening matrix has terms off its diagonal: a scaled identity whitens nothing."""
    if whitening is None or not np.isfinite(whitening).all():
        return False
    off = np.abs(whitening - np.diag(np.diag(whitening))).max(initial=0.0)
    return bool(off > 1e-6 * np.abs(np.diag(whitening)).max(initial=0.0))


def undo(
    templates: npt.NDArray[Any],
    columns: npt.NDArray[Any] | None,
    inverse: npt.NDArray[Any] | None,
    positions: npt.NDArray[Any] | None,
    n_channels: int,
    report: Callable[[int], None] | None = None,
    cancel: threading.Event | None = None,
) -> Undone:
    """Undo the whitening of templates.

    Parameters
    ----------
    templates : ndarray, shape (n_templates, n_samples, n_columns)
    columns : ndarray, shape (n_templates, n_columns), or None
        Row of the channel of each column of sparse templates; what is no channel is -1 or above. None: all channels.
    inverse : ndarray, shape (n_channels, n_channels), or None
        Of the whitening matrix: a template is undone by ``template @ inverse``, as phylib does it.
    positions : ndarray, shape (n_channels, 2), in um, or None
    n_channels : int
    report : callable or None
        Called with the number of templates done.
    cancel : threading.Event or None

    Raises
    ------
    Cancelled
        `cancel` was set.
    """
    n, n_samples = templates.shape[:2]
    n_near = min(MAX_CHANNELS, n_channels)
    where = np.arange(n_channels, dtype=np.float64)[:, np.newaxis] if positions is None else positions
    peaks, sizes, heights, norms = np.full(n, -1, np.int64), np.zeros(n), np.zeros(n), np.zeros(n)
    waveforms, channels = np.zeros((n, n_samples, n_near), np.float32), np.full((n, n_near), -1, np.int64)
    for k in range(n):
        if k % _BATCH == 0:
            if cancel is not None and cancel.is_set():
                raise Cancelled("Reading templates was cancelled")
            if report is not None:
                report(k)
        traces = np.asarray(templates[k])
        known = np.arange(n_channels) if columns is None else np.asarray(columns[k]).astype(np.int64)
        used = (known >= 0) & (known < n_channels) & np.any(traces != 0, axis=0)
        if not used.any():
            continue
        traces, known = traces[:, used], known[used]
        heights[k] = np.abs(traces[:, np.ptp(traces, axis=0).argmax()]).max()
        norms[k] = np.linalg.norm(traces.astype(np.float64))
        whole = np.zeros((n_samples, n_channels), templates.dtype)
        if inverse is None:
            whole[:, known] = traces
        else:
            whole[:] = traces @ inverse[known]
        reach = np.ptp(whole, axis=0)
        peaks[k] = int(np.argmax(reach))
        sizes[k] = reach[peaks[k]]
        far = np.linalg.norm(where - where[peaks[k]], axis=1)
        near = np.sort(np.argsort(far, kind="stable")[:n_near])
        waveforms[k], channels[k] = whole[:, near], near
    return Undone(peaks, sizes, waveforms, channels, heights, norms)

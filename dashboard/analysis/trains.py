"""Spike trains and event times as the other computations take them: float64, sorted, finite, read-only."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.engine.compile import kernel
from dashboard.model.errors import BadRequest
from dashboard.model.texts import counted


@kernel
def _first_disorder(values: npt.NDArray[np.float64]) -> int:
    """Return the first row that is not finite or lies before its predecessor, or -1."""
    previous = -np.inf
    for i in range(values.shape[0]):
        # NaN fails both comparisons.
        if not (values[i] >= previous and values[i] < np.inf) or values[i] == -np.inf:
            return i
        previous = values[i]
    return -1


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only, contiguous, plain view: numba then compiles one kernel for memory maps and arrays."""
    view = np.ascontiguousarray(array).view(np.ndarray)
    if view is array or view.flags.writeable:
        view = view[:]
        view.flags.writeable = False
    return view


def as_train(times_s: npt.ArrayLike, name: str = "spike times") -> npt.NDArray[np.float64]:
    """Check spike times, and convert them only where their dtype asks for it.

    Parameters
    ----------
    times_s : array-like, shape (n_spikes,), sorted, in seconds
        A memory map is used as it is.
    name : str
        What to call them in the error.

    Returns
    -------
    ndarray, shape (n_spikes,), float64, read-only

    Raises
    ------
    BadRequest
        They are not one-dimensional, sorted and finite.
    """
    times = np.asarray(times_s)
    if times.ndim != 1 or times.dtype.kind not in "iuf":
        raise BadRequest(f"{name} are not a list of numbers", f"shape {times.shape}, {times.dtype}")
    train: npt.NDArray[np.float64] = _plain(times.astype(np.float64, copy=False))
    row = _first_disorder(train)
    if row >= 0:
        raise BadRequest(f"{name} are not sorted and finite", f"row {row}", "Drop NaN and sort them first")
    return train


def as_ids(clusters: npt.ArrayLike, n_spikes: int, n_clusters: int) -> npt.NDArray[Any]:
    """Check indexes of units before an unchecked kernel indexes with them.

    Parameters
    ----------
    clusters : array-like, shape (n_spikes,), integer
        uint16 and uint32 are used as they are; others become int64.
    n_spikes, n_clusters : int
        Every id has to be below `n_clusters`.

    Raises
    ------
    BadRequest
        Their number is not `n_spikes`, or an id is negative or not below `n_clusters`.
    """
    ids = np.asarray(clusters)
    if ids.shape == (0,):
        ids = ids.astype(np.uint32)  # an empty list is of floats
    if ids.shape != (n_spikes,) or ids.dtype.kind not in "iu":
        raise BadRequest(
            "Cluster ids do not fit the spikes", f"{ids.shape} {ids.dtype} for {counted(n_spikes, 'spike')}"
        )
    if ids.dtype not in (np.uint16, np.uint32):
        ids = ids.astype(np.int64, copy=False)
    ids = _plain(ids)
    if n_spikes:
        low, high = _extent(ids)
        if low < 0 or high >= n_clusters:
            raise BadRequest(
                "A spike's cluster id is out of range", f"{low} to {high}, {counted(n_clusters, 'cluster')}"
            )
    return ids


@kernel
def _extent(ids: npt.NDArray[Any]) -> tuple[int, int]:
    low = high = ids[0]
    for i in range(ids.shape[0]):
        low = min(low, ids[i])
        high = max(high, ids[i])
    return int(low), int(high)


def as_values(values: npt.ArrayLike, n_spikes: int, name: str) -> npt.NDArray[np.float64]:
    """Check a column of one number per spike; it may hold NaN.

    Raises
    ------
    BadRequest
        Its length is not `n_spikes`.
    """
    checked: npt.NDArray[np.float64] = _plain(_column(values, n_spikes, name).astype(np.float64, copy=False))
    return checked


def as_singles(values: npt.ArrayLike, n_spikes: int, name: str) -> npt.NDArray[np.floating]:
    """Check a column as `as_values` does, and leave it in single precision where it is, as amplitudes are.

    Raises
    ------
    BadRequest
        Its length is not `n_spikes`.
    """
    column = _column(values, n_spikes, name)
    checked: npt.NDArray[np.floating] = _plain(
        column if column.dtype == np.float32 else column.astype(np.float64, copy=False)
    )
    return checked


def _column(values: npt.ArrayLike, n_spikes: int, name: str) -> npt.NDArray[Any]:
    column = np.asarray(values)
    if column.shape != (n_spikes,) or column.dtype.kind not in "iuf":
        raise BadRequest(
            f"{name} do not fit the spikes", f"{column.shape} {column.dtype} for {counted(n_spikes, 'spike')}"
        )
    return column

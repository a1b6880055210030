"""Writing the demo's sortings as ALF files: spikes put in time order chunk by chunk, clusters, channels."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dashboard.sources.demo.channels import Channels
from dashboard.sources.demo.kernels import SAMPLING_HZ, chunk_bounds, order_chunk
from dashboard.sources.demo.motion import Motion
from dashboard.sources.demo.spikes import Trains, run_tasks

CHUNK_S = 20.0
"""What is put in order at once: its counters (600,000 of four bytes) stay in a core's cache."""

SPIKE_DTYPES: dict[str, type[np.generic]] = {
    "times": np.float64,
    "clusters": np.uint32,
    "amps": np.float64,
    "depths": np.float64,
    "samples": np.int64,
    "templates": np.uint16,
}
"""Attributes of the spikes object, with the dtypes of real files, in the order `order_chunk` fills them."""


class ArrayFile:
    """A one-dimensional ``.npy`` file of known length, written in parts, from several threads.

    Plain writes, not a memory map: a full disk then raises an OSError instead of a bus error.

    Parameters
    ----------
    path : Path
    dtype : type
    n : int
    """

    def __init__(self, path: Path, dtype: type[np.generic], n: int) -> None:
        self.dtype = np.dtype(dtype)
        self._file = path.open("wb")
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (n,)}
        np.lib.format.write_array_header_1_0(self._file, header)
        self._file.flush()
        self._start = self._file.tell()

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def put(self, at: int, values: npt.NDArray[Any]) -> None:
        """Write `values` so that they are elements ``at ..`` of the array."""
        data = memoryview(np.ascontiguousarray(values, dtype=self.dtype).view(np.uint8).data)
        offset = self._start + at * self.dtype.itemsize
        while data:
            written = os.pwrite(self._file.fileno(), data, offset)
            data, offset = data[written:], offset + written


def write_spikes(
    folder: Path,
    trains: Trains,
    good: npt.NDArray[np.bool_],
    report: Callable[[int], None],
    cancel: threading.Event | None = None,
) -> None:
    """Write the spikes object in time order, and ``passingSpikes.table.pqt``.

    Parameters
    ----------
    folder : Path
        The collection; must exist.
    trains : Trains
    good : ndarray, shape (n_clusters,), bool
        Clusters whose spikes pass (label 1).
    report : callable
        Called with the number of spikes written.
    cancel : threading.Event or None

    Raises
    ------
    Cancelled
        `cancel` was set.
    OSError
        The disk is full or not writable.
    """
    chunk = int(CHUNK_S * SAMPLING_HZ)
    last = int(trains.samples[trains.offsets[1:][np.diff(trains.offsets) > 0] - 1].max())
    edges = np.arange(0, last + chunk + 1, chunk, dtype=np.int64)
    bounds = np.empty((trains.n_clusters, edges.size), dtype=np.int64)
    chunk_bounds(trains.samples, trains.offsets, edges, bounds)
    starts = np.concatenate([[0], np.cumsum((bounds[:, 1:] - bounds[:, :-1]).sum(axis=0))])
    passing = _Passing(folder / "passingSpikes.table.pqt", good)
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(ArrayFile(folder / f"spikes.{name}.npy", dtype, len(trains)))
            for name, dtype in SPIKE_DTYPES.items()
        }
        stack.enter_context(passing)
        tasks = [
            partial(_write_chunk, trains, bounds[:, c : c + 2], int(edges[c]), c, int(starts[c]), files, passing)
            for c in range(edges.size - 1)
        ]
        run_tasks(tasks, lambda done: report(int(starts[done])), cancel)


def _write_chunk(
    trains: Trains,
    bounds: npt.NDArray[np.int64],
    edge: int,
    number: int,
    at: int,
    files: dict[str, ArrayFile],
    passing: _Passing,
) -> None:
    first, stop = np.ascontiguousarray(bounds.T)
    n = int((stop - first).sum())
    columns: dict[str, npt.NDArray[Any]] = {name: np.empty(n, dtype) for name, dtype in SPIKE_DTYPES.items()}
    length = int(CHUNK_S * SAMPLING_HZ)
    order_chunk(trains.samples, trains.amps_v, trains.depths_um, first, stop, edge, length, *columns.values())
    for name, values in columns.items():
        files[name].put(at, values)
    passing.put(number, columns)


class _Passing:
    """The table of the good units' spikes; chunks come in any order and are written in theirs."""

    DTYPES: ClassVar = {"times": np.float64, "clusters": np.uint32, "depths": np.float32, "amps": np.float32}
    ROWS = 1_000_000

    def __init__(self, path: Path, good: npt.NDArray[np.bool_]) -> None:
        self._good = good
        schema = pa.schema([(name, pa.from_numpy_dtype(dtype)) for name, dtype in self.DTYPES.items()])
        self._writer = pq.ParquetWriter(path, schema, compression="snappy")
        self._lock = threading.Lock()
        self._early: dict[int, pa.Table] = {}
        self._next = 0
        self._ready: list[pa.Table] = []

    def __enter__(self) -> _Passing:
        return self

    def __exit__(self, *error: object) -> None:
        self._flush()
        self._writer.close()

    def put(self, number: int, columns: dict[str, npt.NDArray[Any]]) -> None:
        keep = self._good[columns["clusters"]]
        rows = {name: columns[name][keep].astype(dtype, copy=False) for name, dtype in self.DTYPES.items()}
        table = pa.table(rows)
        with self._lock:
            self._early[number] = table
            while self._next in self._early:
                self._ready.append(self._early.pop(self._next))
                self._next += 1
            if sum(len(table) for table in self._ready) >= self.ROWS:
                self._flush()

    def _flush(self) -> None:
        if self._ready:
            self._writer.write_table(pa.concat_tables(self._ready))
        self._ready = []


def write_channels(folder: Path, channels: Channels) -> None:
    """Write the channels object of a collection, brain locations included."""
    save(folder / "channels.localCoordinates.npy", channels.local_um)
    save(folder / "channels.rawInd.npy", channels.raw_ind)
    save(folder / "channels.mlapdv.npy", channels.mlapdv_um)
    save(folder / "channels.brainLocationIds_ccf_2017.npy", channels.atlas_ids)
    save(folder / "channels.labels.npy", channels.labels)


def write_clusters(
    folder: Path,
    metrics: pd.DataFrame,
    peaks: npt.NDArray[np.int64],
    amps_v: npt.NDArray[np.float64],
    channels: Channels,
    rng: np.random.Generator,
) -> None:
    """Write the clusters object of a collection: what does not need the templates.

    Parameters
    ----------
    folder : Path
    metrics : DataFrame, one row per cluster
    peaks : ndarray, shape (n_clusters,), int64
        Channel of the largest amplitude.
    amps_v : ndarray, shape (n_clusters,), float64
        Mean amplitude of the spikes.
    channels : Channels
    rng : numpy.random.Generator
        Draws the uuids.
    """
    uuids = [str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(len(metrics))]
    save(folder / "clusters.channels.npy", peaks)
    save(folder / "clusters.depths.npy", channels.local_um[peaks, 1])
    save(folder / "clusters.amps.npy", amps_v)
    pd.DataFrame({"uuids": uuids}).to_csv(folder / "clusters.uuids.csv", index=False)
    metrics.assign(uuids=uuids).to_parquet(folder / "clusters.metrics.pqt")


def write_drift(folder: Path, motion: Motion) -> None:
    """Write the motion that the sorter estimated: ``drift.times``, ``drift.um``, ``drift_depths.um``."""
    save(folder / "drift.times.npy", motion.times_s)
    save(folder / "drift.um.npy", motion.removed_um)
    save(folder / "drift_depths.um.npy", motion.depths_um)


def save(path: Path, values: npt.NDArray[Any]) -> None:
    """Write an array as ``.npy``, never with pickled objects in it."""
    np.save(path, values, allow_pickle=False)

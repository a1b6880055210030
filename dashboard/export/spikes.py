"""Data files of a view, written in blocks: a spike is never more than once in memory."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dashboard.engine.count.aggregate import with_ids
from dashboard.engine.count.raster import aggregate
from dashboard.export.origin import Subject, provenance
from dashboard.export.tables import parquet_bytes, with_units
from dashboard.model.errors import BadRequest, Cancelled
from dashboard.model.files import whole_file
from dashboard.model.progress import Progress, ProgressCallback, ignore_progress
from dashboard.model.tables import csv_text

BLOCK = 1 << 20
"""Spikes at a time: 8 MB of float64."""

OVERHEAD_BYTES = 4096
AGGREGATE_SIZE = (1600, 800)
"""Pixels of an exported aggregate: those of `dashboard.render`, whose numbers it holds."""


def spike_columns(subject: Subject) -> dict[str, npt.DTypeLike]:
    """Return name and dtype of the columns that exported spikes have."""
    units = subject.sorting.units
    ids = np.int32 if units.are_indexes else units.values.dtype
    columns: dict[str, npt.DTypeLike] = {"times": np.float64, "clusters": ids, "depths": np.float64}
    if subject.sorting.spikes.amps_v is not None:
        columns["amps"] = np.float64
    return {**columns, "rows": np.int64}


def estimated_bytes(subject: Subject, n_spikes: int) -> int:
    """Return the size of exported spikes, before they are written: exact for NPZ but for its headers."""
    return n_spikes * sum(np.dtype(kind).itemsize for kind in spike_columns(subject).values()) + OVERHEAD_BYTES


def _bounds(subject: Subject) -> tuple[int, int]:
    times = subject.columns.times_s
    low, high = subject.time_range
    return int(np.searchsorted(times, low, "left")), int(np.searchsorted(times, high, "right"))


def _check(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled("The export was cancelled")


def _blocks(subject: Subject) -> Iterator[tuple[int, int]]:
    start, stop = _bounds(subject)
    yield from ((first, min(first + BLOCK, stop)) for first in range(start, stop, BLOCK))


def _inside(subject: Subject, first: int, last: int) -> npt.NDArray[np.int64]:
    """Return the rows of the columns, among those of a block, that are in the window and pass the filters."""
    columns = subject.columns
    low, high = subject.depth_range
    depths = columns.depths_um[first:last]
    keep = (depths >= low) & (depths <= high)
    if subject.mask is not None:
        keep &= subject.mask[columns.clusters[first:last]]
    if subject.amp_range_uv is not None and columns.amps_uv is not None:
        least, most = subject.amp_range_uv
        amps = columns.amps_uv[first:last].astype(np.float64)
        keep &= (amps >= least) & (amps < most)
    return first + np.flatnonzero(keep)


def _values(subject: Subject, name: str, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Return a column of exported spikes; amplitudes are those of the file, in its own unit."""
    columns, spikes = subject.columns, subject.sorting.spikes
    if name == "times":
        return np.asarray(columns.times_s[rows], np.float64)
    if name == "clusters":
        return subject.sorting.units.at(columns.clusters[rows]).astype(spike_columns(subject)[name])
    if name == "depths":
        return np.asarray(columns.depths_um[rows], np.float64)
    in_file = rows if columns.spike_rows is None else columns.spike_rows[rows]
    if name == "rows":
        return np.asarray(in_file, np.int64)
    assert spikes.amps_v is not None, "asked only where there are amplitudes"
    return np.asarray(spikes.amps_v[in_file], np.float64).reshape(-1)


def write_spikes(
    path: Path,
    subject: Subject,
    kind: str,
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> int:
    """Write the spikes in the window that pass the filters, and return how many.

    ``times`` (s), ``clusters`` (ids), ``depths`` (um), ``amps`` (as in the file: volts, unless the sorting says
    otherwise), and ``rows``, their rows in the file. The window's four edges are inside.

    Parameters
    ----------
    path : Path
        Of the new file; what is there is replaced once it is whole.
    subject : Subject
    kind : {'npz', 'parquet'}
    progress : callable
    cancel : threading.Event or None

    Raises
    ------
    BadRequest
        The format does not exist, or the file cannot be written.
    Cancelled
        `cancel` was set; nothing is left behind.
    """
    words = provenance(subject)
    start, stop = _bounds(subject)

    def report(done: int) -> None:
        _check(cancel)
        progress(Progress("writing spikes", done, stop - start, "spikes"))

    if kind == "parquet":
        with exported_file(path) as draft:
            return _spikes_parquet(draft, subject, words, report)
    if kind == "npz":
        with exported_file(path) as draft:
            return _spikes_npz(draft, subject, words, report)
    raise BadRequest("Spikes are not exported in this format", kind, "Choose npz or parquet")


def _arrow_type(kind: np.dtype[Any]) -> pa.DataType:
    return pa.string() if kind.kind == "U" else pa.from_numpy_dtype(kind)


def _spikes_parquet(path: Path, subject: Subject, words: Mapping[str, str], report: Callable[[int], None]) -> int:
    columns = spike_columns(subject)
    schema = pa.schema(
        [(name, _arrow_type(np.dtype(kind))) for name, kind in columns.items()],
        metadata={**words, "provenance": json.dumps(dict(words))},
    )
    schema = with_units(schema, are_volts=subject.sorting.amps_are_volts)
    n, begun = 0, _bounds(subject)[0]
    with pq.ParquetWriter(path, schema) as file:
        for first, last in _blocks(subject):
            report(first - begun)
            rows = _inside(subject, first, last)
            n += rows.size
            file.write_table(pa.table({name: _values(subject, name, rows) for name in columns}, schema=schema))
    return n


def _spikes_npz(path: Path, subject: Subject, words: Mapping[str, str], report: Callable[[int], None]) -> int:
    """Write one member after the other; which spikes are inside is remembered as one bit each."""
    begun = _bounds(subject)[0]
    chosen: list[tuple[int, npt.NDArray[np.uint8]]] = []
    n = 0
    for first, last in _blocks(subject):
        report(0)
        mask = np.zeros(last - first, np.bool_)
        mask[_inside(subject, first, last) - first] = True
        n += int(mask.sum())
        chosen.append((first, np.packbits(mask)))
    columns = spike_columns(subject)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for number, (name, kind) in enumerate(columns.items()):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                _npy_header(member, np.dtype(kind), n)
                for first, bits in chosen:
                    report((number * (first - begun)) // len(columns))
                    member.write(_values(subject, name, first + np.flatnonzero(np.unpackbits(bits))).tobytes())
        archive.writestr("provenance.npy", _npy(np.array(json.dumps(dict(words)))))
    return n


def _npy_header(member: Any, kind: np.dtype[Any], n: int) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": (n,)}
    np.lib.format.write_array_header_1_0(member, header)


def _npy(array: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


@contextmanager
def exported_file(path: Path) -> Iterator[Path]:
    """Give where to write an export, as `whole_file` does.

    Raises
    ------
    BadRequest
        The file cannot be written.
    """
    try:
        with whole_file(path) as draft:
            yield draft
    except OSError as error:
        raise BadRequest("Cannot write the export", path.name, error.strerror or "the folder is not there") from error


def cluster_table(subject: Subject) -> pd.DataFrame:
    """Return the clusters that pass, as merged by ibllib, with the ids that find them again.

    ``pid``, ``eid``, ``insertion``, ``cluster_id`` stand first; all other columns are as loaded.
    """
    clusters, insertion = subject.sorting.clusters, subject.sorting.ref.insertion
    table = clusters if subject.mask is None else clusters[subject.mask[: len(clusters)]]
    ids = {"pid": insertion.pid or "", "eid": insertion.eid or "", "insertion": insertion.key}
    front = pd.DataFrame({**ids, "cluster_id": table.index.to_numpy()}, index=table.index)
    joined: pd.DataFrame = pd.concat([front, table.drop(columns=[name for name in front if name in table])], axis=1)
    return joined


def write_clusters(path: Path, subject: Subject, kind: str) -> int:
    """Write the clusters that pass the filters, and return how many.

    Raises
    ------
    BadRequest
        The format does not exist, or the file cannot be written.
    """
    if kind not in ("csv", "parquet"):
        raise BadRequest("Units are not exported in this format", kind, "Choose csv or parquet")
    table = cluster_table(subject)
    with exported_file(path) as draft:
        if kind == "csv":
            draft.write_text(csv_text(table), encoding="utf-8")
        else:
            draft.write_bytes(parquet_bytes(table, provenance(subject), are_volts=subject.sorting.amps_are_volts))
    return len(table)


def write_aggregate(path: Path, subject: Subject, cancel: threading.Event | None = None) -> int:
    """Write one number per pixel of the window with the edges of the pixels, as `dashboard.render` gives them.

    Returns
    -------
    int
        Spikes inside.
    """
    counted = aggregate(
        subject.columns, subject.time_range, subject.depth_range, *AGGREGATE_SIZE, subject.kind,
        kept=subject.kept, categories=subject.of_cluster, cancel=cancel,
    )  # fmt: skip
    picture = with_ids(counted, subject.sorting.units)
    arrays = {
        "values": picture.values,
        "time_edges_s": picture.time_edges_s,
        "depth_edges_um": picture.depth_edges_um,
        "kind": np.array(picture.kind),
        "unit": np.array(picture.unit),
    }
    write_arrays(path, subject, arrays)
    return picture.n_spikes


def write_arrays(path: Path, subject: Subject, arrays: Mapping[str, npt.NDArray[Any]], **more: str) -> None:
    """Write arrays with their origin; `more` is what `provenance` is to add."""
    words = np.array(json.dumps(provenance(subject, **more)))
    with exported_file(path) as draft, draft.open("wb") as file:
        np.savez_compressed(file, provenance=words, **arrays)  # type: ignore[arg-type]

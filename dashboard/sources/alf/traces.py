"""Single waveforms of a unit out of ``waveforms.traces``: the rows of that unit, and nothing else of some GB."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import BadRequest, DatasetInvalid, DatasetMissing
from dashboard.model.raw import SingleWaveforms
from dashboard.model.texts import counted
from dashboard.sources.alf.arrays import read_archive, read_table
from dashboard.sources.byte_ranges import Bytes, LocalBytes
from dashboard.sources.download.ranges import RemoteFile
from dashboard.sources.readers import DAMAGED, read_npy_header

TRACES, TABLE, CHANNELS = "waveforms.traces", "waveforms.table", "waveforms.channels"
NAMES = (TRACES, TABLE, CHANNELS)
TROUGH = 42
"""Sample of the trough (ibl-neuropixel, ``ibldsp.waveform_extraction``)."""

_HEADER_BYTES = 1024
_AGAIN = "Fetch the three files waveforms.traces, .table and .channels again"


def read_traces(traces: Path | RemoteFile, table: Path, channels: Path, unit: int, fs_hz: float) -> SingleWaveforms:
    """Return the waveforms of a unit, by one read of a range.

    Parameters
    ----------
    traces : Path or RemoteFile
        float16, in volts: (waveforms, channels, samples) sorted by unit, or, in older files, (units, waveforms a unit,
        channels, samples).
    table, channels : Path
        Sample and unit of each waveform; the columns of the raw file that it has.
    unit : int
        As in ``spikes.clusters``.
    fs_hz : float

    Raises
    ------
    BadRequest
        The file has no waveform of the unit.
    DatasetInvalid
        The files do not belong together.
    """
    rows = read_table(table)
    whole = {name for name in ("sample", "cluster", "waveform_index") if name in rows and rows[name].dtype.kind in "iu"}
    if not {"sample", "cluster"} <= whole or ("waveform_index" in rows and "waveform_index" not in whole):
        raise DatasetInvalid("Has no columns sample and cluster of whole numbers", [table], _AGAIN)
    of = rows["cluster"].to_numpy()
    inside = np.flatnonzero(of == unit)
    if not len(inside):
        raise BadRequest(f"{TRACES} holds no waveform of unit {unit}", table, "Cut them out of the raw data")
    near = read_archive(channels).get("channels")
    if near is None or near.ndim != 2 or len(near) != len(rows) or near.dtype.kind not in "iuf":
        raise DatasetInvalid(f"Should have a row for each of {counted(len(rows), 'waveform')}", [channels], _AGAIN)
    path = traces if isinstance(traces, Path) else Path(traces.name)
    size = traces.stat().st_size if isinstance(traces, Path) else traces.size
    source: Bytes = LocalBytes(traces) if isinstance(traces, Path) else traces
    head = io.BytesIO(bytes(source.pieces([0, min(_HEADER_BYTES, size)])[0]))
    try:
        shape, is_fortran, dtype = read_npy_header(head)
    except DAMAGED as error:
        raise DatasetInvalid("Not an array", [path], _AGAIN) from error
    if is_fortran or dtype.kind != "f" or len(shape) not in (3, 4) or shape[-2] != near.shape[1]:
        what = f"Is {dtype} of shape {shape}, for {counted(len(rows), 'waveform')} on {near.shape[1]} channels"
        raise DatasetInvalid(what, [path], _AGAIN)
    each = dtype.itemsize * math.prod(shape[1:])
    if head.tell() + each * shape[0] != size:
        raise DatasetInvalid(f"Has {counted(size, 'byte')}, not those of an array of shape {shape}", [path], _AGAIN)
    if len(shape) == 3:
        order = rows["waveform_index"].to_numpy()[inside] if "waveform_index" in rows else inside
        first, end = int(order.min()), int(order.max()) + 1
    else:
        first = int(np.searchsorted(np.unique(of), unit))
        end, order = first + 1, np.arange(len(inside))
    if first < 0 or end > shape[0] or end - first > max(2 * len(inside), 1):
        raise DatasetInvalid(f"Waveforms of unit {unit} do not stand together", [table, path], _AGAIN)
    content = source.pieces([head.tell() + each * first, head.tell() + each * end])[0]
    volts = np.frombuffer(content, dtype).reshape(-1, *shape[-2:]).astype(np.float32)
    volts = volts[order - first] if len(shape) == 3 else volts[: len(inside)]
    columns: npt.NDArray[np.int64] = near[inside][: len(volts)].astype(np.int64)
    columns = np.where(np.isfinite(volts).all(axis=2), columns, -1)
    return SingleWaveforms(volts, columns, rows["sample"].to_numpy(np.int64)[inside], TROUGH, fs_hz, TRACES)


def missing(where: str) -> DatasetMissing:
    """Return what is said where a sorting has none."""
    return DatasetMissing(TRACES, where, "Single waveforms are then cut out of the raw data, where these are there")

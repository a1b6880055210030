"""The raw file that a Kilosort or phy folder was sorted from: ``dat_path`` of its ``params.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model.errors import BadRequest, DatasetInvalid, DatasetMissing
from dashboard.model.raw import RawBand, RawRecording, SampleClock, Sites
from dashboard.model.texts import counted
from dashboard.sources.phy.params import FILE, Params, read_params
from dashboard.sources.raw.files import CompressedFile, flat_file
from dashboard.sources.raw.meta import Meta, read_meta
from dashboard.sources.raw.open_ephys import is_wide, lf_beside, streams_around
from dashboard.sources.raw.wide_band import lf_of
from dashboard.sources.sync import Sync

WHITENED = "temp_wh.dat"
NOT_RAW = "Kilosort's own copy (temp_wh.dat): whitened, high-passed and corrected for drift; not what was recorded"
_SAY = "Name the file with --raw FILE"
_OUTSIDE_LABEL, _NOWHERE_UM = 3, -1e4
_BIT = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    """What a bit of a file is."""

    volts_per_bit: npt.NDArray[np.float32]
    unit: str
    fs_hz: float
    shift: npt.NDArray[np.float64]
    is_shifted: bool
    is_wide: bool


def open_dat(
    folder: Path,
    channels: pd.DataFrame,
    sync: Sync | None,
    bit_uv: float | None,
    given: Path | None,
    roots: Sequence[Path],
) -> RawRecording:
    """Return the recording that a folder was sorted from.

    Parameters
    ----------
    folder : Path
    channels : DataFrame
        Of the sorting: ``rawInd`` names columns of the file; those that it does not name are not shown.
    sync : Sync or None
        Brings the probe's clock to the session's.
    bit_uv : float or None
        Microvolts per bit, where no ``.meta`` or ``structure.oebin`` says it.
    given : Path or None
        In place of ``dat_path``, by whoever runs the program.
    roots : sequence of Path
        Folders of data: what ``dat_path`` names has to lie in one of them.

    Raises
    ------
    DatasetMissing
        No file is named, or it is not there.
    BadRequest
        It leads out of the folders of data.
    DatasetInvalid
        It is not of this recording.
    """
    params = read_params(folder)
    path = given if given is not None else _find(folder, params, roots)
    if params.dtype != "int16" or params.offset != 0:
        what = f"Raw files of {params.dtype} after {params.offset} bytes are not read"
        raise DatasetInvalid(what, [folder / FILE], "Write the recording as int16 without a header")
    is_whitened = path.name == WHITENED
    meta = _meta(path)
    streams = streams_around(path)
    n_columns = meta.n_columns if meta else len(streams[0].bit_uv) if streams else params.n_file_channels
    if n_columns is None:
        raise DatasetMissing("n_channels_dat", folder / FILE, "Add a line such as n_channels_dat = 385")
    if params.n_file_channels not in (None, n_columns):
        what = (
            f"params.py says {counted(params.n_file_channels, 'column')}, "
            f"{'the .meta' if meta else 'structure.oebin'} {n_columns}"
        )
        raise DatasetInvalid(what, [folder / FILE, path], "Name the file that was sorted with --raw FILE")
    sites, labels, n_channels = _sites(channels, n_columns, folder)
    scale = _scale(meta, streams[0].bit_uv if streams else None, bit_uv, n_channels, params, is_whitened)
    if streams:
        scale = replace(scale, fs_hz=streams[0].fs_hz, is_wide=is_wide(streams))
    sites = replace(sites, shift=scale.shift)
    if path.suffix == ".cbin":
        compressed = CompressedFile(path, path.with_suffix(".ch"), n_columns)
        columns, n_samples = compressed, compressed.n_samples
    else:
        columns, n_samples = flat_file(path, n_columns)  # type: ignore[assignment]
    ap = RawBand(
        "ap", path, scale.fs_hz, n_samples, scale.volts_per_bit, sites, scale.is_shifted, columns, scale.unit,
        NOT_RAW if is_whitened else "",
    )  # fmt: skip
    bands = {"ap": ap}
    if (stream := lf_beside(streams) if streams else None) is not None and stream.path.is_file():
        read, n_lf = flat_file(stream.path, len(stream.bit_uv))
        volts = (stream.bit_uv[:n_channels] * 1e-6).astype(np.float32)
        if len(volts) == n_channels:
            bands["lf"] = RawBand("lf", stream.path, stream.fs_hz, n_lf, volts, sites, False, read)
    elif scale.is_wide and not is_whitened:
        bands["lf"] = lf_of(ap)
    ends = np.array([0.0, float(max(n_samples, 2))])
    clock = (
        SampleClock(ends, ends / params.sample_rate_hz, 1.0, "the probe's clock, from the first sample on")
        if sync is None
        else SampleClock(sync.probe_s, sync.session_s, 1 / params.sample_rate_hz, sync.path.name)
    )
    return RawRecording(bands, clock, labels, params.sample_rate_hz)


def _find(folder: Path, params: Params, roots: Sequence[Path]) -> Path:
    """Return the file that ``dat_path`` names: where it says, else of that name in the folder or one around it."""
    text = params.dat_path
    if not text:
        raise DatasetMissing("dat_path", folder / FILE, f"Add it, or: {_SAY}")
    windows = PureWindowsPath(text)
    is_of_windows = bool(windows.drive) or "\\" in text
    name = windows.name if is_of_windows else Path(text).name
    home = next((root for root in roots if folder.resolve().is_relative_to(root)), folder.resolve())
    around = [folder, *(parent for parent in folder.resolve().parents if parent.is_relative_to(home))]
    named = [] if is_of_windows else [folder / text]
    is_outside = False
    for candidate in [*named, *(place / name for place in around)]:
        path = candidate.resolve()
        if not any(path.is_relative_to(root) for root in roots):
            is_outside = is_outside or candidate in named
        elif path.is_file():
            return path
    if is_outside:
        what = "dat_path of params.py leads out of the folders of data, and is not followed"
        raise BadRequest(what, folder / FILE, f"Open a folder that holds both with --data, or: {_SAY}")
    raise DatasetMissing(name, folder, f"Put the raw file into it, or a folder around it, or: {_SAY}")


def _meta(path: Path) -> Meta | None:
    """Return what SpikeGLX says of a file, None where there is no ``.meta`` beside it."""
    meta = path.with_suffix(".meta")
    return read_meta(meta) if meta.is_file() else None


def _sites(channels: pd.DataFrame, n_columns: int, folder: Path) -> tuple[Sites, npt.NDArray[np.int64], int]:
    """Return where columns were recorded, labels that leave out those that were not sorted, and how many there are."""
    columns = channels["rawInd"].to_numpy(np.int64) if "rawInd" in channels else np.arange(len(channels))
    if not len(columns) or columns.min() < 0 or columns.max() >= n_columns:
        what = f"channel_map.npy names column {columns.max(initial=-1)}, and the raw file has {n_columns}"
        raise DatasetInvalid(what, [folder / "channel_map.npy"], "Name the file that was sorted with --raw FILE")
    n = int(columns.max()) + 1  # what comes behind, such as a sync word, is no channel
    x, y = np.zeros(n), np.full(n, _NOWHERE_UM)
    shank, labels = np.full(n, -1, np.int64), np.full(n, _OUTSIDE_LABEL, np.int64)
    labels[columns], shank[columns] = 0, 0
    y[columns] = channels["axial_um"] if "axial_um" in channels else np.arange(len(columns))
    if "lateral_um" in channels:
        x[columns] = channels["lateral_um"]
    if "shank" in channels:
        shank[columns] = channels["shank"].to_numpy(np.int64)
    return Sites(x, y, shank, np.zeros(n)), labels, n


def _scale(
    meta: Meta | None,
    stream_uv: npt.NDArray[np.float64] | None,
    bit_uv: float | None,
    n_channels: int,
    params: Params,
    is_whitened: bool,
) -> _Scale:
    """Return what a bit is: by the ``.meta``, else by ``structure.oebin``, else by `bit_uv`, else not known."""
    shift, is_shifted, wide, fs_hz = np.zeros(n_channels), True, False, params.sample_rate_hz
    volts: npt.NDArray[np.floating] | None = None
    if meta is not None:
        fs_hz, wide = meta.fs_hz, meta.generation == 2
        if len(meta.volts_per_bit) >= n_channels:
            volts, shift, is_shifted = meta.volts_per_bit, meta.sites.shift[:n_channels], meta.is_shifted
    elif stream_uv is not None:
        volts = stream_uv * 1e-6
    elif bit_uv is not None:
        volts = np.full(n_channels, bit_uv * 1e-6)
    if volts is None or is_whitened:
        return _Scale(np.full(n_channels, _BIT, np.float32), "bit", fs_hz, shift, True, False)
    return _Scale(volts[:n_channels].astype(np.float32), "V", fs_hz, shift, is_shifted, wide)

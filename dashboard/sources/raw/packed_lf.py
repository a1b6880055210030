"""LF that lfpack packed: cleaned, 250 samples a second, in an HDF5 file of one or of many probes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import BadRequest, DashboardError, DatasetInvalid
from dashboard.model.raw import RawBand, SampleClock, Sites
from dashboard.model.texts import counted
from dashboard.sources.hdf5 import checked, member
from dashboard.sources.raw.files import check_range
from dashboard.sources.readers import DAMAGED

_FILE = re.compile(r".*lf.*\.h5$", re.IGNORECASE)
EXTRA = "spike-dashboard[lfpack]"
SAID = "packed by lfpack: cleaned, less what is common, lossy"
MAX_COEFFICIENTS = 2**24
"""Of a piece (some 8 s), which is unpacked whole: those of 384 channels are a million."""
MAX_SAMPLES = 2**25
"""Of a recording: 37 hours."""
MAX_CHANNELS = 2**12
CLOCK_STEP_S = 1.0
"""From a point of the clock to the next; between them it is linear."""
_AGAIN = "Fetch the file again"


def is_packed_lf(name: str) -> bool:
    """Return whether a file may hold packed LF, by its name."""
    return _FILE.match(name) is not None


def packed_lf(path: Path, pid: str = "") -> tuple[RawBand, SampleClock, npt.NDArray[np.int64] | None]:
    """Return the LF of a file of lfpack, its clock, and the labels of its channels, None where it has none.

    Parameters
    ----------
    path : Path
    pid : str
        Which probe of a file of many; one that holds a single probe is of that.

    Raises
    ------
    BadRequest
        lfpack is not installed, or the file does not have the probe.
    DatasetInvalid
        The file is damaged, of an older format, or leads out of itself.
    """
    try:
        import h5py
        from lfpack import LFPackReader
    except ImportError as error:
        what = "LF in .h5 is read by lfpack, which is not installed"
        raise BadRequest(what, path, f"pip install '{EXTRA}'") from error
    try:
        with h5py.File(path, "r") as file:
            key = _recording(file, path, pid)
            _check(file, f"{key}/00", path)
            meta = member(file, f"{key}/00/meta").attrs
            fs_hz, n_samples, n_channels = float(meta["fs"]), int(meta["ns_total"]), int(meta["nc"])
        reader = LFPackReader(path, recording=key)
        places, labels = reader.geometry, reader.channels_full.get("labels")
        at = np.unique(np.r_[np.arange(0, n_samples, max(round(CLOCK_STEP_S * fs_hz), 1)), n_samples - 1])
        times_s = reader.times[at]
    except DashboardError:
        raise
    except (*DAMAGED, OSError, ImportError) as error:
        raise DatasetInvalid(f"Is no LF of lfpack ({' '.join(str(error).split())[:80]})", [path], _AGAIN) from error
    if len(at) < 2 or not (np.diff(times_s) > 0).all() or len(places["x"]) != n_channels:
        raise DatasetInvalid("Its clock does not run forwards, or its channels have no places", [path], _AGAIN)

    def columns(i0: int, i1: int) -> npt.NDArray[Any]:
        check_range(i0, i1, n_samples, path)
        try:
            return np.asarray(reader.read(slice(i0, i1), sync=False))
        except (*DAMAGED, OSError) as error:
            what = f"Samples {i0:,} to {i1:,} cannot be unpacked ({' '.join(str(error).split())[:80]})"
            raise DatasetInvalid(what, [path], _AGAIN) from error

    sites = Sites(
        np.asarray(places["x"], np.float64), np.asarray(places["y"], np.float64),
        np.zeros(n_channels, np.int64), np.zeros(n_channels),
    )  # fmt: skip
    band = RawBand("lf", path, fs_hz, n_samples, np.ones(n_channels, np.float32), sites, True, columns, note=SAID)
    clock = SampleClock(at.astype(np.float64), times_s, 1.0, path.name)
    return band, clock, None if labels is None else np.asarray(labels, np.int64)


def _recording(file: Any, path: Path, pid: str) -> str:
    """Return the name of the probe's group."""
    keys = list(file)
    if pid in keys:
        return pid
    if len(keys) != 1:
        own = pid or "which has none"
        what = f"Holds LF of {counted(len(keys), 'probe')}, by their pid, and not of this one ({own})"
        raise BadRequest(what, path, "Cut the probe's out with lfpack.subset_h5")
    return str(keys[0])


def _check(file: Any, root: str, path: Path) -> None:
    """Refuse values that lie in other files, and pieces that claim more than they may hold.

    Raises
    ------
    DatasetInvalid
    """
    meta, codec = member(file, f"{root}/meta"), member(file, f"{root}/codec")
    if meta is None or codec is None or int(meta.attrs.get("format_version", 1)) < 2:
        raise DatasetInvalid("Is no LF of lfpack 1 or newer", [path], "Bring an old file up to date: lfpack.upgrade_h5")
    for group in (meta, codec):
        for name in group:
            checked(member(group, name))
    table = codec["chunk_table"][()]
    n_channels, n_samples = int(meta.attrs["nc"]), int(meta.attrs["ns_total"])
    sizes = table["rank"].astype(np.int64) * table["vh_cols"].astype(np.int64)
    n_kept, n_pieces = int(table["n_kept"].astype(np.int64).sum()), -(-n_samples // int(meta.attrs["compress_chunk"]))
    if (
        not 0 < n_channels <= MAX_CHANNELS
        or not 0 < n_samples <= MAX_SAMPLES
        or n_samples != int(table["ns_original"].astype(np.int64).sum())
        or len(table) != n_pieces
        or n_kept != len(codec["vh_values"])
        or int(table["rank"].max(initial=0)) > n_channels
        or sizes.max(initial=0) > MAX_COEFFICIENTS
        or int(table["ns_extended"].max(initial=0)) > MAX_COEFFICIENTS // n_channels
    ):
        raise DatasetInvalid("The sizes that it claims do not fit each other", [path], _AGAIN)

"""The raw recording of a probe: which files of a folder it is made of, and how their samples lie in the session."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import DatasetInvalid, DatasetMissing
from dashboard.model.raw import RawBand, RawRecording, SampleClock
from dashboard.model.texts import counted
from dashboard.sources.alf.arrays import read_numbers
from dashboard.sources.download.ranges import RemoteFile
from dashboard.sources.raw.files import CompressedFile, flat_file, remote_flat_file
from dashboard.sources.raw.meta import Meta, read_meta
from dashboard.sources.raw.packed_lf import is_packed_lf, packed_lf
from dashboard.sources.raw.wide_band import lf_of

_UUID = r"(?:\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?"
_BAND_FILE = re.compile(rf"(?P<run>.+)\.(?P<band>ap|lf){_UUID}\.(?P<kind>cbin|bin|ch|meta)$")
_CLOCK_FILE = re.compile(rf".+\.(?P<kind>timestamps|sync){_UUID}\.npy$")
_LABEL_FILE = re.compile(rf"_iblqc_ephysChannels\.labels{_UUID}\.npy$")
_WIDE_BAND = 2
"""Generation of Neuropixels that records one band from 0.5 Hz on."""
NOT_THERE = "Put the .cbin (or .bin) with its .ch and .meta into the folder raw_ephys_data of the probe"
_CLOCK_REMEDY = "Put the file .timestamps.npy or .sync.npy of the probe into the folder"


def open_recording(
    folder: Path, *, remote: Sequence[RemoteFile] = (), is_synthetic: bool = False, pid: str | None = None
) -> RawRecording:
    """Return the raw recording in a folder; what was opened before and did not change is opened once.

    Parameters
    ----------
    folder : Path
        ``raw_ephys_data/probe00``: the SpikeGLX files of one probe, and ``.timestamps.npy`` or ``.sync.npy``; an
        ``.h5`` of lfpack stands in for LF.
    remote : sequence of RemoteFile
        Files of samples that are not in the folder.
    is_synthetic : bool
    pid : str or None
        Of the insertion, by which a file of lfpack knows it.

    Raises
    ------
    DatasetMissing
        There is no raw file, or none of what belongs to it; the message says what would bring it.
    DatasetInvalid
        Files are damaged, or of different probes.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:
        files = []
    states = [(path.name, path.stat()) for path in files]
    state = tuple((name, found.st_size, found.st_mtime_ns) for name, found in states)
    return _open(folder, state, tuple(remote), is_synthetic, pid or "")


def is_of_recording(name: str) -> bool:
    """Return whether a file belongs to a raw recording: samples, what describes them, the clock, labels of channels."""
    return any(pattern.match(name) for pattern in (_BAND_FILE, _CLOCK_FILE, _LABEL_FILE))


def is_of_samples(name: str) -> bool:
    """Return whether a file holds the samples themselves."""
    match = _BAND_FILE.match(name)
    return is_packed_lf(name) or (match is not None and match["kind"] in ("cbin", "bin"))


def holds_samples(folder: Path) -> bool:
    """Return whether a folder has raw files."""
    try:
        return any(is_of_samples(path.name) for path in folder.iterdir())
    except OSError:
        return False


@lru_cache(maxsize=16)
def _open(
    folder: Path, state: tuple[tuple[str, int, int], ...], remote: tuple[RemoteFile, ...], is_synthetic: bool, pid: str
) -> RawRecording:
    elsewhere = {file.name: file for file in remote}
    names = [*(name for name, _, _ in state if name not in elsewhere), *elsewhere]
    packed = [folder / name for name in names if is_packed_lf(name)]
    by_band = _by_band(folder, names)
    if not by_band and not packed:
        raise DatasetMissing("Raw data", folder, NOT_THERE)
    bands: dict[str, RawBand] = {}
    metas: list[Meta] = []
    for band, paths in by_band.items():
        meta = read_meta(_needed(paths, "meta", folder, band))
        if meta.band != band:
            raise DatasetInvalid(f"The .meta is of the band {meta.band}", [meta.path], "Copy the right .meta file")
        metas.append(meta)
        bands[band] = _band(folder, meta, paths, elsewhere)
    serials = {meta.serial for meta in metas}
    if len(serials) > 1:
        what = f"The .meta files are of different probes ({' and '.join(sorted(serials))})"
        raise DatasetInvalid(what, [meta.path for meta in metas], "Keep those of one probe in the folder")
    if "ap" in bands and "lf" not in bands and metas[0].generation == _WIDE_BAND:
        bands["lf"] = lf_of(bands["ap"])
    if packed and "lf" not in bands:
        return _with_packed_lf(folder, names, packed, bands, pid)
    ap_fs_hz = bands["ap"].fs_hz if "ap" in bands else bands["lf"].fs_hz * 12
    first = next(iter(bands.values()))
    return RawRecording(
        bands, _clock(folder, names, ap_fs_hz), _labels(folder, names, first.n_channels), ap_fs_hz, is_synthetic
    )


def _by_band(folder: Path, names: list[str]) -> dict[str, dict[str, Path]]:
    """Return the files of each band by their kind; a band is there where samples of it are."""
    found: dict[str, dict[str, Path]] = {}
    runs: set[str] = set()
    for name in names:
        if match := _BAND_FILE.match(name):
            paths = found.setdefault(match["band"], {})
            if match["kind"] in ("cbin", "bin"):
                runs.add(match["run"])
            if match["kind"] in paths:
                what = f"There are two .{match['kind']} files of the band {match['band']}"
                raise DatasetInvalid(
                    what, [paths[match["kind"]], folder / name], "Keep the files of one probe and one run in a folder"
                )
            paths[match["kind"]] = folder / name
    return {band: paths for band, paths in sorted(found.items()) if "cbin" in paths or "bin" in paths}


def _with_packed_lf(
    folder: Path, names: list[str], packed: list[Path], bands: dict[str, RawBand], pid: str
) -> RawRecording:
    """Return a recording whose LF is a file of lfpack, which has a clock of its own for where there is no AP."""
    if len(packed) > 1:
        raise DatasetInvalid("There are two files of packed LF", packed[:2], "Keep that of the probe in the folder")
    lf, clock, labels = packed_lf(packed[0], pid)
    ap_fs_hz = lf.fs_hz
    if "ap" in bands:
        ap_fs_hz = bands["ap"].fs_hz
        clock = _clock(folder, names, ap_fs_hz)
    own = _labels(folder, names, lf.n_channels)
    return RawRecording({**bands, "lf": lf}, clock, labels if own is None else own, ap_fs_hz)


def _needed(paths: Mapping[str, Path], kind: str, folder: Path, band: str) -> Path:
    if kind not in paths:
        raise DatasetMissing(f"The .{kind} file of the band {band}", folder, f"Put the .{band}.{kind} beside the data")
    return paths[kind]


def _band(folder: Path, meta: Meta, paths: Mapping[str, Path], elsewhere: Mapping[str, RemoteFile]) -> RawBand:
    path = paths["cbin"] if "cbin" in paths else paths["bin"]
    remote = elsewhere.get(path.name)
    hold = None
    if "cbin" in paths:
        index = _needed(paths, "ch", folder, meta.band)
        size, key = (remote.size, remote.key) if remote is not None else (None, "")
        file = CompressedFile(path, index, meta.n_columns, size, remote, key=key)
        columns, n_samples = file, file.n_samples
        hold = file.hold if remote is None else None
    elif remote is not None:
        columns, n_samples = remote_flat_file(path, meta.n_columns, remote.size, remote)  # type: ignore[assignment]
    else:
        columns, n_samples = flat_file(path, meta.n_columns)  # type: ignore[assignment]
    if n_samples != meta.n_samples:
        what = f"The .meta says {counted(meta.n_samples, 'sample')}, the data have {n_samples:,}"
        raise DatasetInvalid(what, [meta.path, path], "Copy the .meta that belongs to the data")
    return RawBand(
        meta.band, path, meta.fs_hz, n_samples, meta.volts_per_bit, meta.sites, meta.is_shifted, columns,
        remote_key="" if remote is None else remote.key, hold=hold,
    )  # fmt: skip


def _clock(folder: Path, names: list[str], ap_fs_hz: float) -> SampleClock:
    """Return the clock of ``.timestamps.npy`` (sample, session s), else of ``.sync.npy`` (probe s, session s)."""
    files = {match["kind"]: folder / name for name in names if (match := _CLOCK_FILE.match(name))}
    for kind, per_sample in (("timestamps", 1.0), ("sync", 1.0 / ap_fs_hz)):
        if kind not in files:
            continue
        points = read_numbers(files[kind])
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
            what = f"The clock should hold two columns of numbers, and is of shape {points.shape}"
            raise DatasetInvalid(what, [files[kind]], "Fetch it again")
        if (np.diff(points, axis=0) <= 0).any():
            raise DatasetInvalid("The clock does not run forwards", [files[kind]], "Fetch it again")
        return SampleClock(points[:, 0].copy(), points[:, 1].copy(), per_sample, files[kind].name)
    raise DatasetMissing("The clock of the raw data", folder, _CLOCK_REMEDY)


def _labels(folder: Path, names: list[str], n_channels: int) -> npt.NDArray[np.int64] | None:
    name = next((name for name in names if _LABEL_FILE.match(name)), None)
    if name is None:
        return None
    labels = read_numbers(folder / name)
    if labels.shape != (n_channels,) or not np.isin(labels, (0, 1, 2, 3)).all():
        what = f"Labels of channels should be {counted(n_channels, 'number')} from 0 to 3"
        raise DatasetInvalid(what, [folder / name], "Fetch the file again, or take it away")
    return labels.astype(np.int64)

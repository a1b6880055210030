"""What the ``.meta`` file of SpikeGLX says of a recording: rate, columns, volts, sites, delays of the converters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import DatasetInvalid, DatasetMissing
from dashboard.model.raw import Sites
from dashboard.model.texts import counted
from dashboard.sources.readers import DAMAGED, FalseClaim, read_text

_EXPORT = "Copy the .meta file of this recording again"
MAX_BYTES = 4 << 20
"""Of the file: those of SpikeGLX have some 20,000."""
MAX_COLUMNS = 1 << 14
MAX_PLACE = 1e6
"""Of a site, in um, or as row, column or shank."""
_SHANK_PITCH_UM = 200.0
_FIRST_SITE_UM = 20.0
_NP2 = frozenset({21, 24, 2003, 2004, 2013, 2014, 2020, 2021})
_GAIN_80 = frozenset({21, 24})
"""Neuropixels 2.0 before its commercial version; the others have a gain of 100."""
_CONVERTERS = {1: (12, 13), 2: (16, 16)}
"""By generation: channels of a converter, and its cycles for one sample."""


@dataclass(frozen=True, slots=True, eq=False)
class Meta:
    """A recording as its ``.meta`` describes it.

    Attributes
    ----------
    path : Path
    band : str
        ``ap`` or ``lf``.
    serial : str
        Of the probe.
    generation : int
        1 or 2 of Neuropixels.
    fs_hz : float
    n_columns : int
        With the sync word.
    n_samples : int
    volts_per_bit : ndarray, shape (n_channels,), float32
    sites : Sites
    is_shifted : bool
        CatGT removed the delays of the converters.
    """

    path: Path
    band: str
    serial: str
    generation: int
    fs_hz: float
    n_columns: int
    n_samples: int
    volts_per_bit: npt.NDArray[np.float32]
    sites: Sites
    is_shifted: bool


def read_meta(path: Path) -> Meta:
    """Return what a ``.meta`` file says.

    Raises
    ------
    DatasetMissing
        The file is gone.
    DatasetInvalid
        It is of no probe, of a kind whose volts are not known, or at odds with itself.
    """
    fields = read_fields(path)
    try:
        return _parse(path, fields)
    except KeyError as error:
        raise DatasetInvalid(f"The .meta file has no {error.args[0]}", [path], _EXPORT) from error
    except DAMAGED as error:
        raise DatasetInvalid(f"The .meta file cannot be read ({error!s:.100})", [path], _EXPORT) from error


def read_fields(path: Path) -> dict[str, str]:
    """Return the lines of a ``.meta`` file by their names.

    Raises
    ------
    DatasetMissing
        The file is gone.
    DatasetInvalid
        It is larger than any that SpikeGLX writes.
    """
    try:
        text = read_text(path, MAX_BYTES, errors="replace")
    except FalseClaim as error:
        raise DatasetInvalid(str(error), [path], _EXPORT) from error
    except OSError as error:
        raise DatasetMissing(path.name, path.parent, _EXPORT) from error
    return dict(line.lstrip("~").split("=", 1) for line in text.splitlines() if "=" in line)


def _parse(path: Path, fields: dict[str, str]) -> Meta:
    n_ap, n_lf, n_sync = (int(value) for value in fields["snsApLfSy"].split(","))
    if bool(n_ap) == bool(n_lf):
        raise ValueError(f"it holds {n_ap} AP and {n_lf} LF channels, not one band")
    n_columns = int(fields["nSavedChans"])
    if n_ap + n_lf + n_sync != n_columns:
        raise ValueError(f"{n_ap + n_lf + n_sync} channels by band for {counted(n_columns, 'column')}")
    if min(n_ap, n_lf, n_sync) < 0 or n_columns > MAX_COLUMNS:
        raise ValueError(f"{n_ap}, {n_lf} and {counted(n_sync, 'channel')} are those of no probe")
    band, n_channels = ("ap", n_ap) if n_ap else ("lf", n_lf)
    kind = int(fields.get("imDatPrb_type", 0))
    generation = 2 if kind in _NP2 else 1
    n_acquired = int(fields["acqApLfSy"].split(",")[0]) if "acqApLfSy" in fields else 384
    if n_acquired > MAX_COLUMNS:
        raise ValueError(f"{counted(n_acquired, 'acquired channel')} are those of no probe")
    saved = _saved(fields.get("snsSaveChanSubset", "all"), band, n_channels, n_acquired)
    return Meta(
        path,
        band,
        fields.get("imDatPrb_sn", fields.get("imProbeSN", "")),
        generation,
        float(fields["imSampRate"]),
        n_columns,
        int(fields["fileSizeBytes"]) // (2 * n_columns),
        _volts_per_bit(fields, band, kind, generation, saved),
        _sites(fields, generation, saved, n_acquired),
        "catGTCmdline" in fields and "-no_tshift" not in fields["catGTCmdline"],
    )


def _saved(text: str, band: str, n_channels: int, n_acquired: int) -> npt.NDArray[np.int64]:
    """Return the acquired channel of each column, from 0 for either band."""
    if text.strip() in ("all", ""):
        return np.arange(n_channels)
    channels: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        run = range(int(first), int(last or first) + 1)
        if len(channels) + len(run) > 2 * MAX_COLUMNS:
            raise ValueError("more saved channels than any probe has")
        channels += run
    start = 0 if band == "ap" else n_acquired
    found = np.array([channel - start for channel in channels if 0 <= channel - start < n_acquired])
    if len(found) != n_channels:
        raise ValueError(f"{counted(len(found), 'saved channel')} for {counted(n_channels, 'column')}")
    return found


def _groups(text: str) -> list[str]:
    return re.findall(r"\(([^()]*)\)", text)


def _volts_per_bit(
    fields: dict[str, str], band: str, kind: int, generation: int, saved: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    default = 512 if generation == 1 else 8192 if kind in _GAIN_80 else 2048
    volts = float(fields["imAiRangeMax"]) / int(fields.get("imMaxInt", default))
    stated = fields.get("imChan0apGain" if band == "ap" or generation == 2 else "imChan0lfGain")
    entries = [group.split() for group in _groups(fields["imroTbl"])[1:]]
    if generation == 1 and entries and len(entries[0]) >= 5:
        at = 3 if band == "ap" else 4
        gains = {int(entry[0]): float(entry[at]) for entry in entries}
        gain = np.array([gains[channel] for channel in saved.tolist()])
    elif stated:
        gain = np.full(len(saved), float(stated))
    elif generation == 2:
        gain = np.full(len(saved), 80.0 if kind in _GAIN_80 else 100.0)
    else:
        raise ValueError(f"gains of probes of type {kind} are not known")
    if not (np.isfinite(gain) & (gain > 0)).all() or not np.isfinite(volts):
        raise ValueError("a gain, or the range of the converters, is no number")
    return (volts / gain).astype(np.float32)


def _sites(fields: dict[str, str], generation: int, saved: npt.NDArray[np.int64], n_acquired: int) -> Sites:
    """Return the sites: of the map of shank, column and row, or of the map of places, whichever there is."""
    name = "snsShankMap" if "snsShankMap" in fields else "snsGeomMap"
    if name not in fields and generation == 2:
        raise KeyError("snsShankMap and no snsGeomMap")
    groups = _groups(fields.get(name, ""))
    places = np.array([group.split(":")[:3] for group in groups[1:]], np.float64).reshape(-1, 3)
    if not groups:  # LF files of the first generation may have none: its first sites, in their order
        name = "snsShankMap"
        channels = np.arange(n_acquired)
        places = np.stack([np.zeros(n_acquired), channels % 2, channels // 2], axis=1)
    if len(places) != len(saved):
        if len(places) <= saved.max(initial=0):
            raise ValueError(f"{counted(len(places), 'site')} for {counted(len(saved), 'channel')}")
        places = places[saved]
    if not (np.abs(places) < MAX_PLACE).all():
        raise ValueError("places of sites are no numbers, or on no probe")
    shank = places[:, 0].astype(np.int64)
    if name == "snsGeomMap":
        pitch = float(groups[0].split(",")[2]) if groups else _SHANK_PITCH_UM
        x, y = places[:, 1] + shank * pitch, places[:, 2] + _FIRST_SITE_UM
    else:
        column, row = places[:, 1], places[:, 2]
        if generation == 1:  # staggered, the first site right of the middle
            x, y = (2 - 2 * column + row % 2) * 16 + 11, row * 20 + _FIRST_SITE_UM
        else:
            x, y = column * 32 + shank * _SHANK_PITCH_UM, row * 15 + _FIRST_SITE_UM
    n_each, n_cycles = _CONVERTERS[generation]
    return Sites(x, y, shank, (saved // 2 % n_each) / n_cycles)

"""Recordings of Open Ephys in the binary format: what ``structure.oebin`` says of a ``continuous.dat``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import DatasetInvalid
from dashboard.model.json_files import read_json
from dashboard.model.raw import MAX_HZ, MIN_HZ
from dashboard.sources.readers import DAMAGED

FILE = "continuous.dat"
INDEX = "structure.oebin"
_AGAIN = "Copy structure.oebin of the recording again"


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """One stream of a recording.

    Attributes
    ----------
    path : Path
        Its ``continuous.dat``.
    name : str
        Of its folder: ``Neuropix-PXI-100.ProbeA-AP``.
    fs_hz : float
    bit_uv : ndarray, shape (n_columns,)
        Microvolts per bit of each column.
    """

    path: Path
    name: str
    fs_hz: float
    bit_uv: npt.NDArray[np.float64]


def streams_around(path: Path) -> list[Stream]:
    """Return the streams of the recording that a ``continuous.dat`` belongs to, its own first; empty for other files.

    Raises
    ------
    DatasetInvalid
        ``structure.oebin`` cannot be read, or does not name the stream.
    """
    index = path.parent.parent.parent / INDEX
    if path.name != FILE or not index.is_file():
        return []
    try:
        found = [
            Stream(
                index.parent / "continuous" / Path(str(entry["folder_name"])).name / FILE,
                Path(str(entry["folder_name"])).name,
                float(entry["sample_rate"]),
                np.array([float(channel["bit_volts"]) for channel in entry["channels"]]),
            )
            for entry in read_json(index)["continuous"]
        ]
    except OSError as error:
        raise DatasetInvalid("Cannot be read", [index], _AGAIN) from error
    except DAMAGED as error:
        raise DatasetInvalid(f"Does not describe the recording ({error!s:.100})", [index], _AGAIN) from error
    if not all(MIN_HZ <= stream.fs_hz <= MAX_HZ and np.isfinite(stream.bit_uv).all() for stream in found):
        raise DatasetInvalid("Claims a rate or a gain that no recording has", [index], _AGAIN)
    own = [stream for stream in found if stream.path.parent.name == path.parent.name]
    if not own:
        raise DatasetInvalid(f"Names no stream {path.parent.name}", [index, path], _AGAIN)
    return [*own, *(stream for stream in found if stream is not own[0])]


def lf_beside(streams: list[Stream]) -> Stream | None:
    """Return the LF stream of the same probe: Neuropixels 1.0 has one beside its AP."""
    name = streams[0].name
    if not name.endswith("-AP"):
        return None
    return next((stream for stream in streams if stream.name == f"{name.removesuffix('-AP')}-LFP"), None)


def is_wide(streams: list[Stream]) -> bool:
    """Return whether the stream is the one wide band of a Neuropixels 2.0."""
    return "probe" in streams[0].name.lower() and not streams[0].name.endswith(("-AP", "-LFP"))

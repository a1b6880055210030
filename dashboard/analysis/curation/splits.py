"""A unit that is several: which of its spikes is of which of them."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import BadRequest
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import counted

MAX_PARTS = 100

AMPLITUDE, DEPTH = "amplitude", "depth"

Parts = npt.NDArray[np.uint8]
"""Of each spike of a unit, in order of time, which part it is of; shape (n_spikes,)."""


def write_split(parts: Parts) -> str:
    """Return the value of a decision: how many spikes each part has, and the packed part of each spike.

    Packed are bytes, a byte for each spike of the unit in order of time, with zlib and then as base64.

    Raises
    ------
    BadRequest
        A part has no spike, or there are too many parts.
    """
    sizes = np.bincount(parts, minlength=2)
    if not sizes.all() or len(sizes) > MAX_PARTS:
        what = "some and not all spikes are inside" if len(sizes) == 2 else f"2 to {MAX_PARTS} parts, each with spikes"
        raise BadRequest("A unit is split where each part has spikes", " + ".join(map(str, sizes[:9])), what)
    packed = base64.b64encode(zlib.compress(parts.astype(np.uint8).tobytes(), 9)).decode()
    return f"{'+'.join(map(str, sizes.tolist()))} {packed}"


def read_split(value: str) -> Parts | None:
    """Return the part of each spike; None where the value is no split."""
    sizes, packed = split_sizes(value), value.partition(" ")[2]
    try:
        content = zlib.decompressobj().decompress(base64.b64decode(packed, validate=True), sum(sizes) + 1)
    except (ValueError, binascii.Error, zlib.error):
        return None
    parts = np.frombuffer(content, np.uint8)
    return parts if len(sizes) > 1 and np.array_equal(np.bincount(parts), sizes) else None


def split_sizes(value: str) -> tuple[int, ...]:
    """Return how many spikes each part has; nothing where the value is no split."""
    sizes = value.partition(" ")[0].split("+")
    return tuple(map(int, sizes)) if all(size.isdecimal() and len(size) < 12 for size in sizes) else ()


def split_text(value: str) -> str:
    """Return what a split does, in words."""
    sizes = split_sizes(value)
    return f"{counted(len(sizes), 'unit')} of {' + '.join(f'{size:,}' for size in sizes)} spikes"


def parts_of_groups(groups: Sequence[npt.NDArray[np.int64]], n_spikes: int) -> Parts:
    """Return the part of each spike from the places of the spikes of all parts but, perhaps, the last.

    As ``spikeinterface.curation.curation_model.Split`` has them: spikes in none of them are one part more.

    Raises
    ------
    BadRequest
        A place is not there, or named twice; or there are too many parts.
    """
    named = np.concatenate(groups) if len(groups) else np.empty(0, np.int64)
    if len(groups) >= MAX_PARTS or len(np.unique(named)) < len(named):
        raise BadRequest("The parts of a split are at most a hundred, and share no spike")
    if len(named) and not 0 <= named.min() <= named.max() < n_spikes:
        raise BadRequest("A split names a spike that the unit does not have", f"{named.max():,} of {n_spikes:,}")
    parts = np.full(n_spikes, len(groups), np.uint8)
    for part, group in enumerate(groups):
        parts[group] = part
    return parts


def groups_of_parts(parts: Parts) -> tuple[npt.NDArray[np.int64], ...]:
    """Return the places of the spikes of all parts but the last."""
    return tuple(np.flatnonzero(parts == part) for part in range(int(parts.max(initial=0))))


def rows_in_time(sorting: SpikeSorting, indexes: npt.NDArray[np.integer], index: int) -> npt.NDArray[np.int64]:
    """Return the rows of the spikes of a unit, in order of time.

    Parameters
    ----------
    sorting : SpikeSorting
    indexes : ndarray, shape (n_spikes,)
        Index of the unit of each spike.
    index : int
        Of the unit.
    """
    rows = np.flatnonzero(indexes == index)
    return rows[np.argsort(np.asarray(sorting.spikes.times_s)[rows].reshape(-1), kind="stable")]


def parts_by_outline(sorting: SpikeSorting, index: int, of: str, x: Sequence[float], y: Sequence[float]) -> Parts:
    """Return 1 for each spike of a unit inside an outline in amplitude or depth over time, else 0.

    Parameters
    ----------
    sorting : SpikeSorting
    index : int
        Of the unit.
    of : {'amplitude', 'depth'}
    x, y : sequence of float
        Corners, in s, and in the sorting's unit of amplitude or in µm; the last one is joined to the first.

    Raises
    ------
    BadRequest
        The sorting has no such values of single spikes.
    """
    spikes = sorting.spikes
    column = spikes.amps_v if of == AMPLITUDE else spikes.depths_um
    if column is None:
        raise BadRequest(f"There is no {of} of single spikes", sorting.title)
    rows = rows_in_time(sorting, sorting.unit_indexes().reshape(-1), index)
    times, values = (np.asarray(given)[rows].reshape(-1).astype(np.float64) for given in (spikes.times_s, column))
    return inside(times, values * sorting.amp_scale if of == AMPLITUDE else values, x, y).astype(np.uint8)


def inside(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], corners_x: Sequence[float], corners_y: Sequence[float]
) -> npt.NDArray[np.bool_]:
    """Return which points are inside an outline, by the number of its edges above each (even and odd)."""
    found = np.zeros(len(x), np.bool_)
    ends = zip([*corners_x[1:], corners_x[0]], [*corners_y[1:], corners_y[0]], strict=True)
    for (x0, y0), (x1, y1) in zip(zip(corners_x, corners_y, strict=True), ends, strict=True):
        if x0 != x1:
            crosses = (x0 > x) != (x1 > x)
            found ^= crosses & (y < y0 + (x - x0) * ((y1 - y0) / (x1 - x0)))
    return found

"""The answer to every question for a picture: one number per pixel, and where the pixels lie."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.model.unit_ids import UnitIds


@dataclass(frozen=True, slots=True, eq=False)
class Aggregate:
    """One number per pixel of a window in time and depth.

    Attributes
    ----------
    values : ndarray, shape (height, width)
        Row 0 is the lowest depth. uint32 for counts, and float64, in Hz, for rates; on the lattice
        uint8 and float32 where those hold them exactly. float32, NaN where no spike is, for
        amplitudes; int32, -1 where none is, for categories.
    time_edges_s : ndarray, shape (width + 1,), float64
    depth_edges_um : ndarray, shape (height + 1,), float64
        A pixel holds what is on its lower edge and below its upper one; the last pixel of either
        axis holds its upper edge too, as in ``numpy.histogram2d``.
    kind : str
        One of `dashboard.engine.count.raster.AGGREGATES`.
    unit : str
        ``"spikes"``, ``"Hz"``, ``"uV"``, ``"a.u."``, or empty.
    n_spikes : int
        Spikes inside, after filters.
    """

    values: npt.NDArray[Any]
    time_edges_s: npt.NDArray[np.float64]
    depth_edges_um: npt.NDArray[np.float64]
    kind: str
    unit: str
    n_spikes: int


def with_ids(found: Aggregate, units: UnitIds) -> Aggregate:
    """Return a picture of the kind ``cluster`` with ids for indexes; others, and where the two are one, as they are.

    Where no spike is stands -1, the least int64 where an id is negative, or an empty text.
    """
    if found.kind != "cluster" or units.are_indexes:
        return found
    none: Any = ""
    if not units.are_text:
        none = np.iinfo(np.int64).min if (units.values < 0).any() else -1
    values = np.append(units.values, np.array([none], dtype=units.values.dtype))[found.values]  # -1 is the last
    return replace(found, values=values)

"""The answer to every question for a picture: one number per pixel, and where the pixels lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


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

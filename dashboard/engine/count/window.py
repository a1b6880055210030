"""A window of pixels laid over columns: which spikes each pixel column holds, which row each depth code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.arrays import F64, I64, U16, Grid
from dashboard.engine.columns.clock import column_bounds
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.depths import DepthGrid
from dashboard.engine.count.lattice import code_rows

#: Below one spike in so many pixels, spikes are counted straight into the image.
SPARSE_PIXELS = 6


def time_bounds(columns: SpikeColumns, edges: npt.NDArray[np.float64], closed: bool = True) -> npt.NDArray[np.int64]:
    """Return the row of the first spike at or after each time; where `closed`, of the first after the last one.

    Parameters
    ----------
    columns : SpikeColumns
    edges : ndarray, shape (n + 1,), float64, ascending, in seconds
    closed : bool

    Returns
    -------
    ndarray, shape (n + 1,), int64
        Spikes of bin k are rows ``bounds[k]`` to ``bounds[k + 1]``, the last one excluded.
    """
    bounds = np.empty(edges.shape[0], dtype=np.int64)
    column_bounds(columns.times_s, columns.ticks, edges, closed, bounds)
    return bounds


@dataclass(eq=False)  # not frozen: that makes each of eight fields a call, a tenth of a picture of few spikes
class Window:
    """Pixels in time and depth, and the look-ups that place spikes in them.

    Attributes
    ----------
    time_edges, depth_edges : ndarray, float64
    closed : bool
        Whether the last edges are inside.
    bounds : ndarray, shape (width + 1,), int64
        See `time_bounds`.
    codes : DepthGrid
        Where the codes lie.
    """

    time_edges: F64
    depth_edges: F64
    closed: bool
    bounds: I64
    codes: DepthGrid

    @cached_property
    def rows(self) -> U16:
        """Row of each depth code, shape (n_codes,), uint16; see `code_rows`."""
        return code_rows(self.depth_edges, self.codes, self.closed)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.depth_edges.shape[0] - 1, self.time_edges.shape[0] - 1

    @property
    def n_spikes(self) -> int:
        """Spikes in the time range, at any depth."""
        return int(self.bounds[-1] - self.bounds[0])

    def is_sparse(self, n_spikes: int) -> bool:
        """Whether `n_spikes` are so few that most pixels stay empty."""
        return n_spikes < self.shape[0] * self.shape[1] // SPARSE_PIXELS

    @property
    def grid(self) -> Grid:
        """What kernels need to place a spike."""
        codes = self.codes
        return Grid(self.bounds, self.rows, self.depth_edges, self.closed, codes.origin_code, codes.step_um)


def lay_window(
    columns: SpikeColumns,
    time_edges: npt.NDArray[np.float64],
    depth_edges: npt.NDArray[np.float64],
    closed: bool = True,
) -> Window:
    """Return the window with these edges. The kernels trust it: edges ascend and are finite."""
    return Window(time_edges, depth_edges, closed, time_bounds(columns, time_edges, closed), columns.grid)

"""What every picture is counted from: compact, time-sorted columns, and the indexes over them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.clock import TimeTicks, index_ticks
from dashboard.engine.columns.depths import DepthGrid
from dashboard.engine.columns.filter import Kept, keep_everything
from dashboard.engine.columns.ranks import RankIndex, index_ranks
from dashboard.engine.columns.subset_store import SubsetStore
from dashboard.engine.columns.unit_index import UnitIndex, code_ranges, index_units
from dashboard.model.errors import BadRequest
from dashboard.model.texts import counted

#: Spikes read together where a whole column is looked at.
BLOCK = 1 << 20

Value = TypeVar("Value")


@dataclass(slots=True, eq=False)
class LazyIndexes:
    """Indexes that are built when first asked for, once, whichever thread asks."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    values: dict[str, Any] = field(default_factory=dict)

    def get(self, name: str, build: Callable[[], Value]) -> Value:
        """Return the index of this name, built by `build` if nobody has before."""
        value = self.values.get(name)
        if value is None:
            with self.lock:
                value = self.values.get(name)
                if value is None:
                    value = self.values[name] = build()
        result: Value = value
        return result


@dataclass(frozen=True, eq=False)
class SpikeColumns:
    """Spikes with a time and a depth, in order of time; shared by all views, never written to.

    Attributes
    ----------
    times_s : ndarray, shape (n_spikes,), float64, sorted, in seconds
        The memory map of the file itself where that is float64, sorted and without gaps.
    depths_um : ndarray, shape (n_spikes,), float64, in um
        Likewise. Settles the spikes whose code an image's row edge runs through.
    depth_codes : ndarray, shape (n_spikes,), uint16
        Depth in steps of `depth_step_um` above `depth_origin_um`, rounded down.
    depth_fines : ndarray, shape (n_spikes,), uint16
        Where the depth lies within its code, in 65,536ths of a step, rounded down.
    clusters : ndarray, shape (n_spikes,), uint16 or uint32
        Index of each spike's unit: its row in `SpikeSorting.clusters`.
    amps_uv : ndarray, shape (n_spikes,), float32, or None
        In uV, or as in the file where `amp_unit` is ``"a.u."``.
    depth_origin_um, depth_step_um : float
        The step is a power of two and the origin a multiple of it.
    n_codes : int
        Codes of the grid; all of `depth_codes` are below.
    n_clusters : int
        Length of tables by unit: rows of the clusters table, and units that only spikes name.
    spike_rows : ndarray, shape (n_spikes,), int64, or None
        Row in the file of each spike; None where it is the row here.
    amp_unit : str
        ``"uV"`` or ``"a.u."``.
    is_placed : bool
        False where no spike has a depth: all are at zero, and what is drawn by depth means nothing.
    lazy : LazyIndexes
        What is built from the columns when it is first needed.
    """

    times_s: npt.NDArray[np.float64]
    depths_um: npt.NDArray[np.float64]
    depth_codes: npt.NDArray[np.uint16]
    depth_fines: npt.NDArray[np.uint16]
    clusters: npt.NDArray[Any]
    amps_uv: npt.NDArray[np.float32] | None
    depth_origin_um: float
    depth_step_um: float
    n_codes: int
    n_clusters: int
    spike_rows: npt.NDArray[np.int64] | None = None
    amp_unit: str = "uV"
    is_placed: bool = True
    lazy: LazyIndexes = field(default_factory=LazyIndexes, repr=False)

    def check_placed(self) -> None:
        """Refuse to draw by depth what has none.

        Raises
        ------
        BadRequest
        """
        if not self.is_placed:
            raise BadRequest("No spike has a depth", counted(self.n_spikes, "spike"), "Show a row for each unit")

    @property
    def n_spikes(self) -> int:
        """Spikes that views can show."""
        return int(self.times_s.shape[0])

    @cached_property
    def time_range_s(self) -> tuple[float, float]:
        """Times of the first and the last spike; (0, 0) without spikes."""
        return (float(self.times_s[0]), float(self.times_s[-1])) if self.n_spikes else (0.0, 0.0)

    @cached_property
    def depth_range_um(self) -> tuple[float, float]:
        """Lowest and highest depth of a spike; (0, 0) without spikes."""
        extremes: tuple[float, float] = self.lazy.get("depth_range", self._find_depth_range)
        return extremes

    @property
    def nbytes(self) -> int:
        """Bytes of the columns and of the indexes built so far."""
        arrays: list[npt.NDArray[Any] | None] = [
            self.times_s,
            self.depths_um,
            self.depth_codes,
            self.clusters,
            self.amps_uv,
            self.spike_rows,
        ]
        for value in tuple(self.lazy.values.values()):
            if isinstance(value, UnitIndex):
                arrays += [value.offsets, value.order]
            elif isinstance(value, RankIndex):
                arrays += [value.before, value.edge_offsets, value.edge_order]
            elif isinstance(value, TimeTicks):
                arrays.append(value.starts)
            elif isinstance(value, np.ndarray):
                arrays.append(value)
        return sum(array.nbytes for array in arrays if array is not None)

    @cached_property
    def ticks(self) -> TimeTicks:
        """The first spike at each tick of a clock; built on first use where no sidecar holds it."""
        return self.lazy.get("ticks", lambda: index_ticks(self.times_s))

    @property
    def unit_index(self) -> UnitIndex:
        """Rows by cluster; built on first use where no sidecar holds it."""
        return self.lazy.get("unit_index", lambda: index_units(self.clusters, self.n_clusters))

    @property
    def rank_index(self) -> RankIndex:
        """Cumulative counts by depth; built on first use where no sidecar holds it."""
        return self.lazy.get("rank_index", lambda: index_ranks(self.depth_codes, self.depths_um, self.grid))

    @property
    def code_ranges(self) -> npt.NDArray[np.int32]:
        """Lowest and highest depth code of each cluster, shape (n_clusters, 2); empty ranges run backwards."""
        return self.lazy.get("code_ranges", lambda: code_ranges(self.depth_codes, self.clusters, self.n_clusters))

    @property
    def parts(self) -> SubsetStore:
        """What filters keep, set apart while they are in use."""
        return self.lazy.get("parts", SubsetStore)

    @cached_property
    def everything(self) -> Kept:
        """The filter that is none."""
        return self.lazy.get("everything", lambda: keep_everything(self.n_clusters))

    @cached_property
    def grid(self) -> DepthGrid:
        """Where the depth codes lie."""
        return DepthGrid(self.depth_step_um, self.depth_origin_um / self.depth_step_um, self.n_codes)

    @cached_property
    def placing(self) -> tuple[Any, ...]:
        """What a kernel takes to place spikes in pixels: times, clock, codes, depths, step and origin of the codes.

        Looked up once: in a picture of few spikes it took longer than counting them.
        """
        grid = self.grid
        return self.times_s, *self.ticks, self.depth_codes, self.depths_um, grid.step_um, grid.origin_code

    def _find_depth_range(self) -> tuple[float, float]:
        if not self.n_spikes:
            return 0.0, 0.0
        blocks = range(0, self.n_spikes, BLOCK)
        lows = [float(self.depths_um[i : i + BLOCK].min()) for i in blocks]
        highs = [float(self.depths_um[i : i + BLOCK].max()) for i in blocks]
        return min(lows), max(highs)


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a plain read-only view: kernels then see one type, whether an array is mapped or not."""
    view = np.asarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view

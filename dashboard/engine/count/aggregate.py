"""What a picture is asked of a kernel, and the answer: one number per pixel, and where the pixels lie."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.filter import Kept
from dashboard.engine.count.registry import AGGREGATES
from dashboard.engine.count.window import Window
from dashboard.engine.threads import spread
from dashboard.model.unit_ids import UnitIds

if TYPE_CHECKING:
    import xarray


class PixelRequest(NamedTuple):
    """What the kernel of an aggregate is given.

    Attributes
    ----------
    columns : SpikeColumns
        All spikes of the sorting, in order of time.
    window : Window
        The pixels; ``window.shape`` is (height, width).
    kept : Kept
        Which spikes to use.
    categories : array-like of int, shape (n_clusters,), or None
        Category of each cluster id, where the aggregate has categories.
    threads : int or None
        At most; None for the cores of the machine.
    cancel : threading.Event or None
        Set by another thread when the answer is no longer wanted.
    """

    columns: SpikeColumns
    window: Window
    kept: Kept
    categories: npt.ArrayLike | None = None
    threads: int | None = None
    cancel: threading.Event | None = None

    def spread(self, draw: Callable[[int, int], int], work: int | None = None) -> int:
        """Run ``draw(first, last)`` over blocks of pixel columns, in threads, and return the sum of its answers.

        Parameters
        ----------
        draw : callable (int, int) -> int
            Draws pixel columns from the first up to, not including, the last; returns how many spikes it used.
        work : int or None
            In spikes counted by a compiled kernel: how many threads are worth it. None: the spikes in the window.

        Raises
        ------
        Cancelled
            `cancel` was set.
        """
        work = self.window.n_spikes if work is None else work
        return spread(draw, self.window.bounds, work, self.threads, self.cancel)

    def place(
        self, first: int, last: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the kept spikes of pixel columns `first` up to, not including, `last`, and the pixel of each.

        For kernels in numpy; a compiled one reads ``window.grid`` (`dashboard.engine.count.kernels`).

        Returns
        -------
        spikes, rows, columns : ndarray, shape (n,), int64
            Rows of the sorting's columns, in order of time; row and column of the image.
        """
        window, depth_edges = self.window, self.window.depth_edges
        spikes = np.arange(window.bounds[first], window.bounds[last])
        if not self.kept.everything:
            spikes = spikes[self.kept.mask(self.columns, spikes)]
        depths = self.columns.depths_um[spikes]
        rows = np.searchsorted(depth_edges, depths, "right") - 1
        if window.closed:
            rows[depths == depth_edges[-1]] -= 1
        inside = (rows >= 0) & (rows < window.shape[0])
        spikes = spikes[inside]
        return spikes, rows[inside], np.searchsorted(window.bounds, spikes, "right") - 1


@dataclass(frozen=True, slots=True, eq=False)
class Aggregate:
    """One number per pixel of a window in time and depth.

    Attributes
    ----------
    values : ndarray, shape (height, width)
        Row 0 is the lowest depth. uint32 for counts, and float64, in Hz, for rates; on the lattice
        uint8 and float32 where those hold them exactly. float32, NaN where no spike is, for
        amplitudes; int32, `none` where none is, for categories.
    time_edges_s : ndarray, shape (width + 1,), float64
    depth_edges_um : ndarray, shape (height + 1,), float64
        A pixel holds what is on its lower edge and below its upper one; the last pixel of either
        axis holds its upper edge too, as in ``numpy.histogram2d``.
    kind : str
        Name of an entry of `dashboard.engine.count.registry.AGGREGATES`.
    unit : str
        ``"spikes"``, ``"Hz"``, ``"uV"``, ``"a.u."``, or what another aggregate has; empty for categories.
    n_spikes : int
        Spikes inside, after filters.
    none : int, str or None
        What stands in `values` where there is no category: -1, for regions the least int32 (Allen ids are negative on
        the left), for ids of units -1, the least int64 where an id is negative, or an empty text. None for aggregates
        that are measured.
    origin : mapping of str to str
        Where the spikes come from, by name: insertion, sorter, revision, version; empty where nobody said.
    """

    values: npt.NDArray[Any]
    time_edges_s: npt.NDArray[np.float64]
    depth_edges_um: npt.NDArray[np.float64]
    kind: str
    unit: str
    n_spikes: int
    none: Any = None
    origin: Mapping[str, str] = field(default_factory=dict)

    def to_xarray(self) -> xarray.DataArray:
        """Return the picture as a DataArray, which xarray, HoloViews and Datashader's ``shade`` and ``eq_hist`` take.

        Returns
        -------
        xarray.DataArray
            Dimensions ``depth`` and ``time``, whose coordinates are the middles of the pixels in um and s, with their
            units. Its attributes hold unit, edges, number of spikes, and `origin`.
        """
        import xarray

        def axis(name: str, edges: npt.NDArray[np.float64], unit: str) -> tuple[str, Any, dict[str, str]]:
            return name, (edges[:-1] + edges[1:]) / 2, {"units": unit}

        return xarray.DataArray(
            self.values,
            dims=("depth", "time"),
            coords={
                "time": axis("time", self.time_edges_s, "s"),
                "depth": axis("depth", self.depth_edges_um, "um"),
            },
            name=self.kind,
            attrs={
                "units": self.unit,
                "n_spikes": self.n_spikes,
                "time_edges_s": self.time_edges_s,
                "depth_edges_um": self.depth_edges_um,
                **({} if self.none is None else {"none": self.none}),
                **self.origin,
            },
        )


def with_ids(found: Aggregate, units: UnitIds) -> Aggregate:
    """Return a picture of units with ids for indexes; others, and where the two are one, as they are.

    Where no spike is stands -1, the least int64 where an id is negative, or an empty text.
    """
    if not AGGREGATES[found.kind].shows_units or units.are_indexes:
        return found
    none: Any = ""
    if not units.are_text:
        none = np.iinfo(np.int64).min if (units.values < 0).any() else -1
    values = np.append(units.values, np.array([none], dtype=units.values.dtype))[found.values]  # -1 is the last
    return replace(found, values=values, none=none)


def with_category_ids(found: Aggregate, ids: npt.NDArray[np.int32], none: int) -> Aggregate:
    """Return a picture of indexes into ascending `ids` as one of the ids, with `none` where no spike is."""
    values = np.append(ids, np.int32(none))[found.values]  # -1 is the last
    return replace(found, values=values, none=none)

"""An opened insertion as it is drawn: its filters, categories, colours and default limits."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.filter import Kept, kept_spikes
from dashboard.engine.count.categories import Categories
from dashboard.engine.count.raster import aggregate
from dashboard.engine.count.rates import cluster_counts, depth_profile
from dashboard.engine.count.registry import AGGREGATES
from dashboard.engine.count.unit_raster import depth_order, unit_raster
from dashboard.library.store import OpenInsertion
from dashboard.model.colours import hex_colour, selection_colours
from dashboard.model.unit_ids import UnitId
from dashboard.page.core import shading

OVERVIEW_WIDTH, OVERVIEW_HEIGHT = 1600, 768
"""Size of the whole-session picture from which the default limits come."""

UNKNOWN = "—"


class Scene:
    """What every picture of one insertion shares; immutable apart from what it remembers, and columns of its units.

    Parameters
    ----------
    opened : OpenInsertion
    mask : ndarray of bool, shape (n_clusters,), or None
        Units that pass the filters, by index; None lets all pass.
    level : {'allen', 'beryl', 'cosmos'}
        Level of the region names.
    parent : Scene or None
        A scene of the same insertion, whose default limits are kept so that filtering does not
        change the scale.
    amp_range_uv : (float, float) or None
        Limits of single spikes, the upper one outside; None: all.
    passing_per_cluster : ndarray, shape (n_clusters,), int64, or None
        Spikes of each cluster within these limits; counted where None.
    """

    def __init__(
        self,
        opened: OpenInsertion,
        mask: npt.NDArray[np.bool_] | None = None,
        level: str = "allen",
        parent: Scene | None = None,
        amp_range_uv: tuple[float, float] | None = None,
        passing_per_cluster: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self.opened = opened
        self.sorting = opened.sorting
        self.units = opened.sorting.units
        self.columns = opened.columns
        self.mask = mask
        self.level = level
        self.amp_range_uv = amp_range_uv
        self._passing_per_cluster = passing_per_cluster
        self._limits: dict[str, tuple[float, float]] = {} if parent is None else parent._limits
        self._categories: dict[str, Categories | None] = {}
        self._rate_limits: dict[float, tuple[float, float]] = {}
        self._lock = threading.Lock()

    @cached_property
    def kept(self) -> Kept:
        """The filter that `mask` and `amp_range_uv` describe, validated once for all that is drawn."""
        return kept_spikes(self.columns, self.mask, self.amp_range_uv)

    def indexes(self, ids: Iterable[UnitId]) -> tuple[int, ...]:
        """Return the indexes of selected units, in order; those that the sorting does not have are left out."""
        return tuple(self.units.find(ids).tolist())

    def ids(self, indexes: Iterable[int]) -> list[UnitId]:
        """Return the ids of units, as the state and links have them."""
        return [self.units.of(int(index)) for index in indexes]

    def names(self, indexes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return ids for the browser, which has no numbers beyond 2 ** 53: as text, unless index and id are one."""
        return indexes if self.units.are_indexes else self.units.at(indexes).astype(str).astype(object)

    def draws_as(self, other: Scene, kind: str) -> bool:
        """Tell whether pictures of an aggregate are those of another scene: the same spikes pass, and look alike."""
        mine, others = self.categories(kind), other.categories(kind)
        return (
            self.columns is other.columns
            and (self.level, self.amp_range_uv) == (other.level, other.amp_range_uv)
            and np.array_equal(self.mask, other.mask)  # type: ignore[arg-type]
            and (mine is others or (mine is not None and others is not None and mine.are(others)))
        )

    def take(self, opened: OpenInsertion) -> None:
        """Take other columns of the units, by which no picture changes that is shown."""
        self.opened, self.sorting, self._categories = opened, opened.sorting, {}

    @property
    def n_clusters_passing(self) -> int:
        """Clusters that pass the filters."""
        return self.sorting.n_clusters if self.mask is None else int(self.mask[: self.sorting.n_clusters].sum())

    @cached_property
    def spikes_per_cluster(self) -> npt.NDArray[np.int64]:
        """Spikes of each unit, by index."""
        return np.diff(self.columns.unit_index.offsets)

    @cached_property
    def passing_per_cluster(self) -> npt.NDArray[np.int64]:
        """Spikes of each cluster within the limits of single spikes, by id, whether or not the cluster passes."""
        if self._passing_per_cluster is not None:
            return self._passing_per_cluster
        return cluster_counts(self.columns, kept=self.kept.of_all_units)

    @property
    def n_spikes_passing(self) -> int:
        """Spikes that pass the filters, in the whole insertion."""
        counts = self.passing_per_cluster
        return int((counts if self.mask is None else counts[self.mask]).sum())

    def limits(self, kind: str) -> tuple[float, float]:
        """Return the default colour limits, from the whole insertion without filters.

        Categorical pictures have none, nor has a sorting without depths, and get (0, 1).
        """
        if AGGREGATES[kind].categories or not self.columns.is_placed:
            return 0.0, 1.0
        with self._lock:
            if kind not in self._limits:
                whole = aggregate(self.columns, width=OVERVIEW_WIDTH, height=OVERVIEW_HEIGHT, kind=kind, snap=True)
                self._limits[kind] = shading.default_limits(whole)
            return self._limits[kind]

    @property
    def row_limits(self) -> tuple[float, float]:
        """Default limits of the raster with a row for each unit, in spikes per s: of all units, without filters."""
        with self._lock:
            if "rows" not in self._limits:
                ids = np.arange(self.columns.n_clusters)
                whole = unit_raster(self.columns, ids, None, OVERVIEW_WIDTH, snap=True)
                self._limits["rows"] = shading.default_limits(whole)
            return self._limits["rows"]

    def rate_limits(self, depth_bin_um: float) -> tuple[float, float]:
        """Return the heatmap's limits in Hz: the range of the rate by depth over the whole session.

        As ibllib's alignment GUI has it. A sorting without depths has no such rate, and gets (0, 1).
        """
        if not self.columns.is_placed:
            return 0.0, 1.0
        with self._lock:
            if depth_bin_um not in self._rate_limits:
                profile = depth_profile(self.columns, depth_bin_um, kept=self.kept, amplitudes=False)
                rates = profile.rate_hz[np.isfinite(profile.rate_hz)]
                low, high = (float(rates.min()), float(rates.max())) if rates.size else (0.0, 0.0)
                self._rate_limits[depth_bin_um] = (low, high) if high > low else (0.0, high or 1.0)
            return self._rate_limits[depth_bin_um]

    @cached_property
    def unit_depths(self) -> npt.NDArray[np.float64]:
        """Depth of each unit in um, by index; NaN where it is not known."""
        depths = np.full(self.columns.n_clusters, np.nan)
        name = next((name for name in ("depths", "axial_um") if name in self.sorting.clusters), None)
        if name is not None:
            found = self.sorting.clusters[name].to_numpy(dtype=np.float64, na_value=np.nan)
            depths[: len(found)] = found
        return depths

    @cached_property
    def depth_order(self) -> npt.NDArray[np.int64]:
        """Indexes of the units that pass, from the tip upwards: those of the table, and others that have spikes."""
        there = self.spikes_per_cluster > 0
        there[: self.sorting.n_clusters] = True
        return depth_order(self.unit_depths, there if self.mask is None else self.mask)

    def categories(self, kind: str) -> Categories | None:
        """Return the categories of the clusters for an aggregate whose colours name something, None for the others."""
        known = self._categories  # `take` may put others in its place meanwhile
        if kind not in known:
            known[kind] = AGGREGATES[kind].categories_of(self.sorting, self.columns, self.level)
        return known[kind]

    def legend(self, kind: str) -> list[tuple[str, str]]:
        """Return name and colour of each category; nothing where they have no names."""
        if (found := self.categories(kind)) is None:
            return []
        return [(name, hex_colour(colour)) for name, colour in zip(found.names, found.colours, strict=False)]

    @property
    def regions(self) -> Categories:
        """Region of each cluster."""
        found = self.categories("region")
        assert found is not None, "regions are categories"
        return found

    def region_names(self, clusters: npt.NDArray[np.integer]) -> list[str]:
        """Return the region of each given cluster, a dash where it is not known."""
        if "atlas_id" not in self.sorting.clusters:
            return [UNKNOWN] * len(clusters)
        return [self.regions.names[index] for index in self.regions.of_cluster[clusters]]

    def amplitude_texts(self, rows: npt.NDArray[np.int64]) -> list[str]:
        """Return amplitudes with their unit for the given rows of the columns."""
        if self.columns.amps_uv is None:
            return [UNKNOWN] * len(rows)
        unit = f" {self.sorting.amp_unit}"
        return [f"{value:.1f}{unit}" for value in self.columns.amps_uv[rows]]

    def mark_colours(
        self, clusters: npt.NDArray[np.integer], kind: str, selected: tuple[int, ...], ranks: tuple[int, ...] = ()
    ) -> list[str]:
        """Return the colour of single marks: by category, by selection, else the ink of the theme."""
        if selected:
            colours = selection_colours(len(selected), ranks)
            chosen = dict(zip(selected, map(hex_colour, colours), strict=True))
            return [chosen.get(int(cluster), "#9e9e9e") for cluster in clusters]
        if (categories := self.categories(kind)) is not None:
            table = [hex_colour(colour) for colour in categories.colours]
            return [table[i] if i >= 0 else "#9e9e9e" for i in categories.of_cluster[clusters]]
        return ["#5c6bc0"] * len(clusters)


def drawn_kind(color: str, selected: Sequence[object]) -> str:
    """Return the aggregate that is drawn for a colour: counts, where the units stand aside for the selected ones."""
    return "count" if selected and AGGREGATES[color].shows_units else color

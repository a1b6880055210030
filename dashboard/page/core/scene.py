"""An opened insertion as it is drawn: its filters, categories, colours and default limits."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.analysis.anatomy.probe import brain_regions, region_names
from dashboard.engine.columns.filter import Kept, kept_spikes
from dashboard.engine.count import rate_classes
from dashboard.engine.count.raster import aggregate
from dashboard.engine.count.rates import cluster_counts, depth_profile
from dashboard.engine.count.unit_raster import depth_order, unit_raster
from dashboard.library.store import OpenInsertion
from dashboard.model.unit_ids import UnitId
from dashboard.page.core import shading

LABELS = ("0/3", "1/3", "2/3", "3/3 good")
LABEL_COLOURS = np.array([[0xD5, 0x5E, 0x00], [0xE6, 0x9F, 0x00], [0x56, 0xB4, 0xE9], [0x00, 0x72, 0xB2]], np.uint8)
"""Okabe-Ito, from failed to good."""

OVERVIEW_WIDTH, OVERVIEW_HEIGHT = 1600, 768
"""Size of the whole-session picture from which the default limits come."""

UNKNOWN = "—"

CATEGORICAL = ("region", "label", "unit_rate", "cluster")
"""Pictures whose colours name something, and measure nothing."""


class Scene:
    """What every picture of one insertion shares; immutable apart from what it remembers.

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

        Categorical pictures have none, and get (0, 1).
        """
        if kind in CATEGORICAL:
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

        As ibllib's alignment GUI has it.
        """
        with self._lock:
            if depth_bin_um not in self._rate_limits:
                profile = depth_profile(self.columns, depth_bin_um, kept=self.kept, amplitudes=False)
                rates = profile.rate_hz[np.isfinite(profile.rate_hz)]
                low, high = (float(rates.min()), float(rates.max())) if rates.size else (0.0, 0.0)
                self._rate_limits[depth_bin_um] = (low, high) if high > low else (0.0, high or 1.0)
            return self._rate_limits[depth_bin_um]

    @cached_property
    def region_ids(self) -> npt.NDArray[np.int64]:
        """Allen id of each unit's channel, by index; 0 (void) where unknown."""
        ids = np.zeros(self.columns.n_clusters, np.int64)
        if "atlas_id" in self.sorting.clusters:
            found = self.sorting.clusters["atlas_id"].to_numpy()
            ids[: len(found)] = np.nan_to_num(found.astype(np.float64)).astype(np.int64)
        return ids

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

    @cached_property
    def _regions(self) -> tuple[npt.NDArray[np.int32], list[str], npt.NDArray[np.uint8]]:
        """Category per cluster, and name and colour per category."""
        acronyms = region_names(self.region_ids, self.level)
        names, category = np.unique(acronyms, return_inverse=True)
        regions = brain_regions()
        colours = np.array([regions.rgb[regions.acronym2index(name)[1][0][0]] for name in names], np.uint8)
        return category.astype(np.int32), [str(name) for name in names], colours

    @cached_property
    def labels(self) -> npt.NDArray[np.int32]:
        """Tests passed (0 to 3) per unit, by index; -1 where there is no label."""
        tests = np.full(self.columns.n_clusters, -1, np.int32)
        label = self.sorting.labels
        tests[: len(label)] = np.where(np.isfinite(label), np.round(np.nan_to_num(label) * 3), -1)
        return tests

    def categories(self, kind: str) -> npt.NDArray[np.int32] | None:
        """Return the category of each cluster for a categorical picture, None for the others."""
        match kind:
            case "region":
                return self._regions[0]
            case "label":
                return self.labels
            case "unit_rate":
                return rate_classes.rate_classes(self.columns)
            case _:
                return None

    def colours(self, kind: str) -> npt.NDArray[np.uint8]:
        """Return the colour of each category, shape (n_categories, 3)."""
        match kind:
            case "region":
                return self._regions[2]
            case "label":
                return LABEL_COLOURS
            case "unit_rate":
                return rate_classes.COLOURS
            case _:
                return cluster_colours(self.columns.n_clusters)

    def legend(self, kind: str) -> list[tuple[str, str]]:
        """Return name and colour of each category, for kinds that have few."""
        match kind:
            case "region":
                names, colours = self._regions[1], self._regions[2]
            case "label":
                names, colours = list(LABELS), LABEL_COLOURS
            case "unit_rate":
                names, colours = list(rate_classes.NAMES), rate_classes.COLOURS
            case _:
                return []
        return [(name, shading.hex_colour(colour)) for name, colour in zip(names, colours, strict=True)]

    def region_names(self, clusters: npt.NDArray[np.integer]) -> list[str]:
        """Return the region of each given cluster, a dash where it is not known."""
        if "atlas_id" not in self.sorting.clusters:
            return [UNKNOWN] * len(clusters)
        category, names, _ = self._regions
        return [names[index] for index in category[clusters]]

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
            colours = shading.selection_colours(len(selected), ranks)
            chosen = dict(zip(selected, map(shading.hex_colour, colours), strict=True))
            return [chosen.get(int(cluster), "#9e9e9e") for cluster in clusters]
        if kind in CATEGORICAL:
            category = self.categories(kind)
            index = clusters if category is None else category[clusters]
            table = [shading.hex_colour(colour) for colour in self.colours(kind)]
            return [table[i] if i >= 0 else "#9e9e9e" for i in index]
        return ["#5c6bc0"] * len(clusters)


def cluster_colours(n_clusters: int) -> npt.NDArray[np.uint8]:
    """Return colours that keep neighbouring ids apart, shape (n_clusters, 3)."""
    table = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in shading.OKABE_ITO], np.uint8)
    return table[np.arange(n_clusters) % len(table)]

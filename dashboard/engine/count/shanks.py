"""Shanks of units, where a probe has several."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.count.categories import OKABE_ITO, Categories
from dashboard.model.colours import rgb
from dashboard.model.shanks import SHANK, shank_numbers
from dashboard.model.sorting import SpikeSorting


def why_off(sorting: SpikeSorting) -> str:
    """Return why units are not told apart by their shank."""
    return "" if len(shank_numbers(sorting.channels)) > 1 else "the probe is not known to have several shanks"


def numbers(sorting: SpikeSorting, columns: SpikeColumns, level: str) -> npt.NDArray[np.int32]:
    """Return the number of the shank of each unit, by index; the least int32 where it is not known."""
    found = categories(sorting, columns, level).of_cluster
    there = np.array(shank_numbers(sorting.channels), np.int32)
    return np.where(found >= 0, there[found], np.iinfo(np.int32).min).astype(np.int32)


def categories(sorting: SpikeSorting, columns: SpikeColumns, level: str) -> Categories:
    """Return the shank of each unit, from the left."""
    there = shank_numbers(sorting.channels)
    of_cluster = np.full(columns.n_clusters, -1, np.int32)
    own = sorting.clusters[SHANK].to_numpy()
    of_cluster[: len(own)] = np.where(np.isin(own, there), np.searchsorted(there, own), -1)
    colours = np.array([rgb(OKABE_ITO[k % len(OKABE_ITO)]) for k in range(len(there))], np.uint8)
    return Categories(of_cluster, colours, tuple(f"shank {number}" for number in there))

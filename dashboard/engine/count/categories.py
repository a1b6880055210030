"""What the units of a picture are sorted into where its colours name something."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.columns import SpikeColumns
from dashboard.model.sorting import SpikeSorting

OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
"""Colours that stay apart for colour-blind readers (Okabe & Ito 2008)."""


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """The category of each unit, and what categories are called.

    Attributes
    ----------
    of_cluster : ndarray, shape (n_clusters,), int32
        Index of the category of each unit, by index; -1 where it has none.
    colours : ndarray, shape (n_categories, 3), uint8
    names : tuple of str
        Of each category; empty where there are as many as units.
    """

    of_cluster: npt.NDArray[np.int32]
    colours: npt.NDArray[np.uint8]
    names: tuple[str, ...] = ()

    def are(self, other: Categories) -> bool:
        """Tell whether each unit has the same category, of the same name and colour."""
        return (
            self.names == other.names
            and np.array_equal(self.of_cluster, other.of_cluster)
            and np.array_equal(self.colours, other.colours)
        )


def units(sorting: SpikeSorting, columns: SpikeColumns, level: str) -> Categories:
    """Return each unit as a category of its own, in colours that keep neighbouring ids apart."""
    table = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in OKABE_ITO], np.uint8)
    ids = np.arange(columns.n_clusters, dtype=np.int32)
    return Categories(ids, table[ids % len(table)])

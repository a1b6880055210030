"""IBL labels of units: how many of the three tests they pass."""

from __future__ import annotations

import numpy as np

from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.count.categories import Categories
from dashboard.model.conventions import LabelKind
from dashboard.model.sorting import SpikeSorting

NAMES = ("0/3", "1/3", "2/3", "3/3 good")
FILES_NAMES = ("0 in file", "", "", "1 in file")
"""For a label that is of the file, and not the tests passed."""
QUALITY_NAMES = ("not good", "", "", "good")
"""For groups of a curation, or Kilosort's labels."""
_NAMES_OF = {
    LabelKind.FILE: FILES_NAMES,
    LabelKind.CURATED: QUALITY_NAMES,
    LabelKind.KILOSORT: QUALITY_NAMES,
}
COLOURS = np.array([[0xD5, 0x5E, 0x00], [0xE6, 0x9F, 0x00], [0x56, 0xB4, 0xE9], [0x00, 0x72, 0xB2]], np.uint8)
"""Okabe-Ito, from failed to good."""


def categories(sorting: SpikeSorting, columns: SpikeColumns, level: str) -> Categories:
    """Return the tests that each cluster passes, 0 to 3."""
    tests, label = np.full(columns.n_clusters, -1, np.int32), sorting.labels
    tests[: len(label)] = np.where(np.isfinite(label), np.round(np.nan_to_num(label) * (len(NAMES) - 1)), -1)
    names = _NAMES_OF.get(sorting.label_kind, NAMES)
    return Categories(tests, COLOURS, names)

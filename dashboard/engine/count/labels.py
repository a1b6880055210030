"""Labels of units: how many of the three IBL tests they pass, and what people have decided."""

from __future__ import annotations

import numpy as np

from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.count.categories import OKABE_ITO, Categories
from dashboard.model.conventions import LabelKind
from dashboard.model.curation import CURATED, QUALITY
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


CURATED_COLOURS = (OKABE_ITO[4], OKABE_ITO[0], OKABE_ITO[5])
"""Of good, mua and noise; other labels take the rest."""


def categories(sorting: SpikeSorting, columns: SpikeColumns, level: str) -> Categories:
    """Return the tests that each cluster passes, 0 to 3."""
    tests, label = np.full(columns.n_clusters, -1, np.int32), sorting.labels
    tests[: len(label)] = np.where(np.isfinite(label), np.round(np.nan_to_num(label) * (len(NAMES) - 1)), -1)
    names = _NAMES_OF.get(sorting.label_kind, NAMES)
    return Categories(tests, COLOURS, names)


def curated(sorting: SpikeSorting, columns: SpikeColumns, level: str) -> Categories:
    """Return the curated label of each unit; phy's three have the same colours everywhere."""
    labels = sorting.clusters[CURATED].to_numpy(dtype=object) if CURATED in sorting.clusters else np.array([], object)
    others = sorted({str(label) for label in labels if label} - set(QUALITY.labels))
    names = (*QUALITY.labels, *others)
    rest = [colour for colour in OKABE_ITO if colour not in CURATED_COLOURS]
    colours = [*CURATED_COLOURS, *(rest[k % len(rest)] for k in range(len(others)))]
    table = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours], np.uint8)
    places = {name: place for place, name in enumerate(names)}
    of_cluster = np.full(columns.n_clusters, -1, np.int32)
    of_cluster[: len(labels)] = [places.get(label, -1) for label in labels]
    return Categories(of_cluster, table, names)

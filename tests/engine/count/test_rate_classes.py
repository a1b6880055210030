"""Classes of firing rate."""

from __future__ import annotations

import numpy as np

from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.count.rate_classes import COLOURS, LIMITS_HZ, NAMES, rate_classes


def test_each_unit_is_in_the_class_of_its_mean_rate(small_columns: SpikeColumns) -> None:
    counts = np.bincount(small_columns.clusters, minlength=small_columns.n_clusters)
    first, last = small_columns.time_range_s
    limits = (0.0, *LIMITS_HZ, np.inf)
    found = rate_classes(small_columns)
    for count, index in zip(counts, found, strict=True):
        if count:
            assert limits[index] <= count / (last - first) < limits[index + 1]
        else:
            assert index == -1
    assert len(set(found.tolist())) > 3
    assert len(NAMES) == len(COLOURS) == len(LIMITS_HZ) + 1
    brightness = COLOURS @ [0.299, 0.587, 0.114]
    assert (np.diff(brightness) > 5).all()

"""What an opened sorting lacks and gets later: what its source can compute, then metrics."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from dashboard.analysis.quality.metrics import recorded_or_recomputed, with_metrics
from dashboard.model.progress import Progress, ProgressCallback
from dashboard.model.sorting import SpikeSorting

METRICS = "computing metrics"


def titles(sorting: SpikeSorting) -> list[str]:
    """Return what there is to compute, in words for the page; empty where nothing is."""
    return [work.title for work in sorting.later] + [METRICS] * sorting.metrics_wanted


def completed(
    sorting: SpikeSorting, cache: Path | None, progress: ProgressCallback, cancel: threading.Event | None
) -> SpikeSorting:
    """Return the sorting with everything that `titles` names.

    Raises
    ------
    Cancelled
        `cancel` was set.
    DashboardError
        What the source raises.
    """
    for work in sorting.later:
        progress(Progress(work.title))
        sorting = work.make(sorting, cache, progress, cancel)
    sorting = replace(sorting, later=())
    if not sorting.metrics_wanted:
        return sorting
    return with_metrics(sorting, recorded_or_recomputed(sorting, cache, progress, cancel))

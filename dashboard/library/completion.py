"""What an opened sorting lacks and gets later: what its source can compute, then metrics."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from dashboard.analysis.quality.metrics import recorded_or_recomputed, with_metrics
from dashboard.model.progress import Progress, ProgressCallback
from dashboard.model.sorting import SpikeSorting

METRICS = "computing metrics"


def titles(sorting: SpikeSorting, *, with_tests: bool = False) -> list[str]:
    """Return what there is to compute, in words for the page; empty where nothing is.

    Parameters
    ----------
    sorting : SpikeSorting
    with_tests : bool
        Somebody asks for the IBL tests, which the files lack, beside a label of the file or where there is none.
    """
    wants_metrics = sorting.metrics_wanted or (with_tests and sorting.tests_can_be_made)
    return [work.title for work in sorting.later] + [METRICS] * wants_metrics


def completed(
    sorting: SpikeSorting,
    cache: Path | None,
    progress: ProgressCallback,
    cancel: threading.Event | None,
    *,
    with_tests: bool = False,
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
    if not titles(sorting, with_tests=with_tests):
        return sorting
    return with_metrics(sorting, recorded_or_recomputed(sorting, cache, progress, cancel))

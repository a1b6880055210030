"""From the datasets that make up a sorting to their files."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from dashboard.model.errors import Cancelled, DownloadFailed
from dashboard.model.progress import PartialCallback, ProgressCallback, ignore_partial, ignore_progress
from dashboard.model.references import DatasetRef, InsertionRef, SortingRef
from dashboard.model.sorting import Missing
from dashboard.sources.download.downloader import Fetched


class FileSource(Protocol):
    """What brings files: the part of a source that `fetch` needs."""

    def fetch_files(
        self,
        insertion: InsertionRef,
        datasets: Sequence[DatasetRef],
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
        on_partial: PartialCallback = ignore_partial,
    ) -> Mapping[str, Path]:
        """Return a readable file for each dataset, keyed by `DatasetRef.relative_path`.

        Datasets that could not be fetched are absent from the answer where they are optional to
        the caller; `DownloadFailed` is raised where none came through. `on_partial` is told of bytes
        as they come over a network.
        """
        ...


# What is fetched first, so that a raster can be drawn while the rest still comes.
_FETCH_ORDER = ("spikes.times", "spikes.depths", "spikes.clusters", "passingSpikes.table", "clusters.", "channels.")


def fetch(
    source: FileSource,
    ref: SortingRef,
    session: Sequence[DatasetRef],
    progress: ProgressCallback,
    cancel: threading.Event | None,
    on_partial: PartialCallback,
) -> tuple[SortingRef, list[DatasetRef], list[Missing], list[str]]:
    """Have the datasets of a sorting fetched, those that a raster needs first.

    Parameters
    ----------
    source : FileSource
    ref : SortingRef
        With the datasets that were chosen.
    session : sequence of DatasetRef
        Those of the session: trials, passive periods.
    progress : callable
    cancel : threading.Event or None
    on_partial : callable

    Returns
    -------
    SortingRef, list of DatasetRef, list of Missing, list of str
        Both with their paths, what could not be had, and what a reader should know of the files.

    Raises
    ------
    DownloadFailed
        Times or clusters of the spikes did not come.
    Cancelled
    """

    def rank(dataset: DatasetRef) -> int:
        return next((i for i, start in enumerate(_FETCH_ORDER) if dataset.name.startswith(start)), len(_FETCH_ORDER))

    wanted = sorted(ref.datasets.values(), key=rank)
    paths = source.fetch_files(ref.insertion, [*wanted, *session], progress, cancel, on_partial)
    if cancel is not None and cancel.is_set():
        raise Cancelled("Loading was cancelled")
    failures, notes = (paths.failures, paths.notes) if isinstance(paths, Fetched) else ({}, [])
    for name in ("spikes.times", "spikes.clusters", "passingSpikes.table"):
        dataset = ref.datasets.get(name)
        if dataset is not None and dataset.relative_path not in paths:
            known = failures.get(dataset.relative_path)
            raise known or DownloadFailed(name, f"{dataset.relative_path} did not come through")
    here = {n: replace(d, path=paths[d.relative_path]) for n, d in ref.datasets.items() if d.relative_path in paths}
    unfetched = [
        _missing(dataset, failures.get(dataset.relative_path))
        for dataset in (*ref.datasets.values(), *session)
        if dataset.relative_path not in paths
    ]
    trials = [replace(d, path=paths.get(d.relative_path)) for d in session]
    return replace(ref, datasets=MappingProxyType(here)), trials, unfetched, notes


def _missing(dataset: DatasetRef, failure: DownloadFailed | None) -> Missing:
    """Say why a dataset did not come; only a server that has no such file makes it one that does not exist."""
    if failure is None:
        return Missing(dataset.name, "it could not be fetched", can_come=True, is_passing=True)
    return Missing(dataset.name, str(failure), can_come=True, is_passing=failure.may_pass)

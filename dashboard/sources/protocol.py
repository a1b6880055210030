"""What every source of insertions can do: a folder, the demo, an Alyx server."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

from dashboard.model.references import DatasetRef, Histology, InsertionRecord, InsertionRef


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of work has come.

    Attributes
    ----------
    stage : str
        What is being done, in words for the page: ``spikes.times``, ``writing spikes``.
    done, total : float
        In bytes, files or steps; `total` is 0 while it is unknown.
    unit : str
        ``'B'`` for bytes, else a plural noun.
    rate : float
        Units per second, 0 while unknown.
    """

    stage: str
    done: float = 0.0
    total: float = 0.0
    unit: str = "steps"
    rate: float = 0.0


class ProgressCallback(Protocol):
    """Called from worker threads; must be quick and must not raise."""

    def __call__(self, progress: Progress) -> None:
        """Take how far the work has come."""
        ...


def ignore_progress(progress: Progress) -> None:
    """Take a progress report and do nothing with it."""


class PartialCallback(Protocol):
    """Told how much of a file has arrived, so that a first picture can be drawn from it.

    `part` holds `n_bytes` bytes in order, not yet checked against the MD5; it may have got its final name
    (`dashboard.sources.partial.target_of`) by the time it is opened. The last call for a file names its final path,
    and comes also for files that were there before. Called from worker threads; must be quick and must not raise.
    """

    def __call__(self, dataset: DatasetRef, part: Path, n_bytes: int) -> None:
        """Take the news of `n_bytes` in all."""
        ...


def ignore_partial(dataset: DatasetRef, part: Path, n_bytes: int) -> None:
    """Take the news of more bytes and do nothing with them."""


def progress_text(progress: Progress) -> str:
    """Return how far the work has come: amount, rate and time left, as far as they are known."""
    if progress.unit == "B":
        amount = f"{progress.done / 1e6:,.1f}"
        amount += f" of {progress.total / 1e6:,.1f} MB" if progress.total else " MB"
        rate = f"{progress.rate / 1e6:,.1f} MB/s" if progress.rate else ""
    else:
        amount = f"{progress.done:,.0f}"
        amount += f" of {progress.total:,.0f} {progress.unit}" if progress.total else f" {progress.unit}"
        rate = f"{progress.rate:,.0f} {progress.unit}/s" if progress.rate else ""
    left = ""
    if progress.rate and progress.total > progress.done:
        left = f"{(progress.total - progress.done) / progress.rate:,.0f} s left"
    return ", ".join(part for part in (amount, rate, left) if part)


class Source(Protocol):
    """A place that insertions come from. Methods are safe to call from several threads.

    Attributes
    ----------
    name : str
        Shown to users: ``demo``, the folder's name, the server's host.
    notice : str
        A sentence for the page, such as that answers come from the disk (offline); empty otherwise.
    """

    name: str

    @property
    def notice(self) -> str:
        """What a reader of the page should know of the source now; empty where nothing."""
        ...

    def insertions(self) -> Iterator[InsertionRef]:
        """Yield every insertion known without asking a server for more than one list."""
        ...

    def find(self, text: str) -> InsertionRef | None:
        """Return the insertion that `text` names, or None where this source does not know it.

        `text` is a pid, ``eid/probe``, ``subject/date/number/probe``, or what the source calls
        its own (a folder, ``demo``).

        Raises
        ------
        InsertionAmbiguous
            More than one insertion answers (a session with two probes).
        SourceUnavailable
            A server is needed and does not answer.
        """
        ...

    def datasets(self, insertion: InsertionRef) -> Sequence[DatasetRef]:
        """Return every dataset of the session that concerns the insertion.

        That is the collections ``alf/<probe>`` and ``alf/<probe>/...``, and the session's own
        (trials, passive periods); every revision and namespace.
        """
        ...

    def fetch(
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

    def record(self, insertion: InsertionRef) -> InsertionRecord | None:
        """Return what the database says of the insertion; None where there is no database."""
        ...

    def brain_locations(self, insertion: InsertionRef, histology: Histology) -> pd.DataFrame | None:
        """Return the channels' brain locations from the database.

        Returns
        -------
        DataFrame or None
            Columns ``axial_um``, ``lateral_um``, ``x``, ``y``, ``z`` (m), ``atlas_id``, one row
            per channel, sorted by depth; None where there is no database, or no tracing.
        """
        ...

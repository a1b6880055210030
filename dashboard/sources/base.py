"""What every source of insertions can do: a folder, the demo, an Alyx server."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pandas as pd

from dashboard.model.progress import PartialCallback, ProgressCallback, ignore_partial, ignore_progress
from dashboard.model.references import DatasetRef, Histology, InsertionRecord, InsertionRef


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

    def look_again(self) -> None:
        """Ask anew at the next question, whatever was answered, or failed, a moment ago."""
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

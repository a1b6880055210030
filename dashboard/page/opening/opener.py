"""Opening insertions for one browser session: in the background, cancellable, the newest wins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from html import escape
from typing import Any

from dashboard.library.store import InsertionStore, OpenInsertion
from dashboard.model.errors import (
    CacheUnusable,
    DashboardError,
    DatasetInvalid,
    DatasetMissing,
    DownloadFailed,
    SourceUnavailable,
)
from dashboard.model.progress import Progress, ProgressCallback, progress_text
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.job import Job
from dashboard.page.opening.card import TRY_AGAIN, OpeningCard
from dashboard.page.opening.preview import ArrivalPicture, Arrivals
from dashboard.sources.download.meter import ALL_FILES


@dataclass(frozen=True, slots=True, eq=False)
class OpenRequest:
    """What was asked for.

    Attributes
    ----------
    text : str
        As typed, linked or picked.
    sorter, revision : str or None
        None takes the default.
    values : dict
        View state to take once it is open.
    """

    text: str
    sorter: str | None = None
    revision: str | None = None
    values: dict[str, Any] = field(default_factory=dict)


class Opener:
    """Loads what is wanted; what is on screen stays until the new one is there.

    Parameters
    ----------
    store : InsertionStore
    card : OpeningCard
        Shows the progress.
    queue : DocumentQueue
    opened : callable (OpenInsertion, Wanted) -> None
    failed : callable (DashboardError) -> None
    prepare : callable (OpenInsertion, mapping) -> None
        Called in the thread of the load, with what came and the state to take with it.
    """

    def __init__(
        self,
        store: InsertionStore,
        card: OpeningCard,
        queue: DocumentQueue,
        opened: Callable[[OpenInsertion, OpenRequest], None],
        failed: Callable[[DashboardError], None],
        prepare: Callable[[OpenInsertion, Mapping[str, Any]], object] = lambda opened, values: None,
    ) -> None:
        self._store, self._prepare = store, prepare
        self._card = card
        self._queue = queue
        self._opened = opened
        self._failed = failed
        self._job: Job[OpenInsertion] = Job(queue, "open", self._refused, self._show_progress, self._rest)
        self._has_opened = False
        self._files: dict[str, Progress] = {}
        self._wanted: OpenRequest | None = None
        self.is_dark = False
        #: What "Try again" does.
        self.retry: Callable[[], None] = self.again
        card.retry.on_click(lambda event: self.retry())
        card.cancel.on_click(lambda event: self.cancel())

    def open(self, wanted: OpenRequest) -> None:
        """Load an insertion; a load that runs is cancelled."""
        self._wanted = wanted
        self._files = {}
        # A click can come before the page stands for Panel, which then drops what changes at once; what a link
        # asks for is part of the page from the start.
        if self._queue.is_building:
            self._show_opening(wanted)
        else:
            self._queue.later(partial(self._show_opening, wanted))
        self._job.start(partial(self._load, wanted), self._finished)

    def _load(self, wanted: OpenRequest, report: ProgressCallback, cancel: threading.Event) -> OpenInsertion:
        opened = self._store.open(
            wanted.text,
            wanted.sorter,
            wanted.revision,
            progress=report,
            cancel=cancel,
            arrived=Arrivals(partial(self._arrived, wanted, cancel)),
        )
        self._prepare(opened, wanted.values)
        return opened

    def settle(self, seconds: float) -> None:
        """Give a load that is quick so long to end: what it brings is part of the page from the start."""
        self._job.settle(seconds)

    def _show_opening(self, wanted: OpenRequest) -> None:
        if wanted is not self._wanted:
            return
        card = self._card
        card.alert.visible = card.retry.visible = False
        card.arriving.hide()
        card.stage.object = _stage(wanted, "looking up the insertion")
        card.loading.visible = True
        card.empty.visible = False

    def again(self) -> None:
        """Ask once more for what could not be opened."""
        if self._wanted is not None:
            self._store.look_again()
            self.open(self._wanted)

    def cancel(self) -> None:
        """Stop the load that runs."""
        self._job.cancel()

    def close(self) -> None:
        """Stop for good: the browser has gone."""
        self._job.close()

    def _show_progress(self, progress: Progress) -> None:
        assert self._wanted is not None
        if progress.unit == "B":
            self._files[progress.stage] = progress
            inside = _download_rows(self._files)
        else:
            self._files = {}
            share = f" {100 * progress.done / progress.total:.0f} %" if progress.total else ""
            if progress.unit == "s":
                share = f" ({progress.done:.0f} s so far)"
            inside = f"{escape(progress.stage)}{share}"
        has_share = progress.total > 0 and (progress.unit != "B" or ALL_FILES in self._files)
        whole = self._files.get(ALL_FILES, progress)
        if has_share and whole.total:
            self._card.progress.param.update(variant="determinate", value=int(100 * whole.done / whole.total))
        else:
            self._card.progress.variant = "indeterminate"
        self._card.stage.object = _stage(self._wanted, inside)

    def _arrived(self, wanted: OpenRequest, cancel: threading.Event, picture: ArrivalPicture) -> None:
        if not cancel.is_set():
            self._queue.later(partial(self._show_arrived, wanted, picture))

    def _show_arrived(self, wanted: OpenRequest, picture: ArrivalPicture) -> None:
        if wanted is self._wanted and self._card.loading.visible:
            self._card.arriving.show(picture, dark=self.is_dark)

    def _rest(self) -> None:
        """Nothing is loaded any more."""
        self._card.loading.visible = False
        self._card.arriving.hide()
        self._card.empty.visible = not self._has_opened

    def _refused(self, error: DashboardError) -> None:
        self._rest()
        self._failed(error)
        self.retry = self.again
        # files of a folder may be mended, or their disk be there again
        may_help = isinstance(
            error, DownloadFailed | SourceUnavailable | CacheUnusable | DatasetInvalid | DatasetMissing
        )
        self._card.retry.param.update(label=TRY_AGAIN, visible=may_help)

    def _finished(self, opened: OpenInsertion) -> None:
        self._has_opened = True
        self._rest()
        assert self._wanted is not None
        self._opened(opened, self._wanted)


def _stage(wanted: OpenRequest, inside: str) -> str:
    return f'<div class="stage"><div class="stage-title">Opening {escape(wanted.text)}</div>{inside}</div>'


def _download_rows(files: dict[str, Progress]) -> str:
    """Return a table of the files that come, the sum of them first."""
    stages = sorted(
        (stage for stage, file in files.items() if stage == ALL_FILES or file.done < file.total),
        key=lambda stage: (stage != ALL_FILES, stage),
    )
    rows = "".join(
        f'<tr class="{"sum" if stage == ALL_FILES else "file"}"><td>{escape(stage)}</td>'
        f"<td>{escape(progress_text(files[stage]))}</td></tr>"
        for stage in stages
    )
    return f'<table class="files">{rows}</table>'

"""Opening insertions for one browser session: in the background, cancellable, the newest wins."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from html import escape
from typing import Any

from dashboard.model.errors import Cancelled, DashboardError
from dashboard.sources.protocol import Progress
from dashboard.store import InsertionStore, OpenInsertion
from dashboard.views.page import Cover
from dashboard.views.turns import Turns


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
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
    cover : Cover
        Shows the progress.
    turns : Turns
    opened : callable (OpenInsertion, Wanted) -> None
    failed : callable (DashboardError) -> None
    """

    def __init__(
        self,
        store: InsertionStore,
        cover: Cover,
        turns: Turns,
        opened: Callable[[OpenInsertion, Wanted], None],
        failed: Callable[[DashboardError], None],
    ) -> None:
        self._store = store
        self._cover = cover
        self._turns = turns
        self._opened = opened
        self._failed = failed
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="open")
        self._cancel = threading.Event()
        self._has_opened = False
        cover.cancel.on_click(lambda event: self.cancel())

    def open(self, wanted: Wanted) -> None:
        """Load an insertion; a load that runs is cancelled."""
        self._cancel.set()
        self._cancel = cancel = threading.Event()
        cover = self._cover
        cover.alert.visible = False
        cover.stage.object = f'<div class="stage-title">Opening {escape(wanted.text)}</div>looking for it'
        cover.loading.visible = True
        cover.empty.visible = False
        future = self._threads.submit(
            self._store.open,
            wanted.text,
            wanted.sorter,
            wanted.revision,
            progress=partial(self._report, wanted, cancel),
            cancel=cancel,
        )
        future.add_done_callback(lambda done: self._turns.later(partial(self._finished, wanted, cancel, done)))

    def cancel(self) -> None:
        """Stop the load that runs."""
        self._cancel.set()

    def close(self) -> None:
        """Stop for good: the browser has gone."""
        self._cancel.set()
        self._threads.shutdown(wait=False)

    def _report(self, wanted: Wanted, cancel: threading.Event, progress: Progress) -> None:
        if not cancel.is_set():
            self._turns.later(partial(self._show_progress, wanted, cancel, progress))

    def _show_progress(self, wanted: Wanted, cancel: threading.Event, progress: Progress) -> None:
        if cancel is not self._cancel:
            return
        share = f" {100 * progress.done / progress.total:.0f} %" if progress.total else ""
        title = f'<div class="stage-title">Opening {escape(wanted.text)}</div>'
        self._cover.stage.object = f"{title}{escape(progress.stage)}{share}"

    def _finished(self, wanted: Wanted, cancel: threading.Event, done: Future[OpenInsertion]) -> None:
        if cancel is not self._cancel:
            return
        self._cover.loading.visible = False
        try:
            opened = done.result()
        except Cancelled:
            self._cover.empty.visible = not self._has_opened
        except DashboardError as error:
            self._cover.empty.visible = not self._has_opened
            self._failed(error)
        else:
            self._has_opened = True
            self._opened(opened, wanted)

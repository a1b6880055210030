"""What was decided about units of another revision or sorter: matched by spikes, and confirmed one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dashboard.analysis.curation.following import Followed, follow, left_behind
from dashboard.analysis.curation.subject import spikes_identity
from dashboard.library.store import InsertionStore, OpenInsertion
from dashboard.model.curation import Decision
from dashboard.model.errors import DashboardError, DatasetMissing
from dashboard.model.progress import ProgressCallback
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.job import Job
from dashboard.page.services.curation import CurationService
from dashboard.page.tabs.curation import texts
from dashboard.page.widgets.chips import Chips
from dashboard.page.widgets.progress_line import ProgressLine


class Following:
    """A button that looks for the units, what it found as chips to confirm, and what has no unit here.

    Parameters
    ----------
    store : InsertionStore
        Opens the other sorting.
    curation : CurationService
    queue : DocumentQueue
    html : callable () -> HTML
        Makes a piece of text of the tab.
    """

    def __init__(
        self, store: InsertionStore, curation: CurationService, queue: DocumentQueue, html: Callable[[], Any]
    ) -> None:
        self._store, self._curation, self._queue = store, curation, queue
        self._opened: OpenInsertion | None = None
        self._found: list[Followed] = []
        self.line = ProgressLine(self._start, self._stop)
        self._job: Job[list[Followed]] = Job(queue, "follow", self._refused, self.line.run)
        self.about = html()
        self.button, self.all = (
            pmui.Button(label=label, size="small", variant="outlined", margin=(4, 10), visible=False)
            for label in ("Find their units here", "Confirm all of them")
        )
        self.button.on_click(lambda event: self._start())
        self.all.on_click(lambda event: self._confirm(self._found))
        self.chips = Chips(self._picked, about="Decisions to confirm", margin=(4, 10), visible=False)
        self.panel = pn.Column(
            self.about, self.button, self.line.panel, self.chips, self.all, sizing_mode="stretch_width", margin=0
        )

    def show(self, loaded: OpenInsertion) -> None:
        """Show what is left behind of another insertion, or the same one."""
        if self._opened is None or self._opened.columns is not loaded.columns:
            self._job.drop()
            self.line.hide()
            self._found = []
        self._opened = loaded
        subject = self._curation.subject
        left = left_behind(self._curation.rows, subject) if subject is not None else []
        ids = {one.id for one in left}
        self._found = [one for one in self._found if one.decision.id in ids]
        here = [one for one in self._found if one.units]
        self.about.object = texts.left_behind(left, [one for one in self._found if not one.units])
        self.button.visible = bool(left) and not self._found and not self._job.is_running
        self.chips.param.update(chips=[texts.followed(one) for one in here], visible=bool(here))
        self.all.visible = bool(here)

    def close(self) -> None:
        """Stop what runs."""
        self._job.close()

    def _start(self) -> None:
        opened, subject = self._opened, self._curation.subject
        if opened is None or subject is None:
            return
        self.button.visible = False
        self._job.start(partial(self._look, opened, left_behind(self._curation.rows, subject)), self._take)

    def _stop(self) -> None:
        self._job.drop()
        self.line.hide()
        self.button.visible = True

    def _look(
        self, opened: OpenInsertion, left: Sequence[Decision], progress: ProgressCallback, cancel: threading.Event
    ) -> list[Followed]:
        found = []
        for identity in dict.fromkeys(one.spikes for one in left):
            of_one = [one for one in left if one.spikes == identity]
            before = self._find(opened, of_one[-1], progress, cancel)
            if before is None:
                found += [Followed(one, (), 0.0) for one in of_one]
            else:
                pair = (before.sorting, before.columns), (opened.sorting, opened.columns)
                found += follow(of_one, *pair, progress, cancel)
        return found

    def _find(
        self, opened: OpenInsertion, decision: Decision, progress: ProgressCallback, cancel: threading.Event
    ) -> OpenInsertion | None:
        """Return the sorting that a decision is about, where the insertion still has it."""
        for offer in opened.sorting.offers:
            if offer.revision != decision.revision or not decision.collection.endswith(offer.sorter):
                continue
            try:
                other = self._store.open(
                    opened.sorting.ref.insertion.key, offer.sorter, offer.revision, progress, cancel
                )
            except DatasetMissing:
                continue
            if spikes_identity(other.sorting) == decision.spikes:
                return other
        return None

    def _take(self, found: list[Followed]) -> None:
        self.line.hide()
        self._found = found
        if self._opened is not None:
            self.show(self._opened)

    def _refused(self, error: DashboardError) -> None:
        self.line.halt(str(error), "Try again")

    def _picked(self, name: str) -> None:
        self._queue.later(partial(self._confirm, [one for one in self._found if str(one.decision.id) == name]))

    def _confirm(self, found: Iterable[Followed]) -> None:
        self._curation.confirm([one for one in found if one.units])

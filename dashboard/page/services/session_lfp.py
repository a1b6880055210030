"""Power of LF over the session as a picture of the heatmap: read a little at a time, shown as it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboard.analysis.raw.heat import LFP, NO_IMAGE, HeatImage
from dashboard.analysis.raw.session_lfp import SessionLfp, session_lfp
from dashboard.model.errors import Cancelled, DashboardError
from dashboard.model.progress import Progress
from dashboard.model.requester import reading_for
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.render_loop import RenderLoop
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import ViewState
from dashboard.page.services.raw_pool import raw_pool
from dashboard.page.widgets.progress_line import ProgressLine

SLICE_S = 0.4
"""So long a thread reads before it takes what others wait for, and the picture is drawn anew."""


@dataclass(frozen=True, slots=True)
class LfpRequest:
    """A little more of a session, and the picture of it."""

    scene: Scene
    kind: str


class LfpReader:
    """Reads LF of the open session while the heatmap shows it.

    Parameters
    ----------
    queue : DocumentQueue
    pool : Executor
        Threads for raw data: the page's share of them.
    state : ViewState
    cache : Path
    login : callable () -> str
        Whose bytes are counted.
    draw : callable () -> None
        Told that there is more to draw; `heat` is asked then, and goes on reading.

    Attributes
    ----------
    line : ProgressLine
        How far it is, with a button that stops it.
    """

    def __init__(
        self, queue: DocumentQueue, pool: Any, state: ViewState, cache: Path, login: Callable[[], str],
        draw: Callable[[], None],
    ) -> None:  # fmt: skip
        self._state, self._cache, self._login, self._draw = state, cache, login, draw
        self._loop: RenderLoop[LfpRequest, tuple[SessionLfp, HeatImage]] = RenderLoop(
            queue, pool, self._read, self._show, self._refuse, pause_s=0, title="The LFP of the session"
        )
        self.line = ProgressLine(self._go_on, self._stop)
        self._asked: LfpRequest | None = None
        self._found: SessionLfp | None = None
        self._image: HeatImage | None = None
        self._is_stopped = False
        state.param.watch(self._leave, "heat_of")

    def heat(self, scene: Scene, kind: str) -> HeatImage | None:
        """Return what is known of a band, and have more of it read; None before the first has come."""
        asked = LfpRequest(scene, kind)
        before, self._asked = self._asked, asked
        if before is None or before.scene.sorting.channels is not scene.sorting.channels or before.kind != kind:
            self._found, self._image, self._is_stopped = None, None, False
            self._loop.cancel()
        is_whole = self._found is not None and self._found.is_whole
        if self._image is None or not (is_whole or self._is_stopped or not self._image.is_there):
            self._loop.request(asked)
        return self._image

    def close(self) -> None:
        """Stop what is read: the browser has gone."""
        self._loop.close()
        self._keep()

    def _keep(self) -> None:
        if self._found is not None:
            raw_pool().session().submit(self._found.keep)

    def _leave(self, event: Any) -> None:
        if event.new not in LFP:
            self._loop.cancel()
            self.line.hide()
            self._keep()

    def _read(self, request: LfpRequest, cancel: threading.Event) -> tuple[SessionLfp, HeatImage]:
        started = time.monotonic()
        with reading_for(self._login(), cancel):
            found = session_lfp(request.scene.sorting.raw, self._cache)
            while not cancel.is_set() and time.monotonic() - started < SLICE_S:
                if not found.read_next():
                    cancel.wait(0.0 if found.is_whole else SLICE_S)  # others read what is left
                    break
        if cancel.is_set():
            raise Cancelled
        if found.is_whole:
            found.keep()
        return found, found.image(request.scene.sorting, request.kind)

    def _show(self, request: LfpRequest, answer: tuple[SessionLfp, HeatImage]) -> None:
        asked = self._asked
        if (
            asked is None
            or request.kind != asked.kind
            or request.scene.sorting.channels is not asked.scene.sorting.channels
        ):
            return
        self._found, self._image = answer
        if self._found.is_whole or self._state.heat_of not in LFP:
            self.line.hide()
        elif not self._is_stopped:
            self.line.run(Progress("LFP of the session", self._found.n_known, len(self._found.starts)))
        self._draw()

    def _refuse(self, error: DashboardError) -> None:
        self.line.hide()
        if self._asked is not None:
            self._image = HeatImage(self._asked.kind, NO_IMAGE, f"no LFP over time: {error}", "", "inferno")
            self._draw()

    def _stop(self) -> None:
        self._is_stopped = True
        self._loop.cancel()
        self._keep()
        self.line.halt("The LFP of the session is not read to its end: cancelled.", "Go on")

    def _go_on(self) -> None:
        self._is_stopped = False
        self._draw()

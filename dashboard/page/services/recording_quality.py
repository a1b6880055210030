"""Quality of the open recording by depth: read once for a page, when something that shows it is first looked at."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor

import pandas as pd

from dashboard.analysis.raw.maps import QualityMaps, quality_maps
from dashboard.model.errors import DashboardError
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.fair_pool import FairPool
from dashboard.page.core.render_loop import RenderLoop
from dashboard.page.core.scene import Scene

THREADS, MAX_EACH = 3, 2
"""One person never holds all of them."""

_THREADS = FairPool(THREADS, name="raw", max_each=MAX_EACH)


def raw_threads(pool: Executor) -> Executor:
    """Return the share of a session's person in the threads that read and filter raw data: no raster waits for them.

    Parameters
    ----------
    pool : Executor
        The session's share in those that render.
    """
    return _THREADS.session(getattr(pool, "owner", ""))


class RecordingQuality:
    """Maps of the open recording.

    Parameters
    ----------
    queue : DocumentQueue
    pool : Executor
        Of the session.

    Attributes
    ----------
    loop : RenderLoop
        Reads them.
    error : DashboardError or None
        Why there are no maps.
    """

    def __init__(self, queue: DocumentQueue, pool: Executor) -> None:
        threads = raw_threads(pool)
        self.loop: RenderLoop[Scene, QualityMaps] = RenderLoop(queue, threads, _read, self._take, self._refuse)
        self._channels: pd.DataFrame | None = None  # of the recording: a column more of its units leaves them
        self._maps: QualityMaps | None = None
        self._listeners: list[Callable[[], object]] = []
        self.error: DashboardError | None = None

    def listen(self, changed: Callable[[], object]) -> None:
        """Call `changed`, in a turn of the document, when maps have come or have failed to."""
        self._listeners.append(changed)

    def known(self, scene: Scene) -> QualityMaps | None:
        """Return the maps of a scene where they are here."""
        return self._maps if self._channels is scene.sorting.channels else None

    def of(self, scene: Scene) -> QualityMaps | None:
        """Return the maps of a scene; None while they are read, and where that failed."""
        if self._channels is not scene.sorting.channels:
            self._channels, self._maps, self.error = scene.sorting.channels, None, None
            self.loop.request(scene)
        return self._maps

    def close(self) -> None:
        """Stop what is read: the browser has gone."""
        self.loop.close()

    def _take(self, scene: Scene, maps: QualityMaps) -> None:
        if scene.sorting.channels is self._channels:
            self._maps = maps
            self._tell()

    def _refuse(self, error: DashboardError) -> None:
        self.error = error
        self._tell()

    def _tell(self) -> None:
        for changed in self._listeners:
            changed()


def _read(scene: Scene, cancel: threading.Event) -> QualityMaps:
    sorting = scene.sorting
    return quality_maps(sorting, scene.opened.source.noise(sorting.ref.insertion))

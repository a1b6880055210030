"""Quality of the open recording by depth: read once for a page, when something that shows it is first looked at."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import pandas as pd

from dashboard.analysis.raw.heat import LFP, HeatImage, rms_heat
from dashboard.analysis.raw.maps import QualityMaps, channel_runs, quality_maps
from dashboard.model.errors import DashboardError
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.render_loop import RenderLoop
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import ViewState
from dashboard.page.services.raw_pool import raw_share
from dashboard.page.services.session_lfp import LfpReader


class RecordingQuality:
    """Maps of the open recording.

    Parameters
    ----------
    queue : DocumentQueue
    pool : Executor
        Threads that render: the page's share of them.
    state : ViewState
    cache : Path
    login : callable () -> str
        Whose bytes are counted.
    draw : callable () -> None
        Told that the heatmap has more to show.

    Attributes
    ----------
    pool : SessionPool
        Threads for raw data: the page's share of them.
    loop : RenderLoop
        Reads the maps.
    lfp : LfpReader
        Reads LF of the session.
    error : DashboardError or None
        Why there are no maps.
    """

    def __init__(
        self, queue: DocumentQueue, pool: Executor, state: ViewState, cache: Path, login: Callable[[], str],
        draw: Callable[[], None],
    ) -> None:  # fmt: skip
        self.pool = raw_share(pool)
        self.lfp = LfpReader(queue, self.pool, state, cache, login, draw)
        self.loop: RenderLoop[Scene, QualityMaps] = RenderLoop(queue, self.pool, _read, self._take, self._refuse)
        self._channels: pd.DataFrame | None = None  # of the recording: a column more of its units leaves them
        self._maps: QualityMaps | None = None
        self._listeners: list[Callable[[], object]] = []
        self.error: DashboardError | None = None

    def listen(self, changed: Callable[[], object]) -> None:
        """Call `changed`, in a turn of the document, when maps have come or have failed to."""
        self._listeners.append(changed)

    def heat(self, scene: Scene, kind: str) -> HeatImage | None:
        """Return a picture of the recording for the heatmap; None while its files are read."""
        maps = self.of(scene)
        if kind not in LFP:
            return None if maps is None else rms_heat(maps, kind)
        found = self.lfp.heat(scene, kind)
        return found if found is None or maps is None else replace(found, runs=tuple(channel_runs(maps)))

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
        self.lfp.close()
        self.pool.shutdown()

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

"""What the session hands to the tabs of the page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, cast

from dashboard.library.store import InsertionStore, OpenInsertion
from dashboard.library.userdata import UserSession
from dashboard.model.errors import DashboardError
from dashboard.model.progress import Progress, progress_text
from dashboard.model.registry import load
from dashboard.model.requester import reading_for
from dashboard.model.unit_ids import UnitId
from dashboard.page.core.tab import TabServices
from dashboard.page.plot.centre import Centre
from dashboard.page.plot.raster import RasterPicture, RasterView
from dashboard.page.services.curation import CurationService
from dashboard.page.services.own_events import OwnEvents
from dashboard.page.services.recording_quality import RecordingQuality
from dashboard.page.services.registry import SERVICES, PageService
from dashboard.page.services.response_test import ResponseTester
from dashboard.page.services.side_view import SideView
from dashboard.page.services.trial_browser import TrialBrowser

TELL_S = 0.25
"""Between two words on how far a transfer has come."""

Request = TypeVar("Request")
Result = TypeVar("Result")


@dataclass
class PageServices(TabServices):
    """Services of a tab on the page.

    Attributes
    ----------
    store : InsertionStore
    user_session : UserSession
    raster : RasterView
    centre : Centre
        The column of pictures.
    trials : TrialBrowser
    response_test : ResponseTester
    curation : CurationService
    quality : RecordingQuality
    take : callable (OpenInsertion) -> None
        Takes the open insertion with columns that were added to its clusters, or without them.
    read_out : callable (str) -> None
        Shows what is under the cursor, as HTML.
    failed : callable (DashboardError) -> None
        Says an error over the page.
    """

    store: InsertionStore
    user_session: UserSession
    raster: RasterView
    centre: Centre
    trials: TrialBrowser
    response_test: ResponseTester
    curation: CurationService
    quality: RecordingQuality
    take: Callable[[OpenInsertion], None]
    read_out: Callable[[str], None]
    failed: Callable[[DashboardError], None]

    @cached_property
    def side_view(self) -> SideView:
        """Side B of a comparison under the raster; made when it is first asked for."""
        common = (self.pool, self.queue, self.read_out, self.failed)
        return SideView(self.state, self.axes, self.raster, self.centre, *common)

    @cached_property
    def added(self) -> dict[str, PageService]:
        """Services of the registry, by name."""
        return {name: load(target)(self) for name, target in SERVICES.items()}

    @property
    def own_events(self) -> OwnEvents:
        """Events that the person brings in."""
        return cast("OwnEvents", self.added["own_events"])

    def dress(self, opened: OpenInsertion, taken: dict[str, Any] | None = None) -> OpenInsertion:
        """Return an insertion as the person sees it: with decisions about units, and what the registry's services add.

        Parameters
        ----------
        opened : OpenInsertion
        taken : dict, optional
            As for `CurationService.dress` and `OwnEvents.dress`.
        """
        opened = self.curation.dress(opened, taken)
        for service in self.added.values():
            opened = service.dress(opened, taken)
        return opened

    def reading(
        self, render: Callable[[Request, threading.Event], Result], tell: Callable[[str], None]
    ) -> Callable[[Request, threading.Event], Result]:
        """Return `render` as it reads for who works here: whose bytes are counted, and who is told how far they are.

        Parameters
        ----------
        render : callable (request, cancel event) -> result
            Runs on a thread.
        tell : callable (str) -> None
            In a turn of the document, every `TELL_S`.
        """
        told = 0.0

        def arriving(progress: Progress) -> None:
            nonlocal told
            if time.monotonic() - told > TELL_S:
                told = time.monotonic()
                self.queue.later(lambda: tell(f"{progress.stage}: {progress_text(progress)}"))

        def read(request: Request, cancel: threading.Event) -> Result:
            with reading_for(self.user_session.login, cancel, arriving):
                return render(request, cancel)

        return read

    def match_limits(self, picture: RasterPicture) -> None:
        """Give side B, where there is one, the colour limits of a picture of A."""
        if "side_view" in self.__dict__:
            self.side_view.match_limits(picture)

    def walked(self, ids: list[UnitId]) -> list[UnitId]:
        """Return those of some units that J and K stop at: all, or those that nobody has judged yet."""
        return self.curation.walked(ids)

    def close(self) -> None:
        """Stop what runs: the browser has gone."""
        self.curation.close()
        self.quality.close()
        self.response_test.close()
        for service in self.added.values():
            service.close()
        if "side_view" in self.__dict__:
            self.side_view.close()

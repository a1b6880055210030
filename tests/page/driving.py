"""A page without server and browser: the session itself in a loop of its own, driven from a test's thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import panel as pn
from bokeh.document import Document
from tornado.ioloop import IOLoop

from dashboard.library.catalogue import Catalogue
from dashboard.library.store import InsertionStore
from dashboard.library.userdata import UserData, UserSession
from dashboard.page.core.fair_pool import FairPool
from dashboard.page.core.job import Job
from dashboard.page.export.downloads import Downloads
from dashboard.page.session import DashboardSession
from dashboard.sources.base import Source
from dashboard.sources.folder import FolderSource

WAIT_S = 120
WAITING = ("computing", "reading …", "opening ", "comparing ", "aligning ")
Found = TypeVar("Found")


class _Document(Document):
    """A document whose turns are those of the loop it was made in, one after the other."""

    def __init__(self, turns: asyncio.Lock) -> None:
        super().__init__()
        self._loop, self._turns = IOLoop.current(), turns

    def add_next_tick_callback(self, callback: Any) -> Any:
        async def turn() -> None:
            async with self._turns:
                if (made := callback()) is not None:
                    await made

        self._loop.add_callback(turn)


def texts(tab: Any) -> str:
    """Return everything that a tab says."""
    return " ".join(_texts(tab.panel))


def _texts(item: Any) -> Iterator[str]:
    if item.visible:
        if isinstance(item, pn.pane.HTML):
            yield str(item.object)
        for inner in getattr(item, "objects", ()):
            yield from _texts(inner)


def waits(tab: Any) -> list[str]:
    """Return what of a tab says that something is on its way."""
    said = texts(tab)
    return [word for word in WAITING if word in said]


def is_idle(tab: Any) -> bool:
    """Whether nothing of a tab is computed, or waits for it."""
    jobs = [value for value in vars(tab).values() if isinstance(value, Job)]
    return all(loop.is_idle for loop in tab._loops) and not any(job.is_running for job in jobs)


class DrivenPage:
    """One browser tab of one folder.

    Attributes
    ----------
    session : DashboardSession
        To be looked at and changed in the loop's thread only: `do` and `wait`.
    """

    session: DashboardSession

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self.turns = loop, asyncio.Lock()

    def do(self, act: Callable[[], Found]) -> Found:
        """Return what `act` returns, run in the page's thread, between its turns as a message of the browser is."""

        async def run() -> Found:
            async with self.turns:
                return act()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(WAIT_S)

    def wait(self, condition: Callable[[], Found], what: str = "") -> Found:
        """Return the first true value of a condition, looked at in the page's thread."""
        pause = threading.Event()
        for _ in range(int(WAIT_S / 0.01)):
            if found := self.do(condition):
                return found
            pause.wait(0.01)
        alert = self.session.card.alert
        raise AssertionError(f"waited in vain for {what or condition}; the page says: {alert.visible and alert.object}")

    def open(self, text: str) -> None:
        """Open an insertion and wait until its raster is drawn, or it is refused."""
        session = self.session
        self.do(lambda: session.open(text))
        self.wait(lambda: session.card.alert.visible or session.raster.picture is not None, f"the raster of {text}")

    def select(self, tab: str, *units: Any) -> Any:
        """Open a tab with some units selected; return it."""
        self.do(lambda: self.session.state.param.update(selected=list(units), tab=tab))
        slot = next(slot for slot in self.session.dock.slots.values() if slot.title == tab)
        made = self.wait(lambda: slot.made, tab)
        if hasattr(made, "_laid_out"):  # a browser says so
            self.do(lambda: made._laid_out("inner_width", 0, 1))
        return made


@contextmanager
def driven_page(
    data: Path | Source | Sequence[Path], cache: Path, query: str = "", *, refresh_s: float = 0.0
) -> Iterator[DrivenPage]:
    """Serve a source, or one or several folders of ALF data, to one page; yield it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="page")
    thread.start()
    page = DrivenPage(loop)
    if isinstance(data, Path):
        data = [data]
    sources = [FolderSource(folder) for folder in data] if isinstance(data, Sequence) else [data]
    pool = FairPool(2)

    def make() -> DashboardSession:
        share: Any = pool.session()
        return DashboardSession(
            InsertionStore(sources, cache, refresh_s=refresh_s), share, _Document(page.turns), query,
            Catalogue(sources), UserSession(UserData.in_folder(cache)), Downloads(cache).of_session(),
        )  # fmt: skip

    try:
        page.session = page.do(make)
        try:
            yield page
        finally:
            page.do(page.session.close)
    finally:
        pool.shutdown()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()


def send_file(field: Any, name: str, content: bytes, part: int = 1_000) -> None:
    """Send a file to a field as a browser does, in parts; to be called in the page's thread."""
    field._handle_msg({"type": "status", "status": "initializing"})
    parts = [content[start : start + part] for start in range(0, len(content), part)]
    for k, data in enumerate(parts):
        message = {"status": "upload_event", "chunk": k + 1, "total_chunks": len(parts), "name": name, "data": data}
        field._handle_msg({**message, "mime_type": ""})
    field._handle_msg({"type": "status", "status": "finished"})

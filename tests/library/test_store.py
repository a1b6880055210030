"""The store of open insertions: one load for all who ask, and none that stops for those who come late."""

from __future__ import annotations

import threading
from pathlib import Path

from dashboard.library.store import InsertionStore
from dashboard.model.errors import Cancelled
from dashboard.model.progress import Progress
from dashboard.sources.demo.source import DemoSource


def test_who_asks_while_a_load_stops_gets_one_of_their_own(tmp_path: Path) -> None:
    """As when what was loaded ahead is given up, and opened at that moment."""
    store = InsertionStore([DemoSource(tmp_path / "demo", n_spikes=2_000)], tmp_path / "cache")
    begun, go_on, given_up = threading.Event(), threading.Event(), threading.Event()
    ended: list[BaseException] = []

    def hold(progress: Progress) -> None:
        begun.set()
        go_on.wait(60)

    def load_ahead() -> None:
        try:
            store.open("demo", progress=hold, cancel=given_up)
        except Cancelled as error:
            ended.append(error)

    ahead = threading.Thread(target=load_ahead)
    ahead.start()
    assert begun.wait(60)
    given_up.set()
    ahead.join(60)
    assert len(ended) == 1
    try:
        threading.Timer(0.2, go_on.set).start()  # the load itself stops after the next one has begun
        assert store.open("demo").sorting.n_spikes == 2_000
    finally:
        go_on.set()

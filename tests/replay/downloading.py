"""What the tests of downloads share: items of the recorded session, waits that take no time."""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
import time
from collections.abc import Callable

from dashboard.model.references import DatasetRef
from dashboard.sources.alyx.records import dataset_from_record
from dashboard.sources.download.checksums import SUFFIX
from dashboard.sources.download.downloader import Fetched
from dashboard.sources.download.transfer import Item
from tests.replay.server import Replay

EID = "476cedbd-08e6-4844-ac5d-baed40ae4d78"
COLLECTION = "alf/probe00/pykilosort/#2024-05-06#"


class Waits:
    """Takes the place of sleeping, and remembers for how long."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, stop: threading.Event, seconds: float) -> bool:
        self.seconds.append(seconds)
        return stop.is_set()


def served(server: Replay, ending: str) -> DatasetRef:
    """Return a dataset of the recorded session, at the replay's address."""
    record = server.dataset(EID, ending)
    dataset = dataset_from_record(json.loads(server.rewritten(record)), {})
    assert dataset is not None
    return dataset


def whole(item: Item, fetched: Fetched) -> bool:
    """Return whether the file is in its place, right to the last byte, with nothing beside it."""
    path = fetched[item.dataset.relative_path]
    assert path == item.target
    beside = {p.name for p in path.parent.iterdir() if p.suffix != SUFFIX} - {path.name}
    return hashlib.md5(path.read_bytes()).hexdigest() == item.dataset.md5 and not beside


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for a condition."""
    for _ in itertools.count():
        if condition():
            return
        seconds -= 0.01
        assert seconds > 0, "it did not happen"
        time.sleep(0.01)

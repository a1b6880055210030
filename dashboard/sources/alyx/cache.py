"""What a database answered, remembered on disk, so that what was seen before opens without it."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlencode

from dashboard.config.throttling import is_patient
from dashboard.model.errors import SourceUnavailable
from dashboard.model.files import write_file
from dashboard.model.json_files import read_json
from dashboard.model.progress import WAITS, Progress
from dashboard.model.remembered import note_remembered
from dashboard.sources.alyx.client import Client, QueryFailed, Record, ServerBusy, Unanswered

log = logging.getLogger(__name__)

# Opening an insertion asks for the same record several times. What is looked at every minute is at most so much older.
FRESH_S = 30.0
# After a server did not answer, everybody else is spared the wait for this long.
RETRY_S = 20.0
# An answer that is known from before is taken where the server has not answered for so long: its own comes later.
PATIENCE_S = 2.0
# What is not known is waited for so long, then given up.
MAX_ANSWER_S = 60.0
# A shorter wait is not worth a word.
QUIET_S = 0.5
_POLL_S = 0.05
# Answers held in memory; a session's is some 100 kB.
_HELD = 64


class NoAnswerYet(Unanswered):
    """The server was asked and has not answered so far; the question stands."""


class CachedRecords:
    """Answers of an Alyx server: from memory while fresh, else from the server, else from the disk.

    Parameters
    ----------
    client : Client
    folder : Path
        One JSON file per answer; created when the first is written.
    offline : bool
        Never ask the server.
    clock : callable
        Seconds.
    """

    def __init__(
        self, client: Client, folder: Path, offline: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.client = client
        self.folder = folder
        self.offline = offline
        self._clock = clock
        self._held: OrderedDict[str, tuple[float, Any]] = OrderedDict()
        self._asking: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()
        self._failure: SourceUnavailable | None = None
        self._ask_again_at = 0.0
        self._answered_at = -float("inf")
        self._oldest: str | None = None

    @property
    def notice(self) -> str:
        """Why answers come from the disk and since when they are, for the page; empty while the server answers."""
        with self._lock:
            failure, oldest = self._failure, self._oldest
        if self.offline:
            why = f"Offline by choice: {self.client.host} is not asked"
        elif failure is not None:
            why = f"Offline: {failure.what[0].lower()}{failure.what[1:]} ({self.client.host})"
        else:
            return ""
        return f"{why}; what is known is of {oldest[:10]}" if oldest else why

    def read(self, path: str) -> Record | None:
        """Return one record, None where the server says that it has none.

        Raises
        ------
        SourceUnavailable
            The server does not answer, and the record was never fetched before.
        """
        answer = self._answer(path, lambda: self.client.read(path))
        return answer if isinstance(answer, dict) else None

    def listed(self, path: str, params: Mapping[str, str]) -> list[Record]:
        """Return the rows of a list, of all its pages.

        Raises
        ------
        SourceUnavailable
            As `read`.
        """
        key = f"{path}?{urlencode(sorted(params.items()))}"
        answer = self._answer(key, lambda: [row for page in self.client.pages(path, params) for row in page])
        return answer if isinstance(answer, list) else []

    def pages(self, path: str, params: Mapping[str, str]) -> Iterator[list[Record]]:
        """Yield the rows of a list page by page as they are read; remembered when all were read.

        Raises
        ------
        SourceUnavailable
            As `read`.
        """
        key = f"{path}?{urlencode(sorted(params.items()))}"
        held = self._fresh(key)
        if held is not None:
            yield held[0]
            return
        rows: list[Record] = []
        asked = self._clock()
        try:
            self._check(self._is_remembered(key))
            for page in self._arriving(key, path, params):
                rows += page
                yield page
        except SourceUnavailable as error:
            self._note(error, key, asked)
            remembered = self._remembered(key)
            if remembered is None:
                raise
            had = {row.get("id") for row in rows}
            yield [row for row in remembered[0] if row.get("id") not in had]

    def _arriving(self, key: str, path: str, params: Mapping[str, str]) -> Iterator[list[Record]]:
        """Yield pages as they are read by a thread of their own, which goes on where nobody waits any more."""
        pages: SimpleQueue[list[Record]] = SimpleQueue()

        def read() -> list[Record]:
            rows: list[Record] = []
            for page in self.client.pages(path, params):
                rows += page
                pages.put(page)
            return rows

        question = self._question(f"pages of {key}", key, read)
        while not question.done():
            try:
                self._wait(question, self._is_remembered(key), pages)
            except NoAnswerYet:
                if pages.empty():
                    raise
            while not pages.empty():
                yield pages.get()
        while not pages.empty():
            yield pages.get()
        question.result()

    def remembered(self, endpoint: str) -> Iterator[Record]:
        """Yield every row of an endpoint that is on disk, whichever answer it came with, each once."""
        seen = set()
        for file in sorted(self.folder.glob(f"{endpoint}_*.json")):
            body = _load(file).get("body")
            for row in body if isinstance(body, list) else [body]:
                if isinstance(row, dict) and row.get("id") not in seen:
                    seen.add(row.get("id"))
                    yield row

    def look_again(self) -> None:
        """Ask the server at the next question, unless it asked to be left alone for longer.

        A question that still stands is put anew: its connection may be one that nobody serves any more.
        """
        with self._lock:
            self._held.clear()
            if self._asking:
                self._asking.clear()
                self.client.start_over()
            if not isinstance(self._failure, ServerBusy):
                self._ask_again_at = 0.0

    def _answer(self, key: str, ask: Callable[[], Any]) -> Any:
        held = self._fresh(key)
        if held is not None:
            return held[0]
        asked = self._clock()
        try:
            is_remembered = self._is_remembered(key)
            self._check(is_remembered)
            return self._wait(self._question(key, key, ask), is_remembered)
        except SourceUnavailable as error:
            self._note(error, key, asked)
            remembered = self._remembered(key)
            if remembered is None:
                raise
            return remembered[0]

    def _question(self, name: str, key: str, ask: Callable[[], Any]) -> Future[Any]:
        """Return the answer to come of a question, which several who want the same share."""
        with self._lock:
            question = self._asking.get(name)
            if question is not None:
                return question
            question = self._asking[name] = Future()

        asked = self._clock()

        def run() -> None:
            try:
                answer = ask()
            except BaseException as error:  # whoever waits raises it  # noqa: BLE001
                if isinstance(error, SourceUnavailable):
                    self._note(error, key, asked)
                self._forget(name, question)
                question.set_exception(error)
                return
            self._take(key, answer, asked)
            self._forget(name, question)
            question.set_result(answer)

        threading.Thread(target=run, name=f"ask {self.client.host}", daemon=True).start()
        return question

    def _forget(self, name: str, question: Future[Any]) -> None:
        """Let the next who asks put the question anew, unless somebody has."""
        with self._lock:
            if self._asking.get(name) is question:
                del self._asking[name]

    def _wait(self, question: Future[Any], is_remembered: bool, pages: SimpleQueue[list[Record]] | None = None) -> Any:
        """Return the answer; where something is known, wait no longer than a reader of the page would.

        With `pages`, return None when one has come.

        Raises
        ------
        NoAnswerYet
            It did not come in time; when it does, it is remembered.
        """
        limit, tell = PATIENCE_S if is_remembered else MAX_ANSWER_S, WAITS.get()
        started = asked = time.monotonic()
        while True:
            wait([question], _POLL_S)
            if question.done():
                return question.result()
            if pages is not None and not pages.empty():
                return None
            now = time.monotonic()
            if self.client.told_to_wait and (is_patient() or not is_remembered):
                started = now  # it did answer: with how long it wants to be left alone
                tell(Progress(f"{self.client.host} is busy and asks to wait", now - asked, 0.0, "s"))
            elif now - started > limit:
                what = f"The Alyx server has not answered for {limit:.0f} s"
                raise NoAnswerYet(what, self.client.base_url, "Try again later")
            elif now - started > QUIET_S:
                tell(Progress(f"waiting for {self.client.host}, {limit:.0f} s at most", now - started, limit, "s"))

    def _is_remembered(self, key: str) -> bool:
        return self._file(key).is_file()

    def _fresh(self, key: str) -> tuple[Any] | None:
        with self._lock:
            held = self._held.get(key)
        return (held[1],) if held is not None and self._clock() - held[0] < FRESH_S else None

    def _check(self, is_remembered: bool) -> None:
        """Raise where asking is forbidden, or failed a moment ago; a server that is only slow is asked what is new."""
        if self.offline:
            raise SourceUnavailable("Not known offline", self.client.base_url, "Open it once with the server reachable")
        with self._lock:
            failure, when = self._failure, self._ask_again_at
        if failure is not None and self._clock() < when and (is_remembered or not isinstance(failure, Unanswered)):
            raise failure

    def _note(self, error: SourceUnavailable, key: str, asked: float) -> None:
        """Remember why the server gave no answer; one that has answered since it was `asked` this is not down."""
        is_remembered = self._is_remembered(key)
        with self._lock:
            if error is self._failure or self.offline:
                return
            log.warning("%s", error)
            is_busy = isinstance(error, ServerBusy)
            has_answered = self._answered_at > asked and not is_busy
            if has_answered and not is_remembered:
                return
            self._failure = error
            spared = 0.0 if isinstance(error, QueryFailed) or has_answered else RETRY_S
            if isinstance(error, ServerBusy):
                spared = max(spared, error.wait_s)
            self._ask_again_at = self._clock() + spared

    def _take(self, key: str, answer: Any, asked: float) -> None:
        with self._lock:
            self._failure = self._oldest = None
            self._answered_at = self._clock()
            if key in self._held and self._held[key][0] > asked:
                return  # the same was asked later, and answered before
            self._held[key] = (self._clock(), answer)
            self._held.move_to_end(key)
            while len(self._held) > _HELD:
                self._held.popitem(last=False)
        if answer is not None:
            self._write(key, answer)

    def _write(self, key: str, answer: Any) -> None:
        content = {"key": key, "fetched": datetime.now(UTC).isoformat(timespec="seconds"), "body": answer}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_file(self._file(key), json.dumps(content).encode())
        except OSError as error:
            # the answer is here all the same; only the next one offline will miss it
            log.warning("%s was not remembered: %s", key, error.strerror)

    def _remembered(self, key: str) -> tuple[Any] | None:
        content = _load(self._file(key))
        if content.get("key") != key or "body" not in content:
            return None
        with self._lock:
            self._oldest = min(self._oldest or "9999", str(content.get("fetched", "")))
        note_remembered(str(content.get("fetched", "")))
        return (content["body"],)

    def _file(self, key: str) -> Path:
        path, _, query = key.partition("?")
        plain = re.sub(r"[^\w-]+", "_", path.strip("/"))
        hashed = f"_{hashlib.sha1(query.encode(), usedforsecurity=False).hexdigest()[:16]}" if "?" in key else ""
        return self.folder / f"{plain}{hashed}.json"


def _load(file: Path) -> Record:
    """Return a remembered answer, empty where there is none, or none that can be read."""
    try:
        content = read_json(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read and is ignored: %s", file, type(error).__name__)
        return {}
    return content if isinstance(content, dict) else {}

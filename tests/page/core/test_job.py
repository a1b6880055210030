"""Work in a thread of its own: the newest wins, and whatever happens to it, whoever waits is told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dashboard.model.errors import BadRequest, Cancelled
from dashboard.model.progress import Progress, ProgressCallback
from dashboard.page.core.job import Job


class Turns:
    """Runs every change at once, one after the other, and writes down what was said."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self._lock = threading.RLock()

    def later(self, change: Callable[[], None]) -> None:
        with self._lock:
            change()


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def job(turns: Turns) -> Iterator[Job[int]]:
    said = turns.said
    made: Job[int] = Job(
        turns,  # type: ignore[arg-type]
        "adding",
        lambda error: said.append(str(error)),
        lambda progress: said.append(progress.done),
        lambda: said.append("cancelled"),
    )
    yield made
    made.close()


def after_what_runs(job: Job[int]) -> None:
    job._threads.submit(int).result(60)


def until_cancelled(report: ProgressCallback, cancel: threading.Event) -> int:
    assert cancel.wait(60)
    raise Cancelled


def test_what_came_of_it_is_taken(job: Job[int], turns: Turns) -> None:
    def work(report: ProgressCallback, cancel: threading.Event) -> int:
        report(Progress("adding", 1, 2))
        return 3

    job.start(work, turns.said.append)
    after_what_runs(job)
    assert turns.said == [1, 3]
    assert not job.is_running


def test_the_newest_wins(job: Job[int], turns: Turns) -> None:
    job.start(until_cancelled, turns.said.append)
    job.start(lambda report, cancel: 1, turns.said.append)  # never begins
    job.start(lambda report, cancel: 2, turns.said.append)
    after_what_runs(job)
    assert turns.said == [2]


def test_a_cancelled_one_says_so_and_a_dropped_one_nothing(job: Job[int], turns: Turns) -> None:
    job.start(until_cancelled, turns.said.append)
    job.cancel()
    after_what_runs(job)
    assert turns.said == ["cancelled"]
    job.start(until_cancelled, turns.said.append)
    job.drop()
    after_what_runs(job)
    assert turns.said == ["cancelled"]


def refuse(report: ProgressCallback, cancel: threading.Event) -> int:
    raise BadRequest("No trial can be used")


def break_down(report: ProgressCallback, cancel: threading.Event) -> int:
    raise ZeroDivisionError("x" * 1000)


@pytest.mark.parametrize(
    ("work", "words", "has_trace"), [(refuse, "No trial can be used", False), (break_down, "ZeroDivisionError", True)]
)
def test_an_error_is_one_line_and_the_log_has_the_trace_of_one_that_nobody_foresaw(
    work: Any, words: str, has_trace: bool, job: Job[int], turns: Turns, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        job.start(work, turns.said.append)
        after_what_runs(job)
    (line,) = turns.said
    assert words in line and "\n" not in line and len(line) < 200
    assert [record.exc_info is not None for record in caplog.records] == [True] * has_trace


def test_an_error_of_who_takes_the_result_is_said_too(job: Job[int], turns: Turns) -> None:
    job.start(lambda report, cancel: 0, lambda result: turns.said.append(1 // result))
    after_what_runs(job)
    (line,) = turns.said
    assert "ZeroDivisionError" in line


def test_what_is_quick_is_there_at_once(job: Job[int], turns: Turns) -> None:
    job.start(lambda report, cancel: 4, turns.said.append)
    job.settle(60)
    assert turns.said == [4]
    after_what_runs(job)
    assert turns.said == [4], "it was taken twice"

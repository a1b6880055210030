"""Shares of threads by person: slow work of one leaves threads to the others."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator

import pytest

from dashboard.page.core.fair_pool import PATIENCE, FairPool
from dashboard.page.services.raw_pool import MAX_PER_PERSON, THREADS, raw_pool

WAIT_S = 20


@pytest.fixture
def pool() -> Iterator[FairPool]:
    made = FairPool(THREADS, max_each=MAX_PER_PERSON, is_patient=True)
    yield made
    made.shutdown()


def test_slow_reads_of_one_person_let_others_go_ahead(pool: FairPool) -> None:
    gate, begun = threading.Event(), threading.Semaphore(0)

    def slow() -> bool:
        begun.release()
        return gate.wait(WAIT_S)

    tabs, other = [pool.session("login eve") for _ in range(4)], pool.session("login ann")
    reads = [tab.submit(slow) for tab in tabs for _ in range(2)]
    for _ in range(MAX_PER_PERSON):
        assert begun.acquire(timeout=WAIT_S)
    assert [other.submit(lambda k=k: k).result(WAIT_S) for k in range(5)] == list(range(5))
    assert not begun.acquire(blocking=False)  # eve has no third thread
    assert not any(read.done() for read in reads)
    gate.set()
    assert all(read.result(WAIT_S) for read in reads)  # those that were passed over have run


def test_a_job_knows_whether_it_keeps_anybody_waiting(pool: FairPool) -> None:
    share, gate = pool.session("login eve"), threading.Event()
    assert share.submit(share.has_one_job).result(WAIT_S)
    other = pool.session("login ann").submit(gate.wait, WAIT_S)
    assert not share.submit(share.has_one_job).result(WAIT_S)
    gate.set()
    assert other.result(WAIT_S)


def test_filters_of_five_people_begin_at_once(pool: FairPool) -> None:
    together = threading.Barrier(5)
    jobs = [pool.session(f"login {name}").submit(together.wait, WAIT_S) for name in "abcde"]
    assert sorted(job.result(WAIT_S) for job in jobs) == list(range(5))


def test_the_pool_of_raw_data_has_a_thread_for_each_of_five_people() -> None:
    together = threading.Barrier(5)
    shares = [raw_pool().session(f"login {name}") for name in "abcde"]
    assert sorted(job.result(WAIT_S) for job in [share.submit(together.wait, WAIT_S) for share in shares]) == [
        *range(5)
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own here")
def test_patient_threads_leave_the_processor_to_others(pool: FairPool) -> None:
    here = os.getpriority(os.PRIO_PROCESS, 0)
    job = pool.session().submit(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert job.result(WAIT_S) == min(max(PATIENCE, here), 19)
    assert os.getpriority(os.PRIO_PROCESS, 0) == here

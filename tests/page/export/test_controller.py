"""What the sessions of a process share: threads, by turns, and opened insertions, one copy of each."""

from __future__ import annotations

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dashboard.library.store import InsertionStore
from dashboard.page.core.fair_pool import FairPool
from dashboard.sources.demo.source import DemoSource
from tests.replay.downloading import until


def test_a_busy_session_does_not_hold_up_the_others() -> None:
    pool, gate, order = FairPool(1), threading.Event(), list[str]()
    greedy, modest = pool.session(), pool.session()
    jobs = [greedy.submit(gate.wait)]
    jobs += [greedy.submit(order.append, "greedy") for _ in range(5)]
    jobs.append(modest.submit(order.append, "modest"))
    gate.set()
    for job in jobs:
        job.result(10)
    assert order.index("modest") <= 1
    pool.shutdown()


def test_many_tabs_give_nobody_more_of_the_threads() -> None:
    pool, gate, order = FairPool(1), threading.Event(), list[str]()
    tabs, modest = [pool.session("login eve") for _ in range(8)], pool.session("login ann")
    jobs = [tabs[0].submit(gate.wait)]
    jobs += [tab.submit(order.append, f"eve {k}") for k, tab in enumerate(tabs)]
    jobs += [modest.submit(order.append, "ann") for _ in range(2)]
    gate.set()
    for job in jobs:
        job.result(10)
    assert max(k for k, name in enumerate(order) if name == "ann") <= 4, order
    assert sorted(name for name in order if name != "ann") == [f"eve {k}" for k in range(8)]
    pool.shutdown()


def test_one_person_never_holds_all_threads_where_that_is_asked() -> None:
    pool, gate = FairPool(2, max_each=1), threading.Event()
    greedy, modest = pool.session("login eve"), pool.session("login ann")
    jobs = [greedy.submit(gate.wait) for _ in range(3)]
    assert modest.submit(lambda: 2).result(10) == 2
    assert not any(job.done() for job in jobs)
    assert pool.draws_for_others("login ann")
    until(lambda: not pool.draws_for_others("login eve"), 10)
    gate.set()
    assert all(job.result(10) for job in jobs)
    pool.shutdown()


def test_what_a_gone_session_had_waiting_is_not_run() -> None:
    pool, gate = FairPool(1), threading.Event()
    gone, other = pool.session(), pool.session()
    first = gone.submit(gate.wait)
    waiting = gone.submit(lambda: 1)
    gone.shutdown()
    gate.set()
    assert waiting.cancelled()
    assert first.result(10) is True
    assert other.submit(lambda: 2).result(10) == 2
    assert isinstance(other.submit(lambda: 1 / 0).exception(10), ZeroDivisionError)
    pool.shutdown()


def test_many_who_ask_at_once_get_one_copy(small_demo: object, cache: Path) -> None:
    store, loads = InsertionStore([DemoSource(cache, n_spikes=50_000)], cache), []
    store.observe = loads.append
    with ThreadPoolExecutor(8) as threads:
        opened = list(threads.map(lambda _: store.open("demo"), range(8)))
    assert len({id(one) for one in opened}) == 1
    assert len(loads) == 1


def test_a_store_smaller_than_one_insertion_still_shares_what_is_shown(small_demo: object, cache: Path) -> None:
    store = InsertionStore([DemoSource(cache, n_spikes=50_000)], cache, limit_bytes=1)
    shown = store.open("demo")
    other = store.open("demo", sorter="pykilosort")
    assert store.open("demo") is shown, "one in use was loaded twice"
    assert len(store) == 2
    assert store.bytes_held == shown.columns.nbytes + other.columns.nbytes
    del other
    for _ in range(100):  # a thread that has just opened it may hold it a moment longer
        gc.collect()
        if len(store) == 1:
            break
        time.sleep(0.05)
    assert len(store) == 1, "one that nobody shows was kept beyond the limit"


def test_a_pane_without_a_document_takes_our_files(tmp_path: Path) -> None:
    import panel as pn
    from bokeh.models import ImportedStyleSheet

    from dashboard.config.settings import Settings
    from dashboard.server.server import make_server

    server = make_server([DemoSource(tmp_path, n_spikes=1000)], cache=tmp_path, settings=Settings(cache=tmp_path))
    server.process.close()
    sheets = pn.pane.HTML("folded away")._get_properties(None)["stylesheets"]
    urls = [sheet.url for sheet in sheets if isinstance(sheet, ImportedStyleSheet)]
    assert urls
    assert all(url.startswith("static/extensions/panel/") for url in urls)

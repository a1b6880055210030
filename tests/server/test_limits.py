"""One person cannot take the server of the others: pages, websockets, exports and files, by login or by address."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from bokeh.document import Document
from bokeh.models import Div
from bokeh.server.connection import ServerConnection
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from dashboard.export.process import ExportProcess
from dashboard.model.errors import BadRequest
from dashboard.page.core import slices
from dashboard.page.export import downloads as exports
from dashboard.server import limits
from dashboard.server.auth.gate import COOKIE
from dashboard.server.auth.passwords import add_user
from dashboard.server.limits import MAX_SOCKETS, MAX_WAITING, BuildQueue, TooMany
from dashboard.server.upstream import shares
from dashboard.sources.demo.source import DemoSource
from tests.replay.downloading import until
from tests.server.asking import PASSWORD, Site, answer, connect, token_in
from tests.serving import serving


async def settled() -> None:
    """Let what was begun go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def open_pages(queue: BuildQueue, owner: str, n: int, order: list[str]) -> None:
    async def one() -> None:
        async with queue.turn(owner):
            order.append(owner)

    await asyncio.gather(*(one() for _ in range(n)))


def run_apart(work: Coroutine[Any, Any, Any]) -> Any:
    """Run it in a thread of its own: a browser that the worker drives may have left a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result(60)


def test_pages_are_built_in_turns_of_people() -> None:
    async def visit() -> list[str]:
        queue, order = BuildQueue(lambda owner: False), list[str]()
        greedy = asyncio.create_task(open_pages(queue, "eve", 6, order))
        await settled()
        await open_pages(queue, "ann", 2, order)
        await greedy
        return order

    order = run_apart(visit())
    assert order == ["eve", "eve", "ann", "eve", "ann", "eve", "eve", "eve"]


def test_beside_others_pages_of_one_person_are_spread_out() -> None:
    """A page is at most a twentieth of the loop's time, once somebody has opened some."""
    now = [0.0]

    async def visit(*, has_others: bool) -> list[float]:
        queue, began = BuildQueue(lambda owner: has_others, lambda: now[0]), list[float]()
        loop = asyncio.get_running_loop()
        waited: list[float] = []
        later = loop.call_later

        def call_later(delay: float, callback: Any, *args: Any, **named: Any) -> Any:
            waited.append(delay)

            def due() -> None:
                now[0] += delay
                callback(*args)

            return later(0, due, **named)

        loop.call_later = call_later  # type: ignore[method-assign]
        for _ in range(limits.FREE_PAGES + 2):
            async with queue.turn("eve"):
                began.append(now[0])
                now[0] += 0.5
        return began

    alone = run_apart(visit(has_others=False))
    assert alone[-1] - alone[0] < 0.6 * len(alone)
    beside = run_apart(visit(has_others=True))
    gaps = [after - before for before, after in pairwise(beside)]
    assert gaps[-1] >= 0.5 / limits.SHARE


@pytest.mark.parametrize("part", ["built", "written"])
def test_others_are_answered_while_a_page_is_built_and_written(
    site: Site, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """The page takes until `/health` has been answered twice."""
    cookie, answered, asked = site.login().cookies[COOKIE], threading.Event(), threading.Event()

    def take_long(original: Any, *args: Any) -> Any:
        asked.set()
        until(lambda: Div(text="x") is not None and answered.is_set(), 60)
        return original(*args)

    kind, name = (type(site.server.process), "_new_session") if part == "built" else (Document, "to_json")
    original = getattr(kind, name)
    monkeypatch.setattr(kind, name, lambda *args: take_long(original, *args))
    with ThreadPoolExecutor(1) as thread:
        page = thread.submit(pulled, site, cookie)
        assert asked.wait(60)
        assert [site.get("/health", cookie).status_code for _ in range(2)] == [200, 200]
        answered.set()
        assert "raster" in page.result(60)


def pulled(site: Site, cookie: str) -> str:
    """Return what a page is told on its websocket first."""
    token = token_in(site.get("/", cookie).text)
    headers = {"Origin": f"http://localhost:{site.server.port}", "Cookie": f"{COOKIE}={cookie}"}

    async def pull() -> str:
        request = HTTPRequest(f"ws{site.url.removeprefix('http')}/ws", headers=headers)
        socket = await websocket_connect(request, subprotocols=["bokeh", token], max_message_size=1 << 30)
        for part in ({"msgid": "1", "msgtype": "PULL-DOC-REQ"}, {}, {}):
            await socket.write_message(json.dumps(part))
        while (read := await socket.read_message()) is not None:
            if len(read) > 10_000:
                break
        socket.close()
        while await socket.read_message() is not None:
            pass
        return str(read)

    return answer(pull)


def test_while_a_picture_of_another_is_drawn_the_loop_rests_for_longer_between_the_slices_of_a_page(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie, process, gate = site.login().cookies[COOKIE], site.server.process, threading.Event()
    short, rest = list[float](), slices._rest

    async def rested(seconds: float) -> None:
        short.append(seconds)
        await rest(seconds)

    asked, build = list[float](), shares.awaited_in_slices

    async def built(made: Any, is_busy: Any, busy_rest: float) -> Any:
        asked.append(busy_rest)
        return await build(made, is_busy, 0.01)

    monkeypatch.setattr(slices, "_rest", rested)
    monkeypatch.setattr(shares, "awaited_in_slices", built)
    process.limits.queue._built.clear()
    drawing = process.pool.session("login bob").submit(gate.wait)
    assert site.get("/", cookie).status_code == 200
    assert short == []
    gate.set()
    assert drawing.result(30)
    until(lambda: not process.limits.draws_for_others("login ann"), 30)
    assert site.get("/", cookie).status_code == 200
    assert short != []
    assert asked == [slices.BUSY_REST, shares.LATER_REST], "the second page of a minute leaves others more"


def test_pages_that_were_built_are_counted_for_a_minute() -> None:
    now = [0.0]

    async def visit() -> list[int]:
        queue, order = BuildQueue(lambda owner: False, lambda: now[0]), list[str]()
        found = [queue.n_built("ann")]
        await open_pages(queue, "ann", 1, order)
        found.append(queue.n_built("ann"))
        now[0] = limits.FREE_S - 1.0
        found += [queue.n_built("ann"), queue.n_built("bob")]
        now[0] = limits.FREE_S
        return [*found, queue.n_built("ann")]

    assert run_apart(visit()) == [0, 1, 1, 0, 0]


def test_a_line_has_an_end_and_who_leaves_it_is_not_waited_for() -> None:
    async def visit() -> None:
        queue, order = BuildQueue(lambda owner: True), list[str]()
        async with queue.turn("eve"):
            waiting = [asyncio.create_task(open_pages(queue, "eve", 1, order)) for _ in range(MAX_WAITING)]
            await settled()
            assert queue.n_waiting("eve") == MAX_WAITING
            with pytest.raises(TooMany):
                async with queue.turn("eve"):
                    pass
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            assert queue.n_waiting("eve") == 0
        await open_pages(queue, "ann", 1, order)
        assert order == ["ann"]

    run_apart(visit())


@pytest.mark.parametrize("site", [{"sessions_each": 2, "max_sessions": 8}], indirect=True)
def test_tabs_of_one_login_do_not_fill_the_server(site: Site, tmp_path: Path) -> None:
    add_user(tmp_path / "users.json", "bob", PASSWORD)
    ann, again, bob = (site.login(name).cookies[COOKIE] for name in ("ann", "ann", "bob"))
    assert [site.get("/", ann).status_code for _ in range(2)] == [200, 200]
    for cookie in (ann, again):
        refused = site.get("/", cookie)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "30")
        assert "You have 2 pages open, as many as one person may." in refused.text
    assert site.get("/", bob).status_code == 200
    assert site.get("/health", ann).json()["sessions"] == 3


def test_where_nobody_logs_in_an_address_is_a_person(small_demo: object, cache: Path) -> None:
    more = {"sessions_each": 1, "behind_proxy": True}
    with serving([DemoSource(cache, n_spikes=50_000)], cache, **more) as server:
        codes = [
            requests.get(f"http://127.0.0.1:{server.port}/", headers={"X-Real-IP": address}, timeout=60).status_code
            for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "10.0.0.1", "10.0.0.1")
        ]
    assert codes == [200, 503, 200, 200, 503]


def test_a_quarter_of_the_sessions_is_anybodys_by_default(cache: Path) -> None:
    with serving([], cache, max_sessions=8) as server:
        assert server.process.limits.max_sessions == 2
    with serving([], cache, max_sessions=1) as server:
        assert server.process.limits.max_sessions == 1


def test_one_token_opens_no_crowd_of_websockets(site: Site) -> None:
    cookie = site.login().cookies[COOKIE]
    token = token_in(site.get("/", cookie).text)
    headers = {"Origin": f"http://localhost:{site.server.port}", "Cookie": f"{COOKIE}={cookie}"}

    async def crowd() -> int:
        async def one() -> Any:
            request = HTTPRequest(f"ws{site.url.removeprefix('http')}/ws", headers=headers)
            try:
                return await websocket_connect(request, subprotocols=["bokeh", token])
            except HTTPClientError as error:
                return int(error.code)

        sockets = await asyncio.gather(*(one() for _ in range(40)))
        refused = [socket for socket in sockets if isinstance(socket, int)]
        for socket in sockets:
            if not isinstance(socket, int):
                socket.close()
                while await socket.read_message() is not None:
                    pass
        assert set(refused) == {429}
        return 40 - len(refused)

    assert answer(crowd) == MAX_SOCKETS
    until(lambda: not site.server.process.limits._of_pages, 30)
    assert connect(site.url, cookie, headers["Origin"], token) == 101, "those that ended are still counted"


def test_pages_that_nobody_claims_end_and_a_slow_line_keeps_its_own(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "UNCLAIMED_S", 0.0)
    cookie, process = site.login().cookies[COOKIE], site.server.process
    tokens = [token_in(site.get("/", cookie).text) for _ in range(5)]
    until(lambda: len(process.sessions) <= limits.KEPT, 30)
    assert len(process.sessions) == limits.KEPT
    here = f"http://localhost:{site.server.port}"
    assert connect(site.url, cookie, here, tokens[-1]) == 101, "the newest is gone"
    assert len(process.sessions) == limits.KEPT
    monkeypatch.setattr(shares, "KEPT_S", 0.0)
    monkeypatch.setattr(shares, "LEFT_S", 0.0)
    until(lambda: not process.sessions, 30)


@pytest.mark.parametrize("site", [{"sessions_each": 1}], indirect=True)
def test_a_websocket_builds_no_page_past_the_limit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its page has ended: it is built again, where there is room."""
    process, here = site.server.process, f"http://localhost:{site.server.port}"
    cookie = site.login().cookies[COOKIE]
    token = token_in(site.get("/", cookie).text)
    with monkeypatch.context() as patched:
        patched.setattr(shares, "KEPT_S", 0.0)
        until(lambda: not process.sessions, 30)
    assert site.get("/", cookie).status_code == 200
    assert connect(site.url, cookie, here, token) == 101  # and closed at once
    assert len(process.sessions) == 1


def test_a_page_that_cannot_be_built_is_one_line(
    site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: object) -> None:
        raise RuntimeError("secret of the server")

    monkeypatch.setattr(type(site.server.process), "_new_session", fail)
    page = site.get("/", site.login().cookies[COOKIE])
    said = capfd.readouterr()
    assert page.status_code == 200
    assert "secret" not in page.text + said.out
    assert "Traceback" not in page.text + said.out
    assert "secret of the server" in caplog.text


def test_a_websocket_that_floods_is_read_at_a_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    read, slept = list[str](), list[float]()

    async def on_message(self: object, fragment: str) -> None:
        read.append(fragment)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(shares.WSHandler, "on_message", on_message)
    monkeypatch.setattr(shares.asyncio, "sleep", sleep)
    monkeypatch.setattr(shares.time, "monotonic", lambda: 1.0)
    handler = shares.SocketHandler.__new__(shares.SocketHandler)
    handler.application = SimpleNamespace()

    async def flood() -> None:
        for _ in range(shares.MAX_PARTS + 100):
            await handler.on_message("{}")

    run_apart(flood())
    assert len(read) == shares.MAX_PARTS + 100, "something was lost"
    assert len(slept) == 100
    assert slept[-1] == pytest.approx(100 / shares.PARTS_PER_S)


def test_what_comes_before_the_page_is_there_waits_for_it(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Bokeh answered with a trace in the log, and once more when the browser left."""
    opened, joining = threading.Event(), shares.WSHandler._async_open

    async def join_late(self: shares.SocketHandler, token: str) -> None:
        opened.set()
        await asyncio.sleep(0.5)  # the message is there meanwhile
        await joining(self, token)

    monkeypatch.setattr(shares.WSHandler, "_async_open", join_late)
    assert "raster" in pulled(site, site.login().cookies[COOKIE])
    assert opened.is_set()
    until(lambda: not site.server.process.limits._of_pages, 30)
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_nothing_more_is_read_of_a_browser_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read, unsent = list[str](), [b"x" * (shares.MAX_UNSENT_BYTES + 1)]

    async def on_message(self: object, fragment: str) -> None:
        read.append(fragment)

    monkeypatch.setattr(shares.WSHandler, "on_message", on_message)
    monkeypatch.setattr(shares, "UNSENT_S", 0.0)
    handler = shares.SocketHandler.__new__(shares.SocketHandler)
    handler.application = SimpleNamespace()
    stream = SimpleNamespace(closed=lambda: False, _write_buffer=unsent[0])
    handler.ws_connection = SimpleNamespace(stream=stream)

    async def ask() -> None:
        asking = asyncio.create_task(handler.on_message("{}"))
        await settled()
        assert read == []
        stream._write_buffer = b""
        await asking

    run_apart(ask())
    assert read == ["{}"]


def test_requests_beyond_a_share_wait_and_a_crowd_of_them_is_refused(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_LINE", 2)
    monkeypatch.setattr(limits, "MAX_PAUSE_S", 0.05)
    monkeypatch.setattr(shares, "REFUSAL_S", 0.0)
    add_user(tmp_path / "users.json", "bob", PASSWORD)
    eve, bob = (site.login(name).cookies[COOKIE] for name in ("ann", "bob"))
    loop, path = site.server.process.limits.loop, "/static/js/bokeh.min.js"
    assert site.get("/", bob).status_code == 200
    assert site.get(path, eve).status_code == 200
    loop.spend("login ann", 1e6)
    with ThreadPoolExecutor(3) as threads:
        flood = [threads.submit(site.get, path, eve) for _ in range(3)]
        until(lambda: any(one.done() for one in flood), 30)
        assert site.get(path, bob).status_code == 200
        assert sum(one.done() for one in flood) == 1
        loop._used.clear()
        answers = sorted(one.result(30).status_code for one in flood)
    assert answers == [200, 200, 429]


def test_a_request_costs_what_its_reading_and_writing_take_beside_its_own_steps(site: Site) -> None:
    cookie, process = site.login().cookies[COOKIE], site.server.process
    others = [False]  # or what a request does once it is answered would have the next one wait on a clock that stands
    process.limits.loop = budget = limits.Budget(0.0, 1.0, lambda owner: others[0], lambda: 0.0)
    for _ in range(3):
        budget._used.clear()
        assert site.get("/static/js/nosuch.js", cookie).status_code == 404
    others[0] = True
    assert budget.wait_s("login ann") >= limits.REQUEST_S


def test_a_coroutine_is_paced_by_what_it_uses_and_does_what_it_does() -> None:
    counted = limits.Limits(str, lambda: iter(["login ann", "login eve"]), 4)
    slept: list[float] = []

    async def work() -> int:
        await asyncio.sleep(0)
        try:
            await asyncio.get_running_loop().create_task(fail())
        except KeyError:
            counted.loop.spend("login eve", limits.FREE_LOOP_S + 0.002)
        await asyncio.sleep(0)
        return 7

    async def fail() -> None:
        raise KeyError("a")

    async def visit() -> int:
        began = asyncio.get_running_loop().time()
        spend, pause_s = partial(counted.spend_loop, "login eve"), partial(counted.pause_s, "login eve")
        result = await shares.paced(work(), spend, pause_s)
        slept.append(asyncio.get_running_loop().time() - began)
        return int(result)

    assert run_apart(visit()) == 7
    assert slept[0] >= 0.002 / limits.LOOP_SHARE / 2, "it did not rest"


def test_a_budget_is_so_much_at_once_and_then_so_much_a_second() -> None:
    now, others = [0.0], [True]
    budget = limits.Budget(10.0, 2.0, lambda owner: others[0], lambda: now[0])
    budget.spend("eve", 10.0)
    assert budget.wait_s("eve") == 0.0
    budget.spend("eve", 4.0)
    assert (budget.wait_s("eve"), budget.wait_s("ann")) == (2.0, 0.0)
    now[0] += 1.0
    assert budget.wait_s("eve") == 1.0
    others[0] = False
    assert budget.wait_s("eve") == 0.0


def test_messages_that_cost_much_are_read_at_a_pace_beside_others() -> None:
    """A browser may ask for the whole page with every message."""
    owners = ["login eve"]
    counted = limits.Limits(str, lambda: iter(owners), 4)
    counted.spend_loop("login eve", 5.0)
    assert counted.pause_s("login eve") == 0.0
    owners.append("login ann")
    counted.spend_loop("login ann", 0.01)
    assert counted.pause_s("login eve") == limits.MAX_PAUSE_S
    assert counted.pause_s("login ann") == 0.0


def test_files_on_their_way_are_counted_by_person(site: Site, tmp_path: Path) -> None:
    add_user(tmp_path / "users.json", "bob", PASSWORD)
    process = site.server.process
    addresses = {}
    for name in ("ann", "bob"):
        shelf = process.downloads.of_session(name, f"login {name}")
        path = shelf.new_path("a.npz")
        path.write_bytes(b"x" * (64 << 20))
        addresses[name] = f"/{shelf.put(path, 'a.npz')}"
    ann, bob = (site.login(name).cookies[COOKIE] for name in ("ann", "bob"))
    slow = [site.get(addresses["ann"], ann, stream=True) for _ in range(exports.MAX_SENDING)]
    assert {one.status_code for one in slow} == {200}
    refused = site.get(addresses["ann"], ann)
    assert refused.status_code == 429
    assert "as many files as one person may" in refused.text
    assert site.get(addresses["bob"], bob).status_code == 200
    for one in slow:
        one.close()
    until(lambda: process.downloads.n_sending == 0, 30)
    assert site.get(addresses["ann"], ann).status_code == 200


def test_exports_take_a_share_of_the_processor_beside_others(tmp_path: Path) -> None:
    """Who exports in a loop is told how long to wait; who exports little, or is alone, is not."""
    now, owners = [0.0], ["login eve"]
    budget = limits.Budget(6.0, 0.1, lambda owner: len(owners) > 1, lambda: now[0], max_wait_s=30.0)
    downloads = exports.Downloads(tmp_path, budget)
    eve, ann = (downloads.of_session(name, f"login {name}") for name in ("eve", "ann"))
    budget.spend("login eve", 1_000.0)
    with eve.exporting():
        pass
    owners.append("login ann")
    with pytest.raises(BadRequest, match="as many exports as one person may while others work: 30 s to wait"):
        eve.exporting().__enter__()
    with ann.exporting():
        pass
    now[0] = 30.1
    with eve.exporting():
        pass


def test_what_an_export_takes_of_the_processor_is_counted(tmp_path: Path) -> None:
    budget = limits.Budget(0.0, 1e-9, lambda owner: True)
    eve = exports.Downloads(tmp_path, budget).of_session("eve", "login eve")
    with eve.exporting():
        sum(range(10_000))
    assert budget.wait_s("login eve") > 0


def test_what_the_process_of_exports_takes_is_counted_and_it_ends_with_the_server(tmp_path: Path) -> None:
    budget, process = limits.Budget(0.0, 1e-9, lambda owner: True), ExportProcess()
    downloads = exports.Downloads(tmp_path, budget, process)
    assert downloads.of_session("eve", "login eve").run(os.getpid, lambda: False) == process.pid != os.getpid()
    assert budget.wait_s("login eve") > 0
    downloads.close()
    assert process.pid is None


def test_exports_at_once_and_their_bytes_are_counted_by_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads = exports.Downloads(tmp_path)
    tabs = [downloads.of_session("ann", "login ann") for _ in range(3)]
    other = downloads.of_session("bob", "login bob")
    refused = pytest.raises(BadRequest, match="as many exports running as one person may")
    with tabs[0].exporting(), tabs[1].exporting(), other.exporting(), refused, tabs[2].exporting():
        pass
    with tabs[2].exporting():
        pass
    monkeypatch.setattr(exports, "MAX_OFFERED_BYTES", 10)
    paths = []
    for k, tab in enumerate((tabs[0], other, tabs[1], tabs[2])):
        paths.append(tab.new_path("a.csv"))
        paths[-1].write_bytes(b"x" * 4)
        tab.put(paths[-1], f"{k}.csv")
    assert [path.exists() for path in paths] == [False, True, True, True]
    large = tabs[0].new_path("a.csv")
    large.write_bytes(b"x" * 11)
    with pytest.raises(BadRequest, match="larger than one person may have"):
        tabs[0].put(large, "a.csv")
    assert not large.exists()
    downloads.close()


def test_a_flood_of_pages_leaves_others_their_own(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for pages without end is told so; another's page, `/health` and the memory are there."""
    monkeypatch.setattr(limits, "MAX_APART_S", 0.5)
    add_user(tmp_path / "users.json", "bob", PASSWORD)
    eve, bob = (site.login(name).cookies[COOKIE] for name in ("ann", "bob"))
    process = site.server.process

    def ask() -> int:
        return requests.get(f"{site.url}/", cookies={COOKIE: eve}, timeout=150).status_code

    with ThreadPoolExecutor(8) as threads:
        flood = [threads.submit(ask) for _ in range(16)]
        page = site.get("/?insertion=demo", bob)
        health = site.get("/health", bob)
        codes = {one.result(120) for one in flood}
    assert (page.status_code, health.status_code) == (200, 200)
    assert codes == {200, 503}
    assert sum(owner == "login ann" for owner in process.sessions.values()) <= process.limits.max_sessions


def test_who_asks_is_told_apart_by_login_before_address(site: Site) -> None:
    request = SimpleNamespace(cookies={}, remote_ip="10.0.0.1")
    assert site.server.process.owner_of(request) == "address 10.0.0.1"


def test_a_websocket_that_a_ping_counted_out_is_not_counted_out_again() -> None:
    handler = shares.SocketHandler.__new__(shares.SocketHandler)
    connection = ServerConnection.__new__(ServerConnection)
    connection._session, handler.connection = None, connection
    handler.on_close()  # Bokeh alone asks the connection for the session that it has left


@pytest.mark.parametrize("is_early", [False, True])
def test_a_websocket_that_closes_while_it_opens_leaves_no_page_behind(
    site: Site, monkeypatch: pytest.MonkeyPatch, is_early: bool
) -> None:
    monkeypatch.setattr(shares, "KEPT_S", 0.0)
    monkeypatch.setattr(shares, "LEFT_S", 0.0)
    monkeypatch.setattr(shares, "UNCLAIMED_S", 0.0)
    if is_early:
        open_page = shares.WSHandler._async_open

        async def close_first(self: shares.SocketHandler, token: str) -> None:
            shares.SocketHandler.on_close(self)  # as Tornado does, when the browser closes before the page is joined
            await open_page(self, token)

        monkeypatch.setattr(shares.WSHandler, "_async_open", close_first)
    cookie, process = site.login().cookies[COOKIE], site.server.process
    connect(site.url, cookie, f"http://localhost:{site.server.port}", token_in(site.get("/", cookie).text))
    until(lambda: not process.sessions, 30)

"""One hostile among 16: what 15 people who zoom notice of one who takes all that the server gives.

Run ``python -m benchmarks.hostile [--cache FOLDER] [--spikes N] [--people 15] [--seconds 20] [--logins]``. People are
told apart by address, as behind a proxy, or by login. All goes to the loopback, and ends after the seconds given. A
quiet while stands before each attack, and is what it is compared with: a machine is not as fast at all times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from benchmarks.clients import Client, NoPicture, event, objects
from benchmarks.serving import Serving, serve
from benchmarks.sessions import length_s, percentile, wait_until_warm
from benchmarks.table import Row, text_table, write_whole
from dashboard.sources.demo.source import DEMO_SPIKES

QUERY = "?insertion=demo&show=raster"
PASSWORD = "only for this measurement"
LOOPS = 6
"""Requests of the hostile one at the same time."""

MAX_REQUESTS = 5_000
"""Of one attack in all, however fast they are answered."""

ADDRESS = r"download/[\w-]{43}/[\w.,=+%-]+"
EXPORT_S = 5.0
"""An export that has not come after this is asked for anew."""

SETTLE_S = 20.0
"""After an attack, until pages that nobody looks at have ended."""

WARM_S = 5.0
FLAT_MB = 60.0


def client() -> AsyncHTTPClient:
    return AsyncHTTPClient(force_instance=True, max_clients=LOOPS * 4)


async def loop_of_requests(url: str, headers: dict[str, str], path: str, until: float) -> None:
    """Ask for one address again and again."""
    http, left = client(), [MAX_REQUESTS]

    async def ask() -> None:
        while time.monotonic() < until and left[0] > 0:
            left[0] -= 1
            await http.fetch(url + path, headers=headers, raise_error=False, request_timeout=10)

    await asyncio.gather(*(ask() for _ in range(LOOPS)), return_exceptions=True)


async def pages(url: str, headers: dict[str, str], until: float) -> None:
    await loop_of_requests(url, headers, QUERY, until)


async def downloads(url: str, headers: dict[str, str], until: float) -> None:
    await loop_of_requests(url, headers, "static/js/bokeh.min.js", until)


async def tabs(url: str, headers: dict[str, str], until: float) -> None:
    """Open as many tabs as the server gives, and keep them."""
    more: list[Client] = []
    took: list[float] = []
    while time.monotonic() < until:
        tab = Client(url + QUERY, False, 1.0, headers)
        try:
            took.append(await asyncio.wait_for(tab.open(), max(0.1, until - time.monotonic())))
            more.append(tab)
        except (HTTPClientError, NoPicture, TimeoutError, OSError):
            await asyncio.sleep(0.05)
    print(f"(tabs: opened after {', '.join(f'{seconds:.1f}' for seconds in took)} s)", flush=True)
    for tab in more:
        tab.close()


async def websockets(url: str, headers: dict[str, str], until: float) -> None:
    """Open websockets on one page's token, and send on each without pause."""
    page = (await client().fetch(url + QUERY, headers=headers)).body.decode()
    token, left = page.split('"token":"')[1].split('"')[0], [MAX_REQUESTS]

    async def flood() -> None:
        socket: WebSocketClientConnection | None = None
        while time.monotonic() < until and left[0] > 0:
            left[0] -= 1
            try:
                request = HTTPRequest(f"{url.replace('http', 'ws', 1)}ws", headers=headers)
                socket = socket or await websocket_connect(request, subprotocols=["bokeh", token])
                for part in ({"msgid": "1", "msgtype": "PULL-DOC-REQ"}, {}, {}):
                    await socket.write_message(json.dumps(part))
            except (HTTPClientError, OSError):
                await asyncio.sleep(0.01)
        if socket is not None:
            socket.close()

    await asyncio.gather(*(flood() for _ in range(LOOPS)), return_exceptions=True)


async def exports(url: str, headers: dict[str, str], until: float) -> None:
    """Ask for exports in two tabs, the next as soon as the one before has come, and fetch what comes of them."""
    made, http = 0, client()

    async def keep_exporting() -> None:
        nonlocal made
        tab = Client(url + QUERY, False, 1.0, headers)
        await tab.open()
        bridge = next(found for found in objects(tab.document) if found["attributes"].get("class_name") == "Bridge")
        for n in range(MAX_REQUESTS):
            if time.monotonic() > until:
                return
            pressed = {"type": "map", "entries": [["key", "e"], ["ctrl", True], ["n", n]]}
            await tab.tell(event("data_event", model={"id": bridge["id"]}, data=pressed))
            heard, late = "", min(until, time.monotonic() + EXPORT_S)
            while not re.search(ADDRESS, heard) and "as one person may" not in heard and time.monotonic() < late:
                heard += await tab.heard(0.1)
            for path in set(re.findall(ADDRESS, heard)):
                made += 1
                await http.fetch(url + path, headers=headers, raise_error=False)

    await asyncio.gather(keep_exporting(), keep_exporting(), return_exceptions=True)
    print(f"(exports: {made} files made and fetched)", flush=True)


async def health(server: Serving, headers: dict[str, str], until: float) -> list[float]:
    """Return how long each answer of ``/health`` took, in s."""
    http, took = client(), []
    while time.monotonic() < until:
        began = time.perf_counter()
        await http.fetch(f"{server.url}health", headers=headers, request_timeout=60)
        took.append(time.perf_counter() - began)
        await asyncio.sleep(0.1)
    return took


ATTACKS: dict[str, Callable[[str, dict[str, str], float], Awaitable[None]]] = {
    "pages": pages, "tabs": tabs, "websockets": websockets, "exports": exports, "downloads": downloads,
}  # fmt: skip


async def attack(name: str, url: str, headers: dict[str, str], seconds: float) -> None:
    """Do it from a process of its own that gives way: another machine would take no time of those who measure."""
    told = json.dumps([name, url, headers, seconds])
    command = ["nice", "-n", "19", sys.executable, "-m", "benchmarks.hostile", "--as-hostile", told]
    process = await asyncio.create_subprocess_exec(*command)
    await process.wait()


async def measure(
    server: Serving, length: float, people: Sequence[dict[str, str]], seconds: float, names: Sequence[str]
) -> list[Row]:
    """Return the rows; the first of `people` are hostile, one in each attack."""
    clients = [Client(server.url + QUERY, False, length, headers) for headers in people[len(ATTACKS) :]]
    for one in clients:
        await one.open()
    rows = []

    async def zooming(until: float) -> list[float]:
        async def person(one: Client) -> list[float]:
            took: list[float] = []
            while time.monotonic() < until:
                took += await one.keep_zooming(1)
            return took

        return [value for found in await asyncio.gather(*map(person, clients)) for value in found]

    await zooming(time.monotonic() + WARM_S)
    for name, hostile in zip(names, people, strict=False):
        until = time.monotonic() + seconds
        took, answers = await asyncio.gather(zooming(until), health(server, people[-1], until))
        quiet, quiet_health = percentile(took, 0.95), percentile(answers, 0.95)
        before, until = server.memory()["RssAnon"], time.monotonic() + seconds
        took, answers, _ = await asyncio.gather(
            zooming(until), health(server, people[-1], until), attack(name, server.url, hostile, seconds)
        )
        p95, p95_health = percentile(took, 0.95), percentile(answers, 0.95)
        rows.append(Row("hostile", f"{len(clients)} zoom, quiet before {name}, p95", "ms", quiet))
        rows.append(Row("hostile", f"{len(clients)} zoom, {name}, p95", "ms", p95, most=2 * quiet))
        rows.append(Row("hostile", f"/health, {name}, p95", "ms", p95_health))
        await asyncio.sleep(SETTLE_S)
        grown = (server.memory()["RssAnon"] - before) / 1e6
        rows.append(Row("hostile", f"memory after {name}", "MB", grown, most=FLAT_MB))
        print(
            f"{name}: p95 {quiet:.0f} -> {p95:.0f} ms ({p95 / quiet:.2f}) of {len(took)} pictures, "
            f"/health {quiet_health:.0f} -> {p95_health:.0f} ms, memory {grown:+.0f} MB",
            flush=True,
        )
    for one in clients:
        one.close()
    return rows


async def logged_in(server: Serving, names: Sequence[str]) -> list[dict[str, str]]:
    """Return what requests of each login carry."""
    found = []
    for name in names:
        answer = await client().fetch(
            f"{server.url}login", method="POST", body=f"name={name}&password={PASSWORD.replace(' ', '+')}",
            follow_redirects=False, raise_error=False,
        )  # fmt: skip
        found.append({"Cookie": answer.headers["Set-Cookie"].split(";")[0]})
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="folder that keeps the demo for the next run")
    parser.add_argument("--spikes", type=int, default=DEMO_SPIKES)
    parser.add_argument("--people", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each attack")
    parser.add_argument("--attacks", nargs="+", choices=tuple(ATTACKS), default=tuple(ATTACKS))
    parser.add_argument("--logins", action="store_true", help="tell people apart by login, not by address")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--as-hostile", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.as_hostile:
        name, url, headers, seconds = json.loads(options.as_hostile)
        asyncio.run(ATTACKS[name](url, headers, time.monotonic() + seconds))
        return 0
    os.environ["SPIKE_DASHBOARD_BEHIND_PROXY"] = "yes"
    with tempfile.TemporaryDirectory(prefix="spike-dashboard-hostile-") as folder:
        cache, names = (
            (options.cache or Path(folder)).absolute(),
            [f"person{k}" for k in range(options.people + len(ATTACKS))],
        )
        if options.logins:
            from dashboard.server.auth.passwords import add_user

            for name in names:
                add_user(Path(folder) / "users.json", name, PASSWORD)
            os.environ["SPIKE_DASHBOARD_USERS"] = str(Path(folder) / "users.json")
        flags = ["--cache", str(cache), "--spikes", str(options.spikes), "--port", "0", "--no-browser"]
        with serve("dashboard", "demo", *flags) as server:
            people = [{"X-Real-IP": f"10.0.0.{k}"} for k in range(options.people + len(ATTACKS))]
            if options.logins:
                people = asyncio.run(logged_in(server, names))
            else:
                wait_until_warm(server)
            rows = asyncio.run(
                measure(server, length_s(cache, options.spikes), people, options.seconds, options.attacks)
            )
    print(f"\n{text_table(rows)}")
    if options.json is not None:
        write_whole(options.json, json.dumps([row.record() for row in rows], indent=1))
    return 1 if any(row.is_met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())

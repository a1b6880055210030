"""A lab's server under load: sessions that zoom on three sortings, then many that come and go.

Run ``python -m benchmarks.load [--cache FOLDER] [--spikes N] [--sessions 1 4 16] [--soak 200]``. It ends with 1 where
a session failed, a further session takes more than 10 MB, or memory or threads grew over the second half of the soak.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tornado.httpclient import HTTPClientError

from benchmarks.clients import Client, NoPicture
from benchmarks.serving import Serving, ours
from benchmarks.sessions import SESSIONS, length_s, percentile, wait_until_warm
from benchmarks.table import Row, text_table, write_whole
from dashboard.sources.demo.source import DEMO_SPIKES

#: The demo's recording as three sorters left it: each has columns of its own.
QUERIES = (
    "?insertion=demo&show=raster",
    "?insertion=demo&sorter=pykilosort&show=raster",
    "?insertion=demo&sorter=pykilosort&revision=original&show=raster",
)
SOAK = 200
#: Sessions of the soak that are open at the same time.
ABREAST = 4
#: A closed tab's session is kept for 15 s, in case the browser comes back.
GONE_S = 40.0
#: Growth between the middle and the end of the soak that is still flat.
FLAT_MB, FLAT_THREADS = 20.0, 2


async def zoom(server: Serving, length_s: float, counts: Sequence[int], times: int) -> tuple[list[Row], list[str]]:
    """Let more and more sessions zoom; return the rows and what went wrong."""
    clients: list[Client] = []
    rows: list[Row] = []
    errors: list[str] = []
    memory: dict[int, int] = {}
    for query in QUERIES:  # what is shared is loaded before memory is compared
        first = Client(server.url + query, False, length_s)
        await first.open()
        first.close()
    await asyncio.sleep(GONE_S)
    for n in counts:
        while len(clients) < n:
            client = Client(server.url + QUERIES[len(clients) % len(QUERIES)], False, length_s)
            await client.open()
            clients.append(client)
        found = await asyncio.gather(*(client.keep_zooming(times) for client in clients), return_exceptions=True)
        errors += [repr(answer) for answer in found if isinstance(answer, BaseException)]
        took = [value for answer in found if not isinstance(answer, BaseException) for value in answer]
        await asyncio.sleep(2)
        memory[n] = server.memory()["RssAnon"]
        for name, share in (("p50", 0.5), ("p95", 0.95)):
            rows.append(Row("load", f"{n} sessions, request to picture, {name}", "ms", percentile(took, share)))
        print(f"{n} sessions: {percentile(took, 0.5):.0f} ms, {len(errors)} errors, {server.memory()}", flush=True)
    if len(counts) > 1:
        further = (memory[counts[-1]] - memory[counts[0]]) / (counts[-1] - counts[0]) / 1e6
        rows.append(Row("load", "memory of a further session", "MB", further, most=10))
    for client in clients:
        client.close()
    return rows, errors


async def come_and_go(server: Serving, length_s: float, n_sessions: int) -> tuple[list[Row], list[str]]:
    """Open and close sessions, some abreast; compare memory and threads of the middle with those of the end."""
    errors: list[str] = []

    async def visit(waiting: Iterator[int]) -> None:
        for k in waiting:
            client = Client(server.url + QUERIES[k % len(QUERIES)], False, length_s)
            try:
                await client.open()
                await client.keep_zooming(2)
            except (NoPicture, TimeoutError, HTTPClientError, OSError) as error:
                errors.append(repr(error))
            finally:
                client.close()

    states = []
    for half in (range(n_sessions // 2), range(n_sessions // 2, n_sessions)):
        waiting = iter(half)
        await asyncio.gather(*(visit(waiting) for _ in range(ABREAST)))
        await asyncio.sleep(GONE_S)
        states.append(server.memory())
        print(f"soak: {states[-1]}, {len(errors)} errors", flush=True)
    grown = (states[1]["RssAnon"] - states[0]["RssAnon"]) / 1e6
    threads = states[1]["Threads"] - states[0]["Threads"]
    return [
        Row("load", f"soak of {n_sessions} sessions, growth in its second half", "MB", grown, most=FLAT_MB),
        Row("load", "threads that came to stay", "", float(threads), most=FLAT_THREADS),
    ], errors


async def measure(
    server: Serving, length_s: float, counts: Sequence[int], soak: int, times: int
) -> tuple[list[Row], list[str]]:
    """Return the rows of both parts, and every error."""
    rows, errors = await zoom(server, length_s, counts, times)
    if soak:
        await asyncio.sleep(GONE_S)
        more, further_errors = await come_and_go(server, length_s, soak)
        rows, errors = rows + more, errors + further_errors
    return [*rows, Row("load", "sessions that failed", "", float(len(errors)), most=0)], errors


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="folder that keeps the demo for the next run")
    parser.add_argument("--spikes", type=int, default=DEMO_SPIKES)
    parser.add_argument("--sessions", type=int, nargs="+", default=list(SESSIONS))
    parser.add_argument("--soak", type=int, default=SOAK, help="sessions that come and go; 0 for none")
    parser.add_argument("--times", type=int, default=8, help="pictures that each session asks for")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="spike-dashboard-load-") as folder:
        cache = (options.cache or Path(folder)).absolute()
        with ours(cache, options.spikes) as server:
            wait_until_warm(server)
            length = length_s(cache, options.spikes)
            rows, errors = asyncio.run(measure(server, length, options.sessions, options.soak, options.times))
    print(f"\n{text_table(rows)}")
    for error in errors[:10]:
        print(error)
    if options.json is not None:
        write_whole(options.json, json.dumps([row.record() for row in rows], indent=1))
    return 1 if any(row.is_met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())

"""Many people on one server: 1, 4 and 16 sessions that zoom, on our page and on the plain one, and their memory.

Then one who steps through units with J beside all the others, and the memory of a session with the tab Unit open.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from benchmarks.clients import Client, event, objects
from benchmarks.serving import Serving, ours, plain
from benchmarks.table import Row
from dashboard.library.open import open_insertion
from dashboard.sources.demo.source import DemoSource

SESSIONS = (1, 4, 16)
OUR_QUERY = "?insertion=demo&show=raster"
UNIT_QUERY = f"{OUR_QUERY}&tab=Unit&selected=1"
N_UNIT = 4
"""Sessions with the tab Unit open whose memory is counted; one before them brings what all share."""

STEP_S = 0.5
"""Between two J: somebody who looks at each unit for a moment."""
#: Memory is read once what a gesture left behind has gone.
CALM_S = 2.0
WARM_S = 120


def percentile(values: list[float], share: float) -> float:
    """Return the value below which a share of the values lies, in ms."""
    ordered = sorted(values)
    return 1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def wait_until_warm(server: Serving) -> None:
    """Wait until the server has compiled its kernels and stands idle."""
    deadline, before, calm = time.monotonic() + WARM_S, 0.0, 0
    while time.monotonic() < deadline and calm < 3:
        used = sum(map(int, Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
        calm = calm + 1 if used - before < 10 else 0
        before = used
        time.sleep(1)


def length_s(cache: Path, n_spikes: int) -> float:
    """Return the length of the demo's recording."""
    sorting = open_insertion("demo", source=DemoSource(cache, n_spikes=n_spikes), cache=cache)
    return float(sorting.spikes.times_s[-1])


async def _run(
    servers: dict[str, Serving], length_s: float, counts: tuple[int, ...], times: int
) -> dict[str, dict[str, object]]:
    clients: dict[str, list[Client]] = {name: [] for name in servers}
    found: dict[str, dict[str, object]] = {name: {"idle": servers[name].memory()} for name in servers}
    for n in counts:
        for name, server in servers.items():  # in turns: the other one is idle meanwhile
            mine = clients[name]
            opened = []
            while len(mine) < n:
                client = Client(server.url + (OUR_QUERY if name == "ours" else ""), name == "plain", length_s)
                opened.append(await client.open())
                mine.append(client)
            await asyncio.gather(*(client.keep_zooming(1) for client in mine))
            took = await asyncio.gather(*(client.keep_zooming(times) for client in mine))
            seconds = [value for values in took for value in values]
            await asyncio.sleep(CALM_S)
            record = {
                "p50_ms": percentile(seconds, 0.5),
                "p95_ms": percentile(seconds, 0.95),
                "open_s": statistics.median(opened) if opened else None,
                "memory": server.memory(),
                "n": len(seconds),
            }
            found[name][str(n)] = record
            print(f"{name}, {n} sessions: {record}", flush=True)
    for mine in clients.values():
        for client in mine:
            client.close()
    return found


async def _keep_stepping(one: Client, is_over: asyncio.Event) -> int:
    """Press J again and again, and return how often."""
    bridge = next(found for found in objects(one.document) if found["attributes"].get("class_name") == "Bridge")
    n = 0
    while not is_over.is_set():
        n += 1
        pressed = {"type": "map", "entries": [["key", "j"], ["n", n]]}
        await one.tell(event("data_event", model={"id": bridge["id"]}, data=pressed))
        await one.heard(STEP_S)
    return n


async def _beside_one_who_steps(server: Serving, length_s: float, n_zoom: int, times: int) -> dict[str, float]:
    """Return the p95 of people who zoom, beside nobody and beside one who steps, and the memory of the tab Unit."""
    zooming = [Client(server.url + OUR_QUERY, False, length_s) for _ in range(n_zoom)]
    stepping = [Client(server.url + UNIT_QUERY, False, length_s) for _ in range(1 + N_UNIT)]
    for one in (*zooming, stepping[0]):
        await one.open()
    await asyncio.gather(*(one.keep_zooming(1) for one in zooming))
    quiet, beside, n_steps = list[float](), list[float](), 0
    for _ in range(2):  # in turns: a machine is not as fast at all times
        for is_beside, found in ((False, quiet), (True, beside)):
            is_over = asyncio.Event()
            steps = asyncio.ensure_future(_keep_stepping(stepping[0], is_over)) if is_beside else None
            took = await asyncio.gather(*(one.keep_zooming(max(1, times // 2)) for one in zooming))
            found += [value for values in took for value in values]
            is_over.set()
            n_steps += await steps if steps is not None else 0
    await asyncio.sleep(CALM_S)
    before = server.memory()["RssAnon"]
    for one in stepping[1:]:
        await one.open()
        await one.heard(CALM_S)
    unit = (server.memory()["RssAnon"] - before) / N_UNIT / 1e6
    for one in (*zooming, *stepping):
        one.close()
    record = {
        "quiet_ms": percentile(quiet, 0.95),
        "beside_ms": percentile(beside, 0.95),
        "steps": n_steps,
        "unit_MB": unit,
    }
    print(f"one who steps: {record}", flush=True)
    return record


def measure(
    cache: Path, n_spikes: int, times: int, counts: tuple[int, ...] = SESSIONS
) -> tuple[list[Row], dict[str, object]]:
    """Return the rows of the table and what is behind them."""
    with ExitStack() as stack:
        servers = {
            "ours": stack.enter_context(ours(cache, n_spikes)),
            "plain": stack.enter_context(plain(cache, n_spikes)),
        }
        for server in servers.values():
            wait_until_warm(server)
        found = asyncio.run(_run(servers, length_s(cache, n_spikes), counts, times))
        with urllib.request.urlopen(f"{servers['ours'].url}health", timeout=30) as answer:
            held = int(json.load(answer)["bytes_held"])
    with ours(cache, n_spikes) as server:
        wait_until_warm(server)
        steps = asyncio.run(_beside_one_who_steps(server, length_s(cache, n_spikes), counts[-1] - 1, times))
    rows = table(found, held, counts)
    what = f"{counts[-1] - 1} zooming while one steps with J, request to picture, p95"
    rows.append(Row("sessions", what, "ms", steps["beside_ms"], steps["quiet_ms"], "nobody steps"))
    rows.append(Row("sessions", "memory of a further session with the tab Unit open", "MB", steps["unit_MB"]))
    return rows, {**found, "bytes_held": held, "one who steps": steps}


def table(found: dict[str, dict[str, object]], held: int, counts: tuple[int, ...]) -> list[Row]:
    """Return the rows: times of each number of sessions, memory of a further one, and of all above idle."""
    rows = []

    def value(side: str, n: int, key: str) -> float:
        return float(found[side][str(n)][key])  # type: ignore[index]

    def anonymous(side: str, n: int | str) -> float:
        record = found[side][str(n)]
        memory = record if n == "idle" else record["memory"]  # type: ignore[index]
        return float(memory["RssAnon"])  # type: ignore[index, call-overload]

    for n in counts:
        for key in ("p50_ms", "p95_ms"):
            what = f"{n} session{'s' if n > 1 else ''} zooming, request to picture, {key.removesuffix('_ms')}"
            must = {"part_of": 15.0} if n == SESSIONS[-1] and key == "p95_ms" else {}
            rows.append(
                Row("sessions", what, "ms", value("ours", n, key), value("plain", n, key), "plain page", **must)
            )
    if len(counts) > 1:
        further = {
            side: (anonymous(side, counts[-1]) - anonymous(side, counts[0])) / (counts[-1] - counts[0]) / 1e6
            for side in found
        }
        what = "memory of a further session"
        rows.append(Row("sessions", what, "MB", further["ours"], further["plain"], "plain page", most=10))
    above = (anonymous("ours", counts[0]) - anonymous("ours", "idle")) / 1e6
    limit = 2 * held / 1e6
    rows.append(Row("sessions", "anonymous memory above idle, one session", "MB", above, most=round(limit)))
    above = (anonymous("ours", counts[-1]) - anonymous("ours", "idle")) / 1e6
    rows.append(Row("sessions", f"the same, {counts[-1]} sessions", "MB", above, most=round(limit)))
    return rows

"""Sixteen sessions while the world moves: insertions come, files are replaced, servers fail, the process is killed.

``python -m benchmarks.soak --minutes 30``. In the end every picture has to equal a fresh reading, nothing damaged may
be in the cache, and memory and threads of the process have to be flat; else it ends with code 1. It needs the tests
beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import os
import random
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.clients import Client
from benchmarks.serving import serve
from dashboard.library.check import verify
from dashboard.library.open import open_insertion
from dashboard.library.render import render
from dashboard.sources.alyx.source import AlyxSource

#: KILLS are those of half an hour.
SESSIONS, KILLS, MAX_ADDED = 16, 10, 40
FIRST = ("6b4fe251-a7c7-4792-af80-4931c5129c8e", "707cdac8-3ab2-4b3c-8d3e-6358c027c3e2")
#: Seconds between two events, how long a fault holds, and how long nothing happens at first.
PAUSE_S, HOLD_S, CALM_S = (2.0, 8.0), (1.0, 6.0), 15.0
#: A page that shows nothing for so long is left, as a person would.
PATIENCE_S = 30.0
#: What a process may grow by from its first half minute to its end: caches of the interpreter, and no leak.
MAX_GROWTH = 1.5
MAX_MORE_THREADS = 3 * SESSIONS
ACCOUNT = {"user": "alice", "password": "alicepass"}


@dataclass
class Tally:
    """What happened."""

    shown: int = 0
    lost: int = 0
    events: dict[str, int] = field(default_factory=dict)
    memory: list[list[tuple[float, int, int]]] = field(default_factory=list)


class World:
    """The database, the data server, and what becomes of them."""

    def __init__(self, replay: object, tally: Tally) -> None:
        self.replay: object = replay
        self.pids = list(FIRST)
        self._tally = tally
        self._lock = threading.Lock()

    def turn(self) -> None:
        """Have one thing happen."""
        kinds: list[Callable[[], None]] = [self.add, self.replace, self.stop, self.hang, self.throttle, self.lie]
        kind = random.choice(kinds)
        self._tally.events[kind.__name__] = self._tally.events.get(kind.__name__, 0) + 1
        kind()

    def add(self) -> None:
        """Register a session with an insertion, which has files of its own session's records."""
        if len(self.pids) >= MAX_ADDED:
            return
        replay, source, eid, pid = self.replay, random.choice(FIRST), str(uuid.uuid4()), str(uuid.uuid4())
        detail = deepcopy(replay.insertion(source))  # type: ignore[attr-defined]
        session = deepcopy(replay.session(detail["session"]))  # type: ignore[attr-defined]
        subject = f"SOAK_{len(self.pids):03d}"
        session |= {"id": eid, "subject": subject}
        detail |= {"id": pid, "session": eid, "session_info": {**detail["session_info"], "subject": subject, "id": eid}}
        replay.recordings.session_details[eid] = session  # type: ignore[attr-defined]
        replay.add_insertion(detail)  # type: ignore[attr-defined]
        with self._lock:
            self.pids.append(pid)

    def replace(self) -> None:
        """Put other amplitudes into a file of equal size, with its MD5 in every session that has the file."""
        replay, probe = self.replay, random.choice(("probe00", "probe01"))
        ending = f"alf/{probe}/pykilosort/spikes.amps.npy"
        record = replay.dataset(replay.insertion(FIRST[0])["session"], ending)  # type: ignore[attr-defined]
        file = io.BytesIO()
        content = replay.content(replay.data_path(record))  # type: ignore[attr-defined]
        np.save(file, np.load(io.BytesIO(content)) * random.uniform(0.8, 1.25))
        md5 = hashlib.md5(file.getvalue(), usedforsecurity=False).hexdigest()
        replay.put(record, file.getvalue())  # type: ignore[attr-defined]
        for session in list(replay.recordings.session_details.values()):  # type: ignore[attr-defined]
            for other in session["data_dataset_session_related"]:
                if other["data_url"] == record["data_url"]:
                    other["hash"] = md5

    def stop(self) -> None:
        """Both servers hang up on everybody for a while."""
        self.replay.down = True  # type: ignore[attr-defined]
        time.sleep(random.uniform(*HOLD_S))
        self.replay.down = False  # type: ignore[attr-defined]

    def hang(self) -> None:
        """One of the servers accepts and does not answer."""
        self._fault(random.choice(("/public/*", "/insertions*", "/sessions/*")), "stall_headers")

    def throttle(self) -> None:
        """One of the servers asks to be left alone."""
        self._fault(random.choice(("/public/*", "/*s/*")), "status", code=429, retry_after="2")

    def lie(self) -> None:
        """Bytes are wrong, or fewer than was said."""
        self._fault("*spikes*", random.choice(("corrupt", "truncate", "drop")), after=100_000)

    def _fault(self, pattern: str, kind: str, **options: object) -> None:
        faults = self.replay.faults  # type: ignore[attr-defined]
        faults.add(pattern, kind, times=None, **options)
        time.sleep(random.uniform(*HOLD_S))
        faults.clear()


async def visit(url: Callable[[], str], world: World, tally: Tally, end: float) -> None:
    """Open one insertion after another, and zoom, as a person does who reloads what does not come."""
    while time.monotonic() < end:
        at = url()
        client = Client(f"{at}?insertion={random.choice(world.pids)}", False, 120.0)
        try:
            await asyncio.wait_for(client.open(), PATIENCE_S)
            tally.shown += 1
            await asyncio.wait_for(client.keep_zooming(3), PATIENCE_S)
        except TimeoutError:  # a person reloads the page
            tally.lost += 1
        except OSError:  # the process was killed: until the next one stands, nobody is there
            tally.lost += 1
            while url() == at and time.monotonic() < end:
                await asyncio.sleep(0.2)
        except Exception:  # a page without a picture, or closed in the middle: that is what is tried  # noqa: BLE001
            tally.lost += 1
        finally:
            client.close()


def different(world: World, cache: Path, url: str) -> list[str]:
    """Return the insertions whose pictures are not those of a fresh reading, and what of the cache is damaged."""
    wrong = []
    with tempfile.TemporaryDirectory() as fresh:
        for pid in world.pids:
            pictures = []
            for folder in (cache, Path(fresh)):
                source = AlyxSource(url, cache=folder, **ACCOUNT)
                sorting = open_insertion(pid, source=source, cache=folder, lazy=True)
                sorting.check_complete()
                pictures.append(
                    [render(sorting, aggregate=kind, cache=folder).values for kind in ("count", "amp_mean")]
                )
            if not all(np.array_equal(*pair, equal_nan=True) for pair in zip(*pictures, strict=True)):
                wrong.append(f"{pid}: another picture than a fresh reading")
    # what a killed builder left has a name that nothing reads, and goes after a day
    return wrong + [f"{p.path}: {p.why}" for p in verify(cache) if not p.path.name.startswith(".")]


def growth(series: list[tuple[float, int, int]]) -> str:
    """Return what is not flat of one process, from half a minute after its start; empty where all is."""
    started = series[0][0] if series else 0.0
    settled = [entry for entry in series if entry[0] - started > 30.0]
    if len(settled) < 4:
        return ""
    third = max(1, len(settled) // 3)
    early, late = settled[:third], settled[-third:]
    memory = [float(np.median([entry[1] for entry in part])) for part in (early, late)]
    threads = [float(np.median([entry[2] for entry in part])) for part in (early, late)]
    said = (
        [f"memory from {memory[0] / 1e6:,.0f} to {memory[1] / 1e6:,.0f} MB"]
        if memory[1] > MAX_GROWTH * memory[0]
        else []
    )
    said += [f"threads from {threads[0]:.0f} to {threads[1]:.0f}"] if threads[1] > threads[0] + MAX_MORE_THREADS else []
    return ", ".join(said)


def run(minutes: float, cache: Path, recordings: Path) -> int:
    """Run the soak, print what happened, and return the exit code."""
    from tests.replay.server import Replay

    tally, seconds = Tally(), 60.0 * minutes
    with Replay(recordings) as replay:
        world, address, over = World(replay, tally), [""], threading.Event()
        end = time.monotonic() + seconds
        names = {"ALYX_USER": ACCOUNT["user"], "ALYX_PASSWORD": ACCOUNT["password"], "REFRESH": "1"}
        os.environ.update({f"SPIKE_DASHBOARD_{name}": value for name, value in names.items()})

        def lives() -> None:
            n_lives = 1 + max(1, round(KILLS * minutes / 30))
            for _ in range(n_lives):
                options = ["--alyx", replay.url, "--cache", str(cache), "--port", "0", "--no-browser"]
                series: list[tuple[float, int, int]] = []
                tally.memory.append(series)
                with serve("dashboard", "serve", *options) as server:
                    address[0] = server.url
                    until = min(end, time.monotonic() + seconds / n_lives)
                    while time.monotonic() < until:
                        state = server.memory()
                        series.append((time.monotonic(), state["RssAnon"], state["Threads"]))
                        time.sleep(1.0)
                    server.process.kill()
                if time.monotonic() >= end:
                    break
            over.set()

        def events() -> None:
            over.wait(CALM_S)
            while not over.wait(random.uniform(*PAUSE_S)):
                world.turn()

        threads = [threading.Thread(target=target) for target in (lives, events)]
        for thread in threads:
            thread.start()
        while not address[0]:
            time.sleep(0.1)

        async def visits() -> None:
            await asyncio.gather(*(visit(lambda: address[0], world, tally, end) for _ in range(SESSIONS)))

        asyncio.run(visits())
        for thread in threads:
            thread.join()
        replay.down = False
        replay.faults.clear()
        problems = different(world, cache, replay.url)
    problems += [said for series in tally.memory if (said := growth(series))]
    print(f"{minutes:g} minutes, {len(tally.memory)} processes, {len(world.pids)} insertions, events {tally.events}")
    problems += [] if tally.shown else ["no page showed a picture"]
    print(
        f"{tally.shown} pages showed a picture; {tally.lost} ended: left without one for long, or lost with the process"
    )
    for series in tally.memory:
        if series:
            seconds_run = series[-1][0] - series[0][0]
            print(f"process of {seconds_run:4.0f} s: {series[-1][1] / 1e6:,.0f} MB, {series[-1][2]} threads")
    print("\n".join(problems) or "every picture equals a fresh reading; nothing damaged; memory and threads are flat")
    return 1 if problems else 0


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    minutes = parser.parse_args().minutes
    from tests.replay.written import write_recordings

    with tempfile.TemporaryDirectory() as folder:
        return run(minutes, Path(folder) / "cache", write_recordings(Path(folder) / "alyx"))


if __name__ == "__main__":
    sys.exit(main())

"""Sixteen sessions while the world moves: insertions come, files are replaced, servers fail, the process is killed.

``python -m benchmarks.soak --minutes 30``. The process is killed and started again ten times in the first 60 % of the
time; the last one lives to the end. Then every picture has to equal a fresh reading, in the pages of the process that
saw it all and from the cache; nothing partial, damaged or stale may be in the cache, no traceback in the logs, and
memory and threads have to be flat by the rule of `benchmarks.flatness`; else it ends with code 1. It needs the tests
beside it. ``--minutes 3 --min-life 60`` is a short one that judges, too.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import logging
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from benchmarks.clients import Client
from benchmarks.flatness import lines
from benchmarks.serving import ROOT, Serving, serve
from dashboard.library.check import verify
from dashboard.library.open import open_insertion
from dashboard.library.render import render
from dashboard.sources.alyx.source import AlyxSource

#: KILLS are those of half an hour; they fall into the first KILLING of the time.
SESSIONS, KILLS, KILLING, MAX_INSERTIONS = 16, 10, 0.6, 12
FIRST = ("6b4fe251-a7c7-4792-af80-4931c5129c8e", "707cdac8-3ab2-4b3c-8d3e-6358c027c3e2")
#: Seconds between two events, how long a fault holds, and how long nothing happens at first.
PAUSE_S, HOLD_S, CALM_S = (2.0, 8.0), (1.0, 6.0), 15.0
#: A page that shows nothing for so long is left, as a person would.
PATIENCE_S = 120.0
#: A process that lived shorter is not judged: it was still opening what there is.
MIN_LIFE_S = 300.0
#: Minutes after which lists, records and files are looked at again; what was replaced has to be shown after that.
REFRESH_MIN = 1
#: A picture is taken when nothing has come for so long.
QUIET_S = 2.5
#: A page that differs is looked at so often at least: on a busy machine a single try takes as long as the deadline.
MIN_TRIES = 4
ACCOUNT = {"user": "alice", "password": "alicepass"}


@dataclass
class Tally:
    """What happened."""

    shown: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    memory: list[list[tuple[float, int, int, int]]] = field(default_factory=list)


class World:
    """The database, the data server, and what becomes of them."""

    def __init__(self, replay: object, cache: Path, tally: Tally, log: IO[str]) -> None:
        self.replay: object = replay
        self.pids = list(FIRST)
        self._cache, self._tally, self._log = cache, tally, log
        self._lock = threading.Lock()

    def turn(self) -> None:
        """Have one thing happen."""
        kinds: list[Callable[[], None]] = [
            self.add, self.replace, self.stop, self.hang, self.throttle, self.lie, self.second_process,
        ]  # fmt: skip
        kind = random.choice(kinds)
        self._tally.events[kind.__name__] += 1
        kind()

    def add(self) -> None:
        """Register a session with an insertion, which has files of its own session's records."""
        if len(self.pids) >= MAX_INSERTIONS:
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
        """Put other values into a file of equal size, with its MD5 in every session that has the file."""
        replay, probe = self.replay, random.choice(("probe00", "probe01"))
        ending = f"alf/{probe}/pykilosort/spikes.{random.choice(('amps', 'depths'))}.npy"
        record = replay.dataset(replay.insertion(FIRST[0])["session"], ending)  # type: ignore[attr-defined]
        file = io.BytesIO()
        content = replay.content(replay.data_path(record))  # type: ignore[attr-defined]
        np.save(file, np.load(io.BytesIO(content)) * random.uniform(0.9, 1.1))
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
        """Bytes are wrong, or fewer than was said, or a page of a proxy comes where records were asked for."""
        if random.random() < 0.25:
            self._fault(random.choice(("/insertions*", "/sessions/*", "/trajectories")), "not_json")
        else:
            self._fault("*spikes*", random.choice(("corrupt", "truncate", "drop")), after=100_000)

    def second_process(self) -> None:
        """Another process fetches into the same cache, and is killed in the middle every third time."""
        command = [sys.executable, "-m", "dashboard", "fetch", random.choice(self.pids)]
        command += ["--alyx", self.replay.url, "--cache", str(self._cache)]  # type: ignore[attr-defined]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=self._log)
        try:
            code = process.wait(random.choice((1.5, 120.0, 120.0)))
            self._tally.codes[code] += 1
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _fault(self, pattern: str, kind: str, **options: object) -> None:
        faults = self.replay.faults  # type: ignore[attr-defined]
        faults.add(pattern, kind, times=None, **options)
        time.sleep(random.uniform(*HOLD_S))
        faults.clear()


def page(url: str, pid: str) -> str:
    """Return the address of an insertion's page, coloured by what a replaced file changes."""
    return f"{url}?insertion={pid}&color=amp_mean"


async def visit(person: int, url: Callable[[], str], world: World, tally: Tally, end: float) -> None:
    """Open one insertion after another, and zoom, as a person does who reloads what does not come."""
    while time.monotonic() < end:
        at = url()
        client = Client(page(at, random.choice(world.pids)), False, 120.0, {"X-Real-IP": f"10.0.0.{person}"})
        try:
            await asyncio.wait_for(client.open(), PATIENCE_S)
            tally.shown += 1
            await asyncio.wait_for(client.keep_zooming(3), PATIENCE_S)
        except TimeoutError:  # a person reloads the page
            tally.lost["nothing for long"] += 1
        except OSError:  # the process was killed: until the next one stands, nobody is there
            tally.lost["no process"] += 1
            while url() == at and time.monotonic() < end:
                await asyncio.sleep(0.2)
        except Exception as error:  # a page without a picture, or closed in the middle  # noqa: BLE001
            tally.lost["with its process" if url() != at else type(error).__name__] += 1
            await asyncio.sleep(random.uniform(*PAUSE_S))
        finally:
            client.close()


async def picture(url: str, pid: str) -> bytes:
    """Return what a page of an insertion shows, coloured by amplitude, once nothing more comes."""
    # Of one figure: of two, sometimes the one and sometimes the other comes last.
    client = Client(f"{page(url, pid)}&show=raster", False, 120.0, tells_line=False)
    try:
        await client.open()
        return await client.settled(QUIET_S)
    finally:
        client.close()


def different_pages(world: World, url: str, alyx: str, log: IO[str]) -> list[str]:
    """Return the insertions whose pages do not become those of a process with an empty cache, within two refreshes."""
    wrong = []
    with (
        tempfile.TemporaryDirectory() as fresh,
        serve("dashboard", "serve", *_options(alyx, Path(fresh)), log=log) as server,
    ):
        for pid in world.pids:
            deadline, here, there = time.monotonic() + 2 * 60 * REFRESH_MIN, list[bytes](), list[bytes]()
            # of a busy machine more may come after it was quiet: what is stale never becomes equal
            while not here or here[-1] != there[-1]:
                if len(here) >= MIN_TRIES and time.monotonic() > deadline:
                    kinds = f"{len(set(here))} pictures of {len(here)} tries, and {len(set(there))} of the fresh one's"
                    wrong.append(f"{pid}: its page shows another picture than a fresh process ({kinds})")
                    break
                here.append(asyncio.run(picture(url, pid)))
                there.append(asyncio.run(picture(server.url, pid)))
    return wrong


def different(world: World, cache: Path, url: str) -> list[str]:
    """Return the insertions whose pictures are not those of a fresh reading, and what of the cache is not whole."""
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
    wrong += [f"{part}: part of a download is kept" for part in (cache / "one").rglob(".*.part")]
    # what a killed builder left has a name that nothing reads, and goes after a day
    return wrong + [f"{p.path}: {p.why}" for p in verify(cache) if not p.path.name.startswith(".")]


def tracebacks(log: Path) -> list[str]:
    """Return the last lines of the tracebacks of a log, each with how often it was there."""
    said: Counter[str] = Counter()
    lines = log.read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith("Traceback"):
            last = next((text for text in lines[number + 1 :] if text and not text.startswith(" ")), "")
            said[last] += 1
    return [f"{n} tracebacks in the log: {line}" for line, n in said.items()]


def _options(alyx: str, cache: Path) -> list[str]:
    options = ["--alyx", alyx, "--cache", str(cache), "--port", "0", "--no-browser"]
    return [*options, "--behind-proxy", "--refresh", str(REFRESH_MIN)]


def run(minutes: float, cache: Path, recordings: Path, log: Path, min_life_s: float) -> int:
    """Run the soak, print what happened, and return the exit code."""
    from tests.replay.server import Replay

    tally, seconds = Tally(), 60.0 * minutes
    problems: list[str] = []
    with Replay(recordings) as replay, log.open("w") as logged:
        world, address, over = World(replay, cache, tally, logged), [""], threading.Event()
        end = time.monotonic() + seconds
        names = {"ALYX_USER": ACCOUNT["user"], "ALYX_PASSWORD": ACCOUNT["password"]}
        os.environ.update({f"SPIKE_DASHBOARD_{name}": value for name, value in names.items()})
        n_kills = max(1, round(KILLS * minutes / 30))

        def live(server: Serving, until: float) -> None:
            address[0] = server.url
            series: list[tuple[float, int, int, int]] = []
            tally.memory.append(series)
            while time.monotonic() < until:
                state = server.memory()
                series.append((time.monotonic(), state["RssAnon"], state["Threads"], server.pages()))
                time.sleep(1.0)

        def lives() -> None:
            for _ in range(n_kills):
                with serve("dashboard", "serve", *_options(replay.url, cache), log=logged) as server:
                    live(server, time.monotonic() + KILLING * seconds / n_kills)
                    server.process.kill()
            with serve("dashboard", "serve", *_options(replay.url, cache), log=logged) as server:
                live(server, end)
                over.set()
                calm.wait()
                n_before = len(problems)
                problems.extend(different_pages(world, server.url, replay.url, logged))
                print(f"{len(world.pids) - len(problems) + n_before} pages of the last process as of a fresh one")

        def events() -> None:
            over.wait(CALM_S)
            while not over.wait(random.uniform(*PAUSE_S)):
                world.turn()

        calm = threading.Event()
        process, happening = threading.Thread(target=lives), threading.Thread(target=events)
        process.start()
        happening.start()
        while not address[0]:
            time.sleep(0.1)

        async def visits() -> None:
            await asyncio.gather(*(visit(k, lambda: address[0], world, tally, end) for k in range(SESSIONS)))

        asyncio.run(visits())
        happening.join()
        replay.down = False
        replay.faults.clear()
        calm.set()
        process.join()
        problems += different(world, cache, replay.url)
    judged = [lines(series, min_life_s) for series in tally.memory]
    problems += [str(line) for found in judged for line in found if not line.is_flat]
    problems += [] if any(judged) else [f"no process lived for {min_life_s:.0f} s: memory and threads were not judged"]
    problems += tracebacks(log)
    problems += [f"a second process ended with {code}" for code in tally.codes if code not in (0, 1, 2)]
    problems += [] if tally.shown else ["no page showed a picture"]
    print(
        f"{minutes:g} minutes, {len(tally.memory)} processes, {len(world.pids)} insertions, events {dict(tally.events)}"
    )
    print(f"{tally.shown} pages showed a picture; ended without, or with their process: {dict(tally.lost)}")
    print(f"second processes ended with codes {dict(tally.codes)}, others were killed")
    for series, found in zip(tally.memory, judged, strict=True):
        if series:
            said = "; ".join(str(line) for line in found) or "too short to be judged"
            print(f"process of {series[-1][0] - series[0][0]:.0f} s: {said}")
    print(
        "\n".join(problems)
        or "every picture equals a fresh reading; nothing partial, damaged or stale; memory and threads flat"
    )
    return 1 if problems else 0


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--min-life", type=float, default=MIN_LIFE_S, help="seconds of a process that is judged")
    parser.add_argument("--log", type=Path, help="file for what the processes log; else it is thrown away")
    options = parser.parse_args()
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)  # of pages that were left
    from tests.replay.written import write_recordings

    with tempfile.TemporaryDirectory() as folder:
        log = options.log or Path(folder) / "log"
        return run(
            options.minutes, Path(folder) / "cache", write_recordings(Path(folder) / "alyx"), log, options.min_life
        )


if __name__ == "__main__":
    sys.exit(main())

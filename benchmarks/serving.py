"""The two servers that are compared, each a process of its own, and the memory that they take."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
START_S = 300


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that answers.

    Attributes
    ----------
    url : str
        Ends with a slash.
    process : Popen
    """

    url: str
    process: subprocess.Popen[str]

    def memory(self) -> dict[str, int]:
        """Return the bytes of memory, by kind: ``RssAnon`` is what no file backs."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        fields = (line.split() for line in status.splitlines() if line.startswith(("RssAnon", "RssFile", "Threads")))
        values = {name.rstrip(":"): int(value) for name, value, *_ in fields}
        return {name: value if name == "Threads" else value * 1024 for name, value in values.items()}

    def pages(self) -> int:
        """Return how many pages are open, as the server counts them; 0 where it does not answer."""
        try:
            with urllib.request.urlopen(f"{self.url}health", timeout=5) as answer:
                return int(json.load(answer)["sessions"])
        except (OSError, ValueError):
            return 0


@contextmanager
def ours(cache: Path, n_spikes: int, *more: str) -> Iterator[Serving]:
    """Serve the demo as the command does."""
    options = ["--cache", str(cache), "--spikes", str(n_spikes), "--port", "0", "--no-browser", "--sessions-each", "64"]
    with serve("dashboard", "demo", *options, *more) as serving:
        yield serving


@contextmanager
def plain(cache: Path, n_spikes: int) -> Iterator[Serving]:
    """Serve the page of `benchmarks.plain_page`."""
    with serve("benchmarks.plain_page", "--cache", str(cache), "--spikes", str(n_spikes)) as serving:
        yield serving


@contextmanager
def serve(module: str, *arguments: str, log: IO[str] | None = None) -> Iterator[Serving]:
    """Run a module that prints its address, and stop it at the end; its log goes to `log`, else to the terminal."""
    command = [sys.executable, "-m", module, *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    assert process.stdout is not None
    lines: queue.Queue[str] = queue.Queue()
    stdout = process.stdout

    def read() -> None:
        for line in stdout:
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    try:
        line = lines.get(timeout=START_S).strip()
        if not line.startswith("http"):
            raise SystemExit(f"{module} did not start: {line or 'it ended'}")
        yield Serving(line.partition("?")[0], process)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

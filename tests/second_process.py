"""Another process on the same cache: it runs the commands that it is given, and is started once for many."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_PROGRAM = """
import contextlib, io, json, logging, sys
from dashboard.cli import main
from dashboard.sources.alyx import cache, client
from dashboard.sources.download import downloader, meter, transfer
client.ATTEMPTS, transfer.BACK_OFF_S = 1, 0.0
defaults = downloader.Downloader.__init__.__kwdefaults__
answers = sys.stdout
logging.getLogger().addHandler(logging.lastResort)  # warnings go to whatever is standard error then
for line in sys.stdin:
    arguments, cache.PATIENCE_S, cache.MAX_ANSWER_S, meter.STALLED_S, read_s = json.loads(line)
    defaults.update(read_s=read_s, attempts=2)
    said, answer = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(answer):
        code = main.main(arguments)
    print(json.dumps([code, said.getvalue(), answer.getvalue()]), file=answers, flush=True)
"""


class SecondProcess:
    """A process that runs commands."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(
        self,
        arguments: Sequence[str],
        patience_s: float = 60.0,
        max_answer_s: float = 60.0,
        stalled_s: float = 5.0,
        read_s: float = 30.0,
    ) -> tuple[int, str, str]:
        """Return code, standard error and standard output of a command that waits for servers so long."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([list(arguments), patience_s, max_answer_s, stalled_s, read_s]) + "\n")
        self._process.stdin.flush()
        code, said, answer = json.loads(self._process.stdout.readline())
        return int(code), str(said), str(answer)


@contextmanager
def second_process(**settings: str) -> Iterator[SecondProcess]:
    """Start one; the settings are names of the environment in small letters."""
    environment = {f"SPIKE_DASHBOARD_{name.upper()}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    with process:
        yield SecondProcess(process)

"""Commands whose reader has left, as ``| head -1`` does: they end with the code of a shell, and without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import _SubParsersAction
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from dashboard.cli.main import EXIT_NOT_READ, build_parser, main
from dashboard.library.userdata import UserData
from tests.library.alf_folder import write_session

PRINTING = {
    "check": ["check", "DATA"],
    "check --json": ["check", "DATA", "--json"],
    "fetch": ["fetch", "DATA"],
    "prefetch": ["prefetch", "DATA"],
    "render": ["render", "DATA", "--out", "OUT.png"],
    "render of several": ["render", "DATA", "DATA", "--workers", "1", "--out", "OUT"],
    "units": ["units", "DATA", "--out", "OUT.csv"],
    "convert": ["convert", "DATA", "OUT", "--to", "alf"],
    "curation export": ["curation", "export", "DATA", "OUT.csv"],
    "curation backup": ["curation", "backup", "--to", "OUT.sqlite"],
    "curation log": ["curation", "log"],
    "cache list": ["cache", "list"],
    "cache verify": ["cache", "verify"],
    "serve --show-settings": ["serve", "--show-settings"],
}
SILENT = {"demo", "user"}
"""``demo`` runs a server, and ``user`` prints nothing."""


def commands() -> list[str]:
    """Return the names of all commands."""
    (action,) = (each for each in build_parser()._actions if isinstance(each, _SubParsersAction))
    return list(action.choices)


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], int]:
    """Runs a command that writes to a pipe of which nobody reads."""

    def run(arguments: list[str]) -> int:
        read, write = os.pipe()
        os.close(read)
        with monkeypatch.context() as patch, os.fdopen(write, "w") as pipe:  # whose end is as Python's: it flushes
            patch.setattr(sys, "stdout", pipe)
            return main(arguments)

    return run


def test_every_command_that_prints_is_among_these() -> None:
    assert {line[0] for line in PRINTING.values()} | SILENT == set(commands())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in commands())])
def test_help_that_nobody_reads(arguments: list[str], unread: Callable[[list[str]], int]) -> None:
    assert unread(arguments) == EXIT_NOT_READ


@pytest.mark.parametrize("line", PRINTING)
def test_an_answer_that_nobody_reads(
    line: str, unread: Callable[[list[str]], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_session(tmp_path / "data")
    cache = tmp_path / "cache"
    (cache / "columns").mkdir(parents=True)
    with closing(UserData.in_folder(cache)) as kept:
        kept.keep_threshold("Ada", "label", 1.0)  # there is something to copy
    places = {"DATA": str(tmp_path / "data"), "OUT": str(tmp_path / "out")}
    typed = [places.get(word.partition(".")[0], word) + "".join(word.partition(".")[1:]) for word in PRINTING[line]]
    assert unread([*typed, "--cache", str(cache)]) == EXIT_NOT_READ
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("typed", "first"), [("render --help", "usage: spike-dashboard render"), ("check", "pid ")])
def test_a_shell_sees_nothing_of_it(typed: str, first: str, tmp_path: Path) -> None:
    write_session(tmp_path / "data")
    typed = typed.replace("check", f"check data --cache {tmp_path / 'cache'}")
    said = subprocess.run(
        f"{sys.executable} -m dashboard {typed} | head -1",
        shell=True, capture_output=True, text=True, check=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert said.stdout.startswith(first)
    assert said.stderr == ""

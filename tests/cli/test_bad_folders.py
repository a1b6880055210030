"""Each kind of bad file through the command line: one line, exit code 2; what can be shown opens and says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dashboard.cli import main
from tests.library.alf_folder import write_session
from tests.library.bad_folders import KINDS, SESSION

REFUSED = [name for name, kind in KINDS.items() if kind.is_refused]
OPENED = [name for name, kind in KINDS.items() if not kind.is_refused]


def run(*arguments: object) -> int:
    return main.main([str(argument) for argument in arguments])


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_opened_is_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    KINDS[name].write(tmp_path, name)
    for command in (("check", tmp_path, "--json"), ("render", tmp_path, "--out", tmp_path / "picture.png")):
        assert run(*command, "--cache", tmp_path / "cache") == 2
        written = capsys.readouterr()
        assert written.out == ""
        lines = [line for line in written.err.splitlines() if line.startswith("spike-dashboard: ")]
        assert len(lines) == 1
        for words in KINDS[name].says:
            assert words in lines[0]
        assert "Traceback" not in written.err
    assert not (tmp_path / "picture.png").exists()


@pytest.mark.parametrize("name", OPENED)
def test_what_can_be_shown_is_and_says_what_is_odd(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    KINDS[name].write(tmp_path, name)
    assert run("check", tmp_path, "--cache", tmp_path / "cache") == 0
    answer = capsys.readouterr().out
    for words in KINDS[name].says:
        assert words in answer
    assert run("check", tmp_path, "--json", "--cache", tmp_path / "cache") == 0
    report = json.loads(capsys.readouterr().out)
    for words in KINDS[name].says:
        assert words in json.dumps(report, ensure_ascii=False)
    assert report["n_spikes"] == 3000
    assert report["n_dropped"] == 0
    answer = run("render", tmp_path, "--out", tmp_path / "picture.png", "--cache", tmp_path / "cache")
    if name == "nowhere":
        assert answer == 2
        assert "No spike has a depth" in capsys.readouterr().err
        return
    assert answer == 0
    assert (tmp_path / "picture.png").stat().st_size > 1000


def test_a_folder_without_sorting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / SESSION.format("nobody") / "alf").mkdir(parents=True)
    assert run("check", tmp_path) == 2
    assert "No spike sorting" in capsys.readouterr().err


def test_a_sorter_that_does_not_exist_lists_those_that_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "demo", "--spikes", "50000", "--sorter", "nosuch") == 2
    line = capsys.readouterr().err
    assert "'nosuch'" in line
    assert "iblsorter, pykilosort" in line


def test_a_revision_before_the_first_lists_those_that_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_session(tmp_path, revision="2024-05-06")
    assert run("check", tmp_path, "--revision", "2023-01-01") == 2
    line = capsys.readouterr().err
    assert "'2023-01-01'" in line
    assert "2024-05-06" in line

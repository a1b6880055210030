"""The command line: what it answers, what it writes, how it says what is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from dashboard.cli import main
from dashboard.cli import progress as terminal
from dashboard.model.errors import Cancelled, DownloadFailed
from dashboard.model.noise import Noise
from dashboard.model.progress import Progress
from dashboard.model.sorting import SpikeSorting
from dashboard.version import __version__

SMALL = ("--spikes", "50000")
CHECK_KEYS = [
    "pid", "eid", "probe", "collection", "sorter", "revision", "histology", "n_spikes", "n_dropped", "n_clusters",
    "n_good", "duration_s", "quality", "missing", "notes",
]  # fmt: skip

BOKEHS_OWN = "ignore:The inplace keyword in DataFrame.reset_index"
"""Bokeh 3.9 with pandas 3.1: ColumnDataSource.from_df."""


def run(*arguments: object) -> int:
    return main.main([str(argument) for argument in arguments])


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run("--version")
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"spike-dashboard {__version__}\n"


def test_check_answers_json(small_demo: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "demo", *SMALL, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == CHECK_KEYS
    assert (answer["sorter"], answer["revision"], answer["histology"]) == ("iblsorter", "original", "alf")
    assert answer["n_spikes"] == 50_000
    assert answer["n_dropped"] == 0
    assert 0 < answer["n_good"] < answer["n_clusters"]
    assert set(answer["quality"]) == {"bad_channels", "lf_bin_hz", "lf_is_sum", "by_depth"}
    assert sum(row["n_channels"] for row in answer["quality"]["by_depth"]) == 384


def test_check_says_the_quality_of_the_recording_and_a_server_that_does_not_give_it_is_one_line(
    small_demo: SpikeSorting, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("check", "demo", *SMALL) == 0
    said = capsys.readouterr().out
    for words in ("AP RMS      ", "LF RMS      ", "LF power    0-4 Hz ", "channels    "):
        assert words in said

    def fails() -> Noise:
        raise DownloadFailed("_iblqc_ephysTimeRmsAP.rms.npy", "no answer", "Ask again")

    monkeypatch.setattr(main, "_open", lambda *args, **words: replace(small_demo, open_noise=fails))
    assert run("check", "demo", *SMALL) == 0
    said = capsys.readouterr().out
    assert "missing     quality of the recording: " in said
    assert "AP RMS" not in said


def test_check_answers_json_with_the_notes_that_people_read(
    small_demo: SpikeSorting, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = replace(small_demo, notes=("the tables are of another revision",))
    monkeypatch.setattr(main, "_open", lambda *args, **words: noted)
    assert run("check", "demo", *SMALL, "--json") == 0
    assert json.loads(capsys.readouterr().out)["notes"] == ["the tables are of another revision"]
    assert run("check", "demo", *SMALL) == 0
    assert "note        the tables are of another revision\n" in capsys.readouterr().out


def test_check_tells_the_other_sorting(small_demo: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "demo", *SMALL, "--json", "--sorter", "pykilosort", "--revision", "original") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["sorter"], answer["revision"]) == ("pykilosort", "original")
    assert answer["collection"] == "alf/probe00/pykilosort"


def test_check_the_real_sorting(real_alf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", real_alf, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["n_spikes"], answer["n_clusters"]) == (290_360, 403)
    assert (answer["pid"], answer["eid"], answer["histology"]) == (None, None, "unknown")
    missing = {item["dataset"] for item in answer["missing"]}
    assert {"drift", "trials"} <= missing
    assert all(item["reason"] for item in answer["missing"])


def test_check_for_people_says_the_same(real_alf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", real_alf) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "n_spikes    290360" in lines
    assert "pid         unknown" in lines
    assert any(line.startswith("missing     drift") for line in lines)


def test_insertion_by_path_in_the_data_folders(real_alf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "ZFM-02370/2021-04-28/001/probe00", "--data", real_alf, "--json") == 0
    assert json.loads(capsys.readouterr().out)["n_spikes"] == 290_360


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_render_writes_the_figure(
    small_demo: object, tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"raster.{ending}"
    window = ("--t", "1,9", "--depth", "0,3000")
    assert run("render", "demo", *SMALL, "--out", out, "--width", 800, "--height", 600, *window) == 0
    assert capsys.readouterr().out.startswith(f"wrote {out}: count of DEMO_001 2024-01-15/001 probe00")
    assert out.stat().st_size > 10_000
    assert list(tmp_path.iterdir()) == [out]
    if ending == "png":
        with Image.open(out) as picture:
            assert picture.size == (800, 600)
            assert "time 1 to 9 s; depth 0 to 3000 um" in picture.info["Description"]


def test_render_the_real_sorting(real_alf: Path, tmp_path: Path) -> None:
    assert run("render", real_alf, "--out", tmp_path / "real.png") == 0
    with Image.open(tmp_path / "real.png") as picture:
        assert "290,360 of 290,360 spikes" in picture.info["Description"]


def test_fetch_says_what_came(small_demo: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fetch", "demo", "DEMO_001/2024-01-15/001/probe00", *SMALL) == 0
    assert capsys.readouterr().out.count("50,000 spikes") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "/nowhere/at/all"), "/nowhere/at/all"),
        (("check", "demo", *SMALL, "--sorter", "nosuch"), "Available sorters"),
        (("check", "demo", "--spikes", "12"), "12 is not from 1,000 to 100,000,000"),
        (("check", "x/2020-01-01/1/probe00", "--data", "/nowhere/at/all"), "/nowhere/at/all"),
        (("render", "demo", "--out", "figure.gif"), "Cannot write '.gif' files"),
        (("render", "demo", "--out", "/nowhere/at/all/figure.png"), "No such folder: /nowhere/at/all"),
        (("render", "demo", *SMALL, "--out", "figure.png", "--cmap", "nosuch"), "No such colour map: nosuch"),
        (("render", "demo", "--out", "figure.png", "--t", "60,0"), "'60,0' has to go from a lower to a higher number"),
        (("render", "demo", "--out", "figure.png", "--t", "soon"), "'soon' is not two numbers"),
        (("render", "demo", "--out", "figure.png", "--width", "7"), "'7' is not a number of pixels"),
        (("render", "demo"), "--out"),
        (("serve", "--data", "/nowhere/at/all"), "/nowhere/at/all"),
        (("serve", "--address", "0.0.0.0"), "--allow-open-access"),
        (("serve", "--port", "99999"), "99,999 is not from 0 to 65,535"),
        (("serve", "--config", "/nowhere/at/all.toml"), "/nowhere/at/all.toml"),
        (("dance",), "dance"),
        ((), "COMMAND"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = run(*arguments)
    except SystemExit as ended:
        code = int(str(ended.code))
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
    assert err.startswith("spike-dashboard")
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_named() -> None:
    """In a process of its own: Tornado does not close the socket that it could not bind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "dashboard", "serve", "--port", str(port), "--no-browser"]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_interruption_has_its_own_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*args: object) -> None:
        raise Cancelled

    monkeypatch.setattr(main, "describe", interrupted)
    assert run("check", "demo", *SMALL) == 130
    assert capsys.readouterr().err == "spike-dashboard: interrupted\n"


def test_show_settings_hides_secrets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SPIKE_DASHBOARD_ALYX_PASSWORD", "hunter2")
    assert run("serve", "--show-settings", "--port", "0") == 0
    out = capsys.readouterr().out
    assert "port = 0  # --port\n" in out
    assert "# alyx_password is set, SPIKE_DASHBOARD_ALYX_PASSWORD\n" in out
    assert "hunter2" not in out


def test_the_demo_answers_at_the_url_it_prints(small_demo: object, cache: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-W",
            "error",
            "-W",
            BOKEHS_OWN,
            "-m",
            "dashboard",
            "demo",
            *SMALL,
            "--port",
            "0",
            "--no-browser",
        ],
        env=os.environ | {"SPIKE_DASHBOARD_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?insertion=demo", url)
        with urllib.request.urlopen(url.split("?")[0] + "health") as answer:
            assert json.load(answer)["status"] == "ok"
        with urllib.request.urlopen(url) as answer:
            assert answer.status == 200
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=150)  # a loaded machine takes its time
    assert "Traceback" not in err
    assert process.returncode in (0, main.EXIT_INTERRUPTED)


class Terminal:
    """A stream that says whether a person watches it."""

    def __init__(self, watched: bool) -> None:
        self.watched = watched
        self.text = ""

    def isatty(self) -> bool:
        return self.watched

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None: ...


@pytest.mark.parametrize("watched", [True, False])
def test_the_bar_is_drawn_for_people_only_and_wiped(watched: bool) -> None:
    stream = Terminal(watched)
    with terminal.TerminalProgress(stream) as progress:  # type: ignore[arg-type]
        progress(Progress("spikes.times", 5e6, 10e6, "B", 1e6))
        if watched:
            assert re.search(r"spikes.times +█{12}·{12}  50%  5.0 of 10.0 MB, 1.0 MB/s, 5 s left", stream.text)
    assert (stream.text == "") == (not watched)
    if watched:
        assert stream.text.endswith("\r")
        assert stream.text.split("\r")[-2].strip() == ""

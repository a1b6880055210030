"""The benchmarks still run, and their table says what it must. Figures are never judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.flatness import lines
from benchmarks.loading import spent
from benchmarks.table import Row, markdown_table, text_table


def test_a_quick_run_of_the_engine_prints_and_writes_its_table(repository: Path, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks.run", "--quick", "--only", "engine", "--cache", tmp_path / "cache"]
    done = subprocess.run(
        [*command, "--results", results], cwd=repository, capture_output=True, text=True, timeout=120, check=True
    )
    content = json.loads(results.read_text())
    assert list(tmp_path.glob("*.part")) == []
    assert list((tmp_path / "cache").iterdir()) == []
    rows = {row["what"]: row for row in content["rows"]}
    assert rows["pixels that differ from numpy's and Datashader's, whole, 0.1 M"]["ours"] == 0
    assert rows["mean amplitude, whole, 0.1 M"]["must"] == "≤ 1/6"
    assert "majority of 15 regions, whole, 0.1 M" in done.stdout
    assert {"cores", "load_average", "datashader"} <= set(content["machine"]["engine"])


def test_a_ratio_is_met_when_ours_is_small_enough() -> None:
    assert Row("engine", "count", "ms", 10.0, 40.0, "Datashader", part_of=4).is_met
    assert not Row("engine", "count", "ms", 10.1, 40.0, "Datashader", part_of=4).is_met


def test_every_limit_of_a_row_has_to_hold() -> None:
    assert Row("browser", "wheel", "ms", 100.0, 1500.0, part_of=10, most=120).is_met
    assert not Row("browser", "wheel", "ms", 130.0, 1500.0, part_of=10, most=120).is_met
    assert not Row("browser", "wheel", "ms", 100.0, 900.0, part_of=10, most=120).is_met
    assert not Row("browser", "images", "per s", 9.0, 0.0, least=10).is_met


def test_what_a_page_does_is_counted_once_and_until_its_picture() -> None:
    def event(name: str, start_ms: float, ms: float, thread: int = 2) -> dict[str, object]:
        return {"name": name, "ph": "X", "pid": 1, "tid": thread, "ts": 1e3 * start_ms, "dur": 1e3 * ms}

    def navigation(address: str, at_ms: float, pid: int) -> dict[str, object]:
        args = {"data": {"documentLoaderURL": address}}
        return {"name": "navigationStart", "ph": "R", "pid": pid, "tid": 2, "ts": 1e3 * at_ms, "args": args}

    events = [
        navigation("about:blank", 0.0, pid=9),
        navigation("http://127.0.0.1:1/", 1.0, pid=1),
        navigation("about:srcdoc", 90.0, pid=1),
        event("Paint", 60, 1) | {"pid": 9},
        event("RunTask", 1, 150),
        event("EvaluateScript", 1, 100),
        event("Layout", 11, 20),
        event("UpdateLayoutTree", 12, 5),
        event("no such work", 40, 10),
        event("Paint", 120, 10, thread=7),
        event("Paint", 140, 4),
        event("Paint", 400, 30),
    ]
    found = spent(events, until_ms=200)
    assert found == {"other": 46, "scripts run at their start": 80, "layout": 15, "styles": 5, "paint": 4}


def test_a_comparison_with_nothing_measured_is_not_met() -> None:
    assert Row("browser", "wheel", "ms", 10.0, None, part_of=10).is_met is False
    assert Row("browser", "wheel", "ms", 10.0).is_met is None


@pytest.mark.parametrize("write", [text_table, markdown_table])
def test_the_table_says_what_was_not_met(write: object) -> None:
    rows = [Row("engine", "count", "ms", 10.0, 30.0, "Datashader", part_of=4), Row("engine", "other", "ms", 1234.0)]
    text = write(rows)  # type: ignore[operator]
    assert "1/3.0" in text
    assert "≤ 1/4" in text
    assert text.count("NOT MET") == 1
    assert "1,234" in text


@pytest.mark.parametrize(
    ("memory_mb", "flat"),
    [
        (lambda s, rng: 500 + 40 * rng.standard_normal(s.size), True),  # noise
        (lambda s, rng: 500 + 0.25 * s + 20 * rng.standard_normal(s.size), False),  # 15 MB a minute
        (lambda s, rng: 500 + 0.02 * s + 5 * rng.standard_normal(s.size), True),  # rises, by less than is allowed
        (lambda s, rng: 300 + 200 * (1 - np.exp(-s / 40)), True),  # it opens what there is, and then no more
        (lambda s, rng: 500 + 300 * ((s > 400) & (s < 440)), True),  # one that was opened and let go
        (lambda s, rng: 300 + 300 * s / s.max(), False),
    ],
)
def test_flat_is_a_line_over_the_last_two_thirds_that_hardly_rises(memory_mb: object, flat: bool) -> None:
    seconds = np.arange(0.0, 720.0)
    values = memory_mb(seconds, np.random.default_rng(1)) * 1e6  # type: ignore[operator]
    memory, threads = lines(np.c_[1e5 + seconds, values, np.full(seconds.size, 30), np.full(seconds.size, 9)], 300.0)
    assert (memory.is_flat, threads.is_flat) == (flat, True)
    assert ("NOT FLAT" in str(memory)) is not flat
    assert memory.span_s == pytest.approx(480, abs=15)


def test_memory_of_pages_that_come_faster_is_no_leak() -> None:
    seconds, rng = np.arange(0.0, 720.0), np.random.default_rng(1)
    pages = np.round(20 + seconds / 36 + 4 * rng.standard_normal(seconds.size))
    memory, threads = 600e6 + 10e6 * pages + 5e6 * rng.standard_normal(seconds.size), np.full(seconds.size, 30)
    assert lines(np.c_[seconds, memory, threads, pages], 300.0)[0].is_flat
    assert not lines(np.c_[seconds, memory, threads, np.full(seconds.size, 20)], 300.0)[0].is_flat
    assert not lines(np.c_[seconds, memory + 4e5 * seconds, threads, pages], 300.0)[0].is_flat


def test_threads_that_come_to_stay_are_not_flat() -> None:
    seconds = np.arange(0.0, 720.0)
    memory, pages = np.full(seconds.size, 5e8), seconds // 100
    assert not lines(np.c_[seconds, memory, 30 + 3 * pages + seconds // 40, pages], 300.0)[1].is_flat
    assert lines(np.c_[seconds, memory, 30 + 3 * pages, pages], 300.0)[1].is_flat, "those of pages that came"


def test_who_lived_too_short_is_not_judged() -> None:
    assert lines([(float(k), 1e8, 20, 3) for k in range(200)], 300.0) == ()
    assert lines([], 300.0) == ()

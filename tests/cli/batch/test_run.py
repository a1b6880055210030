"""Many insertions at once: figures into a folder, units into a table, what failed and why, and a second run."""

from __future__ import annotations

import csv
import json
import logging
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dashboard.cli import main
from dashboard.cli.batch import run as batch
from dashboard.cli.batch.gallery import dashboard_link, write_gallery
from dashboard.cli.batch.report import Entry, Report
from dashboard.cli.batch.tasks import Opening
from dashboard.config.settings import Settings
from dashboard.library.targets import named
from dashboard.model.errors import BadRequest, Cancelled
from dashboard.model.facets import read_query
from dashboard.page import link as links
from dashboard.sources.demo.source import write_demo

N, BROKEN = 20, 7
KEY = "M_{:02d}/2024-01-15/001/probe00"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty insertions, one of which has a file cut short."""
    root = tmp_path_factory.mktemp("lab")
    session = write_demo(root / "one", 5_000)
    for number in range(N):
        subject = root / "data" / "demolab" / "Subjects" / f"M_{number:02d}"
        shutil.copytree(session, subject / session.parent.name / session.name)
    damaged = next((root / "data").rglob(f"M_{BROKEN:02d}/**/iblsorter/spikes.clusters.npy"))
    os.truncate(damaged, 300)
    return root / "data"


def run(*arguments: object) -> int:
    return main.main([str(argument) for argument in arguments])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.timeout(300)
def test_twenty_insertions_of_which_one_is_broken(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On two workers: 19 images and one clear line; the second run tries only the one, and the third none."""
    out = tmp_path / "figures"
    render = (
        "render", "--query", "subject=M_", "--data", lab, "--out", out, "--workers", 2, "--width", 640, "--height", 480,
        "--t", "1,9", "--quality", "good", "--dashboard-url", "https://lab.example.org/spikes/",
    )  # fmt: skip
    assert run(*render) == main.cli_batch.EXIT_SOME_FAILED
    assert len(list(out.glob("*.png"))) == N - 1
    assert sorted(path.suffix for path in out.iterdir() if path.suffix != ".png") == [".csv", ".html", ".json"]
    report = rows(out / "report.csv")
    assert [row["status"] for row in report] == ["failed"] + ["done"] * (N - 1)
    assert report[0]["insertion"] == KEY.format(BROKEN)
    assert report[0]["why"].startswith("Truncated: 300 of ")
    assert "spikes.clusters.npy" in report[0]["why"]
    assert {row["n_spikes"] for row in report[1:]} == {"5000"}
    page = (out / "index.html").read_text()
    assert page.count("<figure") == N - 1
    assert "19 of 20 insertions" in page
    link = re.search(r'href="(https://[^"]+)" title="Open', page)
    assert link is not None
    opened = links.parse(link[1].split("?")[1].replace("&amp;", "&"))
    assert opened.problems == ()
    assert opened.values == {"insertion": KEY.format(0), "time_range": (1.0, 9.0), "quality": "good"}
    capsys.readouterr()

    drawn = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert run(*render) == main.cli_batch.EXIT_SOME_FAILED
    said = capsys.readouterr()
    assert said.err.splitlines()[0] == "19 of 20: done before"
    assert len(said.err.splitlines()) == 2, "another one was tried"
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.png")} == drawn

    broken, whole = (next(lab.rglob(f"M_{n:02d}/**/iblsorter/spikes.clusters.npy")) for n in (BROKEN, 0))
    before = broken.read_bytes()
    try:
        shutil.copy(whole, broken)
        assert run(*render) == 0
        assert len(list(out.glob("*.png"))) == N
        assert "failed" not in (out / "report.csv").read_text()
    finally:
        broken.write_bytes(before)


def test_units_of_a_list_with_responses(lab: Path, tmp_path: Path) -> None:
    """In this process, one after the other; the table is what the expression and the report say."""
    names = tmp_path / "list.txt"
    folder = next(lab.rglob("M_02/2024-01-15/001"))
    names.write_text(
        f"# chosen by hand\n{KEY.format(0)}\n{KEY.format(BROKEN)}  # broken\n\n{folder}\n{KEY.format(0)}\n"
    )
    out = tmp_path / "units.parquet"
    command = ("units", names, "--data", lab, "--out", out, "--workers", 1, "--event", "stimOn")
    command = (*command, "--baseline=-1,0", "--response=0,1")  # few spikes: 0.1 s would hold none of most units
    assert run(*command, "--where", "label > 0.5 and resp_p <= 1") == main.cli_batch.EXIT_SOME_FAILED
    table = pd.read_parquet(out)
    assert set(table["subject"]) == {"M_00", "M_02"}
    assert (table["label"] > 0.5).all()
    assert table["resp_auc"].between(0, 1).all()
    assert not table.duplicated(["subject", "cluster_id"]).any()
    # Adjusted over every tested unit, the same whatever is asked for.
    assert run(*command) == main.cli_batch.EXIT_SOME_FAILED
    whole = pd.read_parquet(out)
    assert len(whole) > len(table)
    tested = whole["resp_q"].notna()
    assert 0 < tested.sum() < whole["resp_p"].notna().sum()
    expected = stats.false_discovery_control(whole["resp_p"][tested])
    np.testing.assert_allclose(whole["resp_q_all"][tested], expected)
    keys = ["subject", "cluster_id"]
    both = table.merge(whole, on=keys, suffixes=("", "_whole"))
    assert len(both) == len(table)
    np.testing.assert_array_equal(both["resp_q_all"], both["resp_q_all_whole"])
    for _, own in whole[tested].groupby("subject"):
        np.testing.assert_allclose(own["resp_q"], stats.false_discovery_control(own["resp_p"]))
    assert (out.parent / "units.parquet.parts" / "report.csv").is_file()
    assert run(*command, "--where", "firing_rate < 0") == main.cli_batch.EXIT_SOME_FAILED
    assert len(pd.read_parquet(out)) == 0
    assert "cluster_id" in pd.read_parquet(out).columns


def test_prefetch_makes_opening_a_matter_of_looking(lab: Path, tmp_path: Path) -> None:
    assert run("prefetch", KEY.format(1), "--data", lab, "--cache", tmp_path) == 0
    (made,) = (tmp_path / "columns").iterdir()
    built = made.stat().st_mtime_ns
    assert run("prefetch", KEY.format(1), "--data", lab, "--cache", tmp_path) == 0
    assert made.stat().st_mtime_ns == built


def made(cache: Path) -> int:
    """Return how many insertions have their columns in a cache."""
    return len(list((cache / "columns").glob("[!.]*")))


def test_prefetch_on_a_cluster_of_this_machine_and_on_a_scheduler(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Broken ones are named and cost nobody else; who has the cache opens at once what the workers prepared."""
    import distributed

    names = [KEY.format(n) for n in (BROKEN, BROKEN + 1, BROKEN + 2)]
    ours = tmp_path / "ours"
    command = ("prefetch", *names, "--data", lab)
    assert run(*command, "--cache", ours, "--workers", 2) == main.cli_batch.EXIT_SOME_FAILED
    said = capsys.readouterr()
    assert said.out == f"2 of 3 insertions done: in {ours}\n"
    lines = sorted(said.err.splitlines())
    assert len(lines) == 3
    assert lines[0].startswith(f"{names[0]}: Truncated: 300 of ")
    assert made(ours) == 2
    theirs = tmp_path / "theirs"
    local: Any = distributed.LocalCluster
    with local(
        n_workers=2, threads_per_worker=1, processes=True, memory_limit=0, dashboard_address="127.0.0.1:0",
        scheduler_kwargs={"dashboard": False}, silence_logs=logging.CRITICAL,
    ) as cluster:  # fmt: skip
        query = ("prefetch", "--query", "subject=M_0 last=2024-01-15", "--data", lab, "--cache", theirs)
        assert run(*query, "--scheduler", cluster.scheduler_address) == main.cli_batch.EXIT_SOME_FAILED
    assert capsys.readouterr().out == f"9 of 10 insertions done: in {theirs}\n"
    assert made(theirs) == 9


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("units", "--out", "x.parquet"), "No insertion is named"),
        (("units", "--query", "colour=red", "--out", "x.parquet"), "The query cannot be read: colour=red"),
        (("units", "--query", "'open", "--out", "x.parquet"), "The query cannot be read"),
        (("units", "demo", "--out", "x.txt"), "Cannot write '.txt' files"),
        (("units", "demo", "--out", "x.parquet", "--where", "1 +"), "This cannot be read"),
        (
            ("units", "demo", "--out", "x.parquet", "--baseline", "1,0"),
            "'1,0' has to go from a lower to a higher number",
        ),
        (("units", "nosuch.csv", "--out", "x.parquet"), "No such file: nosuch.csv"),
        (("units", "nosuch.txt", "--out", "x.parquet"), "The list cannot be read: nosuch.txt"),
        (("prefetch", "demo", "--scheduler", "nonsense"), "Not the address of a Dask scheduler: nonsense"),
        (("prefetch", "demo", "--scheduler", "tcp://127.0.0.1:9"), "No Dask scheduler answers: tcp://127.0.0.1:9"),
        (("render", "demo", "other", "--out", "x.png"), "Several insertions need a folder"),
        (("render", "--query", "nobody", "--out", "x"), "No insertion meets the query"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: Any, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(batch, "CONNECT_S", 1)
    try:
        code = run(*arguments, "--data", tmp_path)
    except SystemExit as ended:
        code = int(str(ended.code))
    error = capsys.readouterr().err
    assert code == 2
    assert said in error
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) in ([], [tmp_path / "x.parquet.parts"])


def test_lists_name_insertions_in_many_ways(tmp_path: Path) -> None:
    pid, eid = "d3300000-5eed-4de0-8000-00000000a11f", "d3300000-5eed-4de0-8000-0000005e5510"
    settings = Settings(cache=tmp_path)
    for name, text, wanted in (
        ("a.csv", f"pid,lab\n{pid},x\n{pid},x\n", [pid]),
        ("b.csv", f"eid,probe_name\n{eid},probe00\n", [f"{eid}/probe00"]),
        ("c.csv", "subject,date,probe_name\nM_1,2024-01-15,probe00\n", ["M_1/2024-01-15/001/probe00"]),
        ("d.csv", f"insertion,status,pid\nM_1,failed,\n{tmp_path},done,\n", ["M_1", str(tmp_path)]),
        ("e.txt", f"\ufeff{pid}\r\ndemo\r\n", [pid, "demo"]),
    ):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        assert named([str(path)], None, settings) == wanted, name
    pd.DataFrame({"pid": [pid, None]}).to_parquet(tmp_path / "f.parquet")
    assert named([str(tmp_path / "f.parquet"), pid, "demo"], None, settings) == [pid, "demo"]
    (tmp_path / "g.csv").write_text("lab\nx\n")
    with pytest.raises(BadRequest, match="no column that names insertions"):
        named([str(tmp_path / "g.csv")], None, settings)


def test_queries_are_words_of_the_search(lab: Path, tmp_path: Path) -> None:
    facets = read_query("lab=cortexlab subject='M 1' CSHL last=2020-01-01")
    assert (facets.lab, facets.subject, facets.text, facets.last) == ("cortexlab", "M 1", "CSHL", "2020-01-01")
    settings = Settings(data=(lab,), cache=tmp_path)
    assert named([], "subject=m_01", settings) == [KEY.format(1)]
    assert len(named([], "", settings)) == N


def test_workers_get_no_secrets(tmp_path: Path) -> None:
    settings = Settings(
        cache=tmp_path, alyx_password="hunter2", alyx_token="t", data_password="p", database="d://u:p@h"
    )
    sent = Opening.of(settings, None, None).settings
    assert (sent.alyx_password, sent.alyx_token, sent.data_password, sent.database) == (None, None, None, None)


@dataclass(frozen=True)
class Fragile:
    """A task that fails in the ways that a batch has to survive."""

    def __call__(self, insertion: str) -> tuple[dict[str, Any], bytes]:
        if insertion == "killed":
            os._exit(9)
        if insertion == "bug":
            raise ZeroDivisionError("division\nby zero")
        if insertion == "cancelled":
            raise Cancelled
        return {"key": insertion}, insertion.encode()


def test_a_worker_that_dies_costs_one_insertion() -> None:
    names = ["a", "killed", "b", "bug", "c", "cancelled", "d"]
    results = {result.insertion: result for result in batch.run(Fragile(), names, workers=2)}
    assert set(results) == set(names)
    assert {name for name, result in results.items() if result.status == batch.DONE} == {"a", "b", "c", "d"}
    assert results["killed"].why == "The process that worked on it ended, perhaps for lack of memory"
    assert results["bug"].why == "ZeroDivisionError: division by zero"


def test_an_interrupted_or_damaged_report_loses_no_figure(tmp_path: Path) -> None:
    report = Report(tmp_path, "request", ".png")
    first = report.take(batch.attempt(Fragile(), "a/b"), b"one")
    second = report.take(batch.attempt(Fragile(), "a:b"), b"two")
    assert first.file == "a_b.png"
    assert second.file != first.file
    assert (tmp_path / second.file).read_bytes() == b"two"
    again = Report(tmp_path, "request", ".png")
    assert (again.is_done("a/b"), again.is_done("other")) == (True, False)
    assert not Report(tmp_path, "another request", ".png").is_done("a/b")
    failed = again.take(batch.Result("a/b", batch.FAILED, "server down"), None)
    assert (failed.file, (tmp_path / "a_b.png").read_bytes()) == ("a_b.png", b"one")
    (tmp_path / "report.json").write_text('{"insertions": [{"x": 1}]}')
    assert Report(tmp_path, "request", ".png").entries == {}


def test_names_from_files_are_text_in_the_gallery(tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script>{{figures}}'
    facts = {"title": evil, "key": evil, "n_spikes": 1, "n_clusters": 1, "histology": evil}
    entries = [
        Entry(evil, batch.FAILED, evil, file="x.png", facts=facts),
        Entry("b", batch.DONE, file='y"><script>.png', facts=facts),
    ]
    page = write_gallery(tmp_path, evil, entries, "http://127.0.0.1:5006", {}).read_text()
    assert page.count("<script") == 1
    assert json.dumps(evil) not in page
    assert page.count("<figure") == 2
    link = dashboard_link("http://h/p/", entries[1], {"sorter": "base"})
    assert link.startswith("http://h/p/?insertion=%22%3E%3Cscript")
    assert links.parse(link.split("?")[1]).values["insertion"] == evil

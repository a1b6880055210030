"""The list of insertions: files, narrowing against pandas, a recorded server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.analysis.anatomy.regions import descendants
from dashboard.library.catalogue import Catalogue
from dashboard.library.insertion_table import ONLY_LISTED, facet_counts, insertion_table, narrow
from dashboard.model.errors import BadRequest
from dashboard.model.facets import Facets
from dashboard.sources.alyx.search import query
from dashboard.sources.alyx.source import AlyxSource
from dashboard.sources.lists import read_insertions, read_regions
from dashboard.sources.locate import recognise
from tests.replay.server import Replay

PID = "983a6668-5d02-4273-8f0d-1f59989c80c2"


@pytest.fixture(scope="module")
def bwm(shared: Path) -> Path:
    folder = shared / "real" / "bwm"
    if not folder.is_dir():
        pytest.skip("no lists: shared/real/bwm is absent")
    return folder


@pytest.fixture(scope="module")
def raw(bwm: Path) -> pd.DataFrame:
    return pd.read_csv(bwm / "2023_12_bwm_release.csv")


@pytest.fixture(scope="module")
def catalogue(bwm: Path) -> Catalogue:
    return Catalogue((), bwm / "2023_12_bwm_release.csv", bwm / "bwm_sess_regions.csv")


def test_the_real_list_has_every_row(catalogue: Catalogue, raw: pd.DataFrame) -> None:
    assert set(catalogue.table.pid) == set(raw.pid)
    assert len(catalogue.table) == len(raw) == 699


@pytest.mark.parametrize(
    ("facets", "query"),
    [
        (Facets(lab="angelakilab"), "lab == 'angelakilab'"),
        (Facets(subject="nyu-1"), "subject.str.contains('NYU-1')"),
        (Facets(first="2020-09-01", last="2020-09-21"), "'2020-09-01' <= date <= '2020-09-21'"),
        (Facets(probe="probe01"), "probe_name == 'probe01'"),
        (Facets(text="56f2a378"), "pid.str.contains('56f2a378') or eid.str.contains('56f2a378')"),
        (Facets(text="SWC_04 probe00"), "subject.str.contains('SWC_04') and probe_name == 'probe00'"),
    ],
)
def test_facets_agree_with_pandas(catalogue: Catalogue, raw: pd.DataFrame, facets: Facets, query: str) -> None:
    expected = raw.query(query, engine="python")
    assert 0 < len(expected) < len(raw)
    assert set(catalogue.narrow(facets).pid) == set(expected.pid)


@pytest.mark.parametrize("region", ["CA1", "HPF", "VIS", "TH", "root"])
def test_regions_take_their_descendants(catalogue: Catalogue, raw: pd.DataFrame, bwm: Path, region: str) -> None:
    counts = pd.read_csv(bwm / "bwm_sess_regions.csv")
    pids = set(counts.pid[counts.Beryl.isin(descendants(region)) & (counts.nclus > 0)])
    assert set(catalogue.narrow(Facets(region=region)).pid) == pids & set(raw.pid)


def test_a_layer_counts_as_its_beryl_region_only_at_that_level(catalogue: Catalogue) -> None:
    at_beryl = catalogue.narrow(Facets(region="VISp1", level="beryl"))
    assert set(at_beryl.pid) == set(catalogue.narrow(Facets(region="VISp")).pid)
    assert catalogue.narrow(Facets(region="VISp1")).empty


def test_counts_of_facets_agree_with_pandas(catalogue: Catalogue, raw: pd.DataFrame) -> None:
    assert facet_counts(catalogue.table, "lab") == raw.lab.value_counts().to_dict()


def test_what_is_offered_agrees_with_pandas(catalogue: Catalogue, raw: pd.DataFrame, bwm: Path) -> None:
    counts = pd.read_csv(bwm / "bwm_sess_regions.csv")
    counts = counts[(counts.nclus > 0) & counts.pid.isin(set(raw.pid))]
    offered = catalogue.options
    assert offered["region"] == counts.groupby("Beryl").pid.nunique().to_dict()
    assert offered["subject"] == raw.subject.value_counts().to_dict()
    assert offered["tag"] == {}


def test_unknown_regions_and_dates_are_refused(catalogue: Catalogue) -> None:
    with pytest.raises(BadRequest, match="No such region"):
        catalogue.narrow(Facets(region="CA77"))
    with pytest.raises(BadRequest, match="Not a date"):
        catalogue.narrow(Facets(first="yesterday"))


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 28), st.sampled_from(["probe00", "probe01"]))))
def test_narrowing_keeps_order_and_never_invents(items: list[tuple[str, int, str]]) -> None:
    table = insertion_table(
        {"key": f"{s}/2024-01-{d:02d}/001/{p}", "subject": s, "date": f"2024-01-{d:02d}", "probe": p, "pid": ""}
        for s, d, p in items
    )
    assert len(table) == len(set(items))
    found = narrow(table, Facets(subject="a", first="2024-01-10"))
    assert list(found.index) == sorted(found.index)
    assert set(found.key) == {k for k in table.key if k.startswith("A/") and k[2:12] >= "2024-01-10"}


def test_parquet_and_csv_read_alike(bwm: Path, raw: pd.DataFrame, tmp_path: Path) -> None:
    raw.to_parquet(tmp_path / "list.pqt")
    ours = [{k: v for k, v in row.items() if k != "source"} for row in read_insertions(tmp_path / "list.pqt")]
    theirs = [
        {k: v for k, v in row.items() if k != "source"} for row in read_insertions(bwm / "2023_12_bwm_release.csv")
    ]
    assert ours == theirs


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "", "subject,date,probe_name,session_number\nx,2024-01-01,p,one\n"])
def test_lists_that_cannot_be_used_say_why(tmp_path: Path, content: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(content)
    with pytest.raises(BadRequest, match=r"list\.csv"):
        read_insertions(path)
    with pytest.raises(BadRequest):
        read_regions(path)
    with pytest.raises(BadRequest, match="No such file"):
        read_insertions(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f" {PID.upper()}\n", PID),
        (f"{PID}/probe00", f"{PID}/probe00"),
        ("KM_001/2024-03-05/001", "KM_001/2024-03-05/001"),
        ("labrig/Subjects/KM_001/2024-03-05/001/alf/probe01", "labrig/Subjects/KM_001/2024-03-05/001/alf/probe01"),
        (f"https://alyx.example.org/insertions/{PID}", f"https://alyx.example.org/insertions/{PID}"),
        ("hello", None),
        ("two\nlines", None),
        ("x" * 1000, None),
    ],
)
def test_what_is_pasted(text: str, expected: str | None) -> None:
    assert recognise(text) == expected


def test_what_is_pasted_names_insertions_of_the_list(catalogue: Catalogue, raw: pd.DataFrame) -> None:
    two = next(rows for _, rows in raw.groupby("eid") if len(rows) == 2)
    first, both = two.iloc[0], set(two.pid)
    session = f"{first.subject}/{first.date}/{first.session_number:03d}"

    def pids(text: str) -> set[str]:
        return set(catalogue.table.set_index("key").loc[catalogue.matching(text), "pid"])

    for text in (first.eid, f"https://alyx.example.org/sessions/{first.eid}", session, f"lab/Subjects/{session}/alf",
                 f"https://alyx.example.org/admin/actions/ephyssession/{first.eid}/change/"):  # fmt: skip
        assert pids(text) == both, text
    probe = first.probe_name
    for text in (first.pid.upper(), f"https://alyx.example.org/insertions/{first.pid}", f"{session}/alf/{probe}",
                 f"{first.eid}/{probe}"):  # fmt: skip
        assert pids(text) == {first.pid}, text
    assert catalogue.matching("hello") == []


def test_what_cannot_be_asked_for_says_why(bwm: Path) -> None:
    bare = Catalogue((), bwm / "2023_12_bwm_release.csv")
    assert set(bare.off) == {"tag", "region", "project", "task"}
    assert "--regions" in bare.off["region"]
    assert set(Catalogue((), regions=bwm / "bwm_sess_regions.csv").off) == {"tag", "project", "task"}


def test_a_region_finer_than_the_list_is_said(catalogue: Catalogue) -> None:
    assert catalogue.finer_note(Facets(region="VISp5")).endswith("VISp5: ask for VISp")
    for region, level in (("VISp", "allen"), ("CA1", "beryl"), ("HPF", "allen"), ("", "allen")):
        assert catalogue.finer_note(Facets(region=region, level=level)) == ""


# -- a server -------------------------------------------------------------------------------------


@pytest.fixture
def replay(alyx_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Replay]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with Replay(alyx_folder) as server:
        yield server


def new_source(replay: Replay, folder: Path, **options: bool) -> AlyxSource:
    return AlyxSource(replay.url, cache=folder, user="alice", password="alicepass", **options)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("facets", "recorded"),
    [
        (Facets(lab="labrig"), "lab=labrig"),
        (Facets(subject="KM_00"), "django=session__subject__nickname__icontains%2CKM_00"),
        (Facets(histology="resolved"), "django=json__extended_qc__alignment_resolved%2CTrue"),
        (Facets(region="CA1"), "atlas_acronym=CA1"),
        (Facets(tag="2024_Q2_rig"), "django=datasets__tags__name%2C2024_Q2_rig"),
        (Facets(tag="a,b"), "tag=a%2Cb"),
        (Facets(subject="a,b"), ""),
        (Facets(subject=" KM "), "django=session__subject__nickname__icontains%2CKM"),
        (Facets(task="ephys"), "task_protocol=ephys"),
        (Facets(project="brainwide"), "project=brainwide"),
        (Facets(probe="probe00"), "name=probe00"),
        (Facets(model="3B2"), "django=model__probe_model%2C3B2"),
        (Facets(first="2024-04-01"), "django=session__start_time__date__gte%2C2024-04-01"),
    ],
)
def test_facets_become_the_recorded_queries(facets: Facets, recorded: str) -> None:
    assert query(facets) == dict(parse_qsl(recorded))


@pytest.mark.parametrize(
    ("facets", "query"),
    [
        (Facets(region="CA1"), "atlas_acronym=CA1"),
        (Facets(tag="2024_Q2_rig"), "tag=2024_Q2_rig"),
        (Facets(subject="KM_00"), "django=session__subject__nickname__icontains,KM_00"),
        (Facets(histology="resolved"), "django=json__extended_qc__alignment_resolved,True"),
    ],
)
def test_answers_are_those_recorded(
    replay: Replay, alyx_folder: Path, tmp_path: Path, facets: Facets, query: str
) -> None:
    index = json.loads((alyx_folder / "rest" / "index.json").read_text())
    file = next(entry["file"] for key, entry in index.items() if unquote(key) == f"GET /insertions?{query}")
    body = json.loads((alyx_folder / "rest" / file).read_text())["response"]["body"]
    found = [row["pid"] for page in new_source(replay, tmp_path).search(facets) for row in page]
    assert len(found) == len(set(found))
    assert set(found) >= {row["id"] for row in body["results"]}


def test_paging_neither_repeats_nor_loses(replay: Replay, tmp_path: Path) -> None:
    known = {
        pid for pid, row in replay.rest.recordings.tables["insertions"].items() if row["session_info"].get("subject")
    }
    pages = list(new_source(replay, tmp_path).search(Facets()))
    found = [row["pid"] for page in pages for row in page]
    assert len(pages) > 1
    assert len(found) == len(set(found))
    assert set(found) == known


def test_the_server_is_asked_once_and_it_works_offline(replay: Replay, tmp_path: Path) -> None:
    catalogue = Catalogue([new_source(replay, tmp_path)])
    catalogue.start()
    until(lambda: not catalogue.note)
    n = len(catalogue.table)
    facets = Facets(tag="2024_Q2_rig")
    catalogue.ask(facets)
    until(lambda: not catalogue.note and not catalogue.narrow(facets).empty)
    asked = len(replay.seen)
    tagged = set(catalogue.narrow(facets).pid)
    catalogue.ask(facets)
    catalogue.start()
    assert len(replay.seen) == asked
    replay.down = True
    offline = Catalogue([new_source(replay, tmp_path, offline=True)])
    offline.start()
    until(lambda: "reading" not in offline.note and len(offline.table) >= n)
    offline.ask(facets)
    until(lambda: set(offline.narrow(facets).pid) == tagged)


def test_the_tags_of_a_server_are_offered_offline_too(replay: Replay, tmp_path: Path) -> None:
    for is_down in (False, True):
        replay.down = is_down
        catalogue = Catalogue([new_source(replay, tmp_path, offline=is_down)])
        catalogue.start()
        until(lambda catalogue=catalogue: "reading" not in catalogue.note and not catalogue.table.empty)
        assert catalogue.options["tag"] == {"2024_Q2_rig": 0}
        assert {"CA1", "VISp"} <= set(catalogue.options["region"])


def test_a_server_without_tags_still_lists_its_insertions(replay: Replay, tmp_path: Path) -> None:
    replay.faults.add("/tags", "status", code=500, times=None)
    catalogue = Catalogue([new_source(replay, tmp_path)])
    catalogue.start()
    until(lambda: "reading" not in catalogue.note and not catalogue.table.empty)
    assert (catalogue.options["tag"], catalogue.note) == ({}, "")


def test_a_failing_server_leaves_a_note_and_what_came_before_and_can_be_tried_again(
    replay: Replay, tmp_path: Path
) -> None:
    fault = replay.faults.add("/insertions", "status", code=500, times=None, skip=1)
    catalogue = Catalogue([new_source(replay, tmp_path)])
    catalogue.start()
    until(lambda: "reading" not in catalogue.note and bool(catalogue.note))
    first = len(catalogue.table)
    assert catalogue.has_failed
    assert first > 0
    fault.times = 0
    catalogue.start(again=True)
    until(lambda: not catalogue.note)
    assert len(catalogue.table) > first


def test_a_busy_server_is_left_alone_and_says_how_long(replay: Replay, tmp_path: Path) -> None:
    replay.faults.add("/insertions", "status", code=429, times=None, retry_after="1000")
    catalogue = Catalogue([new_source(replay, tmp_path)])
    catalogue.start()
    until(lambda: "reading" not in catalogue.note and bool(catalogue.note))
    assert "busy and asks to wait 1000 s" in catalogue.note


def test_what_is_searched_for_comes_before_the_rest_of_the_list(
    replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second page of the list is held up; what is typed meanwhile is asked for once, when it stands still."""
    monkeypatch.setattr("dashboard.library.catalogue.STILL_S", 0.1)
    replay.faults.add("/insertions", "delay", times=1, skip=1, delay=3.0)
    catalogue = Catalogue([new_source(replay, tmp_path)])
    catalogue.start()
    until(lambda: not catalogue.table.empty)
    days = {pid: (row["session_info"].get("start_time") or "")[:10]
            for pid, row in replay.rest.recordings.tables["insertions"].items()}  # fmt: skip
    held = set(catalogue.table.pid)
    day = next(day for day in days.values() if day and day not in set(catalogue.table.date))
    wanted = {pid for pid, date in days.items() if date == day}
    for last in ("", day):
        catalogue.ask(Facets(first=day, last=last))
    until(lambda: wanted <= set(catalogue.table.pid))
    assert "reading" in catalogue.note
    assert set(catalogue.table.pid) == held | wanted
    catalogue.ask(Facets(first=day, last=day))
    until(lambda: not catalogue.note)
    assert set(catalogue.table.pid) > held | wanted
    asked = [dict(parse_qsl(seen.query)).get("django") for seen in replay.seen]
    assert [value for value in asked if value] == [
        f"session__start_time__date__gte,{day},session__start_time__date__lte,{day}"
    ]


def test_what_can_be_opened_here_is_told_from_what_is_only_listed() -> None:
    listed = {"key": "S/2024-01-01/001/probe00", "source": "list.csv"}
    other = {"key": "T/2024-01-02/001/probe00", "source": "list.csv"}
    folder = {**listed, "source": "/data", "opens": "files here"}
    table = insertion_table([listed, other, folder]).set_index("key")
    assert table.loc[listed["key"], ["source", "opens"]].tolist() == ["/data", "files here"]
    assert table.loc[other["key"], ["source", "opens"]].tolist() == ["list.csv", ONLY_LISTED]
    found = narrow(table.reset_index(), Facets(opens=ONLY_LISTED))
    assert found["key"].tolist() == [other["key"]]

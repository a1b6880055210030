"""Events of one's own in place of trials: read, refused, aligned to."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import dashboard
from dashboard.analysis.events.responses import paired_events
from dashboard.analysis.events.trials import available_events, available_splits, has_mask, split_trials, trial_view
from dashboard.cli.main import main
from dashboard.model.errors import BadRequest, DashboardError, DatasetInvalid
from dashboard.sources.events import events_beside, read_events, with_events
from dashboard.sources.phy.source import PhySource
from tests.sources.samples import write_phy

TABLE = pd.DataFrame({
    "tone_times": np.arange(10.0, 110, 5),
    "lick time": np.where(np.arange(20) % 4, np.arange(10.3, 110.3, 5), np.nan),
    "side": ["left", "right"] * 10,
    "level": [10, 20, 30, 40] * 5,
    "trial": np.arange(20),
})  # fmt: skip


def written(folder: Path, ending: str, table: pd.DataFrame = TABLE) -> Path:
    path = folder / f"events{ending}"
    if ending in (".pqt", ".parquet"):
        table.to_parquet(path)
    elif ending == ".npy":
        np.save(path, table[["tone_times", "level"]].to_records(index=False))
    else:
        table.to_csv(path, sep="," if ending == ".csv" else "\t", index=False)
    return path


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".pqt", ".npy"])
def test_tables_of_every_kind_are_read(tmp_path: Path, ending: str) -> None:
    table = read_events(written(tmp_path, ending)).table
    assert table["tone_times"].tolist() == TABLE["tone_times"].tolist()
    assert events_beside(tmp_path) == tmp_path / f"events{ending}"
    wanted = ("tone_times",) if ending == ".npy" else ("tone_times", "lick time")
    assert available_events(table) == wanted
    assert available_splits(table) == (("none", "level") if ending == ".npy" else ("none", "side", "level"))


def test_times_alone_are_events(tmp_path: Path) -> None:
    np.save(tmp_path / "events.npy", np.arange(5.0))
    (tmp_path / "events.txt.csv").write_text("0\n1\n2\n")
    assert available_events(read_events(tmp_path / "events.npy").table) == ("event_times",)
    assert read_events(tmp_path / "events.txt.csv").table["event_times"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("side,level\nleft,1\n", "No column of times"),
        ("time\n1\n90000000\n", "cannot be in seconds"),
        ("time\nNaN\n", "No column of times"),
        ("", "empty"),
    ],
)
def test_what_holds_no_events_is_one_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "events.csv"
    path.write_text(content)
    with pytest.raises(DashboardError, match=said) as caught:
        read_events(path)
    assert str(path) in str(caught.value)
    with pytest.raises(BadRequest, match=r"not read from '\.xlsx'"):
        read_events(tmp_path / "events.xlsx")


def test_two_files_of_events_are_refused(tmp_path: Path) -> None:
    written(tmp_path, ".csv"), written(tmp_path, ".tsv")
    with pytest.raises(DatasetInvalid, match="Several files of events"):
        events_beside(tmp_path)


def test_objects_are_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "events.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetInvalid, match="never loaded"):
        read_events(tmp_path / "events.npy")


@pytest.fixture(scope="module")
def sorting(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = write_phy(tmp_path_factory.mktemp("data")).folder
    written(folder, ".csv")
    return dashboard.open_insertion(folder, cache=tmp_path_factory.mktemp("cache"))


def test_conditions_split_events_and_a_row_is_a_trial(sorting: Any) -> None:
    trials = sorting.trials.table
    assert [(group.label, group.n_trials) for group in split_trials(trials, "side")] == [("left", 10), ("right", 10)]
    assert [group.label for group in split_trials(trials, "level")] == ["10", "20", "30", "40"]
    with pytest.raises(BadRequest, match="at most 12"):
        split_trials(trials, "trial")
    assert not has_mask(trials)
    view = trial_view(trials, 1)
    assert view.start_s < 15.0 < view.end_s
    assert sorting.missing_reason("trials") is None
    assert any("20 rows of events.csv" in note for note in sorting.notes)


def test_the_baseline_of_an_event_of_ones_own_is_before_the_event(sorting: Any) -> None:
    before, after = paired_events(sorting.trials.table, "tone_times", (-0.1, 0.0), (0.0, 0.1))
    np.testing.assert_array_equal(before.times_s, after.times_s)
    assert len(after) == 20


def test_the_events_tab_aligns_to_them(sorting: Any, tmp_path: Path) -> None:
    from dashboard.library.store import InsertionStore
    from dashboard.page.core.scene import Scene
    from dashboard.page.services.alignment import AlignmentState, event_request, gone_event, gone_split, render_events

    source = PhySource(Path(sorting.identity.files[1].path).parent)
    scene = Scene(InsertionStore([source], tmp_path).open(next(source.insertions()).key))
    values = {"selected": [7], "depth_range": None, "bins": {}, "event": "tone_times", "split": "side"}
    values |= {"spikes_of": "unit", "masked": AlignmentState.param.masked.default}
    picture = render_events(event_request(scene, values), threading.Event())
    assert [group.group.label for group in picture.groups] == ["left", "right"]
    times, units = np.asarray(sorting.spikes.times_s), sorting.unit_indexes()
    own = times[units == sorting.units.indexes([7])[0]]
    start, end = picture.raster_edges_s[0], picture.raster_edges_s[-1]
    counted = sum(int(((own >= t + start) & (own < t + end)).sum()) for t in TABLE["tone_times"])
    assert sum(int(group.counts.sum()) for group in picture.groups) == pytest.approx(counted, abs=1)
    assert gone_event("tone_times", sorting, "allen") == ""
    assert "has tone_times" in gone_event("teleport", sorting, "allen")
    assert "no condition contrast" in gone_split("contrast", sorting, "allen")


def test_the_flag_is_for_one_insertion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = write_phy(tmp_path / "data" / "one").folder, write_phy(tmp_path / "data" / "other").folder
    path, cache = written(tmp_path, ".csv"), ["--cache", str(tmp_path / "cache")]
    assert main(["check", str(one), "--events", str(path), "--json", *cache]) == 0
    assert "trials" not in {item["dataset"] for item in json.loads(capsys.readouterr().out)["missing"]}
    assert main(["check", "one/probe", "--data", str(other.parent), "--events", str(path), *cache]) == 2
    assert "--events is for one insertion" in capsys.readouterr().err
    out = tmp_path / "units.csv"
    assert main(["units", str(one), "--events", str(path), "--event", "tone_times", "--out", str(out), *cache]) == 0
    assert "resp_q" in out.read_text().splitlines()[0]


def test_an_alf_sorting_takes_them_too(sorting: Any, tmp_path: Path) -> None:
    assert len(with_events(sorting, written(tmp_path, ".tsv")).trials) == 20
    assert with_events(sorting, None) is sorting

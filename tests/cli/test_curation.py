"""Decisions about units on the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from dashboard.analysis.quality.metrics import recompute
from dashboard.cli.main import main
from dashboard.library.open import open_insertion
from dashboard.library.userdata import UserData


def run(folder: Path, *words: str) -> int:
    return main(["curation", *words, "--cache", str(folder), *(["--spikes", "20000"] if words[0] != "log" else [])])


def test_decisions_come_in_leave_again_and_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text("unit,quality,note\n3,good,\n5,mua,odd\n99999,good,\n")
    assert run(tmp_path, "import", "demo", str(tmp_path / "in.csv"), "--author", "Ada", "--by", "Bob") == 0
    said = capsys.readouterr().out
    assert "3 decisions of Ada, brought in by Bob" in said
    assert "1 of 3 units are not in this sorting, and are left out: 99999" in said
    assert run(tmp_path, "export", "demo", str(tmp_path / "out.json"), "--author", "Ada") == 0
    assert "labels of 2 units, 1 note, 0 merges, 0 splits" in capsys.readouterr().out
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["manual_labels"] == [
        {"unit_id": 3, "labels": {"quality": ["good"]}},
        {"unit_id": 5, "labels": {"quality": ["mua"]}},
    ]
    assert run(tmp_path, "log") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["author"], row["imported_by"], row["unit"], row["value"]) for row in rows] == [
        ("Ada", "Bob", "3", "good"), ("Ada", "Bob", "5", "mua"), ("Ada", "Bob", "5", "odd"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("export", "demo"), "wants an insertion and a file"),
        (("import", "demo", "in.csv"), "--author"),
        (("import", "demo", "none.csv", "--author", "Ada"), "Cannot read the table"),
        (("export", "demo", "out.xlsx"), "No format has this ending"),
        (("log", "key", "file"), "standard output"),
        (("apply", "demo"), "--to FOLDER"),
        (("apply", "demo", "--to", "no/such/folder"), "No such folder"),
        (("backup",), "--to FILE"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert run(tmp_path, *words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_batch_of_units_has_the_decisions_and_is_made_anew_after_another(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("unit,quality,note\n3,good,odd\n5,mua,\n")
    assert run(tmp_path, "import", "demo", str(tmp_path / "in.csv"), "--author", "Ada") == 0
    out = tmp_path / "units.csv"
    words = ["units", "demo", "--cache", str(tmp_path), "--spikes", "20000", "--workers", "1", "--out", str(out)]
    words += ["--curation", "Ada", "--where", "curated == 'good'"]
    assert main(words) == 0
    assert [(row["cluster_id"], row["my_label"], row["note"]) for row in read(out)] == [("3", "good", "Ada: odd")]
    (tmp_path / "in.csv").write_text("unit,quality\n8,good\n")
    assert run(tmp_path, "import", "demo", str(tmp_path / "in.csv"), "--author", "Bob") == 0
    assert main(words) == 0
    assert [(row["cluster_id"], row["my_label"]) for row in read(out)] == [("3", "good"), ("8", "")]


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.mark.parametrize("kind", ["alf", "phy", "analyzer"])
def test_what_is_applied_is_a_new_folder_with_a_map(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    said = {"format_version": "2", "unit_ids": [], "label_definitions": {}, "merges": [{"unit_ids": [3, 5]}]}
    said["splits"] = [{"unit_id": 12, "mode": "indices", "indices": [[0, 2, 4]]}]
    (tmp_path / "in.json").write_text(json.dumps(said))
    (tmp_path / "in.csv").write_text("unit,quality,removed\n3,good,\n5,good,\n8,mua,\n9,,removed\n")
    for name in ("in.json", "in.csv"):
        assert run(tmp_path, "import", "demo", str(tmp_path / name), "--author", "Ada") == 0
    out = tmp_path / "new"
    words = ("apply", "demo", "--to", str(out), "--kind", kind, "--author", "Ada")
    assert run(tmp_path, *words) == 0
    assert "2 units are merged into 1, 1 unit split into 2, 1 unit left out" in capsys.readouterr().out
    rows = read(out / "curation_map.csv")
    assert [(row["new_unit"], row["spikes"]) for row in rows if row["old_unit"] == "12"][:1] == [("41", "3")]
    new_of_old = {row["old_unit"]: row["new_unit"] for row in rows if row["old_unit"] != "12"}
    assert (new_of_old["3"], new_of_old["5"], new_of_old["8"], new_of_old["9"]) == ("40", "40", "8", "")
    sorting = open_insertion(out, cache=tmp_path / "other")
    assert set(sorting.unit_ids.tolist()) == {41, 42} | {int(unit) for unit in new_of_old.values() if unit}
    assert np.bincount(sorting.unit_indexes())[sorting.units.find([41])[0]] == 3
    column = {"alf": "curated", "phy": "group", "analyzer": "quality"}[kind]
    assert sorting.clusters.loc[[40, 8], column].tolist() == ["good", "mua"]
    if kind == "alf":  # metrics of the new units are computed from their spikes
        own = recompute(sorting)
        for name in ("amp_median", "presence_ratio", "label"):
            np.testing.assert_allclose(sorting.clusters[name].iloc[-3:], own[name].iloc[-3:])
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert run(tmp_path, *words) == 2
    assert "exists already" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_figure_is_drawn_with_the_curation_applied_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text("unit,removed\n3,removed\n5,removed\n")
    assert run(tmp_path, "import", "demo", str(tmp_path / "in.csv"), "--author", "Ada") == 0
    words = ["render", "demo", "--cache", str(tmp_path), "--spikes", "20000", "--curation", "Ada"]
    assert main([*words, "--out", str(tmp_path / "one.svg")]) == 0
    said = "curation of Ada applied: 2 units left out"
    assert said in capsys.readouterr().out
    assert said in (tmp_path / "one.svg").read_text()
    many = tmp_path / "many"
    many.mkdir()
    assert main([*words, "--out", str(many), "--format", "svg", "--workers", "1"]) == 0
    (drawn,) = many.glob("*.svg")
    assert said in drawn.read_text()


def test_a_copy_of_the_database_is_made_while_it_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text("unit,quality\n3,good\n")
    assert main(["curation", "backup", "--to", str(tmp_path / "b"), "--cache", str(tmp_path)]) == 2
    assert run(tmp_path, "import", "demo", str(tmp_path / "in.csv"), "--author", "Ada") == 0
    user_data = UserData.in_folder(tmp_path)
    with user_data.database.connection():
        assert main(["curation", "backup", "--to", str(tmp_path / "b"), "--cache", str(tmp_path)]) == 0
    assert UserData(f"sqlite:///{tmp_path / 'b'}").decisions.read() == user_data.decisions.read()
    assert main(["curation", "backup", "--to", str(tmp_path / "b"), "--cache", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_batch_of_units_has_merged_units_as_one_where_that_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    merges = {"format_version": "2", "unit_ids": [], "label_definitions": {}, "merges": [{"unit_ids": [3, 5]}]}
    (tmp_path / "in.json").write_text(json.dumps(merges))
    assert run(tmp_path, "import", "demo", str(tmp_path / "in.json"), "--author", "Ada") == 0
    out = tmp_path / "units.csv"
    words = ["units", "demo", "--cache", str(tmp_path), "--spikes", "20000", "--workers", "1", "--out", str(out)]
    found = {}
    for more in ([], ["--applied"]):
        assert main([*words, "--curation", "Ada", *more]) == 0
        found[len(more)] = {row["cluster_id"] for row in read(out)}
    assert found[1] ^ found[0] == {"3", "5", "40"}
    assert main([*words, "--applied"]) == 2
    assert "--curation" in capsys.readouterr().err

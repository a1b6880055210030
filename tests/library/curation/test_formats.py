"""Each format out and in again; SpikeInterface's own answers on its files."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard.analysis.curation.applied import apply_plan, plan_of
from dashboard.analysis.curation.splits import read_split
from dashboard.analysis.curation.subject import Subject
from dashboard.library.curation import spikeinterface, tables
from dashboard.library.curation.file import CurationFile, decisions_of, shown_to
from dashboard.library.curation.formats import FORMATS, format_of
from dashboard.library.open import open_insertion
from dashboard.model.curation import Category, CurationRules, Decision
from dashboard.model.errors import BadRequest
from dashboard.model.sorting import SpikeSorting

FILES = Path(__file__).parents[4] / "shared/formats/spikeinterface"
TYPE = Category("type", ("pyramidal", "burst"), is_exclusive=False)
RULES = CurationRules((*CurationRules().categories, TYPE))


def subject_of(ids: list[Any]) -> Subject:
    units = tuple(map(str, ids))
    return Subject("S/2024-01-01/001/probe00", "alf/probe00", "", "9:aa", units, ("",) * len(units))


SUBJECT = subject_of([0, 3, 5, 8, 13])


def kept(found: list[Decision], step: str = "s") -> list[Decision]:
    return [
        Decision(**{**{n: getattr(one, n) for n in one.__slots__}, "step": step, "id": k})
        for k, one in enumerate(found)
    ]


def said() -> list[Decision]:
    """Return what Ada and Bob say of some units."""
    return kept(
        [
            SUBJECT.decide("Bob", "label", "noise", 3, name="quality"),
            SUBJECT.decide("Ada", "label", "good", 3, name="quality"),
            SUBJECT.decide("Bob", "label", "mua", 5, name="quality"),
            SUBJECT.decide("Ada", "label", "pyramidal\nburst", 5, name="type"),
            SUBJECT.decide("Ada", "note", "drifts\tat the end", 3),
            SUBJECT.decide("Bob", "merge", "8,13"),
            SUBJECT.decide("Ada", "label", "removed", 0, name="removed"),
        ]
    )


FILE = shown_to("Ada", said(), SUBJECT, RULES)


def again(found: CurationFile) -> CurationFile:
    """Return what is shown after a file was brought in as Ada's, where nobody has decided yet."""
    decisions, report = decisions_of(found, SUBJECT, "Ada")
    assert report == []
    return shown_to("Ada", kept(decisions), SUBJECT, RULES)


def test_what_is_shown_to_somebody_is_their_own_first() -> None:
    assert FILE.labels == {"3": {"quality": ("good",)}, "5": {"quality": ("mua",), "type": ("pyramidal", "burst")}}
    assert (FILE.merges, FILE.removed) == ((("8", "13"),), ("0",))


def test_spikeinterface_out_and_in_gives_the_same(tmp_path: Path) -> None:
    lost = spikeinterface.write(tmp_path / "c.json", FILE)
    assert lost == ["1 note has no place in this format"]
    found = again(spikeinterface.read(tmp_path / "c.json"))
    assert (found.labels, found.merges, found.removed) == (FILE.labels, FILE.merges, FILE.removed)
    written = json.loads((tmp_path / "c.json").read_text())
    assert written["unit_ids"] == [0, 3, 5, 8, 13]
    assert all(len(one["label_options"]) >= 2 for one in written["label_definitions"].values())


def test_phy_out_and_in_gives_the_same(tmp_path: Path) -> None:
    lost = tables.write_phy(tmp_path / "phy", FILE, "quality")
    assert len(lost) == 2
    assert (tmp_path / "phy/cluster_group.tsv").read_text() == (
        "cluster_id\tgroup\n0\tunsorted\n3\tgood\n5\tmua\n8\tunsorted\n13\tunsorted\n"
    )
    found = again(tables.read_phy(tmp_path / "phy"))
    assert {unit: labels["quality"] for unit, labels in found.labels.items()} == {"3": ("good",), "5": ("mua",)}
    assert found.notes == {"3": "drifts at the end"}


def test_phys_files_are_what_a_table_reader_reads(tmp_path: Path) -> None:
    tables.write_phy(tmp_path, FILE, "quality")
    with (tmp_path / "cluster_notes.tsv").open() as file:
        rows = {row["cluster_id"]: row["notes"] for row in csv.DictReader(file, delimiter="\t")}
    assert rows == {"0": "", "3": "drifts at the end", "5": "", "8": "", "13": ""}


def test_csv_out_and_in_gives_the_same(tmp_path: Path) -> None:
    assert tables.write_csv(tmp_path / "c.csv", FILE) == ["1 merge has no place in this table"]
    found = again(tables.read_csv(tmp_path / "c.csv"))
    assert (found.labels, found.notes, found.removed) == (FILE.labels, FILE.notes, FILE.removed)


def test_a_namespace_table_out_and_in_gives_the_same_and_keeps_the_label(
    tmp_path: Path, small_demo: SpikeSorting
) -> None:
    subject = Subject.of(small_demo)
    decisions = [subject.decide("Ada", "label", "mua", 5, name="quality"), subject.decide("Ada", "note", "odd", 8)]
    file = shown_to("Ada", kept(decisions), subject, RULES)
    path = tmp_path / "_ada_clusters.metrics.pqt"
    assert tables.write_alf(path, file, small_demo, "quality") == []
    found = tables.read_alf(path)
    assert (found.labels, found.notes) == (file.labels, file.notes)
    table = pd.read_parquet(path)
    np.testing.assert_array_equal(table["label"], small_demo.clusters["label"])
    assert not {"acronym", "my_label", "uuids"} & set(table)
    with pytest.raises(BadRequest, match="named after its namespace"):
        tables.write_alf(tmp_path / "clusters.metrics.pqt", file, small_demo, "quality")


def test_units_that_are_not_there_are_reported() -> None:
    file = CurationFile(
        ("3", "77"), {}, {"3": {"quality": ("good",)}, "77": {"quality": ("good",)}}, {}, (("3", "78"),)
    )
    found, report = decisions_of(file, SUBJECT, "Ada")
    assert [one.unit for one in found] == ["3"]
    assert report[0] == "2 of 3 units are not in this sorting, and are left out: 77, 78"
    assert "2 units, this one has 5; 5 are in one of them only" in report[1]


@pytest.mark.parametrize(
    "content",
    ["", "a,b\n1,2\n", "unit,quality\n3\n", "cluster_id\tgroup\n3\tgood\tmore\n", "\x00", "{}", "[1]", "[" * 2000],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, content: str) -> None:
    for kind in FORMATS:
        path = tmp_path / f"bad{kind.endings[-1]}"
        path.write_text(content)
        with pytest.raises(BadRequest) as caught:
            kind.read(path)
        assert "\n" not in str(caught.value)


def test_the_ending_names_the_format(tmp_path: Path) -> None:
    names = ("c.json", "phy", "cluster_group.tsv", "_a_clusters.metrics.pqt", "c.csv")
    assert [format_of(tmp_path / name).name for name in names] == ["spikeinterface", "phy", "phy", "alf", "csv"]
    with pytest.raises(BadRequest, match="No format"):
        format_of(tmp_path / "c.xlsx")


# -- SpikeInterface's own files and answers ----------------------------------------------------------

needs_files = pytest.mark.skipif(not FILES.is_dir(), reason="no shared/formats/spikeinterface beside the checkout")


def cases() -> list[Any]:
    found = []
    for kind in ("int", "str"):
        path = FILES / f"oracle/curation_{kind}.json"
        if path.is_file():
            found += [pytest.param(name, case, id=name) for name, case in json.loads(path.read_text())["cases"].items()]
    return found


def groups_of_split(one: dict[str, Any]) -> list[set[int]]:
    """Return the spikes of all parts of a split but those that are not named, or the last of the labels."""
    if one["mode"] == "indices":
        return [set(group) for group in one["indices"]]
    names = sorted(set(one["labels"]))[:-1]
    return [{k for k, label in enumerate(one["labels"]) if label == name} for name in names]


@needs_files
@pytest.mark.parametrize(("name", "case"), cases())
def test_spikeinterfaces_files_are_judged_and_read_as_by_itself(name: str, case: dict[str, Any]) -> None:
    path = FILES / "curation" / name
    if not case["valid"]:
        with pytest.raises(BadRequest, match="No curation that can be taken"):
            spikeinterface.read(path)
        return
    found, steps = spikeinterface.read(path), case["as_v2"].get("curation_steps", [case["as_v2"]])
    first = steps[0]
    assert found.removed == tuple(map(str, first["removed"]))
    assert found.left_out == ()
    if len(steps) > 1:
        units = [str(unit) for step in steps for one in step["merges"] for unit in one["unit_ids"]]
        made = {str(one["new_unit_id"]) for step in steps for one in step["merges"]}
        (group,) = found.merges  # a merge of a merged unit and another one
        assert set(group) == set(units) - made
        assert all(found.labels[unit]["quality"] == ("MUA",) for unit in group if unit != units[-1])
        return
    labels = {str(one["unit_id"]): {n: tuple(v) for n, v in one["labels"].items()} for one in first["manual_labels"]}
    assert {unit: dict(said) for unit, said in found.labels.items()} == labels
    assert set(found.merges) == {tuple(map(str, one["unit_ids"])) for one in first["merges"]}
    splits = [(str(one["unit_id"]), groups_of_split(one)) for one in first["splits"]]
    assert [(one.unit, [set(group.tolist()) for group in one.groups]) for one in found.splits] == splits


@needs_files
@pytest.mark.parametrize(("name", "case"), cases())
def test_units_and_counts_are_those_of_spikeinterface(name: str, case: dict[str, Any], tmp_path: Path) -> None:
    if not case["valid"] or "error" in case["applied_to_sorting"]:
        return
    folder = FILES / ("analyzer_string_ids.zarr" if "_str" in name else "analyzer_two_segments")
    sorting = open_insertion(folder, cache=tmp_path)
    subject = Subject.of(sorting)
    found, _ = decisions_of(spikeinterface.read(FILES / "curation" / name), subject, "Ada")
    applied = apply_plan(sorting, plan_of(kept(found), subject, "Ada", CurationRules())).sorting
    counts = np.bincount(applied.unit_indexes().reshape(-1), minlength=applied.n_clusters).tolist()
    expected = case["applied_to_sorting"]["n_spikes"]
    assert counts == list(expected.values())
    assert list(map(str, applied.units.values.tolist())) == list(expected)
    lost = spikeinterface.write(tmp_path / "again.json", shown_to("Ada", kept(found), subject, CurationRules()))
    again, _ = decisions_of(spikeinterface.read(tmp_path / "again.json"), subject, "Ada")
    assert lost == []
    changes = ("merge", "split")
    assert {(one.kind, one.value, one.name) for one in again if one.kind in changes} == {
        (one.kind, one.value, one.name) for one in found if one.kind in changes
    }


def test_a_split_of_other_spikes_is_left_out_with_the_reason(tmp_path: Path) -> None:
    subject = replace(SUBJECT, n_spikes=(9, 4, 5, 6, 7))
    splits = (
        {"unit_id": 0, "mode": "labels", "labels": [5, 5, 7, 5, 5, 5, 7, 7, 5]},
        {"unit_id": 3, "mode": "labels", "labels": [0, 1]},
        {"unit_id": 5, "mode": "indices", "indices": [[9]]},
    )
    content = {"format_version": "2", "unit_ids": [0, 3, 5, 8, 13], "label_definitions": {}, "splits": splits}
    (tmp_path / "c.json").write_text(json.dumps(content))
    found, report = decisions_of(spikeinterface.read(tmp_path / "c.json"), subject, "Ada")
    assert [(one.unit, read_split(one.value).tolist()) for one in found] == [("0", [0, 0, 1, 0, 0, 0, 1, 1, 0])]
    assert [line.partition(":")[0] for line in report] == [f"The split of unit {u} is left out" for u in (3, 5)]

"""Records of Alyx as values of the model, those of the public database included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.model.references import Histology
from dashboard.sources.alf.choose import revisions, sorters
from dashboard.sources.alyx.records import (
    dataset_from_record,
    encoded,
    histology_of,
    insertion_from_record,
    record_from_insertion,
)

REVISION = "4fe598f9-e75b-43a4-b29a-8392081a8db2"
# Of each real record: probe, revisions of its pykilosort collection (newest first), who resolved it.
OPENALYX = {
    "02cc03e4": ("probe00", ["2024-05-06", "2024-03-22", "2022-10-31", ""], "experimenter"),
    "0851db85": ("probe01", ["2024-05-06", "2024-03-22", "2022-10-31", ""], "qc"),
    "0aafb6f1": ("probe00", ["2024-05-06", "2024-03-22", ""], "experimenter"),
    "0b8ea3ec": ("probe00", ["2024-05-06", "2024-03-22", ""], "qc"),
    "143dd7cf": ("probe01", ["2024-05-06", "2024-03-22", "2022-10-31", ""], "qc"),
    "16799c7a": ("probe00", ["2024-05-06", "2024-03-22", ""], "experimenter"),
    "17d9710a": ("probe01", ["2024-03-22", ""], "experimenter"),
    "19baa84c": ("probe01", ["2024-03-22", "2023-04-05", "2022-10-31", ""], "qc"),
    "1a60a6e1": ("probe00", ["2024-05-06", "2024-03-22", "2022-10-31", ""], "qc"),
    "1e176f17": ("probe00", ["2024-05-06", "2024-03-22", "2022-10-31", ""], "experimenter"),
    "22212d26": ("probe01", ["2024-03-22", ""], "experimenter"),
    "27bac116": ("probe00", ["2024-05-06", "2024-03-22", ""], "qc"),
}


def public_record(revisions_: list[str], resolved_by: str) -> dict[str, Any]:
    """Return a record in the form of the public database: revisions are in addresses, one folder has no sorting."""
    uuid, base = (
        "c44e0483-321b-4f18-bfed-5fab0d79f92d",
        "https://ibl.example.org/public/lab/Subjects/S_1/2022-02-02/001",
    )
    names = [("alf/probe00", "", f"electrodeSites.{name}.npy") for name in ("localCoordinates", "mlapdv")]
    for revision in revisions_:
        names += [("alf/probe00/pykilosort", revision, f"spikes.{name}.npy") for name in ("times", "clusters")]
    rows = [
        {
            "id": uuid, "name": name, "data_url":
            f"{base}/{folder}{f'/#{revision}#' if revision else ''}/{name[:-4]}.{uuid}.npy",
            "file_size": 4152, "hash": "8" * 32, "version": "phylib", "collection": folder, "qc": 0,
        }
        for folder, revision, name in names
    ]  # fmt: skip
    extended = {"tracing_exists": True, "alignment_count": 3, "alignment_resolved": True}
    return {
        "id": uuid, "session": uuid, "model": "3B2", "name": "probe00", "datasets": rows,
        "session_info": {"subject": "S_1", "start_time": "2022-02-02T17:13:16", "number": 1, "lab": "lab", "id": uuid},
        "json": {"qc": "PASS", "extended_qc": {**extended, "alignment_resolved_by": resolved_by}},
    }  # fmt: skip


@pytest.mark.parametrize("resolved_by", ["experimenter", "qc"])
def test_records_in_the_form_of_the_public_database(resolved_by: str) -> None:
    expected = ["2024-05-06", "2024-03-22", "2022-10-31", ""]
    record = public_record(expected, resolved_by)
    datasets = [d for row in record["datasets"] if (d := dataset_from_record(row, {})) is not None]
    assert len(datasets) == len(record["datasets"])
    assert sorters(datasets, "probe00") == ["pykilosort"]
    assert revisions(datasets, "alf/probe00/pykilosort") == expected
    assert all(d.is_default is None and d.md5 is not None and "#" not in (d.url or "#") for d in datasets)
    ours = record_from_insertion(record)
    assert (ours.histology, ours.resolved_by) == (Histology.RESOLVED, resolved_by)


@pytest.mark.parametrize("start", sorted(OPENALYX))
def test_records_of_the_public_database(shared: Path, start: str) -> None:
    (file,) = (shared / "real" / "openalyx").glob(f"{start}*.json")
    record = json.loads(file.read_text())
    probe, expected, resolved_by = OPENALYX[start]
    insertion = insertion_from_record(record, "openalyx")
    assert insertion is not None
    assert (insertion.pid, insertion.probe) == (file.stem, probe)
    datasets = [d for row in record["datasets"] if (d := dataset_from_record(row, {})) is not None]
    # three files of the base folder are no sorting of their own
    assert sorters(datasets, probe) == ["pykilosort"]
    assert revisions(datasets, f"alf/{probe}/pykilosort") == expected
    assert all(d.is_default is None for d in datasets)
    assert all(d.size is not None and d.md5 is not None and d.url is not None and "#" not in d.url for d in datasets)
    ours = record_from_insertion(record)
    assert (ours.histology, ours.resolved_by) == (Histology.RESOLVED, resolved_by)


def dataset(**changes: object) -> dict[str, object]:
    return {
        "id": "c44e0483-321b-4f18-bfed-5fab0d79f92d",
        "name": "spikes.times.npy",
        "data_url": "https://data.example.org/lab/Subjects/S/2024-01-01/001/alf/probe00/ks/spikes.times.npy",
        "file_size": 128,
        "hash": "1d14a12a27a73d77795e182492fa4281",
        "version": "1.0",
        "collection": "alf/probe00/ks",
        "revision": "",
        "default_revision": "True",
        **changes,
    }


@pytest.mark.parametrize(
    ("default", "expected"), [("True", True), ("False", False), (True, True), (False, False), (None, None)]
)
def test_default_flag(default: object, expected: bool | None) -> None:
    ref = dataset_from_record(dataset(default_revision=default), {})
    assert ref is not None and ref.is_default is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"data_url": "https://d.org/a/#2024-05-06#/spikes.times.npy", "revision": REVISION}, "2024-05-06"),
        ({"data_url": "https://d.org/a/%232024-05-06%23/spikes.times.npy", "revision": REVISION}, "2024-05-06"),
        ({"data_url": None, "revision": REVISION}, "2024-05-07"),
        ({"data_url": None, "revision": "2023-01-01"}, "2023-01-01"),
        ({"data_url": None, "revision": None}, ""),
    ],
)
def test_revision(changes: dict[str, object], expected: str) -> None:
    ref = dataset_from_record(dataset(**changes), {REVISION: "2024-05-07"})
    assert ref is not None and ref.revision == expected


@pytest.mark.parametrize("name", ["readme.txt", "", "_spikeglx", "spikes"])
def test_not_an_alf_file(name: str) -> None:
    assert dataset_from_record(dataset(name=name), {}) is None or name == "readme.txt"


def test_size_and_hash_may_be_null() -> None:
    ref = dataset_from_record(dataset(file_size=None, hash=None, version=None), {})
    assert ref is not None and (ref.size, ref.md5, ref.version) == (None, None, None)


@pytest.mark.parametrize(
    ("qc", "expected"),
    [
        ({}, Histology.NONE),
        ({"tracing_exists": False, "alignment_resolved": True}, Histology.NONE),
        ({"tracing_exists": True}, Histology.TRACED),
        ({"tracing_exists": True, "alignment_count": 0}, Histology.TRACED),
        ({"tracing_exists": True, "alignment_count": None}, Histology.TRACED),
        ({"tracing_exists": True, "alignment_count": 2, "alignment_resolved": False}, Histology.ALIGNED),
        ({"tracing_exists": True, "alignment_count": 0, "alignment_resolved": True}, Histology.RESOLVED),
    ],
)
def test_histology(qc: dict[str, object], expected: Histology) -> None:
    assert histology_of(qc) is expected


@pytest.mark.parametrize("json_field", [None, {}, {"extended_qc": None}, {"extended_qc": []}, "text"])
def test_json_of_any_kind(json_field: object) -> None:
    record = record_from_insertion({"json": json_field, "model": None, "session_info": None})
    assert (record.histology, dict(record.extended_qc), record.resolved_by) == (Histology.NONE, {}, None)


@pytest.mark.parametrize("record", [{}, {"id": "x", "name": "probe00"}, {"id": "x", "session_info": {"subject": "S"}}])
def test_a_row_that_names_no_insertion(record: dict[str, object]) -> None:
    assert insertion_from_record(record, "s") is None


@given(st.text("abc#%/ .é", min_size=1, max_size=20))
def test_encoding_is_stable_and_leaves_no_number_sign(path: str) -> None:
    url = f"https://data.example.org/{path.replace('%', '')}"
    assert "#" not in encoded(url)
    assert " " not in encoded(url)

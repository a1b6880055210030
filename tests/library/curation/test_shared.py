"""What is made of an insertion for its decisions is made once: the hash of its spikes, and the sorting after a plan."""

from __future__ import annotations

import gc
from pathlib import Path
from weakref import ref

import pytest

import dashboard.library.curation.subjects as subjects
from dashboard.analysis.curation.applied import CurationPlan
from dashboard.analysis.curation.spans import BadSpan
from dashboard.analysis.curation.subject import Subject
from dashboard.library.applied_insertion import applied_insertion
from dashboard.library.store import InsertionStore
from dashboard.sources.demo.source import DemoSource


def test_spikes_of_the_same_files_are_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = InsertionStore([DemoSource(tmp_path, n_spikes=20_000)], tmp_path)
    sorting = store.open("demo").sorting
    first = subjects.subject_of(sorting, tmp_path)
    assert first == Subject.of(sorting)
    monkeypatch.setattr(subjects, "spikes_identity", lambda sorting: "other")
    assert subjects.subject_of(sorting, tmp_path) == first
    assert subjects.subject_of(sorting, tmp_path / "elsewhere").spikes == "other"


def test_pages_with_the_same_decisions_applied_share_the_columns(tmp_path: Path) -> None:
    store = InsertionStore([DemoSource(tmp_path, n_spikes=20_000)], tmp_path)
    before = store.open("demo")
    span = BadSpan(10.0, 20.0, "", "Ada", "artefact", "s1")
    found = applied_insertion(before, CurationPlan(spans=(span,)))
    assert applied_insertion(before, CurationPlan(spans=(span,))) is found
    assert applied_insertion(before, CurationPlan(removed=("3",))) is not found
    held = ref(found.opened.columns)
    del found
    gc.collect()
    assert held() is None, "nobody shows it any more"

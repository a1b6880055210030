"""The code of a view gives its count again for every sorter and revision of the recorded sessions."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from one.alf.exceptions import ALFWarning
from one.util import filter_revision_last_before

from dashboard.engine.build import build_columns
from dashboard.export.code import dashboard_snippet, ibllib_snippet
from dashboard.export.origin import Subject
from dashboard.library.open import open_insertion
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.alyx.source import AlyxSource
from tests.replay.server import Replay

PID = "983a6668-5d02-4273-8f0d-1f59989c80c2"


@pytest.fixture(scope="module")
def source(alyx_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlyxSource]:
    with Replay(alyx_folder) as replay:
        yield AlyxSource(replay.url, cache=tmp_path_factory.mktemp("cache"), user="alice", password="alicepass")


def test_every_sorter_and_revision(source: AlyxSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for, or opened as what it is; ONE's own choice of revisions stands in for the loader."""
    first = open_insertion(PID, source=source, cache=tmp_path)
    asked: list[tuple[str | None, str | None]] = [(offer.sorter, offer.revision) for offer in first.offers]
    assert {("pykilosort", ""), ("pykilosort", "2024-05-06")} <= set(asked)
    asked += [(None, None), ("pykilosort", None), ("pykilosort", "2024-05-05")]
    opened = {
        (sorter, revision): open_insertion(PID, source=source, cache=tmp_path, sorter=sorter, revision=revision)
        for sorter, revision in asked
    }
    files = {d.relative_path: d.path for sorting in opened.values() for d in sorting.ref.datasets.values()}
    counts = {}
    for (sorter, revision), sorting in opened.items():
        columns = build_columns(sorting, tmp_path)
        window = (float(columns.time_range_s[0]), float(np.median(sorting.spikes.times_s)))
        for words in ((sorter, revision), (None, None) if revision is None else (sorter, revision)):
            subject = Subject(sorting, columns, window, columns.depth_range_um, None, {}, asked=words)
            counts[sorter, revision] = subject.n_in_view
            world = _run(ibllib_snippet(subject), source, sorting, files, monkeypatch)
            assert world["n_spikes"] == subject.n_in_view, (sorter, revision)
            for name, text in (("sorter", words[0]), ("revision", words[1])):
                assert (f"{name}={text!r}" in dashboard_snippet(subject)) == (text is not None)
    assert counts["pykilosort", ""] != counts["pykilosort", "2024-05-06"], "the cases tell revisions apart"


def _run(
    code: str, source: AlyxSource, sorting: SpikeSorting, files: dict[str, Path | None], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Run a snippet with a loader that takes the files which ONE takes; return what it leaves."""
    there = pd.DataFrame(
        {"rel_path": d.relative_path, "collection": d.collection, "name": d.name, "revision": d.revision,
         "default_revision": bool(d.is_default)}
        for d in source.datasets(sorting.ref.insertion)
        if d.object == "spikes"
    )  # fmt: skip

    class Loader:
        def __init__(self, **words: object) -> None:
            assert words["pid"] == PID

        def load_spike_sorting(self, spike_sorter: str, revision: str | None = None) -> tuple[Any, ...]:
            inside = there[there.collection == f"alf/probe00/{spike_sorter}".rstrip("/")]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ALFWarning)
                # ONE's API puts its default in the place of an empty text.
                found = filter_revision_last_before(inside.copy(), revision or None, assert_unique=False)
            spikes = {
                name.partition(".")[2]: np.load(str(files[path]))
                for name, path in zip(found["name"], found["rel_path"], strict=True)
                if name in ("spikes.times", "spikes.depths", "spikes.clusters")
            }
            return spikes, {}, {}

        def merge_clusters(self, *tables: object) -> dict[str, Any]:
            return {name: sorting.clusters[name].to_numpy() for name in sorting.clusters}

    loader, one = ModuleType("brainbox.io.one"), ModuleType("one.api")
    loader.SpikeSortingLoader, one.ONE = Loader, object  # type: ignore[attr-defined]
    for name, module in (("brainbox", ModuleType("brainbox")), ("brainbox.io", ModuleType("brainbox.io"))):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "brainbox.io.one", loader)
    monkeypatch.setitem(sys.modules, "one.api", one)
    world: dict[str, Any] = {}
    exec(compile(code, "snippet", "exec"), world)
    return world

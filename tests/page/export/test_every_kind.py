"""Exports and Compare act on sortings of every kind of file."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboard.analysis.compare.units import compare_units
from dashboard.analysis.inputs import matchable
from dashboard.config.settings import Settings
from dashboard.engine.build import build_columns
from dashboard.library.open import open_insertion
from dashboard.library.store import OpenInsertion, StoreKey
from dashboard.model.progress import ignore_progress
from dashboard.page.core.scene import Scene
from dashboard.page.export.snapshot import Snapshot
from dashboard.page.tabs.registry import page_state
from dashboard.sources.locate import sources_at
from tests.sources.samples import WRITERS


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_exports_and_comparison_hold_every_unit_and_spike(kind: str, tmp_path: Path) -> None:
    WRITERS[kind](tmp_path / "data")
    (source,) = sources_at(tmp_path / "data", Settings(cache=tmp_path / "cache"))
    sorting = open_insertion(next(iter(source.insertions())), source=source, cache=tmp_path / "cache")
    columns = build_columns(sorting, tmp_path / "cache")
    opened = OpenInsertion(StoreKey(source.name, sorting.ref.insertion.key, None, None), sorting, columns, source, 0.0)
    state = page_state(time_range=columns.time_range_s, depth_range=columns.depth_range_um, selected=[])
    view = Snapshot(Scene(opened), state.values())
    paths = {}
    for name, form in (("clusters", "csv"), ("spikes", "npz"), ("aggregate", "npz")):
        paths[name] = tmp_path / f"{name}.{form}"
        view.write(paths[name], name, form, ignore_progress, threading.Event())
    table = pd.read_csv(paths["clusters"])
    assert len(table) == sorting.n_clusters
    with np.load(paths["spikes"]) as archive:
        n_spikes = max(len(archive[name]) for name in archive.files if archive[name].ndim == 1)
    assert n_spikes == columns.n_spikes
    assert f"open_insertion('{sorting.ref.insertion.key}'" in view.codes()["dashboard"]
    both = compare_units(matchable(columns), matchable(columns))
    assert both.n_matched_spikes == columns.n_spikes
    assert len(both.matches) == len(np.unique(columns.clusters))

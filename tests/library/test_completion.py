"""What an opened sorting gets later: depths that its source computes, with columns of their own, then metrics."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.analysis.quality.metrics import OF_AMPLITUDES
from dashboard.library.completion import METRICS, completed, titles
from dashboard.library.store import InsertionStore
from dashboard.model.errors import Cancelled
from dashboard.model.progress import ProgressCallback, ignore_progress
from dashboard.model.sorting import LaterWork, SpikeSorting
from dashboard.sources.demo.source import DemoSource

TITLE = "computing depths"


def deeper(
    sorting: SpikeSorting, cache: Path | None, progress: ProgressCallback, cancel: threading.Event | None
) -> SpikeSorting:
    if cancel is not None and cancel.is_set():
        raise Cancelled("Computing depths was cancelled")
    assert sorting.spikes.depths_um is not None
    spikes = replace(sorting.spikes, depths_um=np.asarray(sorting.spikes.depths_um) + 100)
    return replace(sorting, spikes=spikes)


class LaterDemo(DemoSource):
    """A demo whose depths are right only later."""

    def open(self, *args: Any, **more: Any) -> SpikeSorting:
        return replace(super().open(*args, **more), later=(LaterWork(TITLE, deeper),))


@pytest.fixture
def store(cache: Path) -> InsertionStore:
    return InsertionStore([LaterDemo(cache, n_spikes=50_000)], cache)


def test_columns_are_made_anew_for_other_spikes(store: InsertionStore) -> None:
    opened = store.open("demo")
    assert titles(opened.sorting) == [TITLE]
    reports: list[str] = []
    after = store.complete(opened, lambda progress: reports.append(progress.stage))
    assert TITLE in reports
    assert titles(after.sorting) == []
    np.testing.assert_allclose(after.columns.depths_um, opened.columns.depths_um + 100, rtol=1e-6)
    assert store.open("demo") is after


def test_it_can_be_cancelled(store: InsertionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, cancel, ended = store.open("demo"), threading.Event(), threading.Event()

    def wait(sorting: SpikeSorting, cache: Any, progress: Any, cancelled: threading.Event) -> SpikeSorting:
        cancel.set()
        assert cancelled.wait(20)
        ended.set()
        raise Cancelled("Computing depths was cancelled")

    waiting = replace(opened, sorting=replace(opened.sorting, later=(LaterWork(TITLE, wait),)))
    with pytest.raises(Cancelled):
        store.complete(waiting, cancel=cancel)
    assert ended.wait(20)
    assert store.open("demo").sorting is opened.sorting


def test_metrics_come_after_it(small_demo: SpikeSorting, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[LaterWork, ...]] = []

    def metrics(sorting: SpikeSorting, *rest: Any) -> Any:
        seen.append(sorting.later)
        return sorting.clusters[["label"]].reset_index(drop=True)

    monkeypatch.setattr("dashboard.library.completion.recorded_or_recomputed", metrics)
    lacking = replace(small_demo, metrics_stale=True, later=(LaterWork(TITLE, deeper),))
    assert titles(lacking) == [TITLE, METRICS]
    found = completed(lacking, None, ignore_progress, None)
    assert seen == [()]
    assert not found.metrics_stale
    assert found.spikes is not small_demo.spikes


@pytest.mark.parametrize("change", [{}, {"metrics_stale": True}])
def test_nothing_is_computed_where_nothing_lacks(
    small_demo: SpikeSorting, change: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    make: Callable[..., Any] = lambda *args: pytest.fail("metrics are computed")  # noqa: E731
    monkeypatch.setattr("dashboard.library.completion.recorded_or_recomputed", make)
    sorting = replace(small_demo, **change)
    assert titles(sorting) == ([METRICS] if change else [])
    if not change:
        assert completed(sorting, None, ignore_progress, None).spikes is sorting.spikes


@pytest.mark.parametrize("amps", ["in volts", "in units of the sorter", "none"])
def test_metrics_that_need_volts_are_left_out_where_amplitudes_are_not(small_demo: SpikeSorting, amps: str) -> None:
    spikes = replace(small_demo.spikes, amps_v=None) if amps == "none" else small_demo.spikes
    sorting = replace(small_demo, spikes=spikes, amps_are_volts=amps == "in volts", metrics_stale=True)
    found = completed(sorting, None, ignore_progress, None).clusters
    own = small_demo.clusters
    needing = [*OF_AMPLITUDES, "bitwise_fail"]
    if amps == "in volts":
        assert found[needing].notna().any().all()
    else:  # what the file says of them, if anything, stands
        assert {name for name in needing if name in found} == {name for name in needing if name in own}
        for name in set(needing) & set(own):
            np.testing.assert_array_equal(found[name], own[name])
    assert np.isfinite(found["presence_ratio"]).any()

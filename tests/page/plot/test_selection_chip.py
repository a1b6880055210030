"""The chip of the selected unit, and how a unit that fills its rows is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from bokeh.document import Document

from dashboard.library.store import InsertionStore
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import ViewState
from dashboard.page.plot.overlay import FAINTEST, draw_overlay
from dashboard.page.plot.selection_chip import SelectionChip, unit_words
from dashboard.sources.demo.source import DemoSource

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    cache: Path = tmp_path_factory.mktemp("cache")
    store = InsertionStore([DemoSource(cache, n_spikes=20_000)], cache, 1 << 30)
    opened = store.open("demo")
    yield Scene(opened, np.arange(opened.columns.n_clusters) != 3, "allen")
    store.close()


def test_a_chip_says_what_the_unit_is(scene: Scene) -> None:
    row = scene.sorting.clusters.iloc[5]
    words = unit_words(scene, 5)
    assert words.split(" · ") == ["unit 5", row["acronym"], f"{row['firing_rate']:.3g} Hz", f"label {row['label']:.2g}"]
    assert unit_words(scene, 3).endswith("hidden by the filters")


def test_the_chip_comes_and_goes_with_the_selection(scene: Scene) -> None:
    state = ViewState()
    chip = SelectionChip(state, DocumentQueue(Document()))
    chip.open(scene)
    assert not chip.panel.visible
    state.selected = [3, 5]
    assert chip.panel.visible
    assert chip.panel.chips[0][1].startswith("2 selected, last unit 5 · ")
    state.selected = []
    assert not chip.panel.visible


def test_a_unit_that_fills_its_rows_is_drawn_by_its_density(scene: Scene) -> None:
    counts = np.bincount(np.asarray(scene.columns.clusters))
    busiest = int(counts.argmax())
    whole, limits = scene.columns.time_range_s, (0.0, 3840.0)
    dense, _ = draw_overlay(scene, (busiest,), (), whole, limits, (64, 512))
    alpha = dense.view(np.uint8).reshape(*dense.shape, 4)[..., 3]
    assert 0 < alpha[alpha > 0].min() < 255
    assert alpha[alpha > 0].min() >= FAINTEST
    assert alpha.max() == 255
    busy = np.argsort(counts)[-10:]
    far = int(busy[np.argmax(np.abs(scene.unit_depths[busy] - scene.unit_depths[busiest]))])
    both, _ = draw_overlay(scene, (busiest, far), (), whole, limits, (64, 512))
    assert len(np.unique(both.view(np.uint8).reshape(*both.shape, 4)[..., 3])) > 10, "however far units are apart"
    quietest = int(np.flatnonzero(counts > 0)[counts[counts > 0].argmin()])
    sparse, _ = draw_overlay(scene, (quietest,), (), whole, limits, (2000, 512))
    assert set(np.unique(sparse.view(np.uint8).reshape(*sparse.shape, 4)[..., 3])) <= {0, 255}

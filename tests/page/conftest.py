"""An opened demo as the views take it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.engine.build import SpikeColumns
from dashboard.library.store import OpenInsertion, StoreKey
from dashboard.model.sorting import SpikeSorting
from dashboard.page.core.scene import Scene
from dashboard.sources.demo.source import DemoSource


@pytest.fixture(scope="session")
def opened(small_demo: SpikeSorting, small_columns: SpikeColumns, cache: Path) -> OpenInsertion:
    """The small demo, opened."""
    source = DemoSource(cache, n_spikes=small_demo.n_spikes)
    return OpenInsertion(StoreKey("demo", "demo", None, None), small_demo, small_columns, source, 0.0)


@pytest.fixture(scope="session")
def scene(opened: OpenInsertion) -> Scene:
    """All clusters of the small demo."""
    return Scene(opened)

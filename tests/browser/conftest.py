"""A served dashboard with the demo and, where it is there, the real sorting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.sources.base import Source
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.folder import FolderSource
from tests.browser.driver import served

REAL = Path(__file__).resolve().parents[3] / "shared" / "real" / "alf"
DEMO_SPIKES = 200_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a dashboard that serves the demo and the real sorting."""
    cache = tmp_path_factory.mktemp("cache")
    sources: list[Source] = [DemoSource(cache, n_spikes=DEMO_SPIKES)]
    if REAL.is_dir():
        sources.append(FolderSource(REAL))
    with served(sources, cache) as url:
        yield url

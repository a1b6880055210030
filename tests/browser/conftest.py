"""A served dashboard with the demo and, where it is there, the real sorting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import pytest

from dashboard.library.open import open_insertion
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.base import Source
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.folder import FolderSource
from tests.browser.driver import Visit, close_panel, in_view, served, time_window, wait_until

REAL = Path(__file__).resolve().parents[3] / "shared" / "real" / "alf"
DEMO_SPIKES = 200_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def site_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of `site`."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def site(site_cache: Path) -> Iterator[str]:
    """Address of a dashboard that serves the demo and the real sorting."""
    sources: list[Source] = [DemoSource(site_cache, n_spikes=DEMO_SPIKES)]
    if REAL.is_dir():
        sources.append(FolderSource(REAL))
    with served(sources, site_cache) as url:
        yield url


@pytest.fixture(scope="session")
def sorting(site_cache: Path) -> SpikeSorting:
    """The demo that `site` shows, opened a second time for its numbers."""
    return open_insertion("demo", source=DemoSource(site_cache, n_spikes=DEMO_SPIKES), cache=site_cache)


@pytest.fixture(scope="module")
def whole(site: str, shared_visit: Visit) -> str:
    """Query of the demo as it opens, on the page that tests share."""
    shared_visit.open(f"{site}/?insertion=demo")
    shared_visit.wait_for_spikes()
    time_window(shared_visit)
    return urlparse(shared_visit.page.url).query


@pytest.fixture
def demo(shared_visit: Visit, whole: str) -> Visit:
    """The demo as it opens."""
    shared_visit.page.keyboard.press("Escape")
    close_panel(shared_visit.page)
    shared_visit.follow(whole)
    wait_until(shared_visit, lambda: in_view(shared_visit) == DEMO_SPIKES and "selected=" not in shared_visit.page.url)
    return shared_visit

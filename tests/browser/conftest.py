"""A served dashboard with the demo and, where it is there, the real sorting; one Chromium for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, expect, sync_playwright

from dashboard.sources.base import Source
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.folder import FolderSource
from tests.browser.driver import CHROMIUM, FLAGS, Visit, served

REAL = Path(__file__).resolve().parents[3] / "shared" / "real" / "alf"
DEMO_SPIKES = 200_000

expect.set_options(timeout=30_000)  # machines are shared; what is waited for comes in a fraction of it


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def window(browser: Browser) -> Iterator[BrowserContext]:
    """A window whose tabs share the cache of scripts, as a user's do."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000}, color_scheme="light")
    yield context
    context.close()


@pytest.fixture
def visit(window: BrowserContext) -> Iterator[Visit]:
    """A fresh browser tab; fails the test when its console complained or a request left the host."""
    opened = Visit(window.new_page())
    yield opened
    with suppress(Error):  # where the test was on no page of ours
        opened.page.evaluate("localStorage.clear()")
    opened.page.close()
    assert opened.complaints == []
    assert opened.foreign == []

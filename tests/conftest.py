"""Fixtures that every layer's tests share: the real data beside the checkout, and a small demo."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, Playwright

    from dashboard.engine.build import SpikeColumns
    from dashboard.model.sorting import SpikeSorting
    from tests.browser.driver import Visit
    from tests.replay.server import Replay

# Kernels compile on first use, and machines differ: no test is timed.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

gc.disable()  # until all is imported: a fifth of the time of the imports

REPOSITORY = Path(__file__).resolve().parents[1]
SMALL_DEMO_SPIKES = 50_000
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


def pytest_collection_finish() -> None:
    """Leave what was imported, which stays until the end, out of what is looked through for garbage."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data and recordings, kept beside the checkout."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder.name}/ is not beside the checkout")
    return folder


def made_once(name: str, make: Callable[[Path], object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all processes of a run share, filled by the first that wants it; tests only read it."""
    from dashboard.sources.download.locks import file_lock

    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder, whole = root / name, root / f"{name}.whole"
    with file_lock(root / f"{name}.lock"):
        if not whole.exists():
            folder.mkdir()
            make(folder)
            whole.touch()
    return folder


@pytest.fixture(scope="session")
def shared_cases(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders as people have them, a folder for each case."""
    make = shared / "cases" / "make.py"
    if not make.is_file():
        pytest.skip("no folders as people have them: shared/cases is absent")

    def run(folder: Path) -> None:
        subprocess.run([sys.executable, "-W", "ignore", make, folder], check=True, capture_output=True, timeout=150)

    return made_once("cases", run, tmp_path_factory)


@pytest.fixture(scope="session")
def written_alyx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings in Alyx's form that the suite writes from the demo's files."""
    from tests.replay.written import write_recordings

    return made_once("alyx", write_recordings, tmp_path_factory)


@pytest.fixture(scope="session")
def alyx_folder(request: pytest.FixtureRequest) -> Path:
    """Recordings of a real Alyx server where they are beside the checkout, else those that the suite writes."""
    folder = REPOSITORY.parent / "shared" / "alyx"
    return folder if folder.is_dir() else Path(request.getfixturevalue("written_alyx"))


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which the demo of 20,000 spikes is written already."""
    from dashboard.sources.demo.source import DemoSource

    def write(cache: Path) -> None:
        demo = DemoSource(cache, n_spikes=20_000)
        insertion = next(demo.insertions())
        demo.fetch_files(insertion, demo.datasets(insertion))

    return made_once("demo", write, tmp_path_factory)


@pytest.fixture(scope="module")
def replayed(alyx_folder: Path) -> Iterator[Replay]:
    """A server that answers as Alyx does, from recordings."""
    from tests.replay.server import Replay

    with Replay(alyx_folder) as server:
        yield server


@pytest.fixture(scope="session")
def recorded_alyx(shared: Path) -> Path:
    """Recordings of a real Alyx server, with what ibllib loaded from it."""
    folder = shared / "alyx"
    if not folder.is_dir():
        pytest.skip("no recordings of a real server: shared/alyx is absent")
    return folder


@pytest.fixture(scope="session")
def real_alf(shared: Path) -> Path:
    """The folder of the real sorting."""
    folder = shared / "real" / "alf"
    if not folder.is_dir():
        pytest.skip("no real sorting: shared/real/alf is absent")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium that Playwright can drive."""
    for name in CHROMIUM_NAMES:
        if path := shutil.which(name):
            return path
    pytest.skip("no browser: apt-get install chromium")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder of the whole run: what is expensive is made once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def small_demo(cache: Path) -> SpikeSorting:
    """The demo with 50,000 spikes, default sorting."""
    from dashboard.library.open import open_insertion
    from dashboard.sources.demo.source import DemoSource

    return open_insertion("demo", source=DemoSource(cache, n_spikes=SMALL_DEMO_SPIKES), cache=cache)


@pytest.fixture(scope="session")
def small_columns(small_demo: SpikeSorting, cache: Path) -> SpikeColumns:
    """The columns of `small_demo`."""
    from dashboard.engine.build import build_columns

    return build_columns(small_demo, cache)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Keep the developer's own settings, and cache, out of the tests."""
    for name in list(os.environ):
        if name.startswith("SPIKE_DASHBOARD_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SPIKE_DASHBOARD_CACHE", str(cache))


@pytest.fixture(autouse=True)
def _exports_do_not_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside other tests, which keep all cores busy, what gives way takes ten times as long."""
    if module := sys.modules.get("dashboard.export.process"):
        monkeypatch.setattr(module, "NICE", 0)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """What drives browsers."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)  # machines are shared; what is waited for comes in a fraction of it
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One Chromium for all tests."""
    from tests.browser.driver import CHROMIUM, FLAGS

    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
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
    with a_visit(window) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_visit(window: BrowserContext) -> Iterator[Visit]:
    """A browser tab that the tests of a module share, each of which has to leave it as it was."""
    with a_visit(window) as opened:
        yield opened


@contextmanager
def a_visit(window: BrowserContext) -> Iterator[Visit]:
    """Open a tab, and close it; nothing of it stays in the browser, and nothing may have been complained about."""
    from playwright.sync_api import Error

    from tests.browser.driver import Visit

    opened = Visit(window.new_page())
    yield opened
    with suppress(Error):  # where the test was on no page of ours
        opened.page.evaluate("localStorage.clear()")
    opened.page.close()
    window.clear_cookies()
    assert opened.complaints == []
    assert opened.foreign == []

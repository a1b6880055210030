"""Fixtures that every layer's tests share: the real data beside the checkout, and a small demo."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


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


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the developer's own settings out of the tests."""
    for name in list(os.environ):
        if name.startswith("SPIKE_DASHBOARD_"):
            monkeypatch.delenv(name)
    yield

"""A server that asks who comes in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.server.auth import passwords
from dashboard.server.auth.logins import FILE
from dashboard.server.auth.passwords import add_user
from dashboard.sources.demo.source import DemoSource
from tests.server.asking import PASSWORD, Site
from tests.serving import serving


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords cost milliseconds; one test looks at what they cost in earnest."""
    monkeypatch.setattr(passwords, "N", 2**10)
    passwords._nobody.cache_clear()


@pytest.fixture
def site(tmp_path: Path, cache: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    """A server with the user ann; the parameter gives further settings."""
    add_user(tmp_path / "users.json", "ann", PASSWORD)
    (cache / FILE).unlink(missing_ok=True)  # of the test before
    more = getattr(request, "param", {})
    with serving([DemoSource(cache, n_spikes=50_000)], cache, users=tmp_path / "users.json", **more) as server:
        yield Site(f"http://127.0.0.1:{server.port}{server.prefix}", server)

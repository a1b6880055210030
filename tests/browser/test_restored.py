"""A page that is gone back to opens its link again, also where its session and its server are gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dashboard.config.settings import Settings
from dashboard.server.server import make_server
from dashboard.sources.demo.source import DemoSource
from tests.browser.driver import Visit
from tests.serving import free_port, running

pytestmark = pytest.mark.walk


def test_a_page_of_the_history_opens_its_link_after_the_server_was_started_anew(visit: Visit, tmp_path: Path) -> None:
    page, port = visit.page, free_port()
    sources = [DemoSource(tmp_path, n_spikes=20_000)]

    def make() -> Any:
        return make_server(sources, cache=tmp_path, port=port, settings=Settings(cache=tmp_path))

    with running(make) as server:
        page.goto(f"http://127.0.0.1:{server.port}/?insertion=demo&t=10,40")
        visit.wait_for_spikes()
    assert page.url == "about:blank"  # where a page is brought before its server stops
    with running(make):
        answer = page.go_back()
        assert answer is not None and not answer.from_service_worker
        assert answer.headers["cache-control"] == "no-store"
        visit.wait_for_spikes()
        assert "t=10,40" in page.url.replace("%2C", ",")

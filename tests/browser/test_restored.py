"""A page that is gone back to opens its link again, also where its session and its server are gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from dashboard.config.settings import Settings
from dashboard.server.server import make_server
from dashboard.sources.demo.source import DemoSource
from tests.browser.driver import Visit
from tests.serving import free_port, running


@pytest.mark.walk
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


def test_a_page_whose_token_has_ended_says_so_and_opens_its_link(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    sources = [DemoSource(tmp_path, n_spikes=20_000)]
    with running(lambda: make_server(sources, cache=tmp_path, settings=Settings(cache=tmp_path))) as server:
        tokens = server._tornado
        lasts, tokens._session_token_expiration = tokens._session_token_expiration, -10
        page.goto(f"http://127.0.0.1:{server.port}/?insertion=demo&t=10,40", wait_until="domcontentloaded")
        note = page.get_by_role("alert")
        expect(note).to_contain_text("Reload opens this view", timeout=60_000)
        tokens._session_token_expiration = lasts
        assert any("websocket" in said.lower() for said in visit.complaints), visit.complaints
        visit.complaints.clear()
        note.get_by_role("button", name="Reload").click()
        visit.wait_for_spikes()
        expect(page.get_by_role("alert").get_by_role("button", name="Reload")).to_have_count(0)
        assert "t=10,40" in page.url.replace("%2C", ",")

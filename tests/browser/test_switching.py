"""From one insertion to another that lacks what the first one has: brain locations, drift, columns of the table."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from dashboard.sources.demo.source import DemoSource
from dashboard.sources.folder import FolderSource
from tests.browser.driver import Visit, served
from tests.library.alf_folder import N_SPIKES, write_session

pytestmark = pytest.mark.walk


def test_there_and_back_with_the_table_in_sight(visit: Visit, tmp_path: Path) -> None:
    write_session(tmp_path / "data")
    page = visit.page
    with served([DemoSource(tmp_path, n_spikes=20_000), FolderSource(tmp_path / "data")], tmp_path) as url:
        visit.open(f"{url}/?insertion=demo")
        visit.wait_for_spikes()
        line = page.locator(".status-line")
        for subject, n_spikes in (("MOUSE_1", N_SPIKES), ("DEMO_001", 20_000)):
            expect(page.locator(".tabulator-row").first).to_be_visible()
            page.keyboard.press("Control+k")
            page.get_by_label("subject", exact=True).fill(subject)
            page.locator(".rows .row", has_text=subject).click()
            expect(line).to_contain_text(f"{n_spikes:,} of {n_spikes:,} spikes", timeout=60_000)
        expect(page.locator(".tabulator-row").first).to_be_visible()
        page.goto("about:blank")

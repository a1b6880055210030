"""Sortings of other kinds than ALF, found below one folder and opened in one page after the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

from dashboard.config.settings import Settings
from dashboard.sources.locate import configured_sources
from tests.browser.driver import Visit, served
from tests.sources.samples import N, write_analyzer, write_nwb, write_phy


@pytest.mark.walk
@pytest.mark.timeout(900)
def test_each_kind_opens_with_every_spike_and_says_what_its_numbers_mean(tmp_path: Path, visit: Visit) -> None:
    data, cache, page = tmp_path / "data", tmp_path / "cache", visit.page
    folder = write_phy(data / "mouse" / "imec0" / "kilosort25").folder
    (folder / "events.csv").write_text(
        "tone_times,side\n" + "\n".join(f"{10 + 5 * k},{'lr'[k % 2]}" for k in range(20))
    )
    write_analyzer(data / "an")
    write_nwb(data / "M4.nwb")
    settings = replace(Settings(cache=cache), data=(data,), spikes=20_000)
    with served(configured_sources(settings), cache) as site:
        for key, words in (
            ("mouse/imec0&tab=Events&selected=7", "probe's clock, amplitude a.u., curated groups"),
            ("an/probe&tab=Unit&selected=u1", "probe's clock, amplitude at the peak, curated groups"),
            ("M4/imec0&tab=Events&selected=1", "curated groups"),
        ):
            visit.open(f"{site}/?insertion={key}")
            visit.wait_for_spikes()
            expect(page.get_by_text(f"{N:,} of {N:,} spikes").first).to_be_visible(timeout=60_000)
            expect(page.get_by_text(words, exact=True)).to_be_visible(timeout=60_000)
            if key.startswith("mouse"):
                expect(page.get_by_text("tone_times", exact=True).first).to_be_visible(timeout=60_000)
        page.goto("about:blank")  # or it would look for a server that is gone
    assert visit.complaints == []
    assert visit.foreign == []

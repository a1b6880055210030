"""Each kind of source in a real browser: those that the suite writes, and the samples beside the checkout."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from dashboard.config.settings import Settings
from dashboard.library.completion import completed
from dashboard.model.progress import ignore_progress
from dashboard.model.sorting import SpikeSorting
from dashboard.model.unit_ids import write_ids
from dashboard.page.tabs.registry import TABS
from dashboard.sources.base import Source
from dashboard.sources.locate import sources_at
from dashboard.sources.phy.source import PhySource
from tests.browser.driver import Visit, served
from tests.sources.kinds import KEYS, insertion_of, source_of
from tests.sources.samples import write_phy

LATE_MS = 60_000
EARLY = ("Placing the units", "computing", "aligning spikes")
"""What tabs say before they are drawn."""
SAMPLES = Path(__file__).parents[3] / "shared" / "formats"
FOUND = (
    "phy/kilosort25", "phy/kilosort4_4shanks", "phy/template_phylib", "spikeinterface/analyzer_two_segments",
    "spikeinterface/analyzer_string_ids.zarr", "nwb/plain.nwb", "nwb/ibl_like_two_probes.nwb",
)  # fmt: skip


def look(visit: Visit, name: str) -> None:
    """Keep a picture of the page, where a folder for them is named."""
    if folder := os.environ.get("SCREENSHOTS"):
        visit.page.screenshot(path=f"{folder}/{name.replace('/', '-')}.png")


def walk(visit: Visit, sources: Sequence[Source], cache: Path, name: str, sorting: SpikeSorting) -> None:
    """Open an insertion, go through all tabs, and hold the page against the sorting."""
    page, key = visit.page, sorting.ref.insertion.key
    unit = quote(write_ids([sorting.units.of(0)]))
    with served(sources, cache) as site:
        visit.open(f"{site}/?insertion={key}&selected={unit}")
        visit.wait_for_spikes()
        n = sorting.n_spikes - sorting.n_dropped
        expect(page.locator(".status-line", has_text=f"{n:,} of {n:,} spikes")).to_be_visible(timeout=LATE_MS)
        differences = completed(sorting, cache, ignore_progress, None).differences  # as the page has it in the end
        if words := ", ".join(word for word, _ in differences.values()):
            expect(page.get_by_text(words, exact=True)).to_be_visible(timeout=LATE_MS)
        for entry in TABS:
            page.get_by_role("tab", name=entry.title, exact=True).click()
            expect(page.get_by_role("tab", name=entry.title, exact=True)).to_have_attribute("aria-selected", "true")
            expect(page.locator(".busy")).to_have_count(0, timeout=LATE_MS)
            if entry.title == "Unit":
                expect(page.get_by_text("Autocorrelogram").first).to_be_visible(timeout=LATE_MS)
            for early in EARLY:
                expect(page.get_by_text(early).locator("visible=true")).to_have_count(0, timeout=LATE_MS)
            look(visit, f"{name}-{entry.title}")
        page.goto("about:blank")  # or it would look for a server that is gone
    assert visit.complaints == []
    assert visit.foreign == []


@pytest.mark.walk
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", sorted(KEYS))
def test_each_kind_of_source_opens_with_every_spike(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, visit: Visit
) -> None:
    source = source_of(kind, request, tmp_path)
    sorting = source.open(insertion_of(kind, source), cache=tmp_path / "cache")
    walk(visit, [source], tmp_path / "cache", kind, sorting)


@pytest.mark.walk
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FOUND)
def test_each_sample_of_the_field_opens_with_every_spike(name: str, tmp_path: Path, visit: Visit) -> None:
    path = SAMPLES / name
    if not path.exists():
        pytest.skip("the samples are not beside the checkout")
    sources = sources_at(path, Settings(cache=tmp_path / "cache"))
    for source in sources:
        for insertion in source.insertions():
            sorting = source.open(insertion, cache=tmp_path / "cache")
            walk(visit, sources, tmp_path / "cache", f"{name}-{insertion.probe}", sorting)


@pytest.mark.timeout(300)
def test_a_file_of_events_is_brought_in_and_aligned_to(tmp_path: Path, visit: Visit) -> None:
    write_phy(tmp_path / "data" / "mouse" / "imec0" / "kilosort25")
    mine, bad = tmp_path / "mine.csv", tmp_path / "notes.xlsx"
    rows = "\n".join(f"{10 + 0.01 * k},{'left' if k % 2 else 'right'}" for k in range(9_000))
    mine.write_text(f"tone_times,side\n{rows}\n")
    mine.write_text(mine.read_text() + "\n" * 600_000)  # in several parts
    bad.write_bytes(b"PK" * 100)
    page = visit.page
    with served([PhySource(tmp_path / "data")], tmp_path / "cache") as site:
        visit.open(f"{site}/?insertion=mouse/imec0&tab=Events&selected=7")
        visit.wait_for_spikes()
        expect(page.get_by_text("No events")).to_be_visible(timeout=LATE_MS)
        look(visit, "events-none")
        file = page.locator("input[type=file]").last
        file.set_input_files(bad)
        expect(page.get_by_text("Events are not read from '.xlsx' files: notes.xlsx")).to_be_visible(timeout=LATE_MS)
        file.set_input_files(mine)
        expect(page.get_by_text("Events are the 9,000 rows of mine.csv").first).to_be_visible(timeout=LATE_MS)
        expect(page.get_by_text("PSTH: mean ± SEM over trials")).to_be_visible(timeout=LATE_MS)
        look(visit, "events-own")
        page.get_by_role("button", name="Remove events").click()
        expect(page.get_by_text("No events")).to_be_visible(timeout=LATE_MS)
        page.goto("about:blank")
    assert visit.complaints == []

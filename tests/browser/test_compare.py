"""Two sortings side by side: what the tab says is what numpy counts, and a click selects the pair."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from playwright.sync_api import expect

from dashboard.analysis.compare.tables import pair_table
from dashboard.analysis.compare.units import Comparison, compare_units
from dashboard.analysis.inputs import matchable
from dashboard.engine.build import build_columns
from dashboard.library.open import open_insertion
from dashboard.model.progress import Progress, ProgressCallback
from dashboard.model.sorting import SpikeSorting
from dashboard.page.tabs.compare import matching
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.folder import FolderSource
from tests.browser.conftest import DEMO_SPIKES, REAL
from tests.browser.driver import Visit, open_panel, served
from tests.browser.test_page import frame_of, in_view, wait_until
from tests.library.alf_folder import N_SPIKES, sorting_arrays, write_session

REVISION = "2024-05-06"
OTHER = f"compare=sorting:pykilosort,{REVISION}"
MODEL = "name => Bokeh.documents[0].get_model_by_name(name)"


def drawn(visit: Visit, name: str) -> list[int]:
    """Return the distinct colours of an image, whatever their opacity."""
    pixels = f"[...({MODEL})(name).data.image[0]].filter((v) => v != 0).map((v) => v & 0xffffff)"
    script = f"name => [...new Set({pixels})]"
    return sorted(visit.page.evaluate(script, name))


def difference(visit: Visit) -> int:
    """Return the sum of the difference image."""
    script = f"() => ({MODEL})('difference-image').data.image[0].reduce((a, b) => a + b, 0)"
    return round(visit.page.evaluate(script))


def in_view_of_b(visit: Visit) -> int:
    line = visit.page.locator(".bar-row", has_text="B: ").first
    found = re.search(r"([\d,]+) in view", line.inner_text())
    return int(found[1].replace(",", "")) if found else -1


def choose(visit: Visit, label: str, option: str) -> None:
    visit.page.get_by_role("combobox", name=label, exact=True).click()
    visit.page.locator(".MuiMenuItem-root", has_text=option).click()
    expect(visit.page.locator(".MuiMenuItem-root")).to_have_count(0)


@pytest.fixture(scope="module")
def sides(sorting: SpikeSorting, site_cache: Path) -> tuple[Any, Any]:
    """Columns of the two sortings, opened a second time for their numbers."""
    source = DemoSource(site_cache, n_spikes=DEMO_SPIKES)
    b = open_insertion("demo", sorter="pykilosort", revision=REVISION, source=source, cache=site_cache)
    return build_columns(sorting, site_cache), build_columns(b, site_cache)


def test_another_sorter_beside_what_is_open(site: str, shared_visit: Visit, sides: tuple[Any, Any]) -> None:
    a, b = sides
    table = pair_table(compare_units(matchable(a), matchable(b)))
    visit, page = shared_visit, shared_visit.page
    visit.open(f"{site}/?insertion=demo&tab=Compare")
    visit.wait_for_spikes()
    expect(page.get_by_text("Choose what to compare with")).to_be_visible()
    expect(page.locator(".bar-row", has_text="Hz per")).to_be_visible()

    choose(visit, "Compare with", f"pykilosort · {REVISION}")
    wait_until(visit, lambda: in_view_of_b(visit) == b.n_spikes)
    words = " · ".join(f"{kind} {n}" for kind, n in table["kind"].value_counts(sort=False).items())
    expect(page.get_by_text(words)).to_be_visible(timeout=60_000)
    wait_until(visit, lambda: difference(visit) == a.n_spikes - b.n_spikes)
    # The heatmap makes room.
    expect(page.locator(".bar-row", has_text="Hz per")).to_be_hidden()

    # A merged pair: all its units on either side, the partner in the colour of the first.
    choose(visit, "Rows", "merged in B")
    row = table[table["kind"] == "merged in B"].iloc[0]
    page.locator(".tabulator-row", has_text=", ".join(map(str, row["units_a"]))).first.click()
    wait_until(visit, lambda: f"selected={','.join(map(str, row['units_a']))}" in page.url)
    wait_until(visit, lambda: len(drawn(visit, "raster-overlay")) == len(row["units_a"]))
    wait_until(visit, lambda: len(drawn(visit, "beside-overlay")) == 1)
    assert drawn(visit, "beside-overlay")[0] in drawn(visit, "raster-overlay")

    # A unit of B that is picked in its pane shows what it is in A.
    choose(visit, "Rows", "in both")
    same = table[table["kind"] == "in both"].iloc[0]
    page.locator(".tabulator-row").first.click()
    wait_until(visit, lambda: page.url.split("selected=")[1].split("&")[0] == str(same["units_a"][0]))
    wait_until(visit, lambda: drawn(visit, "beside-overlay") == drawn(visit, "raster-overlay"))
    page.keyboard.press("Escape")
    wait_until(visit, lambda: "selected=" not in page.url)
    expect(page.locator(".bar-row", has_text="A none")).to_have_count(0)

    # One window for both.
    x, y, width, height = frame_of(visit, "beside")
    page.mouse.move(x + width / 2, y + height / 2)
    page.mouse.wheel(0, -400)
    wait_until(visit, lambda: 0 < in_view(visit) < DEMO_SPIKES)

    def agrees() -> bool:
        start, end = map(float, page.url.split("t=")[1].split("&")[0].split(","))
        counts = [int(np.sum((side.times_s >= start) & (side.times_s <= end))) for side in sides]
        return [in_view(visit), in_view_of_b(visit)] == counts

    wait_until(visit, agrees)

    # Spikes coincide within what the reader says; what was found before stands while nothing is changed.
    expect(page.get_by_text("spikes coincide within ±0.4 ms and 100 µm")).to_be_visible()
    page.get_by_role("button", name="Bins and windows").click()
    box = page.get_by_label("Coincident ± (ms)")
    box.fill("0.1")
    box.press("Enter")
    narrow = pair_table(compare_units(matchable(a), matchable(b), tolerance_s=1e-4))["kind"].value_counts(sort=False)
    expect(page.get_by_text("spikes coincide within ±0.1 ms and 100 µm")).to_be_visible(timeout=60_000)
    expect(page.get_by_text(" · ".join(f"{kind} {n}" for kind, n in narrow.items()))).to_be_visible()
    assert "bins=match:0.1" in page.url
    box.fill("0.4")
    box.press("Enter")
    expect(page.get_by_text(words)).to_be_visible(timeout=60_000)

    # Filters act on both, each by its own labels.
    open_panel(page, "Filters")
    page.get_by_role("button", name="Good units").click()
    expect(page.get_by_text(re.compile("Units that pass"))).to_be_visible()
    wait_until(visit, lambda: 0 < in_view_of_b(visit) < b.n_spikes // 2)

    # What is turned from is let go; what is turned back to comes again, with its units.
    page.get_by_role("tab", name="Clusters").click()
    expect(page.locator(".bar-row", has_text="B: ")).to_be_hidden(timeout=20_000)
    expect(page.locator(".bar-row", has_text="Hz per")).to_be_visible()
    page.get_by_role("tab", name="Compare").click()
    expect(page.get_by_text(re.compile(r"in both \d+ · split"))).to_be_visible(timeout=20_000)


def test_two_filters_of_one_sorting(site: str, shared_visit: Visit, sides: tuple[Any, Any]) -> None:
    visit = shared_visit
    visit.show(site, "insertion=demo&tab=Compare&quality=good")
    expect(visit.page.get_by_text("Choose what to compare with")).to_be_visible()
    wait_until(visit, lambda: 0 < in_view(visit) < DEMO_SPIKES)
    visit.page.get_by_text("Use these filters as B").click()
    expect(visit.page.get_by_text("B: filters: quality good")).to_be_visible()
    wait_until(visit, lambda: "compare=filter" in visit.page.url)
    open_panel(visit.page, "Filters")
    visit.page.get_by_role("button", name="All units", exact=True).click()
    expect(visit.page.get_by_text(re.compile(r"in both \d+ · .* only in A [1-9]\d* · only in B 0"))).to_be_visible()
    wait_until(visit, lambda: in_view(visit) == DEMO_SPIKES)
    wait_until(visit, lambda: 0 < in_view_of_b(visit) < DEMO_SPIKES)


def test_a_match_is_cancelled_and_a_unit_is_picked_in_the_second_pane(
    site: str, visit: Visit, sides: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a narrow window, where the dock stands under the rasters."""
    is_held = threading.Event()
    is_held.set()

    def held(*arguments: Any, progress: ProgressCallback, cancel: threading.Event, **tolerances: float) -> Comparison:
        progress(Progress("matching", 1, 4, ""))
        while is_held.is_set() and not cancel.wait(0.02):
            pass
        return compare_units(*arguments, progress=progress, cancel=cancel, **tolerances)

    monkeypatch.setattr(matching, "compare_units", held)
    page = visit.page
    page.set_viewport_size({"width": 1280, "height": 800})
    visit.open(f"{site}/?insertion=demo&tab=Compare&{OTHER}")
    visit.wait_for_spikes()
    expect(page.get_by_text("matching … 25 %")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("Units are not matched: cancelled.")).to_be_visible()
    expect(page.locator(".tabulator-row")).to_have_count(0)
    assert in_view_of_b(visit) == sides[1].n_spikes
    is_held.clear()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text(re.compile(r"in both \d+ · split"))).to_be_visible(timeout=60_000)
    expect(page.locator(".tabulator-row").first).to_be_visible()

    found = compare_units(*map(matchable, sides))
    line = page.locator(".bar-row.many")
    for share in (0.735, 0.3, 0.88):
        x, y, width, height = frame_of(visit, "beside")
        page.mouse.click(x + width / 2, y + height * share)
        expect(line.locator(".chip").last).to_be_visible()
        picked = re.search(r"B\s*(\d+)", line.inner_text())
        assert picked is not None
        partners = found.partners(int(picked[1]), of_a=False)
        if partners:
            break
        page.keyboard.press("Escape")
        expect(line).to_have_count(0)
    assert partners
    wait_until(visit, lambda: f"selected={','.join(map(str, partners))}" in page.url)
    wait_until(visit, lambda: len(drawn(visit, "raster-overlay")) == len(partners))


def test_two_probes_of_a_session_side_by_side(visit: Visit, tmp_path: Path) -> None:
    """Linked in time and depth, with nothing matched nor subtracted, and said so."""
    first, second = sorting_arrays(0), sorting_arrays(1)
    for probe, arrays in (("probe00", first), ("probe01", second)):
        write_session(tmp_path / "data", probe=probe, changed=arrays)
    page = visit.page
    with served([FolderSource(tmp_path / "data")], tmp_path / "cache") as url:
        visit.open(f"{url}/?insertion=MOUSE_1/2024-01-02/001/probe00&tab=Compare")
        visit.wait_for_spikes()
        choose(visit, "Compare with", "probe01 (another probe)")
        expect(page.get_by_text("Two probes record different neurons")).to_be_visible()
        wait_until(visit, lambda: in_view_of_b(visit) == N_SPIKES)
        expect(page.get_by_label("Difference image")).to_be_disabled()
        expect(page.locator(".bar-row", has_text="A − B")).to_have_count(0)
        x, y, width, height = frame_of(visit, "beside")
        page.mouse.move(x + width / 2, y + height / 2)
        page.mouse.wheel(0, -400)
        wait_until(visit, lambda: 0 < in_view(visit) < N_SPIKES)
        page.keyboard.down("Alt")
        page.mouse.wheel(0, -200)
        page.keyboard.up("Alt")

        def agrees() -> bool:
            words = parse_qs(urlparse(page.url).query)
            (start, end), (low, high) = (map(float, words[name][0].split(",")) for name in ("t", "depth"))
            counts = [
                int(np.sum((side["spikes.times"] >= start) & (side["spikes.times"] <= end)
                           & (side["spikes.depths"] >= low) & (side["spikes.depths"] <= high)))
                for side in (first, second)
            ]  # fmt: skip
            return [in_view(visit), in_view_of_b(visit)] == counts

        wait_until(visit, agrees)
        assert in_view(visit) != in_view_of_b(visit)


def test_a_sorting_that_is_not_there_is_said(site: str, shared_visit: Visit) -> None:
    shared_visit.show(site, "insertion=demo&tab=Compare&compare=sorting:kilosort9,original")
    expect(shared_visit.page.get_by_text("has no sorting kilosort9")).to_be_visible()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real sorting is not there")
def test_where_there_is_nothing_to_compare_with_the_tab_says_so(site: str, shared_visit: Visit) -> None:
    shared_visit.show(site, "insertion=ZFM-02370/2021-04-28/001/probe00&tab=Compare")
    expect(shared_visit.page.get_by_text("has one sorting in one revision")).to_be_visible()

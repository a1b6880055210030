"""Walks through linked views: filter, counts, select, overlay, clear, back; on whole sortings and on poor ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from dashboard.model.sorting import SpikeSorting
from dashboard.sources.folder import FolderSource
from tests.browser.conftest import DEMO_SPIKES, REAL
from tests.browser.driver import Visit, open_panel, served
from tests.browser.test_linked import numbers
from tests.browser.test_page import frame_of, in_view, time_window, wait_until
from tests.library.alf_folder import DURATION_S, N_SPIKES, sorting_arrays, write_session
from tests.library.bad_folders import KINDS, SESSION

pytestmark = pytest.mark.walk

REAL_KEY = "ZFM-02370/2021-04-28/001/probe00"


@pytest.fixture(scope="module")
def poor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a dashboard with a sorting without amplitudes, one of one unit, and one whose spikes lie nowhere."""
    root: Path = tmp_path_factory.mktemp("poor")
    data = root / "data"
    arrays = sorting_arrays()
    write_session(data, session=SESSION.format("no_amps"), without=["spikes.amps"])
    alone = {name: arrays[name][:1] for name in ("clusters.channels", "clusters.depths", "clusters.uuids")}
    alone["clusters.metrics"] = arrays["clusters.metrics"][:1]
    alone["spikes.clusters"] = np.zeros(N_SPIKES, np.uint32)
    write_session(data, session=SESSION.format("one"), changed=alone)
    KINDS["nowhere"].write(data, "nowhere")
    with served([FolderSource(data)], root / "cache") as url:
        yield url


def overlaid(visit: Visit, name: str = "raster-overlay") -> bool:
    """Whether a selected unit is drawn, and shown."""
    return bool(
        visit.page.evaluate(
            "name => Bokeh.documents[0].get_model_by_name(name)?.data.image[0].some((value) => value != 0)", name
        )
    )


def top_of_table(visit: Visit, column: str) -> float | None:
    """Return the value in the first row; the rows in sight begin where the table is scrolled to."""
    found: float | None = visit.page.evaluate(
        """column => [...Bokeh.documents[0].all_models]
            .filter((model) => model.type.endsWith("DataTabulator")).map((model) => model.source.data[column]?.[0])
            .find((value) => value !== undefined) ?? null""",
        column,
    )
    return found


def fill(visit: Visit, label: str, text: str, nth: int = 0) -> None:
    box = visit.page.get_by_role("textbox", name=label, exact=True).nth(nth)
    box.fill(text)
    box.press("Enter")


def back(visit: Visit) -> None:
    """Go back as a user does, once the view has stood still long enough to be a step."""
    visit.page.wait_for_timeout(900)
    visit.page.keyboard.press("Backspace")


def test_spikes_by_amplitude_then_units_by_row_and_back(site: str, visit: Visit, sorting: SpikeSorting) -> None:
    page = visit.page
    visit.open(f"{site}/?insertion=demo&t=0,100")
    visit.wait_for_spikes()
    open_panel(page, "Filters")
    # The limits of single spikes are the last pair but that of the metric.
    fill(visit, "from", "80", 3)
    fill(visit, "to", "150.5", 3)
    spikes = sorting.spikes
    assert spikes.amps_v is not None
    amps = (np.asarray(spikes.amps_v, np.float64) * 1e6).astype(np.float32)
    inside = (amps >= 80) & (amps < 150.5)
    wait_until(visit, lambda: numbers(visit) == (int(inside.sum()), sorting.n_clusters))
    open_panel(page, "Filters")
    page.get_by_role("button", name="Good units").click()
    good = np.isin(spikes.clusters, sorting.clusters.index[sorting.labels == 1])
    both = int((inside & good).sum()), int((sorting.labels == 1).sum())
    wait_until(visit, lambda: numbers(visit) == both)
    seen = int((inside & good & (np.asarray(spikes.times_s) <= 100)).sum())
    wait_until(visit, lambda: in_view(visit) == seen)
    expect(page.locator(".filtered")).to_contain_text(f"{both[0]:,} of {DEMO_SPIKES:,} spikes")

    page.get_by_role("button", name="Units", exact=True).click()
    wait_until(visit, lambda: "show=clusters" in page.url)
    wait_until(visit, lambda: in_view(visit) == seen)
    x, y, width, height = frame_of(visit, "unit-raster")
    depths = sorting.clusters["depths"][sorting.labels == 1]
    order = depths.index[np.argsort(depths.to_numpy(), kind="stable")]
    counts = np.bincount(
        spikes.clusters[inside & good & (np.asarray(spikes.times_s) <= 100)], minlength=order.max() + 1
    )
    row = int(counts[order].argmax())
    at = y + height * (1 - (row + 0.5) / len(order))
    page.mouse.move(x + width / 2, at)
    expect(page.locator(".readout")).to_contain_text(f"row {row + 1} of {len(order)}")
    expect(page.locator(".readout")).to_contain_text(f"{depths[order[row]]:,.0f} µm")
    page.mouse.click(x + width / 2, at)
    wait_until(visit, lambda: f"selected={order[row]}&" in page.url)
    wait_until(visit, lambda: overlaid(visit, "unit-raster-overlay"))
    expect(page.locator(".tabulator-row.tabulator-selected")).to_have_count(1)
    page.keyboard.down("Alt")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Alt")
    wait_until(visit, lambda: "rows=" in page.url and in_view(visit) < seen)
    page.keyboard.press("Escape")
    wait_until(visit, lambda: "selected=" not in page.url)

    page.wait_for_timeout(900)
    page.get_by_role("button", name=re.compile("spike amplitude.*✕")).click()
    wait_until(visit, lambda: numbers(visit) == (int(good.sum()), both[1]))
    assert "spike_amp" not in page.url
    back(visit)
    wait_until(visit, lambda: numbers(visit) == both)
    assert "spike_amp=80,150.5" in page.url
    page.get_by_role("button", name="Clear all").click()
    wait_until(visit, lambda: numbers(visit) == (DEMO_SPIKES, sorting.n_clusters))


@pytest.mark.filterwarnings("ignore:reference already known")  # docs/known-gaps.md: style sheets that come back
def test_two_spans_are_compared_ranked_and_let_go(site: str, visit: Visit, sorting: SpikeSorting) -> None:
    page = visit.page
    end = float(sorting.spikes.times_s[-1])
    visit.open(f"{site}/?insertion=demo&t=0,{end / 3:.0f}")
    visit.wait_for_spikes()
    x, y, width, height = frame_of(visit, "overview")
    page.keyboard.down("Shift")
    page.mouse.move(x + width / 2, y + height / 2)
    page.mouse.down()
    page.mouse.move(x + width / 4, y + height / 2, steps=4)
    expect(page.locator(".span-drag")).to_have_text("before")
    page.mouse.up()
    page.keyboard.up("Shift")
    drawn = page.get_by_role("button", name=re.compile("^before .* ✕"))
    expect(drawn).to_be_visible()
    wait_until(visit, lambda: "before=" in page.url)
    start, stop = map(float, page.url.split("before=")[1].split("&")[0].split(","))
    assert (start, stop) == pytest.approx((end / 4, end / 2), abs=end / width + 0.1)
    assert time_window(visit) == pytest.approx((0, round(end / 3)), abs=0.1)
    drawn.click()
    expect(page.get_by_role("button", name="Before", exact=True)).to_be_visible()
    page.keyboard.press("[")
    expect(page.get_by_role("button", name=f"before 0–{end / 3:.0f} s ✕")).to_be_visible()
    page.get_by_role("button", name="After", exact=True).click()
    expect(page.get_by_text("The two spans overlap")).to_be_visible()
    page.get_by_role("button", name=re.compile("^after .* ✕")).click()
    expect(page.get_by_text("The span before is marked")).to_be_visible()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    wait_until(visit, lambda: time_window(visit)[1] == pytest.approx(end, rel=1e-6))
    start, stop = time_window(visit)
    page.keyboard.press("]")
    expect(page.get_by_text("against before")).to_be_visible()
    wait_until(
        visit, lambda: "before=0" in page.url and f",{end / 3:.0f}" in page.url and f"after={int(start)}." in page.url
    )
    flagged = page.get_by_role("button", name=re.compile("lost by itself|moved alone|appeared")).first
    flagged.click()
    wait_until(visit, lambda: "selected=" in page.url)
    page.get_by_role("button", name="by rate").click()
    first = page.locator('.tabulator-row [tabulator-field="change_rate_hz"]').first
    expect(first).to_be_visible()
    times, ids = np.asarray(sorting.spikes.times_s), np.asarray(sorting.spikes.clusters)
    n_clusters = sorting.n_clusters
    a = np.bincount(ids[times < round(end / 3)], minlength=n_clusters) / round(end / 3)
    b = np.bincount(ids[(times >= start) & (times < stop)], minlength=n_clusters) / (stop - start)
    wait_until(visit, lambda: top_of_table(visit, "change_rate_hz") == pytest.approx((b - a).max()))
    page.get_by_role("button", name=re.compile("^before .* ✕")).click()
    expect(first).to_be_hidden()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real sorting is not there")
def test_the_real_sorting_without_histology_trials_or_volts(site: str, visit: Visit, real_alf: Path) -> None:
    page = visit.page
    visit.open(f"{site}/?insertion={REAL_KEY}")
    assert "290,360 of 290,360 spikes" in visit.wait_for_spikes()
    open_panel(page, "Filters")
    expect(page.get_by_text("Amplitude of single spikes (a.u.)")).to_be_visible()
    folder = next(real_alf.rglob("spikes.amps.npy")).parent
    amps, ids = (np.load(folder / f"spikes.{name}.npy").reshape(-1) for name in ("amps", "clusters"))
    limit = float(np.round(np.median(amps), 2))
    fill(visit, "from", f"{limit:g}", 3)
    n_inside = int((amps.astype(np.float32) >= np.float32(limit)).sum())
    wait_until(visit, lambda: numbers(visit) == (n_inside, 403))
    page.keyboard.press("Escape")
    fill(visit, "Unit ids", "3,5,8")
    chosen = np.isin(ids, [3, 5, 8]) & (amps.astype(np.float32) >= np.float32(limit))
    wait_until(visit, lambda: numbers(visit) == (int(chosen.sum()), 3))
    page.locator(".tabulator-row").first.click()
    wait_until(visit, lambda: "selected=3" in page.url and overlaid(visit))
    page.get_by_role("button", name="Units", exact=True).click()
    wait_until(visit, lambda: in_view(visit) == chosen.sum())
    page.wait_for_timeout(900)
    page.get_by_role("button", name="Clear all").click()
    wait_until(visit, lambda: numbers(visit) == (len(ids), 403))
    back(visit)
    wait_until(visit, lambda: numbers(visit) == (int(chosen.sum()), 3))


def test_poor_sortings_walk_the_same_way(poor: str, visit: Visit) -> None:
    page = visit.page
    visit.open(f"{poor}/?insertion=no_amps/2024-01-02/001/probe00&spike_amp=80,&before=0,50&after=60,110&tab=Change")
    assert f"{N_SPIKES:,} of {N_SPIKES:,} spikes" in visit.wait_for_spikes()
    expect(page.locator(".filtered")).to_contain_text("the spikes have no amplitudes; it hides nothing")
    expect(page.get_by_text("The spikes have no amplitudes, so that their change is not known")).to_be_visible()
    page.get_by_role("button", name=re.compile("spike amplitude.*✕")).click()
    expect(page.locator(".filtered")).to_have_count(0)

    visit.open(f"{poor}/?insertion=one/2024-01-02/001/probe00&show=clusters&before=0,50&after=60,110&tab=Change")
    assert f"{N_SPIKES:,} of {N_SPIKES:,} spikes · 1 of 1 unit" in visit.wait_for_spikes()
    expect(page.get_by_text(re.compile("Of 1 unit: "))).to_be_visible()
    page.keyboard.press("j")
    wait_until(visit, lambda: "selected=0" in page.url and overlaid(visit, "unit-raster-overlay"))
    page.get_by_role("button", name="Both", exact=True).click()
    wait_until(visit, lambda: overlaid(visit))
    page.keyboard.press("Escape")
    open_panel(page, "Filters")
    fill(visit, "Unit ids", "7")
    wait_until(visit, lambda: numbers(visit) == (0, 0))
    expect(page.locator(".status-line")).to_contain_text(f"0 spikes here; {N_SPIKES:,} hidden by filters")
    page.wait_for_timeout(900)
    page.get_by_role("button", name=re.compile("1 unit id ✕")).click()
    wait_until(visit, lambda: numbers(visit) == (N_SPIKES, 1))
    back(visit)
    wait_until(visit, lambda: numbers(visit) == (0, 0))

    visit.open(f"{poor}/?insertion=nowhere/2024-01-02/001/probe00&before=0,{DURATION_S / 2:g}&after=70,80&tab=Change")
    assert "0 of 0 spikes" in visit.wait_for_spikes()
    expect(page.get_by_text("The span before has no spikes")).to_be_visible()
    page.get_by_role("button", name="Units", exact=True).click()
    wait_until(visit, lambda: "show=clusters" in page.url)
    expect(page.locator(".status-line")).to_contain_text("0 spikes here")

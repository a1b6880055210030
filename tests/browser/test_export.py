"""Taking it with you, in a real browser: links, history, figures, data, code, the screenshot."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import numpy as np
from PIL import Image, ImageChops
from playwright.sync_api import Browser, expect

from dashboard.model.sorting import SpikeSorting
from tests.browser.driver import Visit, new_visit
from tests.browser.test_page import time_window, wait_until
from tests.browser.test_units import lines_of_the_trial

KEY = "DEMO_001/2024-01-15/001/probe00"
SETTLE_MS = 900
"""A little longer than a view has to stand still to become a step of the history."""


def words(visit: Visit) -> dict[str, list[str]]:
    return parse_qs(urlparse(visit.page.url).query, keep_blank_values=True)


def test_a_link_opens_the_same_view_in_another_browser(site: str, browser: Browser, visit: Visit) -> None:
    query = (
        f"insertion={KEY}&sorter=pykilosort&revision=2024-05-06&t=5.5,25.25&depth=500,1500.5&limits=0,0.02"
        "&selected=3,1&heat=0.1,20&quality=good&level=beryl&color=rate&scale=log&cmap=viridis&show=raster&tab=Summary"
        "&event=feedback&split=choice&of=region:CA1&mask=off&bins=psth_bin:20,lag_half:50"
        "&test=feedback,none,all,-0.5,0,0,0.4&trial=4&rate=0.5,"
    )
    visit.open(f"{site}/?{query}")
    visit.wait_for_spikes()
    visit.page.wait_for_timeout(SETTLE_MS)
    assert urlparse(visit.page.url).query == query
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.page.get_by_role("button", name="Link").click()
    expect(visit.page.get_by_text("Copied")).to_be_visible()
    link = visit.page.evaluate("navigator.clipboard.readText()")
    assert link == visit.page.url
    other = new_visit(browser)
    other.open(link)
    count = re.compile(r"[\d,]+ in view")
    expect(other.page.locator(".status-line")).to_contain_text(count, timeout=60_000)
    other.page.wait_for_timeout(SETTLE_MS)
    assert other.page.url == link
    lines = [count.findall(v.page.locator(".status-line").inner_text()) for v in (visit, other)]
    assert lines[0] == lines[1]
    # The columns of the test of responses are there again, and the trial's lines.
    other.page.get_by_role("tab", name="Clusters").click()
    expect(other.page.get_by_role("columnheader", name="AUC")).to_be_visible()
    assert len(lines_of_the_trial(other)) == 3
    other.page.context.close()
    assert other.complaints == []


def test_what_is_gone_is_said_and_back_and_forward_step_through_views(site: str, visit: Visit) -> None:
    page = visit.page
    visit.open(f"{site}/?insertion=demo&t=10,60&selected=9,99999&color=pink")
    visit.wait_for_spikes()
    expect(page.get_by_role("alert")).to_contain_text("color=pink cannot be used")
    expect(page.get_by_role("alert")).to_contain_text("There is no unit 99999")
    wait_until(visit, lambda: words(visit).get("selected") == ["9"])
    page.wait_for_timeout(SETTLE_MS)
    page.keyboard.press("g")
    wait_until(visit, lambda: words(visit).get("quality") == ["good"])
    page.wait_for_timeout(SETTLE_MS)
    page.keyboard.press("ArrowRight")
    wait_until(visit, lambda: time_window(visit) == (22.5, 72.5))
    page.wait_for_timeout(SETTLE_MS)
    page.go_back()
    wait_until(visit, lambda: time_window(visit) == (10.0, 60.0))
    assert words(visit)["quality"] == ["good"]
    page.wait_for_timeout(SETTLE_MS)
    page.keyboard.press("Backspace")
    wait_until(visit, lambda: "quality" not in words(visit))
    expect(page.locator(".status-line")).not_to_contain_text("hidden by filters")
    page.wait_for_timeout(SETTLE_MS)
    page.go_forward()
    wait_until(visit, lambda: words(visit).get("quality") == ["good"])
    page.go_forward()
    wait_until(visit, lambda: time_window(visit) == (22.5, 72.5))
    page.wait_for_timeout(SETTLE_MS)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog").get_by_text("back to the previous view")).to_be_visible()
    page.keyboard.press("g")  # belongs to the dialog, which does nothing with it
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog").first).to_be_hidden()
    assert words(visit)["quality"] == ["good"]


def test_figure_data_code_and_screenshot_leave_the_page(
    site: str, visit: Visit, sorting: SpikeSorting, tmp_path: Path
) -> None:
    page = visit.page
    visit.open(f"{site}/?insertion=demo&t=10,200&depth=500,3000&quality=good&selected=5")
    visit.wait_for_spikes()
    page.wait_for_timeout(SETTLE_MS)
    link = page.url
    page.keyboard.press("Control+Shift+E")
    preview = page.get_by_alt_text("Preview of the figure")
    expect(preview).to_be_visible(timeout=30_000)
    wait_until(visit, lambda: preview.evaluate("image => image.naturalWidth") == 1920)
    with page.expect_download() as figure:
        page.get_by_role("button", name="Download").first.click()
    assert figure.value.suggested_filename == "DEMO_001_2024-01-15_001_probe00_layout.png"
    figure.value.save_as(tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        assert image.size == (1920, 1080)
        assert image.info["Source"] == link
        assert image.info["pid"] == sorting.ref.insertion.pid
        assert image.info["filters"] == "quality good"
    page.get_by_role("button", name="PDF").click()
    expect(page.get_by_text("PDF, 1920 × 1080 pixels")).to_be_visible(timeout=30_000)
    with page.expect_download() as figure:
        page.get_by_role("button", name="Download").first.click()
    figure.value.save_as(tmp_path / "figure.pdf")
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")

    page.get_by_role("tab", name="Data").click()
    spikes = sorting.spikes
    assert spikes.depths_um is not None
    inside = (spikes.times_s >= 10) & (spikes.times_s <= 200) & (spikes.depths_um >= 500) & (spikes.depths_um <= 3000)
    inside &= np.isin(spikes.clusters, np.flatnonzero(sorting.labels == 1))
    expect(page.get_by_text(f"{int(inside.sum()):,} spikes")).to_be_visible()
    with page.expect_download() as data:
        page.get_by_role("button", name="NPZ").first.click()
    data.value.save_as(tmp_path / "spikes.npz")
    with np.load(tmp_path / "spikes.npz") as archive:
        np.testing.assert_array_equal(archive["times"], spikes.times_s[inside])
        np.testing.assert_array_equal(archive["clusters"], spikes.clusters[inside])
        assert json.loads(str(archive["provenance"]))["link"] == link
    expect(page.get_by_text("DEMO_001_2024-01-15_001_probe00_spikes.npz")).to_be_visible()

    page.get_by_role("tab", name="Code").click()
    code = page.locator("pre.code")
    expect(code).to_contain_text("time_range=(10.0, 200.0), depth_range=(500.0, 3000.0)")
    expect(code).to_contain_text(f"print(image.n_spikes)  # {int(inside.sum())}")
    page.get_by_role("button", name="ONE and ibllib").click()
    expect(code).to_contain_text('keep = (clusters["label"] == 1)')

    copied_to_the_clipboard(visit, tmp_path)

    page.get_by_role("tab", name="Figure").click()
    with page.expect_download() as shot:
        page.get_by_role("button", name="Download").nth(1).click()
    shot.value.save_as(tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as image:
        assert image.size == (1600, 1000)
        assert image.info["Source"] == link
        bar = np.asarray(image.convert("RGB"))[4, 800]
        assert tuple(bar) == (0x28, 0x35, 0x93)  # the header, which lies over the rest


READ_PICTURE = """async () => {
    const [item] = await navigator.clipboard.read()
    const bytes = new Uint8Array(await (await item.getType("image/png")).arrayBuffer())
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
}"""


def copied_picture(visit: Visit) -> Image.Image:
    """Return the picture that the clipboard holds; the browser decodes and writes it anew."""
    return Image.open(io.BytesIO(base64.b64decode(visit.page.evaluate(READ_PICTURE)))).convert("RGB")


def copied_to_the_clipboard(visit: Visit, tmp_path: Path) -> None:
    """Copy the code, the figure and the screenshot, and read each back from the clipboard."""
    page = visit.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy code").click()
    expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("pre.code").inner_text()

    page.get_by_role("tab", name="Figure").click()
    page.get_by_role("button", name="PNG").click()
    expect(page.get_by_text("PNG, 1920 × 1080 pixels")).to_be_visible()
    page.get_by_role("button", name="Copy image").click()
    expect(page.get_by_text("Picture copied")).to_be_visible()
    with Image.open(tmp_path / "figure.png") as figure:
        assert ImageChops.difference(copied_picture(visit), figure.convert("RGB")).getbbox() is None

    expect(page.get_by_text("Picture copied")).to_be_hidden()
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_text("Picture copied")).to_be_visible()
    assert copied_picture(visit).size == (1600, 1000)

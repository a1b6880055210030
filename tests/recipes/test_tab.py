"""The tab of docs/extending.md, as an installed package, in a real page: it acts where the setting names it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect

from dashboard.sources.demo.source import DemoSource
from tests.serving import leave, serving

if TYPE_CHECKING:
    from tests.browser.driver import Visit

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
WORDS = "insertion=demo&t=10,60&selected=5"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the package as pip installs it; its files are the code of the recipe."""
    folder = tmp_path_factory.mktemp("site")
    document = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    section = document.partition("## A tab with a sheet and a data file\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```python\n# (silences/\w+\.py)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    about = folder / "silences-1.0.dist-info"
    for made in (folder / "silences", about):
        made.mkdir()
    for name, code in blocks:
        (folder / name).write_text(code, encoding="utf-8")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: silences\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[spike_dashboard.tabs]\nsilences = silences:ENTRY\n")
    return folder


def environment(package: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(package)])}


@contextmanager
def served(package: Path, cache: Path, *flags: str) -> Iterator[str]:
    """Serve the demo from a process that finds the package; yields the URL."""
    command = [sys.executable, "-m", "dashboard", "demo", "--spikes", "50000", "--cache", str(cache), "--no-browser"]
    log = (cache / f"log{len(flags)}").open("w+", encoding="utf-8")
    with (
        log,
        subprocess.Popen(
            [*command, "--port", "0", *flags], env=environment(package), stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if found := re.search(r"http://[^/\s]+", line):
                    try:
                        yield found[0]
                    finally:
                        leave(found[0])
                    break
            else:
                log.seek(0)
                raise AssertionError(log.read())
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def longest_silences(visit: Visit) -> list[float]:
    """Return the lengths that the tab lists, in s."""
    cells = visit.page.locator("table.dataframe tbody tr td:nth-child(2)")
    expect(cells.first).to_be_visible()
    return [float(text) for text in cells.all_inner_texts()]


def test_it_has_a_place_in_the_page_its_link_keys_help_and_export(
    package: Path, cache: Path, visit: Visit, tmp_path: Path
) -> None:
    page = visit.page
    with served(package, cache, "--plugin", "silences") as url:
        visit.open(f"{url}/?{WORDS}&tab=silences&silences=3")
        visit.wait_for_spikes()
        lengths = longest_silences(visit)
        assert len(lengths) == 3
        assert lengths == sorted(lengths, reverse=True)

        page.get_by_role("tab", name="Clusters").click()
        expect(page.get_by_role("columnheader").first).to_be_visible()
        page.keyboard.press("l")
        expect(page.get_by_role("tab", name="Silences")).to_have_attribute("aria-selected", "true")
        page.wait_for_function("location.search.includes('tab=Silences') && location.search.includes('silences=3')")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog").get_by_text("the longest silences of the selected unit")).to_be_visible()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog").first).to_be_hidden()

        page.keyboard.press("Control+Shift+E")
        expect(page.get_by_alt_text("Preview of the figure")).to_be_visible(timeout=60_000)
        with page.expect_download() as figure:
            page.get_by_role("button", name="Download").first.click()
        assert figure.value.suggested_filename.endswith("_silences.png")
        figure.value.save_as(tmp_path / "figure.png")
        with Image.open(tmp_path / "figure.png") as image:
            assert image.size == (1920, 1080)
            assert image.info["silences"] == "3"
            assert len(np.unique(np.asarray(image.convert("L")))) > 20

        page.get_by_role("tab", name="Data").click()
        expect(page.get_by_text("3 silences")).to_be_visible()
        row = page.locator(".bk-Row", has_text="Longest silences of the unit").last
        with page.expect_download() as data:
            row.get_by_role("button", name="CSV").click()
        assert data.value.suggested_filename.endswith("_silences_cluster5.csv")
        data.value.save_as(tmp_path / "silences.csv")
        np.testing.assert_allclose(pd.read_csv(tmp_path / "silences.csv")["length_s"], lengths, atol=5e-4)


def test_it_leaves_no_trace_where_no_setting_names_it(
    package: Path, cache: Path, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit.page
    monkeypatch.syspath_prepend(package)  # for a server in this process, as it is for one of its own
    with serving([DemoSource(cache, n_spikes=50_000)], cache) as server:
        url = f"http://127.0.0.1:{server.port}"
        visit.open(f"{url}/?{WORDS}&tab=silences&silences=3")
        visit.wait_for_spikes()
        said = page.get_by_role("alert")
        expect(said).to_contain_text("tab=silences cannot be used")
        expect(said).to_contain_text("unknown part 'silences'")
        expect(page.get_by_role("tab", name="Clusters")).to_have_attribute("aria-selected", "true")
        expect(page.get_by_role("tab", name="Silences")).to_have_count(0)
        page.keyboard.press("Control+Shift+E")
        page.get_by_role("tab", name="Data").click()
        expect(page.get_by_text("Spikes in the window that pass")).to_be_visible()
        expect(page.get_by_text("Longest silences")).to_have_count(0)


CLASHES: dict[str, dict[str, Any]] = {
    "key": {"keys": ("j",)},
    "key of the page": {"keys": ("g",)},
    "word": {"words": "event"},
    "word of the page": {"words": "heat"},
    "title": {"title": "unit"},
    "parameter": {"states": ("dashboard.page.tabs.probe.state:ProbeState",)},
    "sheet": {"sheets": "raster"},
}


@pytest.mark.parametrize("what", CLASHES)
def test_what_is_taken_keeps_a_tab_out(what: str) -> None:
    from dashboard.export.registry import SheetEntry
    from dashboard.model.errors import BadRequest
    from dashboard.page.tabs.registry import TABS, LinkWord, TabEntry

    brought = dict(CLASHES[what])
    if "words" in brought:
        brought["words"] = (LinkWord(brought["words"]),)
    if "sheets" in brought:
        brought["sheets"] = (SheetEntry(brought["sheets"], "x", "x:x"),)
    titles = TABS.titles
    with pytest.raises(BadRequest, match="that is taken"):
        TABS.add(TabEntry(**{"name": "mine", "title": "Mine", "tab": "x:x", **brought}))
    assert TABS.titles == titles

"""A sorting whose units have texts for ids, in a real browser: clicked, selected by link, filtered, exported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from dashboard.model.references import InsertionRef
from dashboard.model.sorting import SpikeSorting
from dashboard.model.unit_ids import read_ids, write_ids
from dashboard.sources.demo.source import DemoSource
from tests.browser.driver import Visit, served
from tests.browser.test_export import words
from tests.browser.test_page import frame_of, wait_until

N_SPIKES = 20_000
UNIT = 'deep, "a" <3>'
"""Of the unit with most spikes; other ids are ``unit 0`` and so on."""


class TextSource(DemoSource):
    """The demo, as a source with texts for ids."""

    def open(self, insertion: InsertionRef, *request: Any, **options: Any) -> SpikeSorting:
        found = super().open(insertion, *request, **options)
        counts = np.bincount(found.spikes.clusters, minlength=found.n_clusters)
        ids = [f"unit {row}" for row in range(found.n_clusters)]
        ids[int(counts.argmax())] = UNIT
        spikes = replace(found.spikes, clusters_are_rows=True)
        return replace(found, spikes=spikes, clusters=found.clusters.set_axis(pd.Index(ids)))


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, SpikeSorting]]:
    """Address of a server of such a source, and the sorting."""
    cache = tmp_path_factory.mktemp("texts")
    source = TextSource(cache, n_spikes=N_SPIKES)
    with served([source], cache) as url:
        yield url, source.open(next(iter(source.insertions())), cache=cache)


@pytest.mark.walk
def test_texts_are_clicked_linked_filtered_and_exported(
    texts: tuple[str, SpikeSorting], visit: Visit, tmp_path: Path
) -> None:
    (site, sorting), page = texts, visit.page
    own = np.asarray(sorting.spikes.clusters) == sorting.units.indexes([UNIT])[0]
    depth = float(np.median(np.asarray(sorting.spikes.depths_um)[own]))

    # By a link; what it selects is written back letter for letter.
    visit.open(f"{site}/?insertion=demo&tab=Unit&show=raster&selected={quote(write_ids([UNIT, 'unit 1']))}")
    visit.wait_for_spikes()
    expect(page.get_by_role("heading", name="Unit unit 1 ")).to_be_visible()
    expect(page.locator(".chip", has_text=UNIT)).to_be_visible()
    wait_until(visit, lambda: read_ids(words(visit)["selected"][0]) == [UNIT, "unit 1"])

    # By a click in the raster, with the id under the cursor.
    where = quote(f"cluster_id == {UNIT!r}")
    visit.open(f"{site}/?insertion=demo&tab=Unit&show=raster&depth={depth - 40},{depth + 40}&where={where}")
    visit.wait_for_spikes()
    expect(page.locator(".status-line")).to_contain_text(re.compile(f"1 of {sorting.n_clusters:,}"))
    x, y, width, height = frame_of(visit, "raster")
    page.mouse.click(x + width / 2, y + height / 2)
    wait_until(visit, lambda: "selected" in words(visit))
    assert read_ids(words(visit)["selected"][0]) == [UNIT]
    expect(page.get_by_role("heading", name=f"Unit {UNIT} ")).to_contain_text(f"all {int(own.sum()):,} spikes")

    # In the table, and to a file.
    page.get_by_role("tab", name="Clusters").click()
    expect(page.get_by_role("gridcell", name=UNIT)).to_be_visible()
    page.keyboard.press("Control+Shift+E")
    page.get_by_role("tab", name="Data").click()
    with page.expect_download() as data:
        page.get_by_role("button", name="NPZ").first.click()
    data.value.save_as(tmp_path / "spikes.npz")
    with np.load(tmp_path / "spikes.npz") as archive:
        assert set(archive["clusters"].tolist()) == {UNIT}
        assert len(archive["times"]) > 0
    page.get_by_role("tab", name="Code").click()
    page.get_by_role("button", name="ONE and ibllib").click()
    expect(page.locator("pre.code")).to_contain_text(repr(UNIT))

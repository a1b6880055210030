"""HTML and scripts in names that come from files, links and fields are shown as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from loading.alf_folder import N_CLUSTERS, N_SPIKES, sorting_arrays, write_session

from browser.driver import Visit, served
from dashboard.sources.folder import FolderSource

EVIL = "<img src=x onerror=window.pwned=1><script>window.pwned=2<"
"""No slash, which no name of a file can hold."""

KEY = f"{EVIL}/2024-01-02/001/probe00"
PWNED = "() => window.pwned"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a dashboard whose only sorting has such names wherever a name can be."""
    root: Path = tmp_path_factory.mktemp("names")
    metrics = sorting_arrays()["clusters.metrics"].assign(**{EVIL: EVIL, "KSLabel": EVIL})
    assert len(metrics) == N_CLUSTERS
    folder = write_session(
        root / "data",
        session=f"labx/Subjects/{EVIL}/2024-01-02/001",
        sorter=EVIL,
        changed={"clusters.metrics": metrics},
    )
    (folder / "spikes.amps.npy").write_bytes(b"broken")
    with served([FolderSource(root / "data")], root / "cache") as url:
        yield url


def test_names_are_text(shelf: str, visit: Visit) -> None:
    page = visit.page
    visit.open(f"{shelf}/?insertion={quote(KEY)}")
    if not page.locator(".status-line", has_text="spikes").count():
        page.wait_for_timeout(3000)
    assert page.evaluate(PWNED) is None
    assert EVIL in page.locator("body").inner_text() or page.get_by_text(EVIL).count()
    for word in ("insertion", "sorter", "revision", "t", "color", "where", "regions", EVIL):
        visit.open(f"{shelf}/?insertion={quote(KEY)}&{quote(word)}={quote(EVIL)}")
        page.wait_for_timeout(700)
        assert page.evaluate(PWNED) is None, word
        assert page.locator("img[src='x']").count() == 0, word


def test_what_is_open_has_the_names_in_header_rail_and_table(shelf: str, visit: Visit) -> None:
    page = visit.page
    visit.open(f"{shelf}/?insertion={quote(KEY)}")
    assert f"{N_SPIKES:,} of {N_SPIKES:,} spikes" in visit.wait_for_spikes()
    page.locator(".tabulator-row").first.wait_for()
    assert page.locator("img[src='x']").count() == 0
    assert page.evaluate(PWNED) is None

"""HTML and scripts in names that come from files, links and fields are shown as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from dashboard.sources.folder import FolderSource
from tests.browser.driver import Visit, open_panel, served
from tests.library.alf_folder import N_CLUSTERS, N_SPIKES, sorting_arrays, write_session

EVIL = "<img src=x onerror=window.pwned=1><script>window.pwned=2<"
"""No slash, which no name of a file can hold."""

KEY = f"{EVIL}/2024-01-02/001/probe00"
PWNED = "() => window.pwned"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a dashboard whose only sorting has such names wherever a name can be."""
    root: Path = tmp_path_factory.mktemp("names")
    metrics = sorting_arrays()["clusters.metrics"].assign(**{EVIL: EVIL, "KSLabel": EVIL})
    assert len(metrics) == N_CLUSTERS
    session, changed = f"labx/Subjects/{EVIL}/2024-01-02/001", {"clusters.metrics": metrics}
    write_session(root / "data", session=session, sorter=EVIL, changed=changed)
    broken = write_session(root / "data", session=session, sorter=EVIL, probe="probe01")
    (broken / "spikes.times.npy").write_bytes(b"broken")
    with served([FolderSource(root / "data")], root / "cache") as url:
        yield url


def test_names_are_text(site: str, visit: Visit) -> None:
    """In header, rail, picker and table; in the message of what is broken; in what is wrong with a link."""
    page = visit.page
    visit.open(f"{site}/?insertion={quote(KEY)}")
    assert f"{N_SPIKES:,} of {N_SPIKES:,} spikes" in visit.wait_for_spikes()
    page.locator(".tabulator-row").first.wait_for()
    assert page.get_by_text(EVIL).count() > 1
    assert page.locator("img[src='x']").count() == 0
    assert page.evaluate(PWNED) is None
    open_panel(page, "Open")
    box = page.get_by_role("combobox", name="Insertion")
    for text in (KEY.replace("probe00", "probe01"), EVIL):
        box.fill(text)
        box.press("Enter")
        page.get_by_role("alert").get_by_text("onerror").wait_for()
        assert page.locator("img[src='x']").count() == 0
        assert page.evaluate(PWNED) is None
    visit.open(f"{site}/?{quote(EVIL)}=1&color={quote(EVIL)}&where={quote(EVIL)}")
    page.wait_for_timeout(1000)
    assert page.locator("img[src='x']").count() == 0
    assert page.evaluate(PWNED) is None

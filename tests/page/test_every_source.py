"""The page holds what a source promises, for each kind of them: every spike, every tab, and what its numbers mean."""

from __future__ import annotations

import logging
from html import escape
from pathlib import Path

import pytest

from dashboard.export.origin import OF_NUMBERS, provenance
from dashboard.model.references import InsertionRef
from dashboard.page.services.export_view import make_subject
from dashboard.page.tabs.registry import TABS
from dashboard.sources.phy.source import PhySource
from tests.page.driving import driven_page, is_idle, texts, waits
from tests.sources.kinds import KEYS, insertion_of, source_of
from tests.sources.samples import write_phy


@pytest.mark.parametrize("kind", sorted(KEYS))
def test_the_page_shows_every_spike_and_every_tab_answers(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = source_of(kind, request, tmp_path)
    insertion = insertion_of(kind, source)
    with caplog.at_level(logging.ERROR), driven_page(source, tmp_path / "cache", f"insertion={insertion.key}") as page:
        session = page.session
        picture = page.wait(lambda: session.raster.picture or session.units.picture, "a picture of its spikes")
        scene = page.wait(lambda: session._scene, "the scene")
        sorting, columns = scene.sorting, scene.columns
        assert sorting.ref.insertion.key == insertion.key
        assert columns.n_spikes == sorting.n_spikes - sorting.n_dropped > 0
        assert picture.n_in_view == columns.n_spikes
        whole = f"{columns.n_spikes:,} of {columns.n_spikes:,} spikes"
        page.wait(lambda: whole in session.centre.status.object, "the status line")
        assert not session.card.alert.visible or "could not" not in session.card.alert.object
        header, notes, differences = page.do(  # depths may have come meanwhile
            lambda: (session.header.object, session.rail.notes.object, session._scene.sorting.differences)
        )
        for word, sentence in differences.values():
            assert escape(word) in header
            assert escape(sentence) in notes
        unit = scene.ids([int(scene.spikes_per_cluster.argmax())])[0]
        for entry in TABS:
            tab = page.select(entry.title, unit)
            page.wait(lambda tab=tab: is_idle(tab) and not waits(tab), f"the tab {entry.title}")
            refusal = getattr(tab, "refusal", session.header).object
            is_told = entry.title == "Raw" and " is missing: " in refusal  # with what would bring it
            assert "refused" not in refusal or is_told, entry.title
            if entry.title == "Unit" and not session._scene.sorting.amps_are_volts:
                assert "the file says" not in texts(tab), "two answers of a test that the file cannot have made"
        subject = page.do(lambda: make_subject(session._scene, session.states.values()))
        differences, said = subject.sorting.differences, provenance(subject)  # depths may have come meanwhile
        for name in OF_NUMBERS:
            if name in differences:
                assert differences[name][1] in said["numbers"]
    assert [record.message for record in caplog.records] == []


def test_two_kilosort_runs_of_one_recording_are_compared(tmp_path: Path) -> None:
    home = tmp_path / "data" / "M4" / "imec0"
    write_phy(home / "kilosort25")
    before = write_phy(home / "kilosort25_curated").folder  # units 3 and 4 are not merged yet
    (before / "spike_clusters.npy").unlink()
    first = PhySource(tmp_path / "data").sortings(InsertionRef("M4", "", 0, "imec0", source="data"))[0].sorter
    other = {"kilosort25": "kilosort25_curated"}.get(first, "kilosort25")
    query = f"insertion=M4/imec0&tab=Compare&compare=sorting:{other},original"
    with driven_page(PhySource(tmp_path / "data"), tmp_path / "cache", query) as page:
        page.wait(lambda: page.session.raster.picture, "the raster")
        tab = page.select("Compare", 0)
        matched = page.wait(lambda: tab._matched, "the matched units")
        groups = matched.table["kind"].value_counts().to_dict()
        assert groups["in both"] == 3, "units 0, 1 and 5"
        assert sum(groups.get(name, 0) for name in ("split in B", "merged in B")) >= 1, "unit 7 is units 3 and 4"

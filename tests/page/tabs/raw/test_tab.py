"""The Raw tab in a page: from a key to a snippet, on to other spikes, through its filters; and what is not there."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from dashboard.analysis.raw.snippet import read
from dashboard.export.sheet import PRESETS, SheetStyle, write_sheet
from dashboard.model.raw import read_with
from dashboard.page import link as links
from dashboard.page.export.snapshot import Snapshot
from dashboard.page.services.alignment import AlignmentState
from dashboard.page.tabs.raw.state import RawState
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.folder import FolderSource
from dashboard.sources.raw.chunks import CHUNKS
from tests.conftest import SMALL_DEMO_SPIKES
from tests.library.alf_folder import write_session
from tests.page.driving import driven_page

SAMPLE = Path(__file__).parents[5] / "shared" / "formats" / "raw"


def test_from_a_key_to_the_next_spike_destriped_and_back_to_lf(cache: Path) -> None:
    demo = DemoSource(cache, n_spikes=SMALL_DEMO_SPIKES)
    with driven_page(demo, cache) as page:
        page.open(next(demo.insertions()).key)
        state, own = page.session.state, page.session.states[RawState]
        scene: Any = page.session._scene
        early = np.asarray(scene.columns.clusters[scene.columns.times_s < 55])
        unit = int(np.bincount(early).argmax())
        times = scene.columns.times_s[np.asarray(scene.columns.clusters) == unit]

        page.do(lambda: state.param.update(selected=scene.ids([unit]), time_range=(10.0, 20.0)))
        page.do(lambda: page.session.keys.press("r"))
        assert page.do(lambda: state.tab) == "Raw"
        slot: Any = page.session.keys._of_tabs["r"]
        tab = page.wait(lambda: slot.made, "the tab")

        def drawn(**asked: Any) -> Any:
            """Wait for a picture of what was asked for."""
            return page.wait(
                lambda: (
                    tab.refusal.object
                    or (tab._drawn and all(getattr(tab._drawn, k) == v for k, v in asked.items()) and tab.picture)
                ),
                str(asked),
            )

        first = float(times[np.searchsorted(times, 15.0)])
        picture = drawn(at_s=pytest.approx(first, abs=1e-4))
        assert picture.uv.shape == (384, len(picture.snippet.times_s))
        assert unit in picture.marks.units
        page.do(lambda: page.session.keys.press("."))
        second = float(times[np.searchsorted(times, first + 1e-5)])
        drawn(at_s=pytest.approx(second, abs=1e-5))
        check_trial_events(page, scene.sorting, drawn, second)
        page.do(lambda: own.param.update(raw_palette="PuOr"))
        assert "Orange to purple" in page.do(lambda: tab._captions["snippet"].object)
        assert page.do(lambda: tab.snippet.mapper.palette[0]) == "#7f3b08"
        page.do(lambda: own.param.update(raw_step="destriped", raw_ms=35))
        assert "high-pass along the probe" in drawn(step="destriped", width_s=0.035).snippet.filtered
        assert "Synthetic" in page.do(lambda: tab._captions["snippet"].object)
        page.do(lambda: tab._gain(3))
        assert "(+3 dB)" in page.do(lambda: tab._captions["snippet"].object)
        page.do(lambda: own.param.update(raw_band="lf", raw_ms=500))
        assert drawn(band="lf").snippet.volts.shape[1] == pytest.approx(1_250, abs=2)
        page.do(lambda: state.param.update(depth_range=(1_000.0, 1_100.0)))  # few channels are lines
        drawn(depth_range=(1_000.0, 1_100.0))
        assert page.do(lambda: (len(tab.snippet.traces.data["x"]), len(tab.snippet.image.data["image"]))) == (12, 0)
        page.wait(lambda: tab.maps, "the maps")
        assert page.do(lambda: tab._figures["spectrum"] in tab.panel.objects)
        assert page.do(lambda: len(tab.spectrum.image.data["image"])) == 1
        assert page.do(lambda: (len(tab.ap_spectrum.image.data["image"]), tab.ap_spectrum.figure.x_range.end > 15_000))
        check_lf(page, tab, drawn)
        check_elsewhere(page, tab, drawn)


def check_trial_events(page: Any, sorting: Any, drawn: Any, at_s: float) -> None:
    """> goes to the next event that the tab Events aligns to, < back; the spike is where it was."""
    times = sorting.trials.table["feedback_times"].dropna().sort_values().to_numpy()
    page.do(lambda: page.session.states[AlignmentState].param.update(event="feedback"))
    after = times[times > at_s]
    for key, time_s in ((">", after[0]), (">", after[1]), ("<", after[0])):
        page.do(lambda key=key: page.session.keys.press(key))
        drawn(at_s=pytest.approx(time_s, abs=1e-5))
    page.do(lambda: page.session.states[RawState].param.update(raw_at=at_s))
    drawn(at_s=at_s)


def check_lf(page: Any, tab: Any, drawn: Any) -> None:
    """Of LF, current sources and the power over time stand below; of AP they do not."""
    lf = drawn(band="lf").lf
    assert lf.csd.shape[0] == 12
    assert "no common reference" in page.do(lambda: tab._captions["csd"].object)
    assert page.do(lambda: len(tab.csd.image.data["image"]))
    np.testing.assert_allclose(np.diff(lf.power.times_s), 0.125, atol=1e-3)
    strongest = lf.power.hz[np.nanmedian(lf.power.power_db, axis=1).argmax()]
    assert strongest == 8  # the wave that the demo has at this depth
    page.do(lambda: page.session.states[RawState].param.update(raw_step="destriped"))
    assert "what is common" not in drawn(band="lf", step="destriped").lf.filtered
    assert "less the median" not in page.do(lambda: tab.picture.lf.filtered)
    shown = page.do(lambda: [tab._figures[name] in tab.panel.objects for name in ("csd", "spectrogram")])
    assert shown == [True, True]
    page.do(lambda: page.session.states[RawState].param.update(raw_band="ap", raw_ms=35))
    assert drawn(band="ap").lf is None
    assert page.do(lambda: tab._captions["csd"].object) == ""


def check_elsewhere(page: Any, tab: Any, drawn: Any) -> None:
    """Where nothing is recorded the tab says what is, and a button goes there; a short view takes the tab along."""
    state, own = page.session.state, page.session.states[RawState]
    page.do(lambda: own.param.update(raw_at=300.0))
    caption = tab._captions["snippet"]
    said = page.wait(lambda: "No raw voltage" in caption.object and caption.object, "the note")
    assert "at 300.000 s: it is recorded from 0.012 to 60.012 s" in said
    assert page.do(lambda: (tab.refusal.object, tab.go.visible)) == ("", True)
    page.do(lambda: state.param.update(selected=[]))
    page.do(tab._go_to_recorded)
    drawn(at_s=pytest.approx(30.0, abs=0.1))
    assert page.do(lambda: (tab.go.visible, state.time_range[1])) == (False, pytest.approx(60.0, abs=0.1))
    page.do(lambda: state.param.update(time_range=(40.0, 42.0)))
    drawn(at_s=pytest.approx(41.0))


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample session is not beside the repository")
def test_marks_are_at_the_samples_and_columns_of_the_spikes(cache: Path, tmp_path: Path) -> None:
    """Times are the session's; the sample and the file's column come back out of them."""
    source = FolderSource(SAMPLE / "lab")
    with driven_page(source, cache, "tab=raw&rawat=12.2") as page:
        page.open(next(source.insertions()).key)
        tab = page.select("Raw")
        picture = page.wait(lambda: tab.refusal.object or tab.picture, "the picture")
        with np.load(SAMPLE / "oracle" / "truth.npz") as arrays:
            truth = dict(arrays)
        first, n = picture.snippet.first, picture.snippet.volts.shape[1]
        inside = (truth["samples"] >= first) & (truth["samples"] < first + n)
        marks = picture.marks
        samples = np.rint(picture.recording.samples_at("ap", marks.times_s)).astype(int)
        found = sorted(zip(samples.tolist(), picture.columns[marks.rows].tolist(), strict=True))
        known = zip(truth["samples"][inside].tolist(), truth["file_column"][inside].tolist(), strict=True)
        assert found == sorted(known)
        assert "marked, by spikes.samples" in page.do(lambda: tab._captions["snippet"].object)
        page.wait(lambda: tab.maps, "the maps")
        CHUNKS.clear()
        page.do(lambda: page.session.states[RawState].param.update(raw_at=12.21))
        file = picture.snippet.band.columns  # in chunks of 0.1 s, of which the picture needs the first three
        page.wait(lambda: CHUNKS.get((file._key, 3)) is not None, "what follows is decoded ahead")
        assert marks.n_elsewhere == 0
        check_export(page, tmp_path)
        page.do(lambda: page.session.state.param.update(selected=[5]))
        page.do(lambda: page.session.states[RawState].param.update(raw_many=20))
        caption = tab._captions["waveforms"]
        said = page.wait(lambda: "Reading" not in caption.object and caption.object, "the single spikes")
        assert "4 of 4 spikes of unit 5" in said
        assert "waveforms.traces, as they were extracted" in said
        assert page.do(lambda: tab._figures["waveforms"] in tab.panel.objects)
        unit = page.select("Unit", 5)
        page.wait(lambda: unit.picture and "4 of 4" in unit._single_caption.object, "the spikes beside the template")
        assert page.do(
            lambda: unit._single_pane in unit._single_stack.objects and len(unit.singles.sources[0].data["x"])
        )
        check_unit_sheet(page)
        page.do(lambda: page.session.state.param.update(selected=[], tab="Raw"))
        page.wait(lambda: "Select a unit" in caption.object, "the line")
        maps = page.wait(lambda: tab.maps, "the maps")
        assert set(maps.rms) == {"ap", "lf"}
        assert maps.rms["ap"].along[0] == pytest.approx(12.0457 + 1.5, abs=0.02)
        assert "364–383" in page.do(lambda: tab._captions["spectrum"].object)
        lines = page.do(lambda: dict(tab.bands.lines.data))
        assert [len(lines["x"]), len(set(lines["colour"]))] == [5, 5]
        of_band = maps.powers["4-10 Hz"]
        first = maps.depths_um == np.nanmin(maps.depths_um)
        assert lines["x"][1][0] == pytest.approx(of_band[first].mean(), abs=1e-3)
        assert lines["y"][1][0] == maps.depths_um[first][0]


def check_unit_sheet(page: Any) -> None:
    """The sheet of the unit has the single spikes that the page shows beside its template."""
    snapshot = page.do(lambda: Snapshot(page.session._scene, page.session.states.values(), ""))
    file = io.BytesIO()
    write_sheet(file, snapshot.sheet("unit", SheetStyle(PRESETS["slide"], "light")), "svg")
    assert "4 of 4 spikes of unit 5" in " ".join(ElementTree.fromstring(file.getvalue()).itertext())


def check_export(page: Any, tmp_path: Path) -> None:
    """The sheet, the numbers and the code are of what the tab shows."""
    session = page.session
    snapshot = page.do(lambda: Snapshot(session._scene, session.states.values(), "", session.dock.for_export))
    assert snapshot.first_sheet() == "raw"
    file = io.BytesIO()
    write_sheet(file, snapshot.sheet("raw", SheetStyle(PRESETS["slide"], "light")), "svg")
    assert b"raw AP" in file.getvalue()
    assert snapshot.notes()["raw"][1] == ("npz",)
    path = tmp_path / "raw.npz"
    assert snapshot.write(path, "raw", "npz", lambda progress: None, threading.Event())[1] == "samples"
    picture = snapshot.of_tabs["raw"][1]
    with np.load(path) as found:
        np.testing.assert_array_equal(found["voltage"], picture.snippet.volts)
        assert len(found["cluster_id"]) == len(picture.marks.units)
        words = json.loads(str(found["provenance"]))
    assert words["raw_file"] == str(picture.snippet.band.path)
    assert "above 300 Hz" in words["raw"]
    sorting, namespace = session._scene.sorting, {}
    (line,) = [line for line in snapshot.codes()["dashboard"].splitlines() if line.startswith("voltage")]
    read_with(read)
    exec(line, {"sorting": sorting}, namespace)  # what a person would run
    np.testing.assert_array_equal(namespace["voltage"].values, picture.snippet.volts)


def test_without_raw_data_one_line_says_what_would_bring_them(tmp_path: Path, cache: Path) -> None:
    write_session(tmp_path)
    with driven_page(tmp_path, cache) as page:
        page.open("MOUSE_1/2024-01-02/001/probe00")
        tab = page.select("Raw", 3)
        said = page.wait(lambda: tab.refusal.object, "the line")
        assert "Raw data is missing" in said
        assert "raw_ephys_data" in said
        page.wait(lambda: "No RMS of AP" in tab._captions["rms"].object, "the maps")
        assert not page.do(lambda: any(each in tab.panel.objects for each in tab._figures.values()))


def test_length_and_number_of_spikes_come_back_out_of_a_link() -> None:
    link = links.parse("insertion=demo&tab=raw&rawms=35&rawmany=20&rawcmap=PuOr")
    assert [link.values[name] for name in ("raw_ms", "raw_many", "raw_palette")] == [35, 20, "PuOr"]
    assert not link.problems
    (problem,) = links.parse("insertion=demo&rawms=36&tab=raw").problems
    assert "rawms=36 cannot be used" in problem

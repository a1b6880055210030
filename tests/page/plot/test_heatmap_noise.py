"""The heatmap of the recording's noise, with what lies outside the brain and which channels are bad."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard.analysis.raw.maps import QualityMaps
from dashboard.export.sheet import PRESETS, SheetStyle, write_sheet
from dashboard.page import link as links
from dashboard.page.export.snapshot import Snapshot
from dashboard.page.services.raw_pool import raw_pool
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.folder import FolderSource
from tests.conftest import SMALL_DEMO_SPIKES
from tests.library.alf_folder import write_session
from tests.page.driving import driven_page

SAMPLE = Path(__file__).parents[4] / "shared" / "formats" / "raw"


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample session is not beside the repository")
def test_noise_stands_on_the_rasters_axes_with_its_bad_channels(cache: Path, tmp_path: Path) -> None:
    source = FolderSource(SAMPLE / "lab")
    with driven_page(source, cache, "heatof=rms_ap") as page:
        page.open(next(source.insertions()).key)
        session: Any = page.session

        def noise(kind: str) -> Any:
            picture = session.heatmap.picture
            return picture if picture is not None and picture.aggregate.kind == kind else None

        picture = page.wait(lambda: noise("rms_ap"), "the noise of AP")
        image = picture.heat.image
        assert (picture.levels.low, picture.levels.high) == image.levels
        check_exports(page, picture, tmp_path)
        drawn = picture.aggregate
        t0, t1 = session.state.time_range
        assert (drawn.time_edges_s[0], drawn.time_edges_s[-1]) == (t0, t1)
        row = int(np.searchsorted(drawn.depth_edges_um, image.depths_um[50], side="right")) - 1
        column = int(np.searchsorted(drawn.time_edges_s, t1 - 1e-3)) - 1
        when = (drawn.time_edges_s[column] + drawn.time_edges_s[column + 1]) / 2
        nearest = np.abs(image.along - when).argmin()
        if abs(image.along[nearest] - when) < 1.5:
            assert drawn.values[row, column] in image.values[49:53, nearest].astype(np.float32)
        bar = page.wait(lambda: "RMS of AP" in session.centre.heatmap_bar.object and session.centre.heatmap_bar.object)
        assert "session time" in bar
        page.do(lambda: session.state.param.update(heat_of="rms_lf"))
        page.wait(lambda: noise("rms_lf"), "the noise of LF")
        assert page.do(lambda: session.heatmap.mapper.low) == 1
        marks = page.do(lambda: dict(session.channel_marks.bad.data))
        assert sorted(set(marks["label"])) == ["dead", "noisy", "outside the brain"]
        outside = page.do(lambda: session.channel_marks.outside.data)
        assert set(outside["label"]) == {"outside the brain"}
        page.do(lambda: session.state.param.update(heat_of="rate"))
        page.wait(lambda: noise("rate") or session.heatmap.picture.heat is None, "rates again")
        assert page.do(lambda: session.heatmap.mapper.low) == 0


def check_exports(page: Any, picture: Any, tmp_path: Path) -> None:
    """The sheet has the picture of the page; the quality by depth leaves as sheet, table and arrays."""
    session = page.session
    of_tabs = page.do(lambda: {**session.dock.for_export, "heatmap": session.heatmap.shown})
    snapshot = Snapshot(session._scene, page.do(session.states.values), "", of_tabs)
    assert snapshot.subject.heat is picture.heat
    style = SheetStyle(PRESETS["slide"], "light")
    drawn = svg(snapshot.sheet("layout", style))
    assert "AP RMS (µV)" in drawn
    assert "Hz per" not in drawn
    assert "Power of LF by depth" in svg(snapshot.sheet("quality", style))
    path = tmp_path / "quality.csv"
    assert snapshot.write(path, "quality", "csv", lambda progress: None, threading.Event())[1] == "depths"
    table = pd.read_csv(path)
    assert {"depth_um", "ap_rms_uv", "lf_rms_uv", "lf_4_10_hz_db", "dead", "insertion"} <= set(table)
    snapshot.write(path.with_suffix(".npz"), "quality", "npz", lambda progress: None, threading.Event())
    with np.load(path.with_suffix(".npz")) as found:
        assert found["rms_ap_uv"].shape == (200, 384)
        np.testing.assert_array_equal(found["time_ap_s"], picture.heat.image.along)
        assert found["power_ap"].shape == found["power_lf"].shape == (513, 384)
        assert str(found["clock"]) == "session time"


def svg(sheet: Any) -> str:
    file = io.BytesIO()
    write_sheet(file, sheet, "svg")
    return file.getvalue().decode()


def test_the_lfp_of_the_session_comes_in_pieces_is_stopped_and_is_remembered(cache: Path, tmp_path: Path) -> None:
    demo = DemoSource(cache, n_spikes=SMALL_DEMO_SPIKES)
    with driven_page(demo, tmp_path, "heatof=lfp_4_10") as page:
        page.open(next(demo.insertions()).key)
        session: Any = page.session
        line, bar = session.quality.lfp.line, session.centre.heatmap_bar
        page.wait(lambda: line.panel.visible and "windows read" in bar.object, "the first of it")
        page.do(session.quality.lfp._stop)
        assert "cancelled" in page.do(lambda: line._words.object)
        page.wait(lambda: session.quality.lfp._loop.is_idle, "the stop")
        n_known = page.do(lambda: session.quality.lfp._found.n_known)
        assert 0 < n_known < 60
        page.do(lambda: session.state.param.update(time_range=(0.0, 120.0)))
        page.do(session.quality.lfp._go_on)
        page.wait(lambda: not line.panel.visible and "windows read" not in bar.object, "all of it")
        picture = page.wait(
            lambda: session.heatmap.picture.heat.image.values.shape[1] == 60 and session.heatmap.picture
        )
        assert "LFP 4-10 Hz, synthetic, dB re 1 V²/Hz" in bar.object
        recorded = np.isfinite(picture.aggregate.values).any(axis=0)
        edges = picture.aggregate.time_edges_s
        assert np.flatnonzero(recorded).max() == pytest.approx(np.searchsorted(edges, 60.0), abs=2)
        values = picture.heat.image
        strongest = values.depths_um[np.nanmedian(values.values, axis=1).argmax()]
        span = values.depths_um[[0, -1]]
        assert (strongest - span[0]) / np.ptp(span) == pytest.approx(0.35, abs=0.05)  # where the demo's 8 Hz is
        page.do(lambda: session.state.param.update(heat_of="lfp_30_80"))
        page.wait(lambda: session.heatmap.picture.heat.kind == "lfp_30_80", "another band")
    (kept,) = page_files(tmp_path)
    with np.load(kept) as found:
        assert found["is_known"].all()


def page_files(cache: Path) -> list[Path]:
    """Return what the cache remembers of LF, once the page that left has had it written."""
    raw_pool().session().submit(lambda: None).result(20)
    return list((cache / "lfp").glob("[!.]*"))


def test_noise_that_cannot_be_computed_is_said_on_the_page(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise IndexError("of no use to a reader")

    monkeypatch.setattr(vars(QualityMaps)["rms"], "_compute", fail)
    write_session(tmp_path)
    with driven_page(tmp_path, cache, "heatof=rms_lf") as page:
        page.open("MOUSE_1/2024-01-02/001/probe00")
        alert = page.session.card.alert
        said = page.wait(lambda: alert.visible and alert.object, "the line")
        assert said == "The heatmap could not be drawn: IndexError. The log has the details"


def test_without_files_of_noise_the_bar_says_which(tmp_path: Path, cache: Path) -> None:
    write_session(tmp_path)
    with driven_page(tmp_path, cache, "heatof=rms_lf") as page:
        page.open("MOUSE_1/2024-01-02/001/probe00")
        bar = page.session.centre.heatmap_bar
        page.wait(lambda: "no _iblqc_ephysTimeRmsLF.rms" in bar.object, "the line")


def test_the_files_are_read_once_whatever_is_decided_about_units(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_session(tmp_path)
    read: list[str] = []
    noise = FolderSource.noise
    monkeypatch.setattr(FolderSource, "noise", lambda self, ref: (read.append(ref.key), noise(self, ref))[1])
    with driven_page(tmp_path, cache, "heatof=rms_lf") as page:
        page.open("MOUSE_1/2024-01-02/001/probe00")
        session: Any = page.session
        page.wait(lambda: "no _iblqc_ephysTimeRmsLF.rms" in session.centre.heatmap_bar.object, "the line")
        page.do(lambda: session.services.user_session.say("Ada"))
        page.do(lambda: session.states.update(selected=session._scene.sorting.units.values[:1].tolist()))
        page.do(lambda: session.keys.press("Alt+g"))
        page.wait(lambda: "my_label" in session._scene.sorting.clusters, "the label")
        page.do(lambda: session.quality.of(session._scene))
        assert len(read) == 1


def test_a_link_names_what_the_heatmap_shows() -> None:
    assert links.parse("insertion=demo&heatof=rms_ap").values["heat_of"] == "rms_ap"
    (problem,) = links.parse("insertion=demo&heatof=noise").problems
    assert "heatof=noise cannot be used" in problem

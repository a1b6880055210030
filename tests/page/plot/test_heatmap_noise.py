"""The heatmap of the recording's noise, with what lies outside the brain and which channels are bad."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.page import link as links
from dashboard.sources.folder import FolderSource
from tests.library.alf_folder import write_session
from tests.page.driving import driven_page

SAMPLE = Path(__file__).parents[4] / "shared" / "formats" / "raw"


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample session is not beside the repository")
def test_noise_stands_on_the_rasters_axes_with_its_bad_channels(cache: Path) -> None:
    source = FolderSource(SAMPLE / "lab")
    with driven_page(source, cache, "heatof=rms_ap") as page:
        page.open(next(source.insertions()).key)
        session: Any = page.session

        def noise(kind: str) -> Any:
            picture = session.heatmap.picture
            return picture if picture is not None and picture.aggregate.kind == kind else None

        picture = page.wait(lambda: noise("rms_ap"), "the noise of AP")
        image = picture.maps.rms["ap"]
        assert (picture.levels.low, picture.levels.high) == image.levels
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
        page.wait(lambda: noise("rate") or session.heatmap.picture.maps is None, "rates again")
        assert page.do(lambda: session.heatmap.mapper.low) == 0


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

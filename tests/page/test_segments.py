"""Segments of one recording are laid one after the other, with a line at each border wherever time is an axis."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from dashboard.engine.build import build_columns
from dashboard.export.figure import FigureRequest, figure_sheet
from dashboard.library.open import open_insertion
from dashboard.sources.analyzer.source import AnalyzerSource
from tests.page.driving import driven_page
from tests.sources.samples import write_analyzer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_analyzer(tmp_path / "data" / "an")


def test_every_picture_over_time_has_a_line_and_loses_it_with_the_insertion(folder: Path, tmp_path: Path) -> None:
    other = write_analyzer(tmp_path / "data" / "one") / "sorting"
    spikes = np.load(other / "spikes.npy")
    spikes["segment_index"] = 0
    np.save(other / "spikes.npy", np.sort(spikes, order="sample_index"))
    info = json.loads((other / "numpysorting_info.json").read_text())
    (other / "numpysorting_info.json").write_text(json.dumps({**info, "num_segments": 1}))
    source = AnalyzerSource(tmp_path / "data")
    with driven_page(source, tmp_path / "cache", "insertion=an/probe") as page:
        page.wait(lambda: page.session.heatmap.picture, "the heatmap")
        page.wait(lambda: page.session.overview._borders.source, "the overview")
        session = page.session
        for view in (session.raster, session.heatmap, session.overview):
            assert page.do(lambda view=view: list(view._borders.source.data["time"])) == [60.0]
        assert any("begin at 60 s (dashed lines)" in note for note in session._scene.sorting.notes)
        page.do(lambda: session.state.param.update(show="clusters"))
        page.wait(lambda: session.units.picture, "the rows")
        assert page.do(lambda: list(session.units._borders.source.data["time"])) == [60.0]
        page.open("one/probe")
        page.wait(lambda: session.state.insertion == "one/probe", "the other insertion")
        page.wait(lambda: not session.overview._borders.source.data["time"], "no line")


def test_sheets_have_the_line_in_the_windows_that_hold_it(folder: Path, tmp_path: Path) -> None:
    sorting = open_insertion(folder, cache=tmp_path / "cache")
    columns = build_columns(sorting, tmp_path / "cache")
    assert sorting.segment_starts_s == (60.0,)
    for window, expected in ((None, [60.0]), ((10.0, 50.0), [])):
        sheet = figure_sheet(sorting, columns, FigureRequest(time_range=window))
        figure = Figure()
        sheet.draw(figure)
        found = [
            float(np.asarray(line.get_xdata())[0])
            for axes in figure.axes
            for line in axes.lines
            if line.get_gid() == "segment"
        ]
        assert sorted(set(found)) == expected


def test_borders_follow_the_clock_of_the_session(folder: Path, tmp_path: Path) -> None:
    (folder / "sync.csv").write_text("probe,session\n0,100\n200,302\n")
    sorting = open_insertion(folder, cache=tmp_path / "cache")
    (border,) = sorting.segment_starts_s
    assert border == pytest.approx(100 + 60 * 1.01)
    assert any("160.6 s" in note for note in sorting.notes)

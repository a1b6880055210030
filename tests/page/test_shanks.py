"""Four shanks at the same depths in four regions are told apart wherever regions are shown, filtered or written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from bokeh.events import Tap
from matplotlib.figure import Figure

from dashboard.analysis.filters.clusters import filter_clusters, filtered_table
from dashboard.analysis.filters.words import read_words, write_words
from dashboard.cli.main import describe
from dashboard.engine.build import build_columns
from dashboard.export.figure import FigureRequest, figure_sheet, subject_of
from dashboard.export.kinds.shanks import subjects_of_shanks
from dashboard.library.open import open_insertion
from dashboard.library.render import render
from dashboard.model.errors import BadRequest
from dashboard.model.progress import ignore_progress
from dashboard.model.shanks import UNKNOWN_SHANK
from dashboard.model.sorting import SpikeSorting
from dashboard.page.plot.strip import PALE
from dashboard.page.tabs.compare.matching import match, shanks_of
from tests.library.alf_folder import N_CLUSTERS, N_SPIKES, sorting_arrays, write_session
from tests.page.driving import driven_page

N_CHANNELS = 48
IDS = (382, 385, 733, 672)
NAMES = ("CA1", "VISp", "VPM", "CP")


def four_shanks() -> dict[str, object]:
    """Return the datasets by which a sorting is one of four shanks with twelve channels each."""
    arrays = sorting_arrays()
    shank = np.repeat(np.arange(4), 12)
    local = np.c_[250.0 * shank + np.tile([0.0, 32.0], 24), np.tile(15.0 * (np.arange(12) // 2), 4)]
    channels = np.random.default_rng(7).integers(0, N_CHANNELS, N_CLUSTERS)
    return {
        "channels.localCoordinates": local,
        "channels.brainLocationIds_ccf_2017": np.array(IDS)[shank],
        "channels.mlapdv": np.zeros((N_CHANNELS, 3)),
        "clusters.channels": channels,
        "clusters.depths": local[channels, 1],
        "spikes.depths": local[channels, 1][arrays["spikes.clusters"]],
    }


@pytest.fixture
def sorting(tmp_path: Path) -> SpikeSorting:
    write_session(tmp_path / "data", changed=four_shanks())
    return open_insertion(tmp_path / "data", cache=tmp_path / "cache", lazy=True)


def spikes_of(shanks: tuple[int, ...]) -> int:
    of_units = np.asarray(four_shanks()["clusters.channels"]) // 12
    return int(np.isin(of_units[sorting_arrays()["spikes.clusters"]], shanks).sum())


def test_units_and_channels_have_their_shank_and_it_is_said(sorting: SpikeSorting) -> None:
    assert sorting.channels["shank"].tolist() == np.repeat(np.arange(4), 12).tolist()
    assert sorting.clusters["shank"].tolist() == (np.asarray(four_shanks()["clusters.channels"]) // 12).tolist()
    assert [NAMES[shank] for shank in sorting.clusters["shank"]] == sorting.clusters["acronym"].tolist()
    assert describe(sorting)["differences"]["shanks"].startswith("4 shanks are on one depth axis")


def test_a_filter_of_a_shank_leaves_its_units(sorting: SpikeSorting, tmp_path: Path) -> None:
    wanted = read_words({"shanks": "2,0"})
    assert write_words(wanted) == {"shanks": "0,2"}
    found = filter_clusters(wanted, filtered_table(sorting))
    assert found.mask.tolist() == sorting.clusters["shank"].isin([0, 2]).tolist()
    image = render(sorting, width=9, height=9, clusters=found.ids, cache=tmp_path / "cache")
    assert image.n_spikes == spikes_of((0, 2))
    for shank, region in enumerate(IDS):
        mask = (sorting.clusters["shank"] == shank).to_numpy()
        image = render(sorting, width=9, height=9, aggregate="region", clusters=mask, cache=tmp_path / "cache")
        assert set(np.unique(image.values)) - {image.none} == {region}


@pytest.mark.parametrize("text", ["a", "-1", "1.5", "1,", "99"])
def test_what_is_no_shank_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="shanks"):
        read_words({"shanks": text})


def test_a_filter_of_shanks_on_a_probe_of_one_hides_nothing(tmp_path: Path) -> None:
    write_session(tmp_path / "data")
    sorting = open_insertion(tmp_path / "data", cache=tmp_path / "cache", lazy=True)
    found = filter_clusters(read_words({"shanks": "1"}), filtered_table(sorting))
    assert found.mask.all()
    assert "several shanks" in found.criteria[0].reason


def test_a_figure_has_a_strip_for_each_shank_and_may_show_one(sorting: SpikeSorting, tmp_path: Path) -> None:
    columns = build_columns(sorting, tmp_path / "cache")
    request = FigureRequest(shank=1)
    assert subject_of(sorting, columns, request).n_in_view == spikes_of((1,))
    sheet, figure = figure_sheet(sorting, columns, request), Figure()
    assert "shank 1" in sheet.words["filters"]
    sheet.draw(figure)
    strip = next(axes for axes in figure.axes if axes.get_title().startswith("histology"))
    assert [text.get_text() for text in strip.texts] == ["0", "1", "2", "3"]
    boxes = [patch.get_bbox() for patch in strip.patches]
    assert [(box.x0, box.x1) for box in boxes] == [(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)]
    with pytest.raises(BadRequest, match="There are 0, 1, 2, 3"):
        figure_sheet(sorting, columns, FigureRequest(shank=4))


def test_a_figure_of_all_shanks_has_axes_for_each_with_its_spikes_and_regions(
    sorting: SpikeSorting, tmp_path: Path
) -> None:
    columns = build_columns(sorting, tmp_path / "cache")
    sheet, figure = figure_sheet(sorting, columns, FigureRequest()), Figure()
    sheet.draw(figure)
    rasters = [axes for axes in figure.axes if axes.get_ylabel().startswith("shank")]
    assert [axes.get_ylabel() for axes in rasters] == [f"shank {shank} (µm)" for shank in range(4)]
    n_spikes = [len(axes.lines[0].get_xdata()) for axes in rasters]  # so few that each is a mark
    assert n_spikes == [spikes_of((shank,)) for shank in range(4)]
    assert len({axes.get_ylim() for axes in rasters}) == 1, "shanks at the same depths have one range"
    strips = [{patch.get_facecolor() for patch in axes.patches} for axes in figure.axes if axes.patches]
    assert [len(colours) for colours in strips] == [1, 1, 1, 1] and len(set.union(*strips)) == 4, "a region for each"


def test_a_unit_of_no_shank_is_on_axes_of_its_own(sorting: SpikeSorting, tmp_path: Path) -> None:
    table = sorting.clusters.drop(columns="shank")
    lost = replace(sorting, clusters=table.assign(channels=np.r_[-1, table["channels"][1:]]))
    assert lost.clusters["shank"].tolist()[0] == UNKNOWN_SHANK
    columns = build_columns(sorting, tmp_path / "cache")
    figure_sheet(lost, columns, FigureRequest()).draw(figure := Figure())
    (own,) = (axes for axes in figure.axes if axes.get_ylabel() == "shank not known (µm)")
    assert len(own.lines[0].get_xdata()) == int((sorting_arrays()["spikes.clusters"] == 0).sum())


def test_shanks_that_lie_above_one_another_have_depths_of_their_own(shared_cases: Path, tmp_path: Path) -> None:
    sorting = open_insertion(shared_cases / "c13b", cache=tmp_path, lazy=True)
    subject = subject_of(sorting, build_columns(sorting, tmp_path), FigureRequest())
    ranges = [each.depth_range for each in subjects_of_shanks(subject).values()]
    assert [int(low + 60) // 10_000 for low, _ in ranges] == [0, 1, 2, 3]
    assert max(high - low for low, high in ranges) < 1_000


def test_pixels_are_of_the_shank_of_most_spikes(sorting: SpikeSorting, tmp_path: Path) -> None:
    image = render(sorting, width=9, height=9, aggregate="shank", shank=2, cache=tmp_path / "cache")
    assert set(np.unique(image.values)) - {image.none} == {2}
    assert (image.n_spikes, image.origin["filters"]) == (spikes_of((2,)), "all units on shank 2")
    chosen = render(sorting, width=9, height=9, clusters=[0, 1, 2], shank=2, cache=tmp_path / "cache")
    both = sorting.clusters["shank"].eq(2).to_numpy() & (np.arange(N_CLUSTERS) < 3)
    assert chosen.n_spikes == int(both[sorting_arrays()["spikes.clusters"]].sum())
    with pytest.raises(BadRequest, match="There are 0, 1, 2, 3"):
        render(sorting, shank=7, cache=tmp_path / "cache")


def test_spikes_of_different_shanks_do_not_coincide(sorting: SpikeSorting, tmp_path: Path) -> None:
    columns = build_columns(sorting, tmp_path / "cache")
    own = shanks_of(sorting, sorting)
    assert own[0] is not None
    moved = (own[0], own[0] + 4)
    together = match(columns, columns, (0.0004, 100.0), ignore_progress, Event(), own).comparison
    apart = match(columns, columns, (0.0004, 100.0), ignore_progress, Event(), moved).comparison
    assert (together.n_matched_spikes, apart.n_matched_spikes) == (N_SPIKES, 0)


def test_a_click_on_the_region_of_a_shank_filters_by_both(tmp_path: Path) -> None:
    write_session(tmp_path, changed=four_shanks())
    with driven_page(tmp_path, tmp_path / "cache") as page:
        page.open("MOUSE_1/2024-01-02/001/probe00")
        session = page.session
        strip = session.strips[0]
        assert page.do(lambda: strip.spans.data["acronym"]) == list(NAMES)
        assert page.do(lambda: strip.spans.data["left"]) == [0, 0.25, 0.5, 0.75]
        click = Tap(None, x=0.6, y=30.0)
        page.do(lambda: strip._tapped(click))
        assert page.do(lambda: dict(session.state.filters)) == {"regions": "VPM", "shanks": "2"}
        assert page.do(lambda: session._scene.n_spikes_passing) == spikes_of((2,))
        assert page.do(lambda: strip.spans.data["alpha"]) == [PALE, PALE, 1, PALE]
        page.do(lambda: strip._tapped(click))
        assert page.do(lambda: dict(session.state.filters)) == {}
        assert page.do(lambda: session._scene.n_spikes_passing) == N_SPIKES

        # The buttons over the pictures show one shank, or all; several of the panel press none of them.
        one = session.filters.shank
        assert page.do(lambda: (one.visible, list(one.options.values()))) == (True, ["", "0", "1", "2", "3"])
        page.do(lambda: setattr(one, "value", "3"))
        assert page.do(lambda: session._scene.n_spikes_passing) == spikes_of((3,))
        page.do(lambda: session.state.param.update(filters={"shanks": "0,2"}))
        assert page.do(lambda: one.value) is None
        assert page.do(lambda: session._scene.n_spikes_passing) == spikes_of((0, 2))
        page.do(lambda: setattr(one, "value", ""))
        assert page.do(lambda: dict(session.state.filters)) == {}
        page.do(lambda: session.state.param.update(color="shank"))
        assert page.wait(
            lambda: session.raster.picture and session.raster.picture.aggregate.kind == "shank", "its colours"
        )

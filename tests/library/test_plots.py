"""Figures for scripts: they compose, follow their axes, and hold exact numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashboard
from dashboard.engine.build import SpikeColumns
from dashboard.library.plots import Plots
from dashboard.library.render import render
from dashboard.model import sorting as sorting_module
from dashboard.model.errors import BadRequest
from dashboard.model.sorting import SpikeSorting

hv = pytest.importorskip("holoviews")
WINDOW = {"x_range": (10.0, 40.0), "y_range": (200.0, 3000.0)}


@pytest.fixture
def plot(small_demo: SpikeSorting, small_columns: SpikeColumns, cache: Path) -> Plots:
    return Plots(small_demo, cache)


def values(image: Any) -> Any:
    """Return the numbers of an Image, the lowest depth first."""
    return image.dimension_values(2, flat=False)


def test_a_raster_beside_a_unit_is_counted_exactly_in_the_window_that_it_is_zoomed_to(
    plot: Plots, small_columns: SpikeColumns
) -> None:
    raster, unit = plot.raster(width=60, height=40), plot.unit(12)
    whole = raster + unit
    hv.render(whole, backend="bokeh")
    assert values(raster[()]).sum() == small_columns.n_spikes
    raster.streams[0].event(**WINDOW)
    hv.render(whole, backend="bokeh")
    found = whole[0][()]
    times, depths = (np.linspace(*WINDOW[name], n + 1) for name, n in (("x_range", 60), ("y_range", 40)))
    expected, _, _ = np.histogram2d(small_columns.depths_um, small_columns.times_s, (depths, times))
    np.testing.assert_array_equal(values(found), expected)
    assert [dimension.pprint_label for dimension in found.kdims] == ["Time (s)", "Depth along probe (µm)"]
    acg = next(figure for figure in unit if "Autocorrelogram" in figure.opts.get("plot").kwargs["title"])
    histogram = acg.get(0)
    assert [*histogram.kdims, *histogram.vdims][0].unit == "ms"
    assert acg.opts(width=900) * hv.VLine(0) is not None


def test_every_figure_of_a_unit_is_drawn_by_both_backends(plot: Plots) -> None:
    hv.extension("matplotlib", "bokeh", logo=False)
    try:
        for backend in ("bokeh", "matplotlib"):
            assert hv.render(plot.unit(3, 7), backend=backend) is not None
    finally:
        hv.Store.set_current_backend("bokeh")


def test_a_heatmap_is_the_engines(plot: Plots, small_columns: SpikeColumns) -> None:
    heatmap = plot.heatmap(1.0, 50.0)
    heatmap.streams[0].event(**WINDOW)
    found = heatmap[()]
    first, last = found.range("time")
    inside = (small_columns.times_s >= first) & (small_columns.times_s < last)
    low, high = found.range("depth")
    inside &= (small_columns.depths_um >= low) & (small_columns.depths_um < high)
    assert values(found).sum() == pytest.approx(np.count_nonzero(inside))


def test_an_event_the_probe_and_a_difference_compose(
    plot: Plots, small_demo: SpikeSorting, small_columns: SpikeColumns
) -> None:
    compared = plot.compare(small_demo, width=30, height=20)
    compared.streams[0].event(**WINDOW)
    assert values(compared[()]).shape == (20, 30)
    assert not values(compared[()]).any(), "a sorting is no different from itself"
    around = plot.psth(12, "stimOn", "outcome")
    assert len(around) == 3
    assert hv.render(around + plot.probe(), backend="bokeh") is not None


def test_what_cannot_be_drawn_is_one_line(plot: Plots) -> None:
    with pytest.raises(BadRequest, match="No unit is named"):
        plot.unit()
    with pytest.raises(BadRequest, match="No such unit"):
        plot.unit(10**9)
    with pytest.raises(BadRequest, match="names and no numbers"):
        plot.raster("region")


def test_a_sorting_has_its_figures(small_demo: SpikeSorting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting_module, "_plotters", [])
    with pytest.raises(BadRequest, match="Nothing is there to draw"):
        _ = small_demo.plot
    assert dashboard.open_insertion is not None
    assert isinstance(small_demo.plot, Plots)


def test_a_picture_as_xarray_has_coordinates_units_and_origin(small_demo: SpikeSorting, cache: Path) -> None:
    found = render(small_demo, (10.0, 40.0), (200.0, 3000.0), 60, 40, cache=cache)
    array = found.to_xarray()
    assert array.dims == ("depth", "time")
    np.testing.assert_array_equal(array.values, found.values)
    np.testing.assert_allclose(array["time"], np.arange(60) * 0.5 + 10.25)
    assert (array["time"].attrs["units"], array["depth"].attrs["units"]) == ("s", "um")
    assert array.attrs["n_spikes"] == found.values.sum()
    assert array.attrs["insertion"] == small_demo.ref.insertion.key
    assert {"pid", "sorter", "revision", "filters", "version"} <= set(array.attrs)
    shaded = pytest.importorskip("datashader.transfer_functions").shade(array, how="eq_hist")
    assert shaded.shape == array.shape


def test_raw_voltage_is_a_picture_with_its_spikes(plot: Plots) -> None:
    found = plot.raw(20.0, 0.02, depth_range=(1_000.0, 2_000.0))
    hv.render(found, backend="bokeh")
    image, *marks = found
    assert values(image).shape == (102, 600)  # two columns of sites each 20 um, 20 ms
    assert image.vdims[0].unit == "µV"
    assert marks
    with pytest.raises(BadRequest, match="No raw AP sample"):
        plot.raw(1e5)


def test_a_change_between_spans_is_drawn_by_both_backends_with_a_mark_for_each_unit(plot: Plots) -> None:
    found = plot.change((0.0, 80.0), (150.0, 230.0))
    points = next(part for part in found if isinstance(part, hv.Points))
    assert [dimension.unit for dimension in points.kdims] == ["µm", "µm"]
    assert set(points["unit"]) <= set(range(plot._sorting.n_clusters)) and len(points) > 20
    hv.extension("matplotlib", "bokeh", logo=False)
    try:
        for backend in ("bokeh", "matplotlib"):
            assert hv.render(plot.change((0.0, 80.0), (150.0, 230.0)), backend=backend) is not None
    finally:
        hv.Store.set_current_backend("bokeh")
    with pytest.raises(BadRequest, match="overlap"):
        plot.change((0.0, 80.0), (50.0, 100.0))


def test_the_quality_of_the_recording_is_drawn_by_depth_and_what_is_missing_says_so(
    plot: Plots, small_demo: SpikeSorting, cache: Path
) -> None:
    assert hv.render(plot.quality(), backend="bokeh") is not None
    titles = [figure.opts.get("plot").kwargs["title"] for figure in plot.quality()]
    assert [title.split(",")[0] for title in titles] == [
        "RMS of AP", "RMS of LF", "Power of AP by depth", "Power of LF by depth", "Power of LF by depth",
    ]  # fmt: skip
    none = Plots(replace(small_demo, open_noise=None), cache).quality()
    assert all(isinstance(figure, hv.Text) for figure in none)

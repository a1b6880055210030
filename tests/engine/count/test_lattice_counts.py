"""Counts in bytes: equal to numpy's on every route, and in 32 bits from the 256th spike of a pixel on."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.engine import threads as pool
from dashboard.engine.build import build_columns
from dashboard.engine.columns.filter import kept_spikes
from dashboard.engine.count import raster
from dashboard.engine.count.queries import count_in, spikes_in
from dashboard.engine.count.raster import aggregate
from dashboard.engine.count.window import time_bounds
from dashboard.model.errors import Cancelled
from tests.engine.engine_data import N_CLUSTERS, make_sorting, numpy_counts, random_columns, windows


def crowd(n_spikes, n_others=40):
    """Return columns with `n_spikes` in one pixel of the lattice, and as many others elsewhere, one to a pixel."""
    times = np.sort(np.concatenate([np.full(n_spikes, 5.25), 0.125 + np.arange(n_others) * 0.25]))
    depths = np.where(times == 5.25, 130.0, 700.0)
    clusters = np.arange(len(times)) % N_CLUSTERS
    return build_columns(make_sorting(times, depths, clusters, np.full(len(times), 1e-4)))


@pytest.mark.parametrize("n_spikes", [0, 1, 254, 255, 256, 257, 511, 512, 513, 65_536, 70_000])
@pytest.mark.parametrize("at_once", [0, 400_000])
def test_a_pixel_holds_any_number_of_spikes(monkeypatch, n_spikes, at_once):
    monkeypatch.setattr(raster, "AT_ONCE", at_once)
    columns = crowd(n_spikes)
    for filters in ((None, None), (np.arange(N_CLUSTERS) % 2 == 0, None), (None, (50.0, 200.0))):
        chosen = kept_spikes(columns, *filters)
        kept = chosen.mask(columns, np.arange(columns.n_spikes))
        for kind in ("count", "rate"):
            image = aggregate(columns, (0.0, 16.0), (0.0, 1024.0), 64, 128, kind, snap=True, kept=chosen)
            expected = numpy_counts(columns, image.depth_edges_um, image.time_edges_s, kept)
            bin_s = image.time_edges_s[1] - image.time_edges_s[0]
            np.testing.assert_array_equal(image.values, expected / (bin_s if kind == "rate" else 1.0))
            assert image.n_spikes == expected.sum()
            if expected.max() > 255:
                assert image.values.dtype == (np.uint32 if kind == "count" else np.float64)


def test_few_spikes_to_a_pixel_are_counted_in_bytes_and_only_on_the_lattice():
    columns = crowd(255)
    window = ((0.0, 16.0), (0.0, 1024.0), 64, 128)
    assert aggregate(columns, *window, snap=True).values.dtype == np.uint8
    assert aggregate(columns, *window, "rate", snap=True).values.dtype == np.float32
    assert aggregate(columns, *window).values.dtype == np.uint32
    assert aggregate(columns, *window, "rate").values.dtype == np.float64


def test_every_thread_notices_a_pixel_that_passes_255(monkeypatch):
    monkeypatch.setattr(raster, "AT_ONCE", 0)
    monkeypatch.setattr(pool, "WORK_PER_THREAD", 1)
    for place in (0.1, 50.1, 99.9):
        times = np.sort(np.concatenate([np.full(256, place), np.linspace(0, 100, 3_000)]))
        depths = np.where(times == place, 500.0, 900.0)
        columns = build_columns(make_sorting(times, depths))
        image = aggregate(columns, (0.0, 100.0), (0.0, 1000.0), 200, 100, snap=True, threads=3)
        assert image.values.dtype == np.uint32 and image.values.max() >= 256
        np.testing.assert_array_equal(image.values, numpy_counts(columns, image.depth_edges_um, image.time_edges_s))


@settings(max_examples=80)
@given(
    data=st.data(),
    seed=st.integers(0, 40),
    n_spikes=st.sampled_from([0, 1, 50, 3_000, 20_000]),
    threads=st.sampled_from([1, 3]),
    at_once=st.booleans(),
    mask=st.none() | st.lists(st.booleans(), min_size=N_CLUSTERS, max_size=N_CLUSTERS).map(np.array),
    limit=st.booleans(),
)
def test_every_way_to_count_in_bytes_equals_numpy(data, seed, n_spikes, threads, at_once, mask, limit):
    columns = random_columns(seed, n_spikes)
    window = data.draw(windows(columns))
    kept = np.ones(n_spikes, bool) if mask is None else mask[columns.clusters]
    amps_uv = (40.0, 120.0) if limit else None
    if limit:
        kept = kept & (columns.amps_uv >= np.float32(40)) & (columns.amps_uv < np.float32(120))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raster, "AT_ONCE", 400_000 if at_once else 0)
        patch.setattr(pool, "WORK_PER_THREAD", 1)  # threads for few spikes
        for kind in ("count", "rate"):
            image = aggregate(
                columns, **window, kind=kind, snap=True, threads=threads, kept=kept_spikes(columns, mask, amps_uv)
            )
            expected = numpy_counts(columns, image.depth_edges_um, image.time_edges_s, kept)
            bin_s = np.diff(image.time_edges_s) if kind == "rate" else 1.0
            np.testing.assert_array_equal(image.values, expected / bin_s)
            assert image.n_spikes == expected.sum()


@pytest.mark.parametrize("depth_range", [(0.0, 1e7), (-1e12, 1e12), (64.0, 64.05), (3839.9, 3840.0), (-64.0, -1.0)])
def test_the_coarsest_the_finest_and_the_farthest_rows(depth_range):
    rng = np.random.default_rng(3)
    depths = np.concatenate([rng.uniform(0, 3840, 5_000), np.full(50, 3840.0), np.full(50, 64.0), np.full(50, 0.0)])
    columns = build_columns(make_sorting(np.sort(rng.uniform(0, 100, len(depths))), rng.permutation(depths)))
    for height in (1, 7, 300):
        image = aggregate(columns, None, depth_range, 40, height, snap=True)
        np.testing.assert_array_equal(image.values, numpy_counts(columns, image.depth_edges_um, image.time_edges_s))


def test_nothing_is_counted_for_a_picture_that_is_no_longer_wanted():
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        aggregate(crowd(10), snap=True, cancel=cancel)


@settings(max_examples=100)
@given(
    data=st.data(),
    times=st.lists(st.integers(0, 40) | st.floats(0, 40), max_size=300),
    copies=st.sampled_from([1, 40]),
    closed=st.booleans(),
)
def test_edges_among_times_are_where_numpy_finds_them(data, times, copies, closed):
    sorted_times = np.sort(np.repeat(np.array(times, dtype=np.float64), copies))  # more than one stride of marks
    columns = build_columns(make_sorting(sorted_times, np.zeros(len(sorted_times))))
    edges = np.sort(data.draw(st.lists(st.integers(-2, 42) | st.floats(-2, 42), min_size=2, max_size=90)))
    edges = edges.astype(np.float64)
    expected = np.searchsorted(sorted_times, edges)
    if closed:
        expected[-1] = np.searchsorted(sorted_times, edges[-1], "right")
    np.testing.assert_array_equal(time_bounds(columns, edges, closed), expected)


@settings(max_examples=100)
@given(data=st.data(), seed=st.integers(0, 40), n_spikes=st.sampled_from([0, 1, 50, 6_000]))
def test_spikes_in_a_box_are_those_that_numpy_counts(data, seed, n_spikes):
    columns = random_columns(seed, n_spikes)
    window = data.draw(windows(columns))
    times, depths = window["time_range"], window["depth_range"]
    expected = (columns.times_s >= times[0]) & (columns.times_s <= times[1])
    expected &= (columns.depths_um >= depths[0]) & (columns.depths_um <= depths[1])
    assert count_in(columns, times, depths) == expected.sum()
    np.testing.assert_array_equal(spikes_in(columns, times, depths), np.flatnonzero(expected))


def test_a_box_of_any_depths_is_counted():
    columns = random_columns(1, 2_000)
    lowest, highest = columns.depth_range_um
    for depths in ((-1e308, 1e307), (lowest, highest), (lowest, lowest + 1e-9), (highest, highest + 1), (-5.0, -4.0)):
        inside = (columns.depths_um >= depths[0]) & (columns.depths_um <= depths[1])
        assert count_in(columns, (0.0, 100.0), depths) == inside.sum()

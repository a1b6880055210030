"""Every pixel of every aggregate against numpy, Datashader, and counting by hand."""

from __future__ import annotations

import threading
from dataclasses import replace

import datashader
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.engine.build import build_columns
from dashboard.engine.columns.filter import kept_spikes
from dashboard.engine.count import counts as counts_module
from dashboard.engine.count import majority
from dashboard.engine.count.lattice import lattice_levels
from dashboard.engine.count.raster import aggregate
from dashboard.engine.count.registry import AGGREGATES
from dashboard.model.errors import BadRequest, Cancelled
from tests.engine.engine_data import N_CLUSTERS, make_sorting, numpy_counts, pixel_of, random_columns, windows

SIZES = st.sampled_from([0, 1, 2, 50, 3_000])
MASKS = st.lists(st.booleans(), min_size=N_CLUSTERS, max_size=N_CLUSTERS).map(np.array)


@settings(max_examples=120)
@given(data=st.data(), seed=st.integers(0, 40), n_spikes=SIZES, snap=st.booleans())
def test_counts_equal_numpy_in_any_window(data, seed, n_spikes, snap):
    columns = random_columns(seed, n_spikes)
    image = aggregate(columns, **data.draw(windows(columns)), snap=snap)
    expected = numpy_counts(columns, image.depth_edges_um, image.time_edges_s)
    np.testing.assert_array_equal(image.values, expected)
    assert image.values.dtype == np.uint32 or (snap and image.values.dtype == np.uint8)
    assert image.n_spikes == expected.sum()


@settings(max_examples=80)
@given(data=st.data(), seed=st.integers(0, 40), n_spikes=SIZES, mask=MASKS, snap=st.booleans(), limit=st.booleans())
def test_filtered_counts_equal_numpy_on_the_kept_spikes(data, seed, n_spikes, mask, snap, limit):
    columns = random_columns(seed, n_spikes)
    window = data.draw(windows(columns))
    kept = mask[columns.clusters]
    amp_range = None
    if limit:
        amp_range = tuple(sorted(data.draw(st.tuples(st.floats(0, 300), st.floats(0, 300)))))
        amps = columns.amps_uv.astype(np.float64)
        kept = kept & (amps >= amp_range[0]) & (amps < amp_range[1])
    for _ in range(3):  # the route may change when a filter comes back
        image = aggregate(columns, **window, snap=snap, kept=kept_spikes(columns, mask, amp_range))
        expected = numpy_counts(columns, image.depth_edges_um, image.time_edges_s, kept)
        np.testing.assert_array_equal(image.values, expected)
        assert image.n_spikes == expected.sum()


def test_an_amplitude_on_the_lower_limit_is_in_and_on_the_upper_is_out():
    columns = build_columns(make_sorting([0.0, 1.0, 2.0], [1.0, 1.0, 1.0], None, np.array([1e-4, 2e-4, 3e-4])))
    low, high = float(columns.amps_uv[0]), float(columns.amps_uv[2])
    assert aggregate(columns, width=4, height=1, kept=kept_spikes(columns, None, (low, high))).values.tolist() == [
        [1, 0, 1, 0]
    ]
    above = np.nextafter(low, np.inf)  # a float64 between two float32
    assert aggregate(columns, width=4, height=1, kept=kept_spikes(columns, None, (above, high))).n_spikes == 1


@pytest.mark.parametrize("clusters", [np.array([3]), [3], np.arange(N_CLUSTERS) == 3])
def test_ids_and_masks_name_the_same_clusters(clusters):
    columns = random_columns(1, 500)
    image = aggregate(columns, kept=kept_spikes(columns, clusters), width=20, height=20)
    assert image.n_spikes == np.count_nonzero(columns.clusters == 3)


def test_no_ids_keep_nothing():
    columns = random_columns(1, 500)
    assert aggregate(columns, kept=kept_spikes(columns, []), width=20, height=20).n_spikes == 0


@pytest.mark.parametrize("n_spikes", [300_000])
@pytest.mark.parametrize("share", ["all", "half", "few"])
@pytest.mark.parametrize("window", [(None, None), ((10.0, 70.0), (300.0, 3100.0)), ((10.0, 70.0), (1024.0, 3072.0))])
def test_every_route_counts_the_same(n_spikes, share, window):
    """Stored ranks, parts, indexes, tiles and scattering: forced by size, with many threads."""
    rng = np.random.default_rng(5)
    depths = np.where(rng.random(n_spikes) < 0.1, np.round(rng.uniform(0, 3840, n_spikes) / 4) * 4, 0)
    depths = np.where(depths > 0, depths, rng.uniform(20, 3800, n_spikes))
    clusters = rng.integers(0, 200, n_spikes)
    columns = build_columns(make_sorting(np.sort(rng.uniform(0, 100, n_spikes)), depths, clusters, np.ones(n_spikes)))
    mask = {"all": None, "half": np.arange(200) % 2 == 0, "few": np.arange(200) < 5}[share]
    kept = None if mask is None else mask[clusters]
    for width, height, snap in ((8, 480, True), (8, 960, True), (8, 333, False), (400, 300, False), (2500, 900, True)):
        for threads in (1, 3):
            image = aggregate(
                columns, *window, width, height, kept=kept_spikes(columns, mask), snap=snap, threads=threads
            )
            expected = numpy_counts(columns, image.depth_edges_um, image.time_edges_s, kept)
            np.testing.assert_array_equal(image.values, expected)
            assert image.n_spikes == expected.sum()


def test_the_rank_index_is_used_for_whole_sessions_and_counts_a_spike_on_the_last_edge(monkeypatch):
    n_spikes = 300_000
    rng = np.random.default_rng(6)
    depths = rng.uniform(0, 2048, n_spikes)
    depths[::1000] = 2048.0
    columns = build_columns(make_sorting(np.sort(rng.uniform(0, 100, n_spikes)), depths))
    used = []
    count_ranks = counts_module.count_ranks
    monkeypatch.setattr(counts_module, "count_ranks", lambda *args: used.append(1) or count_ranks(*args))
    image = aggregate(columns, None, (0.0, 2048.0), 8, 512, snap=True)
    assert used and image.depth_edges_um[-1] == 2048.0
    np.testing.assert_array_equal(image.values, numpy_counts(columns, image.depth_edges_um, image.time_edges_s))
    assert image.n_spikes == n_spikes


@settings(max_examples=60)
@given(data=st.data(), seed=st.integers(0, 40), n_spikes=st.sampled_from([1, 50, 3_000]))
def test_counts_equal_datashader_in_lattice_windows(data, seed, n_spikes):
    columns = random_columns(seed, n_spikes)
    image = aggregate(columns, **data.draw(windows(columns)), snap=True)
    height, width = image.values.shape
    canvas = datashader.Canvas(
        width,
        height,
        (image.time_edges_s[0], image.time_edges_s[-1]),
        (image.depth_edges_um[0], image.depth_edges_um[-1]),
    )
    frame = pd.DataFrame({"x": np.array(columns.times_s), "y": np.array(columns.depths_um)})
    np.testing.assert_array_equal(image.values, canvas.points(frame, "x", "y").values)


@settings(max_examples=60)
@given(data=st.data(), seed=st.integers(0, 40), n_spikes=SIZES, mask=MASKS, filtered=st.booleans())
def test_amplitudes_equal_a_direct_mean_and_maximum(data, seed, n_spikes, mask, filtered):
    columns = random_columns(seed, n_spikes)
    window = data.draw(windows(columns))
    given_mask = mask if filtered else None
    kept = mask[columns.clusters] if filtered else np.ones(n_spikes, bool)
    mean = aggregate(columns, **window, kind="amp_mean", kept=kept_spikes(columns, given_mask))
    largest = aggregate(columns, **window, kind="amp_max", kept=kept_spikes(columns, given_mask))
    rows = pixel_of(columns.depths_um.copy(), mean.depth_edges_um)
    pixels = rows * window["width"] + pixel_of(columns.times_s.copy(), mean.time_edges_s)
    inside = kept & (rows >= 0) & (pixel_of(columns.times_s.copy(), mean.time_edges_s) >= 0)
    shape = (window["height"], window["width"])
    amps = columns.amps_uv[inside].astype(np.float64)
    counts = np.bincount(pixels[inside], minlength=shape[0] * shape[1])
    sums = np.bincount(pixels[inside], amps, minlength=shape[0] * shape[1])
    expected = np.full(counts.shape, np.nan)
    expected[counts > 0] = sums[counts > 0] / counts[counts > 0]
    np.testing.assert_allclose(mean.values, expected.reshape(shape), rtol=1e-6)
    peaks = np.full(counts.shape, -np.inf)
    np.maximum.at(peaks, pixels[inside], amps)
    peaks[counts == 0] = np.nan
    np.testing.assert_array_equal(largest.values, peaks.reshape(shape).astype(np.float32))
    assert mean.n_spikes == largest.n_spikes == inside.sum()
    assert mean.unit == "uV" and mean.values.dtype == np.float32


def test_an_amplitude_that_is_nan_is_in_no_mean_and_no_maximum():
    columns = build_columns(make_sorting([0.0, 0.1, 2.0], [1.0] * 3, None, np.array([np.nan, 1e-4, np.nan])))
    for kind in ("amp_mean", "amp_max"):
        image = aggregate(columns, (0, 4), (0, 2), 2, 1, kind)
        np.testing.assert_allclose(image.values, [[100.0, np.nan]], rtol=1e-6)
        assert image.n_spikes == 1


@settings(max_examples=60)
@given(data=st.data(), seed=st.integers(0, 40), n_spikes=SIZES, mask=MASKS, cells=st.sampled_from([8 << 20, 40]))
def test_majority_equals_counting_each_category(data, seed, n_spikes, mask, cells):
    columns = random_columns(seed, n_spikes)
    window = data.draw(windows(columns))
    categories = np.array(data.draw(st.lists(st.integers(-1, 7), min_size=N_CLUSTERS, max_size=N_CLUSTERS))) * 10
    limit, majority.VOTE_CELLS = majority.VOTE_CELLS, cells  # few cells: the image goes in bands
    try:
        image = aggregate(columns, **window, kind="region", categories=categories, kept=kept_spikes(columns, mask))
    finally:
        majority.VOTE_CELLS = limit
    expected = np.full(image.values.shape, -1)
    most = np.zeros(image.values.shape)
    of_spike = categories[columns.clusters]
    for category in np.unique(categories[categories >= 0]):
        chosen = (of_spike == category) & mask[columns.clusters]
        counts = numpy_counts(columns, image.depth_edges_um, image.time_edges_s, chosen)
        expected[counts > most] = category
        most = np.maximum(most, counts)
    np.testing.assert_array_equal(image.values, expected)
    inside = numpy_counts(columns, image.depth_edges_um, image.time_edges_s, mask[columns.clusters])
    assert image.n_spikes == inside.sum()


def test_the_lowest_category_wins_a_tie_in_dense_and_in_sparse_columns():
    for copies in (1, 500):
        times = np.repeat([0.5, 1.5], 2 * copies)
        clusters = np.tile(np.repeat([7, 2], copies), 2)
        columns = build_columns(make_sorting(times, np.full(times.shape, 5.0), clusters))
        image = aggregate(columns, (0, 2), (0, 10), 2, 1, "cluster")
        assert image.values.tolist() == [[2, 2]]


def test_rates_are_counts_over_the_width_of_a_pixel():
    columns = random_columns(3, 2_000)
    window = {"time_range": (0, 50), "depth_range": (0, 4000), "width": 10, "height": 4}
    counts, rates = aggregate(columns, **window), aggregate(columns, **window, kind="rate")
    np.testing.assert_allclose(rates.values, counts.values / 5.0)
    assert rates.unit == "Hz"


def test_edges_are_those_of_linspace():
    image = aggregate(random_columns(3, 100), (1.1, 9.7), (10, 90), 33, 7)
    np.testing.assert_array_equal(image.time_edges_s, np.linspace(1.1, 9.7, 34))
    np.testing.assert_array_equal(image.depth_edges_um, np.linspace(10, 90, 8))


@settings(max_examples=100)
@given(
    start=st.floats(-1e4, 1e4),
    length=st.floats(1e-3, 1e4),
    shift=st.floats(-1e3, 1e3),
    width=st.integers(1, 4000),
)
def test_snapped_edges_cover_the_window_and_keep_their_bins_while_panning(start, length, shift, width):
    columns = random_columns(0, 1)
    sizes = set()
    for begin in (start, start + shift):
        edges = aggregate(columns, (begin, begin + length), (0, 1), width, 1, snap=True).time_edges_s
        assert edges[0] <= begin and edges[-1] >= begin + length
        size = edges[1] - edges[0]
        assert np.log2(size) == int(np.log2(size))
        assert (edges / size == np.floor(edges / size)).all()
        assert len(edges) - 1 <= 2 * width + 1
        sizes.add(size)
    assert len(sizes) == 1


@settings(max_examples=200)
@given(
    spans=st.tuples(st.floats(1e-3, 1e5), st.floats(1e-2, 1e5)),
    size=st.tuples(st.integers(64, 4096), st.integers(64, 4096)),
)
def test_a_snapped_picture_has_no_more_bins_than_pixels_asked_for_and_not_half_as_few(spans, size):
    levels = lattice_levels(spans, size)
    bins = [span / 2.0**level for span, level in zip(spans, levels, strict=True)]
    assert 0.499 * size[0] * size[1] < bins[0] * bins[1] < 1.001 * size[0] * size[1]
    for n, wanted in zip(bins, size, strict=True):
        assert 0.499 < n / wanted < 1.42


def test_the_picture_of_a_whole_session_is_no_larger_than_its_panel():
    columns = build_columns(make_sorting(np.linspace(0, 4500, 500), np.linspace(0, 3840, 500)))
    image = aggregate(columns, (0.0, 4500.0), (0.0, 4000.0), 1600, 800, snap=True)
    assert image.values.size <= 1600 * 800


@pytest.mark.parametrize("snap", [False, True])
@pytest.mark.parametrize("window", [(0.0, 5e-324), (1.0, 1.0 + 2**-52), (-1e-300, 1e-300), (1e15, 1e15 + 1)])
def test_the_narrowest_windows_are_drawn_or_refused_but_never_break(window, snap):
    columns = build_columns(make_sorting([0.0, 1.0, 1e15], [0.0, 1.0, 1e15]))
    for width, height in ((1, 1), (40, 30)):
        for ranges in ((window, None), (None, window), (window, window)):
            image = aggregate(columns, *ranges, width, height, snap=snap)
            np.testing.assert_array_equal(image.values, numpy_counts(columns, image.depth_edges_um, image.time_edges_s))


@pytest.mark.parametrize("kind", AGGREGATES.names)
def test_no_spikes_make_an_empty_image(kind):
    columns = build_columns(make_sorting([], [], [], np.empty(0)))
    image = aggregate(columns, width=5, height=4, kind=kind, categories=np.zeros(N_CLUSTERS, int))
    assert image.values.shape == (4, 5) and image.n_spikes == 0
    empty = 0 if kind in ("count", "rate") else np.nan if kind.startswith("amp") else -1
    np.testing.assert_array_equal(image.values, np.full((4, 5), empty))


def test_one_spike_is_in_the_default_window():
    columns = build_columns(make_sorting([3.0], [40.0]))
    image = aggregate(columns, width=5, height=4)
    assert image.n_spikes == 1
    np.testing.assert_array_equal(image.values, numpy_counts(columns, image.depth_edges_um, image.time_edges_s))


@pytest.mark.parametrize(("lowest", "highest"), [(-900.0, 3000.0), (0.0, 60_000.0), (-1e-9, 1e-9), (1e6, 1e6 + 1)])
def test_any_span_of_depths_is_counted_exactly(lowest, highest):
    for seed in range(4):
        columns = random_columns(seed, 4_000, lowest, highest)
        for snap in (False, True):
            image = aggregate(columns, width=50, height=70, snap=snap)
            expected = numpy_counts(columns, image.depth_edges_um, image.time_edges_s)
            np.testing.assert_array_equal(image.values, expected)
            assert image.n_spikes == columns.n_spikes


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "median"},
        {"time_range": (5, 5)},
        {"time_range": (9, 5)},
        {"time_range": (0, np.nan)},
        {"time_range": (0, np.inf)},
        {"time_range": "now"},
        {"depth_range": (1, 0)},
        {"depth_range": (-1e308, 1e308)},
        {"width": 0},
        {"height": -3},
        {"width": 10**9},
        {"width": 32_000, "height": 32_000},
        {"kind": "region"},
        {"kind": "region", "categories": np.zeros(3, int)},
        {"kind": "region", "categories": np.zeros(N_CLUSTERS)},
    ],
)
def test_arguments_that_cannot_be_used_are_refused_before_a_kernel_sees_them(wrong):
    with pytest.raises(BadRequest):
        aggregate(random_columns(0, 10), **{"width": 10, "height": 10, **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        ([N_CLUSTERS], None),
        ([-1], None),
        ([0.5], None),
        (np.ones(N_CLUSTERS + 1, bool), None),
        (np.ones((2, 2), bool), None),
        (None, (0, np.nan)),
        (None, 5),
    ],
)
def test_a_filter_that_cannot_be_used_is_refused(wrong):
    with pytest.raises(BadRequest):
        kept_spikes(random_columns(0, 10), *wrong)


def test_the_filter_of_another_sorting_is_refused_before_a_kernel_reads_beyond_its_end():
    columns = random_columns(0, 10)
    for other in (
        replace(columns.everything, keep=np.ones(3, np.uint8)),
        kept_spikes(columns, None, (0, 1)),
    ):
        with pytest.raises(BadRequest, match="another sorting"):
            aggregate(replace(columns, amps_uv=None), kept=other)


@pytest.mark.parametrize("kind", ["amp_mean", "amp_max"])
def test_without_amplitudes_what_needs_them_says_so(kind):
    columns = build_columns(make_sorting([1.0, 2.0], [3.0, 4.0]))
    with pytest.raises(BadRequest, match=r"spikes\.amps is missing"):
        aggregate(columns, kind=kind)
    with pytest.raises(BadRequest, match=r"spikes\.amps is missing"):
        kept_spikes(columns, None, (0, 1))


def test_amplitudes_in_arbitrary_units_keep_their_values_and_say_so():
    columns = build_columns(make_sorting([1.0], [3.0], None, np.array([25.0]), amps_are_volts=False))
    image = aggregate(columns, kind="amp_max", width=1, height=1)
    assert image.values[0, 0] == 25.0 and image.unit == "a.u."


def test_a_request_that_was_overtaken_stops():
    cancel = threading.Event()
    cancel.set()
    for kind in ("count", "amp_mean", "cluster"):
        with pytest.raises(Cancelled):
            aggregate(random_columns(0, 3_000), kind=kind, cancel=cancel)


def test_many_threads_drawing_at_once_do_not_disturb_each_other():
    columns = random_columns(4, 3_000)
    mask = np.arange(N_CLUSTERS) < 6
    expected = {
        k: aggregate(columns, (k, k + 50), None, 200, 100, kept=kept_spikes(columns, mask)).values for k in range(8)
    }
    wrong = []

    def draw(k: int) -> None:
        for _ in range(10):
            if not np.array_equal(
                aggregate(columns, (k, k + 50), None, 200, 100, kept=kept_spikes(columns, mask)).values, expected[k]
            ):
                wrong.append(k)

    threads = [threading.Thread(target=draw, args=(k,)) for k in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong

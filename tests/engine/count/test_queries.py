"""Boxes of spikes, single units and parts, against masks on the arrays."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.engine.build import build_columns
from dashboard.engine.columns import spike_subsets
from dashboard.engine.columns.filter import kept_spikes
from dashboard.engine.columns.spike_subsets import find_subset
from dashboard.engine.count import queries
from dashboard.engine.count.few_units import aggregate_units, unit_rows
from dashboard.engine.count.queries import count_in, spikes_in
from dashboard.engine.count.raster import aggregate
from tests.engine.engine_data import N_CLUSTERS, make_sorting, numpy_counts, random_columns, windows


@settings(max_examples=100)
@given(
    data=st.data(),
    seed=st.integers(0, 40),
    n_spikes=st.sampled_from([0, 1, 50, 3_000]),
    masked=st.booleans(),
    limited=st.booleans(),
    large=st.booleans(),
)
def test_boxes_equal_masks(data, seed, n_spikes, masked, limited, large):
    columns = random_columns(seed, n_spikes)
    window = data.draw(windows(columns))
    (t0, t1), (d0, d1) = window["time_range"], window["depth_range"]
    mask = np.arange(N_CLUSTERS) % 3 > 0
    inside = (columns.times_s >= t0) & (columns.times_s <= t1) & (columns.depths_um >= d0) & (columns.depths_um <= d1)
    if masked:
        inside &= mask[columns.clusters]
    if limited:
        inside &= (columns.amps_uv >= 60) & (columns.amps_uv < 150)
    kept = kept_spikes(columns, mask if masked else None, (60, 150) if limited else None)
    threshold, queries.PART_FROM = queries.PART_FROM, 10 if large else 10**9
    try:
        for _ in range(3):
            assert count_in(columns, (t0, t1), (d0, d1), kept=kept) == inside.sum()
    finally:
        queries.PART_FROM = threshold
    np.testing.assert_array_equal(spikes_in(columns, (t0, t1), (d0, d1), kept=kept), np.flatnonzero(inside))
    n = int(inside.sum())
    assert len(spikes_in(columns, (t0, t1), (d0, d1), kept=kept, limit=n)) == n
    if n:
        assert spikes_in(columns, (t0, t1), (d0, d1), kept=kept, limit=n - 1) is None


def test_a_box_at_any_depth_is_counted_from_the_index():
    columns = random_columns(0, 3_000)
    mask = np.arange(N_CLUSTERS) < 3
    threshold, queries.PART_FROM = queries.PART_FROM, 10
    try:
        n = count_in(columns, (10, 60), (-100, 5000), kept=kept_spikes(columns, mask))
    finally:
        queries.PART_FROM = threshold
    assert n == np.count_nonzero((columns.times_s >= 10) & (columns.times_s <= 60) & (columns.clusters < 3))


def test_rows_of_a_unit():
    columns = random_columns(0, 3_000)
    np.testing.assert_array_equal(unit_rows(columns, 4), np.flatnonzero(columns.clusters == 4))
    assert unit_rows(columns, 4).dtype == np.uint32
    assert unit_rows(columns, N_CLUSTERS + 5).size == 0


@settings(max_examples=60)
@given(
    data=st.data(),
    seed=st.integers(0, 40),
    n_spikes=st.sampled_from([0, 1, 50, 3_000]),
    ids=st.lists(st.integers(0, N_CLUSTERS - 1), max_size=5),
    snap=st.booleans(),
    threads=st.sampled_from([1, 3]),
)
def test_units_are_drawn_from_all_their_spikes(data, seed, n_spikes, ids, snap, threads):
    columns = random_columns(seed, n_spikes)
    image = aggregate_units(columns, ids, **data.draw(windows(columns)), snap=snap, threads=threads)
    expected, most = np.full(image.values.shape, -1), np.zeros(image.values.shape)
    for unit in sorted(set(ids)):
        counts = numpy_counts(columns, image.depth_edges_um, image.time_edges_s, columns.clusters == unit)
        expected[counts > most] = unit
        most = np.maximum(most, counts)
    np.testing.assert_array_equal(image.values, expected)
    assert image.values.dtype == np.int32


def test_units_and_the_raster_behind_them_share_their_pixels():
    columns = random_columns(0, 3_000)
    window = {"time_range": (3.3, 77.7), "depth_range": (100.0, 2222.0), "width": 50, "height": 40, "snap": True}
    behind, units = aggregate(columns, **window), aggregate_units(columns, [3], **window)
    np.testing.assert_array_equal(behind.time_edges_s, units.time_edges_s)
    np.testing.assert_array_equal(behind.depth_edges_um, units.depth_edges_um)


def test_a_part_holds_the_kept_spikes_in_order():
    columns = random_columns(0, 3_000)
    mask = np.arange(N_CLUSTERS) < 2
    kept = kept_spikes(columns, mask, (40.0, 400.0))
    amps = columns.amps_uv.astype(float)
    part = spike_subsets.make_subset(columns, kept)
    rows = np.flatnonzero(mask[columns.clusters] & (amps >= 40) & (amps < 400))
    np.testing.assert_array_equal(part.order, rows)
    np.testing.assert_array_equal(part.codes, columns.depth_codes[rows])


def test_parts_of_many_stretches_join_without_a_seam(monkeypatch):
    monkeypatch.setattr(spike_subsets, "STRETCH", 77)
    columns = random_columns(0, 3_000)
    part = spike_subsets.make_subset(columns, kept_spikes(columns, [3, 4], None))
    np.testing.assert_array_equal(part.order, np.flatnonzero((columns.clusters == 3) | (columns.clusters == 4)))


def test_a_part_is_made_when_a_filter_comes_back_and_dropped_when_room_is_short():
    columns = random_columns(0, 3_000)
    room = columns.nbytes * spike_subsets.SHARE_OF_COLUMNS
    for first in range(N_CLUSTERS - 1):
        kept = kept_spikes(columns, [first, first + 1], None)
        assert find_subset(columns, kept, columns.n_spikes) is None
        part = find_subset(columns, kept, columns.n_spikes)
        assert part is find_subset(columns, kept, columns.n_spikes)
        assert columns.parts.nbytes <= max(room, part.nbytes)
    assert find_subset(columns, kept_spikes(columns, [0, 1], None), columns.n_spikes) is not None


def test_a_part_is_not_made_for_a_few_looks_at_little():
    columns = random_columns(0, 3_000)
    kept = kept_spikes(columns, [3, 4], None)
    assert [find_subset(columns, kept, 900) for _ in range(4)] == [None] * 4
    assert find_subset(columns, kept, 90) is None  # quicker without, whatever was spent before
    assert find_subset(columns, kept, 900) is not None


def test_a_filter_too_large_for_its_room_is_not_set_apart(monkeypatch):
    monkeypatch.setattr(spike_subsets, "SHARE_OF_COLUMNS", 0.0)
    columns = random_columns(0, 3_000)
    kept = kept_spikes(columns, np.arange(N_CLUSTERS) < 6, None)
    assert [find_subset(columns, kept, columns.n_spikes) for _ in range(3)] == [None] * 3


def test_threads_that_share_a_filter_make_its_part_once(monkeypatch):
    columns = random_columns(0, 3_000)
    kept = kept_spikes(columns, np.arange(N_CLUSTERS) < 6, None)
    find_subset(columns, kept, columns.n_spikes)
    made, make = [], spike_subsets.make_subset
    monkeypatch.setattr(spike_subsets, "make_subset", lambda *args: made.append(1) or make(*args))
    threads = [threading.Thread(target=find_subset, args=(columns, kept, columns.n_spikes)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


@pytest.mark.parametrize("box", [((5, 5), (0, 1)), ((0, 1), (2, 1)), ((0, np.nan), (0, 1))])
def test_boxes_that_are_none_are_refused(box):
    from dashboard.model.errors import BadRequest

    columns = build_columns(make_sorting([1.0], [2.0]))
    with pytest.raises(BadRequest):
        count_in(columns, *box)
    with pytest.raises(BadRequest):
        spikes_in(columns, *box)

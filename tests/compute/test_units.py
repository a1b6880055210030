"""The bridge from columns to unit computations keeps every spike, and only those of the unit."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.compute import unit_warmup
from dashboard.compute.correlograms import autocorrelogram
from dashboard.compute.events import count_around, usable_events
from dashboard.compute.unit_pairs import Fate, compare_units
from dashboard.compute.units import matchable, select_spikes, unit_spikes, unit_statistics
from dashboard.model.errors import BadRequest


def test_a_unit_has_all_its_spikes(small_columns):
    clusters = np.asarray(small_columns.clusters)
    for cluster_id in np.unique(clusters)[:5]:
        unit = unit_spikes(small_columns, int(cluster_id))
        mine = clusters == cluster_id
        np.testing.assert_array_equal(unit.times_s, small_columns.times_s[mine])
        np.testing.assert_array_equal(unit.depths_um, small_columns.depths_um[mine])
        np.testing.assert_array_equal(unit.amps_uv, small_columns.amps_uv[mine])
        statistics = unit_statistics(unit)
        np.testing.assert_array_equal(statistics.acg.counts, autocorrelogram(small_columns.times_s[mine]).counts)
        assert statistics.isi.n_intervals == mine.sum() - 1
        assert statistics.amplitudes.counts.sum() == mine.sum()


@pytest.mark.parametrize("cluster_id", [-1, 10**6])
def test_ids_that_do_not_exist_are_refused(small_columns, cluster_id):
    with pytest.raises(BadRequest):
        unit_spikes(small_columns, cluster_id)


def test_a_selection_is_a_mask_on_the_columns(small_columns):
    keep = np.arange(small_columns.n_clusters) % 3 == 0
    depths = np.asarray(small_columns.depths_um)
    band = (float(np.quantile(depths, 0.2)), float(np.quantile(depths, 0.6)))
    middle = float(np.median(small_columns.times_s))
    counts = count_around(select_spikes(small_columns, keep, band), usable_events([middle]), np.array([-5.0, 0.0, 5.0]))
    mine = keep[small_columns.clusters] & (depths >= band[0]) & (depths < band[1])
    times = np.asarray(small_columns.times_s)
    expected = [
        np.sum(mine & (times >= middle - 5) & (times < middle)),
        np.sum(mine & (times >= middle) & (times < middle + 5)),
    ]
    assert counts.tolist() == [expected] and sum(expected) > 0


def test_a_sorting_compared_with_itself_matches_throughout(small_columns):
    spikes = matchable(small_columns)
    found = compare_units(spikes, spikes)
    assert set(found.fate_a) <= {Fate.MATCHED, Fate.EMPTY}
    assert found.n_matched_spikes == small_columns.n_spikes
    assert (found.matches["unit_a"] == found.matches["unit_b"]).all()


def test_warm_up_runs_every_kernel():
    unit_warmup.compile_unit_kernels()

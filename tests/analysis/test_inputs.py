"""The bridge from columns to unit computations keeps every spike, and only those of the unit."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.analysis.compare.units import MatchKind, compare_units
from dashboard.analysis.events.align import Selection, count_around, usable_events
from dashboard.analysis.inputs import matchable, select_spikes, session_rates, unit_spikes, within
from dashboard.model.errors import BadRequest


def test_a_unit_has_all_its_spikes(small_columns):
    clusters = np.asarray(small_columns.clusters)
    for cluster_id in np.unique(clusters)[:5]:
        unit = unit_spikes(small_columns, int(cluster_id))
        mine = clusters == cluster_id
        np.testing.assert_array_equal(unit.times_s, small_columns.times_s[mine])
        np.testing.assert_array_equal(unit.depths_um, small_columns.depths_um[mine])
        np.testing.assert_array_equal(unit.amps_uv, small_columns.amps_uv[mine])


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
    assert set(found.match_a) <= {MatchKind.MATCHED, MatchKind.EMPTY}
    assert found.n_matched_spikes == small_columns.n_spikes
    assert (found.matches["unit_a"] == found.matches["unit_b"]).all()


def test_warm_up_compiles_every_kernel():
    """In a process of its own, where no test has compiled one."""
    program = (
        "import sys\n"
        "from numba.core.dispatcher import Dispatcher\n"
        "from dashboard.analysis.warmup import compile_unit_kernels\n"
        "compile_unit_kernels()\n"
        "kernels = {f'{place}.{name}': value for place, module in sys.modules.items()\n"
        "           if place.startswith('dashboard.analysis') for name, value in vars(module).items()\n"
        "           if isinstance(value, Dispatcher) and value.py_func.__module__ == place}\n"
        # what only kernels call is compiled into them
        "inner = {name for kernel in kernels.values() for name in kernel.py_func.__code__.co_names}\n"
        "outer = {name: kernel for name, kernel in kernels.items() if name.split('.')[-1] not in inner}\n"
        "print(len(outer), *(name for name, kernel in outer.items() if not kernel.signatures))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    n_kernels, *cold = done.stdout.split()
    assert int(n_kernels) > 10
    assert cold == []


# On a grid of 1/8 s, which float64 holds exactly: edges are hit.
grid = st.integers(0, 400).map(lambda k: k / 8)
trains = st.lists(grid, max_size=60).map(lambda values: np.sort(np.array(values, float)))


@given(st.lists(trains, max_size=3), st.tuples(grid, grid).map(sorted), st.sampled_from([0.125, 1.0, 3.5, 10.0, 100.0]))
def test_rates_over_the_session_equal_numpy(units, span, bin_s):
    edges, rates = session_rates(units, (span[0], span[1]), bin_s)
    end = span[1] if span[1] > span[0] else span[0] + 1
    assert (edges[0], edges[-1]) == (span[0], end)
    widths = np.diff(edges)
    np.testing.assert_allclose(widths[:-1], bin_s)
    assert len(widths) == 1 or bin_s / 2 <= widths[-1] < 1.5 * bin_s
    assert len(rates) == len(units)
    for train, rate in zip(units, rates, strict=True):
        expected, _ = np.histogram(train, edges)
        np.testing.assert_allclose(rate, expected / widths)
        assert round(float(rate @ widths)) == ((train >= span[0]) & (train <= end)).sum()


def test_a_spike_in_the_last_moment_is_no_burst():
    last = np.nextafter(30.0, 31.0)
    edges, (rate,) = session_rates([np.array([5.0, last])], (0.0, last), 10.0)
    np.testing.assert_allclose(edges, [0, 10, 20, 30])
    np.testing.assert_allclose(rate, [0.1, 0, 0.1])


@pytest.mark.parametrize("bin_s", [0.0, -1.0, np.nan, np.inf, 1e-9])
def test_bins_of_the_rate_that_make_no_sense_are_refused(bin_s):
    with pytest.raises(BadRequest):
        session_rates([np.array([1.0])], (0.0, 10.0), bin_s)


def test_limits_of_amplitude_keep_what_is_inside(small_columns):
    unit = unit_spikes(small_columns, 7)
    assert within(unit, None) is unit
    kept = within(unit, (200.0, 250.0))
    mine = (unit.amps_uv >= 200) & (unit.amps_uv < 250)
    np.testing.assert_array_equal(kept.times_s, unit.times_s[mine])
    np.testing.assert_array_equal(kept.depths_um, unit.depths_um[mine])
    with pytest.raises(BadRequest, match="amplitudes"):
        within(replace(unit, amps_uv=None), (0.0, 1.0))
    keep = np.zeros(small_columns.n_clusters, bool)
    keep[7] = True
    events = usable_events(unit.times_s[::100])
    chosen = select_spikes(small_columns, keep, amp_range_uv=(200.0, 250.0))
    edges = np.array([-1.0, 0.0, 1.0])
    np.testing.assert_array_equal(
        count_around(chosen, events, edges), count_around(Selection.of(kept.times_s), events, edges)
    )

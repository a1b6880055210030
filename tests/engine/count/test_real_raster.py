"""The engine on a real sorting and on the demo: every pixel, every route, against numpy and ibllib's binning."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.engine.build import SpikeColumns, build_columns
from dashboard.engine.columns.filter import kept_spikes
from dashboard.engine.count.heatmap import firing_rate
from dashboard.engine.count.queries import count_in
from dashboard.engine.count.raster import aggregate, overview
from dashboard.library.open import open_insertion
from tests.engine.engine_data import numpy_counts


@pytest.fixture(scope="module")
def real_columns(real_alf, cache) -> SpikeColumns:
    folder = next(path.parent for path in real_alf.rglob("spikes.times*.npy"))
    return build_columns(open_insertion(str(folder), cache=cache), cache)


@pytest.fixture(params=["real", "demo"])
def columns(request) -> SpikeColumns:
    return request.getfixturevalue("real_columns" if request.param == "real" else "small_columns")


@pytest.mark.parametrize("snap", [False, True])
@pytest.mark.parametrize(("width", "height"), [(1600, 800), (1, 1), (3, 500), (997, 13)])
@pytest.mark.parametrize("part", [None, (0.2, 0.25), (0.5, 0.5001)])
def test_counts_equal_numpy(columns, snap, width, height, part):
    start, end = columns.time_range_s
    window = None if part is None else (start + part[0] * (end - start), start + part[1] * (end - start))
    for depths in (None, (555.5, 1777.1)):
        image = aggregate(columns, window, depths, width, height, snap=snap)
        np.testing.assert_array_equal(image.values, numpy_counts(columns, image.depth_edges_um, image.time_edges_s))
        half = np.arange(columns.n_clusters) % 2 == 0
        for _ in range(3):
            kept = aggregate(columns, window, depths, width, height, snap=snap, kept=kept_spikes(columns, half))
            mask = half[columns.clusters]
            expected = numpy_counts(columns, kept.depth_edges_um, kept.time_edges_s, mask)
            np.testing.assert_array_equal(kept.values, expected)


def test_the_whole_session_holds_every_spike(columns):
    assert aggregate(columns).n_spikes == aggregate(columns, snap=True).n_spikes == columns.n_spikes
    assert overview(columns).n_spikes == overview(columns).values.sum() == columns.n_spikes
    assert count_in(columns, columns.time_range_s, columns.depth_range_um) == columns.n_spikes


def test_the_heatmap_of_the_documentation_is_ibllibs(columns):
    bincount2D = pytest.importorskip("iblutil.numerical").bincount2D  # noqa: N806
    rates = firing_rate(columns, 0.05, 10.0, max_cells=None)
    counts, times, depths = bincount2D(np.array(columns.times_s), np.array(columns.depths_um), 0.05, 10.0)
    np.testing.assert_array_equal(rates.values, counts / 0.05)
    np.testing.assert_allclose(rates.time_edges_s[:-1], times, rtol=1e-12)
    np.testing.assert_allclose(rates.depth_edges_um[:-1], depths, rtol=1e-12, atol=1e-9)

"""Compile the engine's kernels before anyone waits for them."""

from __future__ import annotations

import logging
import time

import numpy as np
import pandas as pd

from dashboard.engine.build import build_columns
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.filter import kept_spikes
from dashboard.engine.count.counts import count_window
from dashboard.engine.count.few_units import aggregate_units
from dashboard.engine.count.heatmap import firing_rate
from dashboard.engine.count.lattice import linear_edges
from dashboard.engine.count.levels import level_image, spread_levels
from dashboard.engine.count.queries import count_in, spikes_in
from dashboard.engine.count.raster import aggregate
from dashboard.engine.count.rates import cluster_counts, depth_profile, population_rate
from dashboard.engine.count.unit_raster import unit_raster
from dashboard.engine.count.window import lay_window
from dashboard.model.references import Choice, Histology, InsertionRef, SortingRef
from dashboard.model.sorting import Spikes, SpikeSorting

logger = logging.getLogger(__name__)


def _few_spikes() -> SpikeColumns:
    """Return columns of the types that every real sorting has, with little in them."""
    insertion = InsertionRef("warmup", "2000-01-01", 1, "probe00")
    ref = SortingRef(insertion, "alf/probe00", Choice("", ""), Choice("", ""))
    n_spikes = 4096
    times = np.arange(n_spikes) / 8
    depths = np.arange(n_spikes) * 0.9
    clusters = np.arange(n_spikes, dtype=np.uint32) % 8
    spikes = Spikes(times, clusters, depths, np.full(n_spikes, 1e-4))
    return build_columns(SpikeSorting(ref, spikes, pd.DataFrame(index=range(8)), pd.DataFrame(), Histology.NONE))


def compile_kernels() -> None:
    """Run every kernel once, with the types that sortings have. A second start loads them from numba's cache."""
    started = time.perf_counter()
    columns = _few_spikes()
    categories = np.arange(8, dtype=np.int32) % 3
    few, limits = np.array([3]), (0.0, 1e3)
    half = kept_spikes(columns, np.arange(8) % 2 == 0)
    half_limited = kept_spikes(columns, half.ids, limits)
    for size in (8, 512):  # dense and sparse pictures take different kernels
        aggregate(columns, width=size, height=size)
        for _ in range(3):  # a filter that comes back has its spikes set apart
            aggregate(columns, width=size, height=size, kept=half)
        aggregate(columns, width=size, height=size, kept=kept_spikes(columns, few, limits))
        for kind in ("amp_mean", "amp_max", "label"):
            aggregate(columns, width=size, height=size, kind=kind, categories=categories)
    aggregate(columns, (0.0, 512.0), (0.0, 4096.0), 1, 8, snap=True)
    for size in (8, 512):
        aggregate(columns, width=size, height=size, kind="rate", snap=True)
        aggregate(columns, width=size, height=size, kept=half, snap=True)
        aggregate(columns, width=size, height=size, kept=half_limited, snap=True)
    window = lay_window(columns, linear_edges((0.0, 512.0), 1), np.arange(0.0, 4097.0, 4.0))
    count_window(columns, window, columns.everything, None, None)
    aggregate_units(columns, few, width=8, height=8)
    unit_raster(columns, few, width=8)
    for kind in ("count", "rate", "amp_mean"):
        drawn = aggregate(columns, width=8, height=8, kind=kind).values
        for scale in ("linear", "log"):
            for high in (1.0, 1e6):
                spread_levels(level_image(drawn, (0.0, high), scale), 1)
    for unsigned in (np.uint8, np.uint16, np.uint32):  # the narrowest that holds the counts
        level_image(np.zeros((8, 8), dtype=unsigned), (0.0, 1.0), "linear")
    firing_rate(columns, 1.0, 100.0)
    population_rate(columns, 1.0, kept=half)
    depth_profile(columns, 100.0)
    cluster_counts(columns, depth_range=(0.0, 100.0))
    count_in(columns, (0.0, 1.0), (0.0, 1.0))
    count_in(columns, (0.0, 1.0), (0.0, 1.0), kept=half)
    spikes_in(columns, (0.0, 1.0), (0.0, 1.0))
    logger.info("kernels ready in %.1f s", time.perf_counter() - started)

"""Compile the kernels of units and events before anyone waits for them."""

from __future__ import annotations

import logging
import time

import numpy as np

from dashboard.analysis.change.spans import compare_spans
from dashboard.analysis.compare.matching import SortedSpikes
from dashboard.analysis.compare.units import compare_units
from dashboard.analysis.events.align import Selection, align_spikes, psth, usable_events
from dashboard.analysis.events.maps import depth_rows, event_map
from dashboard.analysis.events.responses import response_test
from dashboard.analysis.units.correlograms import autocorrelogram, crosscorrelogram
from dashboard.analysis.units.isi import refractory_test

logger = logging.getLogger(__name__)


def compile_unit_kernels() -> None:
    """Run every kernel once with the types that sortings have; a second start loads them from numba's cache."""
    started = time.perf_counter()
    times = np.arange(64) / 16
    depths = times * 100
    events = usable_events([1.0, 2.0])
    autocorrelogram(times)
    crosscorrelogram(times, times)
    refractory_test(times)
    keep = np.ones(4, dtype=np.bool_)
    # Memory maps and columns have their ids in 16 or 32 bits.
    for dtype in (np.uint16, np.uint32):
        ids = (np.arange(64) % 4).astype(dtype)
        selection = Selection.of(times, clusters=ids, keep=keep, depths_um=depths, depth_range_um=(0.0, 200.0))
        psth(selection, events)
        align_spikes(selection, events)
        event_map(selection, events, depth_rows((0.0, 400.0)))
        response_test(times, ids, 4, events)
        compare_spans(times, ids, 4, (0.0, 1.0), (2.0, 3.0), depths_um=depths)
        spikes = SortedSpikes.of(times, ids, depths, 4)
        compare_units(spikes, spikes)
    logger.info("kernels of units and events ready in %.1f s", time.perf_counter() - started)

"""Small sortings for the engine's tests, and numpy's answers to compare with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from hypothesis import strategies as st

from dashboard.engine.build import SpikeColumns, build_columns
from dashboard.model.references import Choice, DatasetRef, Histology, InsertionRef, SortingRef
from dashboard.model.sorting import Spikes, SpikeSorting
from dashboard.sources.alf.identity import identity_of

N_CLUSTERS = 12


def make_sorting(
    times_s: npt.ArrayLike,
    depths_um: npt.ArrayLike | None,
    clusters: npt.ArrayLike | None = None,
    amps_v: npt.ArrayLike | None = None,
    datasets: dict[str, DatasetRef] | None = None,
    cluster_depths: npt.ArrayLike | None = None,
    amps_are_volts: bool = True,
) -> SpikeSorting:
    """Return a sorting of these spikes; nothing else in it matters to the engine."""
    times = np.asarray(times_s, dtype=np.float64) if not isinstance(times_s, np.ndarray) else times_s
    ids = np.zeros(len(times), np.uint32) if clusters is None or not len(times) else np.asarray(clusters)
    n_clusters = max(N_CLUSTERS, int(ids.max()) + 1 if len(ids) else 0)
    depths = np.arange(n_clusters) * 10.0 if cluster_depths is None else np.asarray(cluster_depths)
    ref = SortingRef(
        InsertionRef("mouse", "2020-01-01", 1, "probe00"),
        "alf/probe00",
        Choice("", ""),
        Choice("", ""),
        datasets or {},
    )
    spikes = Spikes(times, ids, None if depths_um is None else np.asarray(depths_um), amps_v)
    table = pd.DataFrame({"depths": depths}, index=pd.RangeIndex(len(depths)))
    return SpikeSorting(
        ref, spikes, table, pd.DataFrame(), Histology.NONE, amps_are_volts=amps_are_volts, identity=identity_of(ref)
    )


def write_sorting(folder: Path, **arrays: npt.NDArray[Any]) -> SpikeSorting:
    """Write ``times``, ``depths``, ``clusters``, ``amps`` as files and return a sorting of their memory maps."""
    folder.mkdir(parents=True, exist_ok=True)
    datasets, mapped = {}, {}
    for name, array in arrays.items():
        path = folder / f"spikes.{name}.npy"
        np.save(path, array)
        datasets[f"spikes.{name}"] = DatasetRef("spikes", name, "npy", "alf/probe00", path=path)
        mapped[name] = np.load(path, mmap_mode="r")
    return make_sorting(mapped["times"], mapped.get("depths"), mapped["clusters"], mapped.get("amps"), datasets)


def random_columns(seed: int, n_spikes: int, lowest: float = 20.0, highest: float = 3800.0) -> SpikeColumns:
    """Return columns whose times and depths are drawn freely, on a grid, or both."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 100, n_spikes))
    depths = rng.uniform(lowest, highest, n_spikes)
    style = rng.integers(0, 4)
    if style == 1:  # on whole micrometres and tenths of seconds: many spikes on edges
        times, depths = np.round(times, 1), np.round(depths)
    elif style == 2:  # on the lattice of the index
        depths = np.round(depths / 4) * 4
    elif style == 3:  # many at once
        times = np.sort(rng.choice(times[: max(1, n_spikes // 20)], n_spikes)) if n_spikes else times
    clusters = rng.integers(0, N_CLUSTERS, n_spikes).astype(np.uint32)
    return build_columns(make_sorting(times, depths, clusters, rng.lognormal(-9.2, 0.5, n_spikes)))


def numpy_counts(
    columns: SpikeColumns,
    depth_edges: npt.NDArray[np.float64],
    time_edges: npt.NDArray[np.float64],
    mask: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.float64]:
    """Return ``numpy.histogram2d`` of the spikes, or of those in `mask`."""
    mask = np.ones(columns.n_spikes, bool) if mask is None else mask
    return np.histogram2d(columns.depths_um[mask], columns.times_s[mask], [depth_edges, time_edges])[0]


def pixel_of(values: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the bin of each value as numpy's histograms have it; -1 outside."""
    pixels = np.searchsorted(edges, values, "right") - 1
    pixels[values == edges[-1]] = len(edges) - 2
    pixels[(values < edges[0]) | (values > edges[-1])] = -1
    return pixels


@st.composite
def windows(draw: st.DrawFn, columns: SpikeColumns) -> dict[str, Any]:
    """Draw a window and a size; its ends are free, on spikes, or on round numbers."""

    def ends(values: npt.NDArray[np.float64], low: float, high: float) -> tuple[float, float]:
        end = st.one_of(
            st.floats(low, high, allow_nan=False),
            st.integers(int(low), int(high)).map(float),
            *([st.integers(0, len(values) - 1).map(lambda i: float(values[i]))] if len(values) else []),
        )
        a, b = draw(st.tuples(end, end).filter(lambda pair: abs(pair[0] - pair[1]) > 1e-6))
        return min(a, b), max(a, b)

    low, high = columns.depth_range_um
    return {
        "time_range": ends(columns.times_s, -5, 105),
        "depth_range": ends(columns.depths_um, low - 50, high + 50),
        "width": draw(st.integers(1, 60)),
        "height": draw(st.integers(1, 60)),
    }

"""Building the columns of a sorting, once, and finding them again."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.clock import TimeTicks, clock, fill_ticks
from dashboard.engine.columns.columns import LazyIndexes, SpikeColumns, read_only
from dashboard.engine.columns.depths import depth_grid, encode, scan
from dashboard.engine.columns.ranks import RankIndex, index_ranks, rank_shape
from dashboard.engine.columns.unit_index import MAX_SPIKES, UnitIndex, code_ranges, index_units
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.raster import overview
from dashboard.model.errors import Cancelled, DatasetInvalid
from dashboard.model.progress import Progress, ProgressCallback, ignore_progress
from dashboard.model.sidecars import Draft, kept, sidecar_key
from dashboard.model.sorting import SpikeSorting

__all__ = ["SpikeColumns", "build_columns"]

logger = logging.getLogger(__name__)

#: Spikes per block while building: 8 MB of float64, so that no second full-size copy exists.
BLOCK = 1 << 20
#: A cluster id above this is a mistake in the file; tables by id would fill the memory.
MAX_CLUSTER_ID = 1 << 24


class _Source:
    """Columns of a sorting, converted block by block."""

    def __init__(self, sorting: SpikeSorting) -> None:
        spikes = sorting.spikes
        self.n_spikes = len(spikes)
        self.times = spikes.times_s.reshape(-1)
        self.clusters = spikes.clusters.reshape(-1)
        self.depths = None if spikes.depths_um is None else spikes.depths_um.reshape(-1)
        self.amps = None if spikes.amps_v is None else spikes.amps_v.reshape(-1)
        self.amp_scale = sorting.amp_scale
        self.has_negative_amps = sorting.n_negative_amps > 0
        self.sorting = sorting
        self.n_units = len(sorting.clusters)
        self.by_unit = np.append(sorting.unit_depths_um, np.nan)  # the last is of ids beyond the units
        self.is_filled = self.depths is None
        self.is_placed = True
        self.paths = [Path(file.path) for file in sorting.identity.files] if sorting.identity is not None else []
        lengths = {len(a) for a in (self.times, self.clusters, self.depths, self.amps) if a is not None}
        if len(lengths) > 1:
            raise DatasetInvalid("Columns of spikes have different lengths", self.paths)
        if self.n_spikes > MAX_SPIKES:
            raise DatasetInvalid(f"More than {MAX_SPIKES} spikes", self.paths)

    def block_times(self, rows: slice | npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return read_only(np.ascontiguousarray(self.times[rows], dtype=np.float64))

    def block_depths(self, rows: slice | npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        if not self.is_placed:
            return read_only(np.zeros(self.times[rows].shape[0]))
        own = None if self.depths is None else np.ascontiguousarray(self.depths[rows], dtype=np.float64)
        if own is not None and (is_own := np.isfinite(own)).all():
            return read_only(own)
        units = self.block_units(rows)
        if units.shape[0] and not (int(units.min()) >= 0 and int(units.max()) < self.n_units):
            units = np.where((units >= 0) & (units < self.n_units), units.astype(np.int64), -1)
        of_units = self.by_unit[units]
        self.is_filled = True
        return read_only(of_units if own is None else np.where(is_own, own, of_units))

    def block_units(self, rows: slice | npt.NDArray[np.int64]) -> npt.NDArray[np.integer[Any]]:
        units = self.sorting.unit_indexes(rows).reshape(-1)
        return (
            units if units.dtype.kind in "iu" else units.astype(np.int64)
        )  # some files have ids as fractional numbers

    def count_units(self) -> int:
        """Return the length of tables by unit: the units, and those that only the spikes name."""
        if not self.sorting.spikes_have_indexes:
            return self.n_units
        ids = np.asarray(self.clusters)
        lowest, largest = (int(ids.min()), int(ids.max())) if ids.shape[0] else (0, -1)
        if lowest < 0 or largest > MAX_CLUSTER_ID:
            wrong = lowest if lowest < 0 else largest
            raise DatasetInvalid(f"A cluster id of spikes.clusters cannot be right ({wrong})", self.paths)
        return max(largest + 1, self.n_units)


def _blocks(n_spikes: int) -> list[slice]:
    return [slice(start, min(start + BLOCK, n_spikes)) for start in range(0, n_spikes, BLOCK)]


def _usable(array: npt.NDArray[Any]) -> bool:
    """Whether kernels can read an array where it is."""
    return array.dtype == np.float64 and array.dtype.isnative and array.flags.c_contiguous and array.flags.aligned


class _Build:
    """One run of the builder: reports progress, listens for cancellation."""

    def __init__(self, draft: Draft, progress: ProgressCallback, cancel: threading.Event | None, total: int) -> None:
        self.draft, self.progress, self.cancel, self.total, self.done = draft, progress, cancel, total, 0

    def step(self, n_spikes: int) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled("Preparing the spikes was cancelled")
        self.done += n_spikes
        self.progress(Progress("preparing spikes", self.done, self.total, "spikes"))


def _choose_rows(source: _Source, build: _Build) -> tuple[npt.NDArray[np.int64] | None, tuple[float, float]]:
    """Return the file rows to keep, in order of time (None: all, as they are), and the range of depths."""
    state = np.array([-np.inf, np.inf, -np.inf])
    n_good = steps_back = 0
    for block in _blocks(source.n_spikes):
        good, _, _, back = scan(source.block_times(block), source.block_depths(block), state)
        n_good += good
        steps_back += back
        build.step(block.stop - block.start)
    if not n_good and source.is_placed and np.isfinite(source.times).any():
        source.is_placed = False  # nothing has a depth: views that need none show all
        return _choose_rows(source, build)
    extremes = (float(state[1]), float(state[2])) if n_good else (0.0, 0.0)
    if n_good == source.n_spikes and not steps_back:
        return None, extremes
    rows = np.empty(n_good, dtype=np.int64)
    filled = 0
    for block in _blocks(source.n_spikes):
        good_rows = np.flatnonzero(np.isfinite(source.block_times(block)) & np.isfinite(source.block_depths(block)))
        rows[filled : filled + good_rows.shape[0]] = good_rows + block.start
        filled += good_rows.shape[0]
    if steps_back:
        rows = rows[np.argsort(source.block_times(rows), kind="stable")]
    return rows, extremes


def _compose(source: _Source, build: _Build) -> tuple[SpikeColumns, dict[str, Any]]:
    """Fill the draft and return the columns with the facts that the manifest has to keep."""
    draft = build.draft
    rows, extremes = _choose_rows(source, build)
    grid = depth_grid(*extremes)
    n = source.n_spikes if rows is None else int(rows.shape[0])
    keep_times = rows is None and _usable(source.times)
    keep_depths = (
        rows is None and source.is_placed and not source.is_filled and source.depths is not None
        and _usable(source.depths)
    )  # fmt: skip
    times = source.times if keep_times else draft.allocate("times", (n,), np.float64)
    depths = source.depths if keep_depths else draft.allocate("depths", (n,), np.float64)
    assert depths is not None
    n_clusters = source.count_units()
    codes = draft.allocate("codes", (n,), np.uint16)
    fines = draft.allocate("fines", (n,), np.uint16)
    clusters = draft.allocate("clusters", (n,), np.uint16 if n_clusters <= 1 << 16 else np.uint32)
    amps = None if source.amps is None else draft.allocate("amps", (n,), np.float32)
    for block in _blocks(n):
        chosen = block if rows is None else rows[block]
        block_depths = source.block_depths(chosen)
        written = (codes[block].view(np.ndarray), fines[block].view(np.ndarray))
        encode(block_depths, 1.0 / grid.step_um, grid.origin_code, *written)
        if not keep_depths:
            depths[block] = block_depths
        if not keep_times:
            times[block] = source.block_times(chosen)
        clusters[block] = source.block_units(chosen)
        if amps is not None and source.amps is not None:
            with np.errstate(over="ignore"):  # what is beyond float32 is infinite, and no amplitude
                own = source.amps[chosen]
                amps[block] = own if source.amp_scale == 1.0 else np.asarray(own, np.float64) * source.amp_scale
                if source.has_negative_amps:
                    np.abs(amps[block], out=amps[block])
        build.step(block.stop - block.start)
    draft.write("times", "depths", "codes", "fines", "clusters", "amps")
    n_ticks, first_tick, ticks_per_s = clock(times)
    starts = draft.allocate("ticks", (n_ticks,), np.uint32)
    if n_ticks:
        fill_ticks(read_only(times), first_tick, ticks_per_s, starts.view(np.ndarray))
    if rows is not None:
        draft.allocate("rows", (n,), np.int64)[:] = rows
    order = draft.allocate("order", (n,), np.uint32)
    units = index_units(read_only(clusters), n_clusters, order.view(np.ndarray))
    draft.allocate("code_ranges", (n_clusters, 2), np.int32)[:] = code_ranges(
        read_only(codes), read_only(clusters), n_clusters
    )
    draft.allocate("offsets", units.offsets.shape, np.int64)[:] = units.offsets
    draft.write("order")
    build.step(n)
    before = draft.allocate("ranks", rank_shape(n, grid.n_codes), np.uint32)
    ranks = index_ranks(read_only(codes), read_only(depths), grid, before.view(np.ndarray))
    draft.allocate("edge_offsets", ranks.edge_offsets.shape, np.int64)[:] = ranks.edge_offsets
    draft.allocate("edge_order", ranks.edge_order.shape, np.uint32)[:] = ranks.edge_order
    build.step(n)
    facts = {
        "origin_um": grid.origin_um,
        "step_um": grid.step_um,
        "n_codes": grid.n_codes,
        "n_clusters": n_clusters,
        "amp_unit": "uV" if source.amp_scale != 1.0 else "a.u.",
        "n_spikes": n,
        "is_placed": source.is_placed,
        "first_tick": first_tick,
        "ticks_per_s": ticks_per_s,
        "lowest_um": extremes[0],
        "highest_um": extremes[1],
    }
    columns = _assemble(draft.arrays, facts, source)
    if draft.folder is not None and source.is_placed:
        picture = overview(columns)
        draft.allocate("overview", picture.values.shape, picture.values.dtype)[:] = picture.values
        draft.allocate("overview_times", picture.time_edges_s.shape, np.float64)[:] = picture.time_edges_s
        draft.allocate("overview_depths", picture.depth_edges_um.shape, np.float64)[:] = picture.depth_edges_um
    return columns, facts


def _assemble(arrays: dict[str, npt.NDArray[Any]], facts: dict[str, Any], source: _Source) -> SpikeColumns:
    """Return columns over built or mapped arrays; what is not among them is read where it was."""
    depths = arrays.get("depths", source.depths)
    assert depths is not None
    lazy = LazyIndexes()
    n_spikes = int(facts["n_spikes"])
    lazy.values["unit_index"] = UnitIndex(read_only(arrays["offsets"]), read_only(arrays["order"]))
    if "overview" in arrays:
        edges = (read_only(arrays["overview_times"]), read_only(arrays["overview_depths"]))
        lazy.values["overview"] = Aggregate(read_only(arrays["overview"]), *edges, "count", "spikes", n_spikes)
    lazy.values["ticks"] = TimeTicks(
        read_only(arrays["ticks"]), float(facts["first_tick"]), float(facts["ticks_per_s"])
    )
    lazy.values["code_ranges"] = read_only(arrays["code_ranges"])
    lazy.values["rank_index"] = RankIndex(
        read_only(arrays["ranks"]), read_only(arrays["edge_offsets"]), read_only(arrays["edge_order"])
    )
    lazy.values["depth_range"] = (float(facts["lowest_um"]), float(facts["highest_um"]))
    return SpikeColumns(
        times_s=read_only(arrays.get("times", source.times)),
        depths_um=read_only(depths),
        depth_codes=read_only(arrays["codes"]),
        depth_fines=read_only(arrays["fines"]),
        clusters=read_only(arrays["clusters"]),
        amps_uv=read_only(arrays["amps"]) if "amps" in arrays else None,
        depth_origin_um=float(facts["origin_um"]),
        depth_step_um=float(facts["step_um"]),
        n_codes=int(facts["n_codes"]),
        n_clusters=int(facts["n_clusters"]),
        spike_rows=read_only(arrays["rows"]) if "rows" in arrays else None,
        amp_unit=str(facts["amp_unit"]),
        is_placed=bool(facts.get("is_placed", True)),  # columns of older versions always are
        lazy=lazy,
    )


def build_columns(
    sorting: SpikeSorting,
    cache: Path | None = None,
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> SpikeColumns:
    """Return the columns of `sorting`, mapped from the cache or built, and then kept there.

    Spikes without a depth take that of their unit (`SpikeSorting.unit_depths_um`). Spikes without a finite time, or
    still without a depth, are left out; where no spike has a depth all are kept, at zero, and are not placed. Times
    that are not sorted are sorted, stably.

    Parameters
    ----------
    sorting : SpikeSorting
    cache : Path or None
        Root of the cache; files lie in ``columns/<key>`` below it. None: in memory. Where the cache
        cannot be written the columns are built in memory and a warning is logged.
    progress : callable
    cancel : threading.Event or None

    Returns
    -------
    SpikeColumns

    Raises
    ------
    Cancelled
    DatasetInvalid
        Where columns differ in length or a cluster id cannot be right.
    """
    source = _Source(sorting)
    key = None if cache is None else sidecar_key(sorting)
    if cache is None or key is None:
        return _in_memory(source, progress, cancel)

    def make(draft: Draft) -> dict[str, Any]:
        started = time.perf_counter()
        _, facts = _compose(source, _Build(draft, progress, cancel, 4 * source.n_spikes))
        logger.info("prepared %d spikes in %.2f s", facts["n_spikes"], time.perf_counter() - started)
        return facts

    return _assemble(*kept(cache / "columns", key, make), source)


def _in_memory(source: _Source, progress: ProgressCallback, cancel: threading.Event | None) -> SpikeColumns:
    return _compose(source, _Build(Draft(None), progress, cancel, 4 * source.n_spikes))[0]

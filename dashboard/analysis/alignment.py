"""Spikes around an event of the trials: trials in groups, their rates, and the population's map."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.analysis.computed import value_of
from dashboard.analysis.events.align import (
    PSTH_BIN_S,
    RASTER_BIN_S,
    WINDOW_S,
    Range,
    Selection,
    bin_edges,
    usable_events,
)
from dashboard.analysis.events.maps import (
    BASELINE_S,
    DEPTH_BIN_UM,
    TIME_BIN_S,
    EventMap,
    depth_rows,
    event_map,
    span_of,
)
from dashboard.analysis.events.picture import EventPicture, GroupPicture, TrialCounts
from dashboard.analysis.events.trials import brainwide_mask, event_times, split_trials
from dashboard.analysis.inputs import select_spikes
from dashboard.engine.build import SpikeColumns
from dashboard.model.errors import BadRequest, Cancelled
from dashboard.model.sorting import SpikeSorting


@dataclass(frozen=True, slots=True)
class EventBins:
    """Bins and windows, in s and um; the defaults are IBL's."""

    window_s: Range = WINDOW_S
    psth_bin_s: float = PSTH_BIN_S
    raster_bin_s: float = RASTER_BIN_S
    baseline_s: Range = BASELINE_S
    map_bin_s: float = TIME_BIN_S
    map_bin_um: float = DEPTH_BIN_UM


DEFAULT_BINS = EventBins()


def align(
    sorting: SpikeSorting,
    columns: SpikeColumns,
    selection: Selection,
    subject: str,
    event: str,
    split: str = "none",
    *,
    bins: EventBins = EventBins(),
    is_masked: bool = True,
    is_single: bool = False,
    passing: npt.NDArray[np.bool_] | None = None,
    amp_range_uv: Range | None = None,
    map_key: tuple[object, ...] = (),
    before: EventPicture | None = None,
    cancel: threading.Event | None = None,
) -> EventPicture:
    """Align spikes, and those of the whole population, to an event; they are counted when they are first read.

    Parameters
    ----------
    sorting : SpikeSorting
        With trials.
    columns : SpikeColumns
    selection : Selection
        The spikes to align.
    subject : str
        Whose they are, in words.
    event, split : str
        Names of `dashboard.analysis.events.trials.EVENTS` and ``SPLITS``.
    bins : EventBins
    is_masked : bool
        Whether only trials of the brain-wide map are used.
    is_single : bool
        Whether the spikes are those of one unit.
    passing : ndarray, shape (n_clusters,), bool, or None
        Units of the map; None: all.
    amp_range_uv : (float, float) or None
        Limits of single spikes, for the map.
    map_key : tuple
        What the map depends on.
    before : EventPicture or None
        The last picture: its map is used again where its key is the same.
    cancel : threading.Event or None
        Once it is set, what is not counted yet raises `Cancelled`.

    Raises
    ------
    BadRequest
        There are no trials, the table lacks a column, or bins make no sense.
    Cancelled
        `cancel` was set.
    """
    if sorting.trials is None:
        raise BadRequest("There are no trials to align to")
    trials = sorting.trials.table
    times = event_times(trials, event)
    mask = brainwide_mask(trials) if is_masked else np.ones(len(trials), dtype=np.bool_)
    events = usable_events(times, bins.window_s, columns.time_range_s, mask)
    _check(cancel)
    edges, fine = bin_edges(bins.psth_bin_s, bins.window_s), bin_edges(bins.raster_bin_s, bins.window_s)
    counts = TrialCounts(selection, events, edges, fine, cancel)
    groups = []
    n_grouped = 0
    for group in split_trials(trials, split, mask):
        rows = group.mask[events.trials]
        n_grouped += int(rows.sum())
        if rows.any():
            groups.append(GroupPicture(group, events.trials[rows], counts, rows))
    known: EventMap | None = value_of(before, "map") if before is not None and before.map_key == map_key else None

    def make_map() -> EventMap:
        _check(cancel)
        return population_map(columns, times, mask, bins, passing, amp_range_uv) if known is None else known

    return EventPicture(
        subject,
        tuple(groups),
        fine,
        events,
        len(trials),
        int(np.count_nonzero(~mask)),
        len(events) - n_grouped,
        is_single,
        make_map,
        map_key,
        event,
        split,
    )


def population_map(
    columns: SpikeColumns,
    times_s: npt.NDArray[np.float64],
    mask: npt.NDArray[np.bool_],
    bins: EventBins,
    passing: npt.NDArray[np.bool_] | None = None,
    amp_range_uv: Range | None = None,
) -> EventMap:
    """Return the rate by depth around an event of all units that pass the filters, z-scored on the baseline."""
    events = usable_events(times_s, span_of(bins.window_s, bins.baseline_s), columns.time_range_s, mask)
    return event_map(
        select_spikes(columns, passing, amp_range_uv=amp_range_uv),
        events,
        depth_rows(columns.depth_range_um, bins.map_bin_um),
        bin_s=bins.map_bin_s,
        window_s=bins.window_s,
        baseline_s=bins.baseline_s,
    )


def _check(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled

"""One look at an event: trials in groups, their rates, and the population's map; and how rows of trials are drawn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.analysis.computed import Computed
from dashboard.analysis.events.align import EventTimes, Psth, Selection, count_around, psth_of_counts
from dashboard.analysis.events.maps import EventMap
from dashboard.analysis.events.trials import TrialGroup
from dashboard.model.errors import Cancelled
from dashboard.model.texts import counted

RASTER_ROWS = 200
"""Rows of pixels of the raster: of more trials, some share a row."""

OUTER_PCT = (1.0, 99.5)
"""Percentiles of the counts of many units between which the raster's opacity runs."""


@dataclass(frozen=True, eq=False)
class TrialCounts:
    """Spikes around each event that can be used, counted when they are first read.

    Attributes
    ----------
    selection : Selection
    events : EventTimes
    psth_edges_s, raster_edges_s : ndarray, shape (n_bins + 1,), float64
    cancel : threading.Event or None
        Once it is set, what is not counted yet raises `Cancelled`.
    """

    selection: Selection
    events: EventTimes
    psth_edges_s: npt.NDArray[np.float64]
    raster_edges_s: npt.NDArray[np.float64]
    cancel: threading.Event | None = None

    @Computed
    def psth(self) -> npt.NDArray[np.uint32]:
        """Spikes per trial and bin of the rates."""
        return self._count(self.psth_edges_s)

    @Computed
    def raster(self) -> npt.NDArray[np.uint32]:
        """Spikes per trial and bin of the raster."""
        return self._count(self.raster_edges_s)

    def _count(self, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.uint32]:
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled
        return count_around(self.selection, self.events, edges)


@dataclass(frozen=True, eq=False)
class GroupPicture:
    """Trials of one group; its length is how many there are.

    Attributes
    ----------
    group : TrialGroup
    trials : ndarray, shape (n_trials,), int64
        Their rows in the trials table.
    of_all : TrialCounts
        Spikes of the trials of all groups.
    rows : ndarray, shape (n_events,), bool
        The group's own among these.
    """

    group: TrialGroup
    trials: npt.NDArray[np.int64]
    of_all: TrialCounts
    rows: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.trials)

    @Computed
    def counts(self) -> npt.NDArray[np.uint32]:
        """Spikes per trial and bin of the raster, in order of trials, shape (n_trials, n_bins)."""
        return self.of_all.raster[self.rows]

    @Computed
    def psth(self) -> Psth:
        """Mean rate over the trials."""
        return psth_of_counts(self.of_all.psth[self.rows], self.of_all.psth_edges_s)


@dataclass(frozen=True, eq=False)
class EventPicture:
    """Everything of one look at the tab; counts and map are computed when they are first read.

    Attributes
    ----------
    subject : str
        In words.
    groups : tuple of GroupPicture
    raster_edges_s : ndarray, shape (n_bins + 1,), float64
    events : EventTimes
    n_trials, n_masked : int
        All trials of the session; those that the mask leaves out.
    n_unsplit : int
        Trials that lack the value split by.
    is_single : bool
        Whether the spikes are those of one unit.
    make_map : callable () -> EventMap
    map_key : tuple
        What the map depends on.
    event, split : str
        What the spikes are aligned to, and trials are split by.
    """

    subject: str
    groups: tuple[GroupPicture, ...]
    raster_edges_s: npt.NDArray[np.float64]
    events: EventTimes
    n_trials: int
    n_masked: int
    n_unsplit: int
    is_single: bool
    make_map: Callable[[], EventMap]
    map_key: tuple[object, ...]
    event: str = ""
    split: str = "none"

    @Computed
    def map(self) -> EventMap:
        """Rate by depth of all units that pass the filters, as z-scores."""
        return self.make_map()

    def trial_at(self, y: float) -> int | None:
        """Return the row, in the trials table, of the trial drawn at a height of the raster; None outside."""
        order = np.concatenate([group.trials for group in self.groups]) if self.groups else np.zeros(0, np.int64)
        return int(order[int(y)]) if 0 <= y < len(order) else None

    def trials_text(self, event: str) -> str:
        """Return how many trials are used, and what became of the others."""
        asides = []
        if self.n_masked:
            asides.append(f"{self.n_masked:,} left out by the mask")
        if self.events.n_missing:
            asides.append(f"{self.events.n_missing:,} without {event}")
        if self.events.n_outside:
            asides.append(f"{self.events.n_outside:,} reach beyond the recording")
        if self.n_unsplit:
            asides.append(f"{self.n_unsplit:,} without a value to split by")
        n_used = len(self.events) - self.n_unsplit
        return f"{n_used:,} of {counted(self.n_trials, 'trial')}" + (f" ({'; '.join(asides)})" if asides else "")


def pooled(counts: npt.NDArray[np.uint32], per_row: int, *, is_single: bool) -> npt.NDArray[np.float64]:
    """Gather trials into rows: the largest count of a unit, so that none of its spikes is lost; else the mean."""
    starts = np.arange(0, len(counts), per_row)
    if is_single:
        return np.maximum.reduceat(counts, starts, axis=0).astype(np.float64)
    sizes = np.diff(np.append(starts, len(counts)))
    return np.add.reduceat(counts.astype(np.float64), starts, axis=0) / sizes[:, np.newaxis]


def trials_per_row(n_trials: int) -> int:
    """Return how many trials share a row of the raster."""
    return max(1, -(-n_trials // RASTER_ROWS))


def pooled_groups(groups: tuple[GroupPicture, ...], *, is_single: bool) -> list[npt.NDArray[np.float64]]:
    """Return the rows of each group as they are drawn."""
    per_row = trials_per_row(sum(map(len, groups)))
    return [pooled(group.counts, per_row, is_single=is_single) for group in groups]


def raster_limits(rows: list[npt.NDArray[np.float64]], *, is_single: bool) -> tuple[float, float]:
    """Return the counts that are transparent and opaque: of a unit none and the most, else the outer percentiles."""
    values = np.concatenate([row.ravel() for row in rows]) if rows else np.zeros(0)
    most = max(float(values.max(initial=0.0)), 1.0)
    if is_single or not values.size:
        return 0.0, most
    low, high = (float(limit) for limit in np.percentile(values, OUTER_PCT))
    return (low, high) if high > low else (0.0, most)


def theme_ink(colour: str, *, dark: bool) -> str:
    """Return a colour that shows in the theme: greys are turned round in the dark, colours stay."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    if dark and max(red, green, blue) - min(red, green, blue) < 24:
        red, green, blue = 255 - red, 255 - green, 255 - blue
    return f"#{red:02x}{green:02x}{blue:02x}{colour[7:]}"

"""A raster of the spikes that have arrived, while the rest is still being downloaded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import panel as pn
from bokeh.models import ColumnDataSource, LinearColorMapper, Range1d

from dashboard.engine.count.levels import STANDARD_DEVIATIONS, TOP_LEVEL, level_image
from dashboard.model.arrival import Arrived
from dashboard.model.texts import counted
from dashboard.page.core import shading
from dashboard.page.core.bokeh_figures import plain, time_ticks
from dashboard.page.core.panes import html_pane


@dataclass(frozen=True, slots=True, eq=False)
class ArrivalPicture:
    """Levels of what has come, and where they lie."""

    image: npt.NDArray[np.uint8]
    start_s: float
    width_s: float
    expected_s: float
    n_spikes: int
    n_total: int


def draw(counted: ArrivalCounts) -> ArrivalPicture:
    """Return the picture of what has come."""
    seen_s = counted.last_s - counted.first_s
    n_seen = min(int(seen_s / counted.time_bin_s) + 1, counted.counts.shape[1]) if counted.time_bin_s else 0
    seen = counted.counts[:, :n_seen]
    top = max(STANDARD_DEVIATIONS * float(seen.std()) if seen.size else 1.0, 1.0)
    return ArrivalPicture(
        level_image(seen, (0.0, top), "linear"),
        counted.first_s,
        n_seen * counted.time_bin_s,
        max(counted.expected_s, n_seen * counted.time_bin_s),
        counted.n_spikes,
        counted.n_total,
    )


class ArrivingView:
    """The figure with a line that says how much of it is there."""

    def __init__(self) -> None:
        self._words = html_pane(margin=(4, 16))
        self.panel: Any = pn.Column(self._words, sizing_mode="stretch_width", margin=0, visible=False)

    def _make_figure(self) -> None:
        """Put the figure into the panel: not before spikes arrive, for most pages never need it."""
        self._time = Range1d(0, 60)
        self.figure = plain(
            x_range=self._time,
            y_range=Range1d(0, DEPTH_TOP_UM),
            name="arriving",
            x_axis_label="Time (s)",
            y_axis_label="Depth (µm)",
            height=240,
            sizing_mode="stretch_width",
        )
        self.figure.xaxis.formatter = time_ticks()
        self._mapper = LinearColorMapper(
            palette=list(shading.palette("binary", dark=False)), low=1, high=TOP_LEVEL, low_color="#00000000"
        )
        self._source = ColumnDataSource(
            {"image": [np.zeros((1, 1), np.uint8)], "x": [0.0], "y": [0.0], "dw": [1.0], "dh": [1.0]}
        )
        self.figure.image("image", "x", "y", "dw", "dh", source=self._source, color_mapper=self._mapper)
        self.panel.append(pn.pane.Bokeh(self.figure, sizing_mode="stretch_width", margin=0))

    def show(self, picture: ArrivalPicture, *, dark: bool) -> None:
        """Show what has come so far."""
        if len(self.panel) == 1:
            self._make_figure()
        self._mapper.palette = list(shading.palette("binary", dark=dark))
        self._time.update(start=picture.start_s, end=picture.start_s + (picture.expected_s or 1.0))
        self._source.data = {
            "image": [picture.image],
            "x": [picture.start_s],
            "y": [0.0],
            "dw": [picture.width_s],
            "dh": [picture.image.shape[0] * DEPTH_BIN_UM],
        }
        self._words.object = (
            f'<div class="arriving"><b>Incomplete:</b> {picture.n_spikes:,} of {counted(picture.n_total, "spike")} '
            "so far, "
            "files not yet verified</div>"
        )
        self.panel.visible = True

    def hide(self) -> None:
        """The download has ended, one way or the other."""
        self.panel.visible = False


#: The first spikes may come in a burst: finer bins than these would be too many for a session.
MIN_TIME_BIN_S = 0.02
#: Bins that the whole session is expected to take; the first estimate of its length settles their width.
TIME_BINS = 1200


DEPTH_BIN_UM = 10.0


DEPTH_TOP_UM = 4000.0


class ArrivalCounts:
    """Exact counts of the spikes that have come so far, in bins that stay.

    Attributes
    ----------
    counts : ndarray, shape (n_depth_bins, n_time_bins), uint32
        Row 0 is the lowest depth; spikes outside 0 to 4000 um, or without a time or depth, are left out.
    time_bin_s : float
        0 until the first spikes have come.
    n_spikes : int
        Spikes that have come, those left out included.
    n_total : int
        How many there will be.
    first_s, last_s : float
        Times of the first and the last one; bins start at the first.
    """

    def __init__(self) -> None:
        self.counts = np.zeros((int(DEPTH_TOP_UM / DEPTH_BIN_UM), 0), np.uint32)
        self.time_bin_s = 0.0
        self.n_spikes = 0
        self.n_total = 0
        self.first_s = self.last_s = 0.0

    @property
    def expected_s(self) -> float:
        """Length of the session if spikes go on coming at the same rate, in s."""
        return (self.last_s - self.first_s) * self.n_total / self.n_spikes if self.n_spikes else 0.0

    def update(self, times_s: npt.NDArray[np.floating], depths_um: npt.NDArray[np.floating], n_total: int) -> None:
        """Count what has come since the last time.

        Parameters
        ----------
        times_s, depths_um : ndarray, shape (n,)
            All that have come so far; the first `n_spikes` of them are counted already.
        n_total : int
        """
        self.n_total = n_total
        times = np.asarray(times_s[self.n_spikes :], np.float64)
        depths = np.asarray(depths_um[self.n_spikes :], np.float64)
        if not len(times):
            return
        self.n_spikes += len(times)
        known = times[np.isfinite(times)]
        if not self.time_bin_s and len(known):
            self.first_s = self.last_s = float(known[0])
        if len(known):
            self.last_s = max(self.last_s, float(known.max()))
        if not self.time_bin_s:
            self.time_bin_s = max(self.expected_s / TIME_BINS, MIN_TIME_BIN_S)
        is_in = (times >= self.first_s) & (depths >= 0) & (depths < DEPTH_TOP_UM)
        columns = ((times[is_in] - self.first_s) / self.time_bin_s).astype(np.int64)
        rows = (depths[is_in] / DEPTH_BIN_UM).astype(np.int64)
        n_rows, n_columns = self.counts.shape
        if len(columns) and (needed := int(columns.max()) + 1) > n_columns:
            self.counts = np.pad(self.counts, ((0, 0), (0, max(needed - n_columns, n_columns // 4))))
            n_columns = self.counts.shape[1]
        added = np.bincount(rows * n_columns + columns, minlength=n_rows * n_columns)
        self.counts += added.reshape(n_rows, n_columns).astype(np.uint32)


REDRAW_S = 0.4


class Arrivals:
    """Told of spikes by the threads that download; draws now and then, one picture at a time.

    Parameters
    ----------
    drawn : callable (ArrivalPicture) -> None
        Called from a worker thread.
    """

    def __init__(self, drawn: Callable[[ArrivalPicture], None]) -> None:
        self._counts = ArrivalCounts()
        self._drawn = drawn
        self._lock = threading.Lock()
        self._drawn_at = 0.0

    def __call__(self, spikes: Callable[[], Arrived | None]) -> None:
        """Take the news of more spikes."""
        if time.monotonic() - self._drawn_at < REDRAW_S or not self._lock.acquire(blocking=False):
            return
        try:
            arrived = spikes()
            # What is there whole before the first picture needs none: the raster itself is about to come.
            if arrived is None or (arrived.is_complete and not self._counts.n_spikes):
                return
            self._drawn_at = time.monotonic()
            self._counts.update(arrived.times_s, arrived.depths_um, arrived.n_total)
            self._drawn(draw(self._counts))
        finally:
            self._lock.release()

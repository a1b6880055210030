"""The axes that raster, heatmap, strip, drift and overview share."""

from __future__ import annotations

from bokeh.models import Range1d

from dashboard.page.core.sent import finite
from dashboard.page.core.state import ViewState

NEAR_ZERO = 0.01
"""A first spike within this share of the session after 0 is of a clock that starts there: 0 is in view, then."""


class Axes:
    """Bokeh ranges of one session, and the link between them and the state.

    The ranges are the only place that a gesture changes; `ViewState` follows them, and setting
    the state moves them. A change that comes back unaltered stops there, so nothing echoes.

    Attributes
    ----------
    time, depth : Range1d
        What is in view, in s and um.
    time_limits, depth_limits : Range1d
        The whole insertion.
    """

    def __init__(self, state: ViewState) -> None:
        self.time = Range1d(start=0, end=60)
        self.depth = Range1d(start=0, end=3840)
        self.time_limits = Range1d(start=0, end=60)
        self.depth_limits = Range1d(start=0, end=3840)
        self._state = state
        self._is_moving = False
        for axis in (self.time, self.depth):
            axis.on_change("start", self._moved)
            axis.on_change("end", self._moved)
        state.param.watch(self._asked, ["time_range", "depth_range"])

    def open(self, time_limits: tuple[float, float], depth_limits: tuple[float, float]) -> None:
        """Take the extent of a newly opened insertion and show all of it: from 0, where its clock starts there."""
        first, last = time_limits
        if 0.0 < first <= NEAR_ZERO * (last - first):
            time_limits = (0.0, last)
        for axis, limits, (start, end) in (
            (self.time, self.time_limits, time_limits),
            (self.depth, self.depth_limits, depth_limits),
        ):
            if not end > start:  # no spike, or all at one place: an axis needs some length
                end = start + 1.0
            axis.bounds = None
            limits.update(start=start, end=end)
            axis.bounds = (start, end)

    def show(self, time_range: tuple[float, float] | None, depth_range: tuple[float, float] | None) -> None:
        """Move to a window, cut to the extent; None shows the whole axis."""
        self._is_moving = True
        try:
            for axis, limits, wanted in (
                (self.time, self.time_limits, time_range),
                (self.depth, self.depth_limits, depth_range),
            ):
                start, end = wanted or (limits.start, limits.end)
                start, end = max(start, limits.start), min(end, limits.end)
                if start >= end:
                    start, end = limits.start, limits.end
                axis.update(start=start, end=end)
        finally:
            self._is_moving = False
        self._follow()

    def _moved(self, attribute: str, old: float, new: float) -> None:
        edges = finite(self.time.start, self.time.end, self.depth.start, self.depth.end)
        if not self._is_moving and edges and edges[0] < edges[1] and edges[2] < edges[3]:
            self._follow()

    def _follow(self) -> None:
        self._is_moving = True
        try:
            self._state.param.update(
                time_range=(float(self.time.start), float(self.time.end)),
                depth_range=(float(self.depth.start), float(self.depth.end)),
            )
        finally:
            self._is_moving = False

    def _asked(self, *events: object) -> None:
        if not self._is_moving:
            self.show(self._state.time_range, self._state.depth_range)

"""A raster of the spikes that have arrived, while the rest is still being downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import panel as pn
from bokeh.models import ColumnDataSource, LinearColorMapper, Range1d

from dashboard.compute.arrivals import DEPTH_BIN_UM, DEPTH_TOP_UM, ArrivalCounts
from dashboard.compute.levels import TOP_LEVEL, level_image
from dashboard.views import shading
from dashboard.views.figures import asset, plain, time_ticks

STANDARD_DEVIATIONS = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class ArrivalPicture:
    """Levels of what has come, and where they lie."""

    image: npt.NDArray[np.uint8]
    width_s: float
    expected_s: float
    n_spikes: int
    n_total: int


def draw(counted: ArrivalCounts) -> ArrivalPicture:
    """Return the picture of what has come."""
    n_seen = min(int(counted.last_s / counted.time_bin_s) + 1, counted.counts.shape[1]) if counted.time_bin_s else 0
    seen = counted.counts[:, :n_seen]
    top = max(STANDARD_DEVIATIONS * float(seen.std()) if seen.size else 1.0, 1.0)
    return ArrivalPicture(
        level_image(seen, (0.0, top), "linear"),
        n_seen * counted.time_bin_s,
        max(counted.expected_s, n_seen * counted.time_bin_s),
        counted.n_spikes,
        counted.n_total,
    )


class ArrivingView:
    """The figure with a line that says how much of it is there."""

    def __init__(self) -> None:
        self._words = pn.pane.HTML("", stylesheets=[asset("page.css")], sizing_mode="stretch_width", margin=(4, 16))
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
        self._time.end = picture.expected_s or 1.0
        self._source.data = {
            "image": [picture.image],
            "x": [0.0],
            "y": [0.0],
            "dw": [picture.width_s],
            "dh": [picture.image.shape[0] * DEPTH_BIN_UM],
        }
        self._words.object = (
            f'<div class="arriving"><b>Incomplete:</b> {picture.n_spikes:,} of {picture.n_total:,} spikes so far, '
            "files not yet verified</div>"
        )
        self.panel.visible = True

    def hide(self) -> None:
        """The download has ended, one way or the other."""
        self.panel.visible = False

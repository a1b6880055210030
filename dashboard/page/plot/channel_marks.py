"""Labels of channels on the axes of the pictures: outside the brain is shaded, bad ones stand in a strip."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool
from bokeh.plotting import figure

from dashboard.analysis.quality.summary import BAD_CHANNELS
from dashboard.analysis.raw.filters import OUTSIDE
from dashboard.analysis.raw.maps import QualityMaps
from dashboard.model.colours import LABEL_COLOURS

SHADE, SHADE_ALPHA = "#808080", 0.22
STRIP_LEFT = 0.84
"""Where the strip of channels begins, as a part of the width of the strip of regions, over whose right edge it lies."""

COLUMNS = ("bottom", "top", "colour", "label")


class ChannelMarks:
    """Shades what lies outside the brain, as labelled, and marks bad channels; its glyphs come with the first labels.

    Parameters
    ----------
    pictures, strips : sequence of figure
        Figures over depth: those that are shaded, and the region strips.
    """

    def __init__(self, pictures: list[figure], strips: list[figure]) -> None:
        self._pictures, self._strips = pictures, strips
        self.bad: ColumnDataSource | None = None
        self.outside: ColumnDataSource | None = None

    def show(self, maps: QualityMaps | None) -> None:
        """Show the labels of a recording; None, or one without labels, has none."""
        marks = channel_marks(maps)
        outside = {name: [v for v, own in zip(values, marks["label"], strict=True) if own == BAD_CHANNELS[OUTSIDE]]
                   for name, values in marks.items()}  # fmt: skip
        if self.bad is None or self.outside is None:
            if not marks["label"]:
                return
            self.bad, self.outside = ColumnDataSource(marks, name="bad-channels"), ColumnDataSource(outside)
            for plot in self._pictures:
                plot.hstrip(y0="bottom", y1="top", source=self.outside, fill_color=SHADE, fill_alpha=SHADE_ALPHA,
                            line_color=None)  # fmt: skip
            for plot in self._strips:
                drawn = plot.quad(left=STRIP_LEFT, right=1.0, bottom="bottom", top="top", source=self.bad,
                                  fill_color="colour", line_color=None)  # fmt: skip
                words = [("channels", "@label, @bottom{0} to @top{0} µm")]
                plot.add_tools(HoverTool(renderers=[drawn], tooltips=words))
        else:
            self.bad.data, self.outside.data = marks, outside


def channel_marks(maps: QualityMaps | None) -> dict[str, list[Any]]:
    """Return where channels are dead, noisy or outside the brain; neighbours of one label are one mark."""
    marks: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    if maps is None or maps.labels is None:
        return marks
    n = min(len(maps.labels), len(maps.depths_um))
    depths, labels = maps.depths_um[:n], maps.labels[:n]
    known = np.unique(depths[np.isfinite(depths)])
    half = float(np.median(np.diff(known))) / 2 if len(known) > 1 else 10.0
    for label, word in BAD_CHANNELS.items():
        places = np.unique(depths[(labels == label) & np.isfinite(depths)])
        for run in np.split(places, np.flatnonzero(np.diff(places) > 3 * half) + 1):
            if len(run):
                mark = (float(run[0]) - half, float(run[-1]) + half, LABEL_COLOURS[label], word)
                for name, value in zip(COLUMNS, mark, strict=True):
                    marks[name].append(value)
    return marks

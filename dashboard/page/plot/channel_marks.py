"""Labels of channels on the axes of the pictures: outside the brain is shaded, bad ones stand in a strip."""

from __future__ import annotations

from typing import Any

from bokeh.models import ColumnDataSource, HoverTool
from bokeh.plotting import figure

from dashboard.analysis.computed import value_of
from dashboard.analysis.quality.summary import BAD_CHANNELS
from dashboard.analysis.raw.filters import OUTSIDE
from dashboard.analysis.raw.heat import SHADE_ALPHA, STRIP_LEFT
from dashboard.analysis.raw.maps import QualityMaps, channel_runs
from dashboard.page.core.panes import html_pane
from dashboard.page.plot.texts import legend_chips

SHADE = "#808080"


class ChannelMarks:
    """Shades what lies outside the brain, as labelled, and marks bad channels; its glyphs come with the first labels.

    Parameters
    ----------
    pictures, strips : sequence of figure
        Figures over depth: those that are shaded, and the region strips.

    Attributes
    ----------
    key : HTML
        What the colours mean, of the labels that there are.
    """

    def __init__(self, pictures: list[figure], strips: list[figure]) -> None:
        self._pictures, self._strips = pictures, strips
        self.bad: ColumnDataSource | None = None
        self.outside: ColumnDataSource | None = None
        self.key = html_pane(margin=0, visible=False)

    def show(self, maps: QualityMaps | None) -> None:
        """Show the labels of a recording; None, or one without labels, has none."""
        marks = channel_marks(maps)
        entries = dict(zip(marks["label"], marks["colour"], strict=True))
        chips = legend_chips(list(entries.items()))
        key = f'<div class="bar-row"><span class="title">channels</span>{chips}</div>'
        self.key.param.update(object=key, visible=bool(chips))
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
                plot.add_tools(HoverTool(renderers=[drawn], tooltips=words, point_policy="follow_mouse"))
        else:
            self.bad.data, self.outside.data = marks, outside


def channel_marks(maps: QualityMaps | None) -> dict[str, list[Any]]:
    """Return where channels are dead, noisy or outside the brain; neighbours of one label are one mark."""
    is_known = maps is not None and all(value_of(maps, name) is not None for name in ("labels", "depths_um"))
    runs = channel_runs(maps) if maps is not None and is_known else []  # the tab Raw says where they fail
    return {
        "bottom": [run.bottom_um for run in runs],
        "top": [run.top_um for run in runs],
        "colour": [run.colour for run in runs],
        "label": [BAD_CHANNELS[run.label] for run in runs],
    }

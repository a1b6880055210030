"""Brain regions along the probe, in Allen colours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from bokeh.events import Tap
from bokeh.models import ColumnDataSource, HoverTool, Range1d

from dashboard.analysis.anatomy.probe import UNLABELLED, RegionSpan, region_spans
from dashboard.model.references import Histology
from dashboard.page.core.axes import Axes
from dashboard.page.core.bokeh_figures import inner_size, navigable
from dashboard.page.core.scene import UNKNOWN

MIN_LABELLED_PX = 13
"""Spans that are lower on screen carry no label: it would run into its neighbour's."""

ASSUMED_HEIGHT_PX = 400
"""Height of a frame that the browser has not laid out yet."""

LABEL_ROWS = 64
"""Labels that there always are, most of them empty. Bokeh takes new texts a moment after their colours: with fewer
colours than texts it throws, and a page with a table then never comes to rest."""

NO_REGION = "#9e9e9e44"
NO_REGION_INK = "#808080"


def label_ink(colour: str) -> str:
    """Return black or white, whichever reads better on a colour (WCAG relative luminance)."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return "#000000" if float(linear @ (0.2126, 0.7152, 0.0722)) > 0.179 else "#ffffff"


class StripView:
    """The region strip beside the raster.

    Parameters
    ----------
    axes : Axes
    picked : callable (str) -> None
        Told the acronym of a region that is clicked.
    assumed_px : int
        Height of the frame until the browser says it.
    along, along_limits : Range1d or None
        The axis along which regions lie, where that is not depth in um.
    """

    def __init__(
        self,
        axes: Axes,
        picked: Callable[[str], None],
        assumed_px: int = ASSUMED_HEIGHT_PX,
        along: Range1d | None = None,
        along_limits: Range1d | None = None,
    ) -> None:
        self._along, self._limits = along or axes.depth, along_limits or axes.depth_limits
        self._picked = picked
        self._assumed_px = assumed_px
        self._regions: list[RegionSpan] = []
        self._shown: tuple[pd.DataFrame, str] | None = None
        name, unit = ("strip", "µm") if along is None else ("unit-strip", "rows")
        self.figure = navigable(Range1d(0, 1), self._along, axes.time_limits, self._limits, only="y", name=name)
        self.figure.update(min_border_left=2, min_border_right=2)
        self.figure.xaxis.visible = False
        self.figure.yaxis.visible = False
        self.spans = ColumnDataSource({name: [] for name in ("bottom", "top", "acronym", "name", "colour")})
        self.labels = ColumnDataSource({name: [] for name in ("middle", "label", "ink")})
        quads = self.figure.quad(
            left=0, right=1, bottom="bottom", top="top", fill_color="colour", line_color="white", source=self.spans
        )
        self.figure.text(
            0.5,
            "middle",
            text="label",
            text_color="ink",
            text_align="center",
            text_baseline="middle",
            text_font_size="11px",
            source=self.labels,
        )
        self.figure.on_event(Tap, self._tapped)
        for side in ("start", "end"):
            self._along.on_change(side, self._moved)
        self.figure.on_change("inner_height", self._moved)
        self.figure.add_tools(
            HoverTool(
                renderers=[quads],
                tooltips=[("region", "@acronym"), ("", "@name"), ("", f"@bottom{{0}} to @top{{0}} {unit}")],
            )
        )

    def open(self, channels: pd.DataFrame, level: str, histology: Histology) -> None:
        """Show the regions of an insertion, or grey where they are not known."""
        if self._shown is not None and self._shown[0] is channels and self._shown[1] == level:
            return
        self._shown = channels, level
        self.show(region_spans(channels, level))

    def show(self, spans: list[RegionSpan]) -> None:
        """Show spans along the axis, from its start upwards; grey where there are none."""
        if not spans:
            spans = [
                RegionSpan(self._limits.start, self._limits.end, UNKNOWN, "brain locations are not known", (0, 0, 0))
            ]
        self._regions = spans
        self.spans.data = {
            "bottom": [span.bottom_um for span in spans],
            "top": [span.top_um for span in spans],
            "acronym": [span.acronym for span in spans],
            "name": [span.name for span in spans],
            "colour": [_colour(span) for span in spans],
        }
        self._label()

    def _tapped(self, event: Tap) -> None:
        span = next((s for s in self._regions if event.y is not None and s.bottom_um <= event.y < s.top_um), None)
        if span is not None and span.acronym != UNKNOWN:
            self._picked(span.acronym)

    def _moved(self, attribute: str, old: object, new: object) -> None:
        self._label()

    def _label(self) -> None:
        """Name the spans in the middle of what is seen of them, where there is room."""
        window = float(self._along.start), float(self._along.end)
        _, height_px = inner_size(self.figure, (1, self._assumed_px))
        labelled = [
            (middle, label, NO_REGION_INK if span.acronym == UNKNOWN else label_ink(_colour(span)))
            for span in self._regions
            for middle, label in [place_label(span, window, height_px)]
            if label
        ]
        labelled += [(0.0, "", NO_REGION_INK)] * (LABEL_ROWS - len(labelled))
        middles, labels, inks = zip(*labelled, strict=True)
        wanted = {"middle": list(middles), "label": list(labels), "ink": list(inks)}
        if wanted != self.labels.data:
            self.labels.data = wanted


def place_label(span: RegionSpan, window_um: tuple[float, float], height_px: int) -> tuple[float, str]:
    """Return the depth of a span's label and its text, empty where there is no room for it.

    Parameters
    ----------
    span : RegionSpan
    window_um : (float, float)
        Depths in view.
    height_px : int
        Height of the frame.
    """
    low, high = max(span.bottom_um, window_um[0]), min(span.top_um, window_um[1])
    middle = (low + high) / 2
    if span.acronym == UNKNOWN:
        return middle, "no\nbrain\nlocations"
    seen_px = (high - low) / max(window_um[1] - window_um[0], 1e-9) * height_px
    is_named = span.acronym not in UNLABELLED and seen_px >= MIN_LABELLED_PX
    return middle, span.acronym if is_named else ""


def _colour(span: RegionSpan) -> str:
    return NO_REGION if span.acronym == UNKNOWN else "#{:02x}{:02x}{:02x}".format(*span.rgb)

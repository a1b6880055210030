"""Brain regions along the probe, in Allen colours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from bokeh.events import Tap
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d

from dashboard.analysis.anatomy.probe import UNLABELLED, RegionSpan, region_spans
from dashboard.model.references import Histology
from dashboard.model.shanks import shank_numbers
from dashboard.page.core.axes import Axes
from dashboard.page.core.bokeh_figures import inner_size, navigable
from dashboard.page.core.scene import UNKNOWN
from dashboard.page.core.sent import finite
from dashboard.page.core.sizes import STRIP_PX

MIN_LABELLED_PX = 13
"""Spans that are lower on screen carry no label: it would run into its neighbour's."""

LETTER_PX = 7
"""Room for a letter of a label."""

MIN_ACROSS_PX = 9
"""Strips of shanks that are narrower carry no labels."""

LABEL_COLUMNS = ("across", "middle", "label", "ink", "angle")

ASSUMED_HEIGHT_PX = 400
"""Height of a frame that the browser has not laid out yet."""

LABEL_ROWS = 64
"""Labels that there always are, most of them empty. Bokeh takes new texts a moment after their colours: with fewer
colours than texts it throws, and a page with a table then never comes to rest."""

SPAN_COLUMNS = ("left", "right", "bottom", "top", "alpha", "acronym", "name", "colour")
PALE = 0.25
"""Opacity of shanks that a filter hides."""

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
    picked : callable (str, int or None) -> None
        Told the acronym of a region that is clicked, empty where it is not known, and its shank, None for the only one.
    assumed_px : int
        Height of the frame until the browser says it.
    along, along_limits : Range1d or None
        The axis along which regions lie, where that is not depth in um.
    """

    def __init__(
        self,
        axes: Axes,
        picked: Callable[[str, int | None], None],
        assumed_px: int = ASSUMED_HEIGHT_PX,
        along: Range1d | None = None,
        along_limits: Range1d | None = None,
    ) -> None:
        self._along, self._limits = along or axes.depth, along_limits or axes.depth_limits
        self._picked = picked
        self._assumed_px = assumed_px
        self._regions: list[RegionSpan] = []
        self._shown: tuple[pd.DataFrame, str, tuple[int, ...]] | None = None
        self._vivid: tuple[int, ...] = ()
        self._shanks: tuple[int, ...] = (0,)
        name, unit = ("strip", "µm") if along is None else ("unit-strip", "rows")
        self.figure = navigable(Range1d(0, 1), self._along, axes.time_limits, self._limits, only="y", name=name)
        self.figure.update(min_border_left=2, min_border_right=2)
        self.figure.xaxis.update(visible=False, axis_line_color=None, major_tick_line_color=None)
        self.figure.yaxis.visible = False
        self.spans = ColumnDataSource({name: [] for name in SPAN_COLUMNS})
        self.labels = ColumnDataSource({name: [] for name in LABEL_COLUMNS})
        quads = self.figure.quad(
            left="left",
            right="right",
            bottom="bottom",
            top="top",
            fill_color="colour",
            fill_alpha="alpha",
            line_color="white",
            source=self.spans,
        )
        self.figure.text(
            "across",
            "middle",
            text="label",
            text_color="ink",
            text_align="center",
            text_baseline="middle",
            text_font_size="10px",
            angle="angle",
            source=self.labels,
        )
        self.figure.on_event(Tap, self._tapped)
        for side in ("start", "end"):
            self._along.on_change(side, self._moved)
        self.figure.on_change("inner_height", self._moved)
        self.figure.add_tools(
            HoverTool(
                renderers=[quads],
                point_policy="follow_mouse",  # the strip is narrow: in its middle the words lie over the mouse
                tooltips=[("region", "@acronym"), ("", "@name"), ("", f"@bottom{{0}} to @top{{0}} {unit}")],
            )
        )

    def open(self, channels: pd.DataFrame, level: str, histology: Histology, shanks: tuple[int, ...] = ()) -> None:
        """Show the regions of an insertion, a strip for each shank, or grey where they are not known.

        Shanks other than `shanks` are pale, where some are given.
        """
        if self._shown is not None and self._shown[0] is channels and self._shown[1:] == (level, shanks):
            return
        self._shown, self._vivid = (channels, level, shanks), shanks
        self.show(region_spans(channels, level), shank_numbers(channels))

    def show(self, spans: list[RegionSpan], shanks: tuple[int, ...] = (0,)) -> None:
        """Show spans along the axis, from its start upwards; grey where a shank has none."""
        grey = (0, 0, 0)
        spans = spans + [
            RegionSpan(self._limits.start, self._limits.end, UNKNOWN, "brain locations are not known", grey, shank)
            for shank in sorted(set(shanks) - {span.shank for span in spans})
        ]
        self._regions, self._shanks = spans, shanks
        wide = 1 / len(shanks)
        left = [shanks.index(span.shank) * wide for span in spans]
        ticks = [(place + 0.5) * wide for place in range(len(shanks))]
        self.figure.xaxis.update(
            visible=len(shanks) > 1,
            ticker=FixedTicker(ticks=ticks),
            major_label_overrides={tick: str(shank) for shank, tick in zip(shanks, ticks, strict=True)},
        )
        self.spans.data = {
            "left": left,
            "right": [place + wide for place in left],
            "bottom": [span.bottom_um for span in spans],
            "top": [span.top_um for span in spans],
            "alpha": [1.0 if not self._vivid or span.shank in self._vivid else PALE for span in spans],
            "acronym": [span.acronym for span in spans],
            "name": [span.name for span in spans],
            "colour": [_colour(span) for span in spans],
        }
        self._label()

    def _tapped(self, event: Tap) -> None:
        if finite(event.x, event.y) is None:
            return
        n = len(self._shanks)
        shank = self._shanks[min(max(int(event.x * n), 0), n - 1)]
        here = [span for span in self._regions if span.shank == shank and span.bottom_um <= event.y < span.top_um]
        acronym = here[0].acronym.replace(UNKNOWN, "") if here else ""
        if acronym or n > 1:
            self._picked(acronym, shank if n > 1 else None)

    def _moved(self, attribute: str, old: object, new: object) -> None:
        self._label()

    def _label(self) -> None:
        """Name the spans in the middle of what is seen of them, where there is room."""
        window = float(self._along.start), float(self._along.end)
        width_px, height_px = inner_size(self.figure, (STRIP_PX, self._assumed_px))
        n = len(self._shanks)
        is_upright = n == 1
        if not is_upright and width_px / n < MIN_ACROSS_PX:
            height_px = 0  # no name has room across
        labelled = [
            ((self._shanks.index(span.shank) + 0.5) / n, middle, label, _ink(span), angle)
            for span in self._regions
            for middle, label, angle in [place_label(span, window, height_px, is_upright=is_upright)]
            if label
        ]
        labelled += [(0.0, 0.0, "", NO_REGION_INK, 0.0)] * (LABEL_ROWS - len(labelled))
        wanted = {name: list(values) for name, values in zip(LABEL_COLUMNS, zip(*labelled, strict=True), strict=True)}
        if wanted != self.labels.data:
            self.labels.data = wanted


def place_label(
    span: RegionSpan, window_um: tuple[float, float], height_px: int, *, is_upright: bool = True
) -> tuple[float, str, float]:
    """Return the depth of a span's label, its text, empty where there is no room for it, and its angle in rad.

    Parameters
    ----------
    span : RegionSpan
    window_um : (float, float)
        Depths in view.
    height_px : int
        Height of the frame.
    is_upright : bool
        False where labels run along the probe; a name that is wider than the strip does so, too.
    """
    low, high = max(span.bottom_um, window_um[0]), min(span.top_um, window_um[1])
    middle = (low + high) / 2
    if span.acronym == UNKNOWN:
        return middle, "no brain locations" if is_upright else "", np.pi / 2
    seen_px = (high - low) / max(window_um[1] - window_um[0], 1e-9) * height_px
    is_across = is_upright and LETTER_PX * len(span.acronym) <= STRIP_PX
    needed_px = MIN_LABELLED_PX if is_across else LETTER_PX * len(span.acronym)
    is_named = span.acronym not in UNLABELLED and seen_px >= needed_px
    return middle, span.acronym if is_named else "", 0.0 if is_across else np.pi / 2


def _colour(span: RegionSpan) -> str:
    return NO_REGION if span.acronym == UNKNOWN else "#{:02x}{:02x}{:02x}".format(*span.rgb)


def _ink(span: RegionSpan) -> str:
    return NO_REGION_INK if span.acronym == UNKNOWN else label_ink(_colour(span))

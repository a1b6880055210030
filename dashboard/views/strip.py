"""Brain regions along the probe, in Allen colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from bokeh.models import ColumnDataSource, HoverTool, Range1d

from dashboard.model.references import Histology
from dashboard.views.axes import Axes
from dashboard.views.figures import navigable
from dashboard.views.scene import UNKNOWN, brain_regions, region_names
from dashboard.views.shading import hex_colour

UNLABELLED = ("void", "root")
LEAST_LABELLED_UM = 150.0
"""Shorter spans carry no label; the convention of the alignment GUI."""

NO_REGION = "#9e9e9e44"


@dataclass(frozen=True, slots=True)
class RegionSpan:
    """A run of channels in one region; depths in um."""

    bottom_um: float
    top_um: float
    acronym: str
    name: str
    colour: str


def region_spans(channels: pd.DataFrame, level: str) -> list[RegionSpan]:
    """Return the regions from the tip upwards; empty where brain locations are not known.

    A boundary lies halfway between the channels on either side.

    Parameters
    ----------
    channels : DataFrame
        With ``axial_um`` and, where known, ``atlas_id``.
    level : {'allen', 'beryl', 'cosmos'}
    """
    if "atlas_id" not in channels or channels.empty:
        return []
    rows = channels[["axial_um", "atlas_id"]].sort_values("axial_um", kind="stable")
    depths, first = np.unique(rows["axial_um"].to_numpy(dtype=np.float64), return_index=True)
    acronyms = region_names(rows["atlas_id"].to_numpy(dtype=np.int64)[first], level)
    changes = np.flatnonzero(acronyms[1:] != acronyms[:-1]) + 1
    starts = np.r_[0, changes]
    pitch = float(np.median(np.diff(depths))) if len(depths) > 1 else 20.0
    edges = np.r_[depths[0] - pitch / 2, (depths[changes - 1] + depths[changes]) / 2, depths[-1] + pitch / 2]
    regions = brain_regions()
    spans = []
    for index, start in enumerate(starts):
        position = regions.acronym2index(acronyms[start])[1][0][0]
        spans.append(
            RegionSpan(
                float(edges[index]),
                float(edges[index + 1]),
                str(acronyms[start]),
                str(regions.name[position]),
                hex_colour(regions.rgb[position].astype(np.uint8)),
            )
        )
    return spans


def label_ink(colour: str) -> str:
    """Return black or white, whichever reads better on a colour (WCAG relative luminance)."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return "#000000" if float(linear @ (0.2126, 0.7152, 0.0722)) > 0.179 else "#ffffff"


class StripView:
    """The region strip beside the raster."""

    def __init__(self, axes: Axes) -> None:
        self._axes = axes
        self.figure = navigable(Range1d(0, 1), axes.depth, axes.time_limits, axes.depth_limits, only="y", name="strip")
        self.figure.update(min_border_left=2, min_border_right=2)
        self.figure.xaxis.visible = False
        self.figure.yaxis.visible = False
        self.spans = ColumnDataSource(
            {name: [] for name in ("bottom", "top", "middle", "acronym", "name", "colour", "label", "ink")}
        )
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
            source=self.spans,
        )
        self.figure.add_tools(
            HoverTool(
                renderers=[quads],
                tooltips=[("region", "@acronym"), ("", "@name"), ("depth", "@bottom{0} to @top{0} µm")],
            )
        )

    def open(self, channels: pd.DataFrame, level: str, histology: Histology) -> None:
        """Show the regions of an insertion, or grey where they are not known."""
        spans = region_spans(channels, level)
        if not spans:
            low, high = self._axes.depth_limits.start, self._axes.depth_limits.end
            spans = [RegionSpan(low, high, UNKNOWN, "brain locations are not known", NO_REGION)]
        self.spans.data = {
            "bottom": [span.bottom_um for span in spans],
            "top": [span.top_um for span in spans],
            "middle": [(span.bottom_um + span.top_um) / 2 for span in spans],
            "acronym": [span.acronym for span in spans],
            "name": [span.name for span in spans],
            "colour": [span.colour for span in spans],
            "label": [_label(span) for span in spans],
            "ink": ["#808080" if span.colour == NO_REGION else label_ink(span.colour) for span in spans],
        }


def _label(span: RegionSpan) -> str:
    if span.colour == NO_REGION:
        return "no\nbrain\nlocations"
    if span.acronym in UNLABELLED or span.top_um - span.bottom_um < LEAST_LABELLED_UM:
        return ""
    return span.acronym

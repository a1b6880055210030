"""What stands beside the raster with a row for each unit: regions of the rows, and the rate of each unit."""

from __future__ import annotations

from functools import partial

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource, Range1d

from dashboard.analysis.anatomy.probe import RegionSpan
from dashboard.page.core.axes import Axes
from dashboard.page.core.bokeh_figures import lighten, navigable
from dashboard.page.core.scene import Scene
from dashboard.page.core.sizes import AXIS_PX, PROFILE_PX, STRIP_PX
from dashboard.page.core.state import ViewState, toggle_region
from dashboard.page.plot.ink import follow_theme
from dashboard.page.plot.profiles import LINE, scale_label
from dashboard.page.plot.strip import StripView
from dashboard.page.plot.unit_rows import RowsPicture


class UnitMargin:
    """Region strip and rates on the axis of the rows.

    Parameters
    ----------
    state : ViewState
    axes : Axes
    rows, row_limits : Range1d
        Rows in view, and all of them.

    Attributes
    ----------
    panes : list of Viewable
    """

    def __init__(self, state: ViewState, axes: Axes, rows: Range1d, row_limits: Range1d) -> None:
        self._scene: Scene | None = None
        self.strip = StripView(axes, partial(toggle_region, state), along=rows, along_limits=row_limits)
        self.rates = navigable(
            Range1d(0, 1),
            rows,
            axes.time_limits,
            row_limits,
            only="y",
            name="unit-rates",
            outline_line_color=None,
        )
        # It lies over the edge of the picture: its scale stands inside.
        self.rates.update(min_border_left=0, min_border_right=2)
        self.rates.axis.visible = False
        self.scale = scale_label()
        self.rates.add_layout(self.scale)
        follow_theme(state, self.scale)
        self.line = ColumnDataSource({"rate": [], "row": []}, name="unit-rates-line")
        self.rates.line("rate", "row", source=self.line, line_color=LINE, line_width=1.2)
        self.panes = []
        for plot, width, place in (
            (self.strip.figure, STRIP_PX, ["beside-dock"]),
            (self.rates, PROFILE_PX, ["over-edge"]),
        ):
            lighten(plot)
            classes = ["navigable", *place]
            plot.update(min_border_bottom=AXIS_PX, sizing_mode="stretch_height", width=width, css_classes=classes)
            self.panes.append(pn.pane.Bokeh(plot, sizing_mode="stretch_height", margin=0))

    def show(self, scene: Scene, picture: RowsPicture) -> None:
        """Follow a picture: the rates are those of its window."""
        if scene is not self._scene:
            self._scene = scene
            self.strip.show(row_regions(scene))
        drawn = picture.aggregate
        seconds = float(np.ptp(drawn.time_edges_s))
        rates = drawn.values.sum(axis=1, dtype=np.float64) / (seconds or 1.0) / picture.n_together
        end = float(rates.max(initial=0.0)) * 1.05 or 1.0
        self.rates.x_range.end = end
        self.scale.text = f"0 – {end:.3g} Hz of a unit"
        self.line.data = {"rate": np.repeat(rates, 2), "row": np.repeat(drawn.depth_edges_um, 2)[1:-1]}


def row_regions(scene: Scene) -> list[RegionSpan]:
    """Return the regions of the rows from the tip upwards, neighbours of one region together; none where not known."""
    if "atlas_id" not in scene.sorting.clusters or not len(scene.depth_order):
        return []
    own = scene.regions.of_cluster[scene.depth_order]
    starts = np.flatnonzero(np.r_[True, own[1:] != own[:-1]])
    names, colours = scene.region_names(scene.depth_order[starts]), scene.regions.colours[own[starts]]
    ends = np.r_[starts[1:], len(own)]
    return [
        RegionSpan(float(start), float(end), name, "", (int(colour[0]), int(colour[1]), int(colour[2])))
        for start, end, name, colour in zip(starts, ends, names, colours, strict=True)
    ]

"""The column of pictures in the middle of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.plotting import figure

from dashboard.page.core.assets import asset
from dashboard.page.core.bokeh_figures import lighten
from dashboard.page.core.late import late
from dashboard.page.core.panes import style_sheets
from dashboard.page.core.sizes import AXIS_PX, PROFILE_PX, STRIP_PX
from dashboard.page.core.state import ViewState
from dashboard.page.widgets.chips import Chips

OVERVIEW_PX, STATUS_PX = 40, 24

DRIFT_PX, DRIFT_LINE_PX = 64, 18
"""Height of the drift, unfolded and as a line."""

SIDE = {"flex": "2 1 0", "min-height": "160px"}
"""Share of the height that a raster has: that of both sides of a comparison is the same."""

SHARED_AXIS_PX = 6
"""Room under a picture whose time axis is that of the one below it."""


def _pane(plot: figure, *, width: int | None = None, is_over: bool = False) -> pn.pane.Bokeh:
    # A figure's own sizing wins over its pane's, so it is set there.
    if width is not None:
        plot.update(sizing_mode="stretch_height", width=width)
    stands = ["over-edge"] if is_over else ["beside-dock"] if width == STRIP_PX else []
    plot.css_classes = ["navigable", *stands]
    return pn.pane.Bokeh(plot, sizing_mode=plot.sizing_mode, margin=0)


def _row(*items: Any, **options: Any) -> pn.Row:
    sizing = "stretch_width" if "height" in options else "stretch_both"
    return pn.Row(*items, sizing_mode=sizing, margin=0, stylesheets=[asset("page/centre.css")], **options)


class Centre:
    """Overview, drift, raster, heatmap and status line, one above the other; tools and legends lie over the pictures.

    Parameters
    ----------
    state : ViewState
    figures : dict of str to figure
    marks : Viewable or None
        Stands beside the overview; without it, as in a notebook, nothing here needs a script of the page.

    Attributes
    ----------
    column : Column
        All of it.
    pictures : Column
        Raster and heatmap, or what stands in for them.
    """

    def __init__(self, state: ViewState, figures: dict[str, figure], marks: Any = None) -> None:
        self._state = state
        self._figures = figures
        css = style_sheets()
        self.mode = self._choice(
            state.param.mode,
            {"Pan": "pan", "Select": "select", "Zoom": "zoom"},
            "What a drag does: pan (V), select (B), zoom (Z)",
        )
        self.show = self._choice(
            state.param.show,
            {"Both": "both", "Raster": "raster", "Heatmap": "heatmap", **({"Units": "clusters"} if marks else {})},
            "Which pictures are shown (H steps through them)",
        )
        self.colour_bar = pn.pane.HTML("", stylesheets=css, margin=0, css_classes=["legend"])
        self.heatmap_bar = pn.pane.HTML("", stylesheets=css, margin=0, css_classes=["legend", "at-foot"])
        self.readout = pn.pane.HTML("", stylesheets=css, margin=0, css_classes=["legend"])
        self.status = pn.pane.HTML(
            '<div class="status-line" role="status" aria-live="polite"></div>',
            stylesheets=css,
            margin=(0, 8),
            height=STATUS_PX,
            sizing_mode="stretch_width",
        )
        self._overview = _row(_pane(figures["overview"]), *([marks] if marks else []), height=OVERVIEW_PX)
        self._unfold = Chips(
            lambda name: self._fold_drift(not self._is_folded), about="Drift", width=STRIP_PX, margin=0,
            sizing_mode="fixed", css_classes=["tight"],
        ) if marks else None  # fmt: skip
        self._drift = _row(_pane(figures["drift"]), self._unfold or pn.Spacer(width=STRIP_PX), height=DRIFT_PX)
        if marks:
            self._fold_drift(is_folded=True)
        self._raster = _row(
            _pane(figures["raster"]),
            _pane(figures["strip"], width=STRIP_PX),
            _pane(figures["profile"], width=PROFILE_PX, is_over=True),
            styles=SIDE,
        )
        self._heatmap = _row(
            _pane(figures["heatmap"]),
            _pane(figures["heatmap_strip"], width=STRIP_PX),
            self.heatmap_bar,
            styles={"flex": "1 1 0", "min-height": "110px"},
        )
        self._tools = _row(self.mode, self.show, self.colour_bar, self.readout, css_classes=["tools"])
        sheets = [asset("page/centre.css")]
        self.pictures = pn.Column(
            self._raster, self._heatmap, self._tools, css_classes=["pictures"], stylesheets=sheets,
            sizing_mode="stretch_both", margin=0,
        )  # fmt: skip
        self.column = pn.Column(
            self._overview,
            self._drift,
            self.pictures,
            _row(self.status, height=STATUS_PX),
            sizing_mode="stretch_both",
            margin=0,
            styles={"min-width": "0", "overflow": "hidden"},
            css_classes=["centre"],
        )
        for plot in figures.values():
            lighten(plot)
        self._is_comparing = False
        self._units: Any = None
        state.param.watch(self._arrange, "show")
        self._arrange()

    @staticmethod
    def _choice(parameter: Any, options: dict[str, str], description: str) -> Any:
        """Return buttons, of which one is down."""
        return pmui.RadioButtonGroup.from_param(
            parameter,
            options=options,
            label="",
            description=description,
            size="small",
            variant="outlined",
            margin=0,
            css_classes=["choice"],
            sx={"& .MuiToggleButton-root": {"padding": "1px 7px", "fontSize": "12px"}},
        )

    def stand_beside(self, fields: Any) -> None:
        """Give the fields of the window their place beside the overview."""
        self._overview.append(fields)

    def stand_over(self, filters: Any, shank: Any, chip: Any, channels: Any, working: Sequence[Any]) -> None:
        """Give filters, the choice of a shank, the selected unit, labels of channels and what is computed a place.

        Above them, each filter would change their height, and so have all of them drawn and laid out anew.
        """
        shanks = late(shank, css_classes=["choice"])
        self._tools[:] = [
            self.mode,
            self.show,
            shanks,
            self.colour_bar,
            late(channels, css_classes=["legend"]),
            chip,
            self.readout,
            filters,
        ]
        self.pictures.append(
            pn.Column(*working, css_classes=["working"], margin=0, stylesheets=[asset("page/centre.css")])
        )

    def show_drift(self, is_there: bool) -> None:
        """Fold the drift row away where there is no drift."""
        self._drift.visible = is_there

    def _fold_drift(self, is_folded: bool) -> None:
        """Draw the drift as a line without an axis, or with it."""
        self._is_folded = is_folded
        plot = self._figures["drift"]
        plot.yaxis.visible = not is_folded
        plot.update(min_border_top=1 if is_folded else 4, min_border_bottom=1 if is_folded else 4)
        self._drift.height = DRIFT_LINE_PX if is_folded else DRIFT_PX
        assert self._unfold is not None, "there is nothing to fold it with"
        what, arrow = ("Unfold", "▾") if is_folded else ("Fold", "▴")
        self._unfold.chips = [
            ("drift", f"drift {arrow}", f"{what} the drift that the sorter estimated; dark: tip, yellow: top")
        ]

    def compare(self, rows: Sequence[Any]) -> None:
        """Give the other side of a comparison its place under the raster; none takes it away.

        The heatmap is then shown only where it stands in for the raster.
        """
        self._is_comparing = bool(rows)
        if rows and rows[0] not in self.pictures:
            below = self.pictures.index(self._raster) + 1
            self.pictures[below:below] = list(rows)
        self._arrange()

    def stand_units(self, row: Any) -> None:
        """Give the raster with a row for each unit its place, which raster and heatmap then leave free for it."""
        self._units = row
        self.pictures.insert(self.pictures.index(self._raster), row)
        self._arrange()

    def say(self, status: str, bar: str) -> None:
        """Take the status line and the colour bar of the picture that is shown."""
        self.status.object = f'<div class="status-line" role="status" aria-live="polite">{status}</div>'
        side = '<b title="What is open; B stands below">A</b>' if self._is_comparing else ""
        self.colour_bar.object = bar.replace('<div class="bar-row">', f'<div class="bar-row">{side}', 1)

    def stand_amplitudes(self, plot: figure) -> None:
        """Give the profile of amplitudes its place over the heatmap's edge, if it does not stand there yet."""
        if len(self._heatmap) == 3:
            lighten(plot)
            plot.min_border_bottom = AXIS_PX
            self._heatmap.append(_pane(plot, width=PROFILE_PX, is_over=True))

    def _arrange(self, *events: object) -> None:
        state = self._state
        self.readout.object = ""  # of a picture that may be gone
        self._raster.visible = state.shows("raster")
        has_heatmap = state.show == "heatmap" if self._is_comparing else state.shows("heatmap")
        is_above = self._raster.visible and has_heatmap  # which then has the time axis of both
        for name in ("raster", "strip", "profile", "heatmap", "heatmap_strip"):
            is_heatmap = name.startswith("heatmap")
            self._figures[name].min_border_bottom = SHARED_AXIS_PX if is_above and not is_heatmap else AXIS_PX
        self._figures["raster"].xaxis.visible = not is_above
        self._heatmap.visible = has_heatmap
        if self._units is not None:
            self._units.visible = state.shows("clusters")

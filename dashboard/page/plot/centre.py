"""The column of pictures in the middle of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.plotting import figure

from dashboard.page.core.bokeh_figures import LEFT_BORDER_PX, lighten
from dashboard.page.core.panes import style_sheets
from dashboard.page.core.sizes import AXIS_PX, PROFILE_PX, STRIP_PX
from dashboard.page.core.state import ViewState


def _pane(plot: figure, *, width: int | None = None) -> pn.pane.Bokeh:
    # A figure's own sizing wins over its pane's, so it is set there.
    if width is not None:
        plot.update(sizing_mode="stretch_height", width=width)
    plot.css_classes = ["navigable"]
    return pn.pane.Bokeh(plot, sizing_mode=plot.sizing_mode, margin=0)


class Centre:
    """Toolbar, overview, drift, raster, heatmap and status line, one above the other."""

    def __init__(self, state: ViewState, figures: dict[str, figure], marks: Any = None) -> None:
        self._state = state
        css = style_sheets()
        self.mode = self._choice(
            state.param.mode,
            {"Pan": "pan", "Select": "select", "Zoom": "zoom"},
            "What a drag does: pan (V), select (B), zoom (Z)",
        )
        self.show = self._choice(
            state.param.show,
            {"Both": "both", "Raster": "raster", "Heatmap": "heatmap", **({"Units": "clusters"} if marks else {})},
            "What is on the page (H steps through)",
        )
        self.colour_bar = pn.pane.HTML("", stylesheets=css, margin=(11, 8), height=20, align="end")
        self.heatmap_bar = pn.pane.HTML("", stylesheets=css, margin=(0, 8, 0, LEFT_BORDER_PX), height=20)
        self.readout = pn.pane.HTML("", stylesheets=css, margin=(0, 8), height=24)
        self.status = pn.pane.HTML(
            '<div class="status-line" role="status" aria-live="polite"></div>',
            stylesheets=css,
            margin=(0, 8),
            height=24,
            sizing_mode="stretch_width",
        )
        spacer = STRIP_PX + PROFILE_PX
        self._overview = self._row(_pane(figures["overview"]), marks or pn.Spacer(width=spacer), height=56)
        self._drift = self._row(_pane(figures["drift"]), pn.Spacer(width=spacer), height=48)
        self._raster = self._row(
            _pane(figures["raster"]),
            _pane(figures["strip"], width=STRIP_PX),
            _pane(figures["profile"], width=PROFILE_PX),
            styles={"flex": "3 1 0", "min-height": "220px"},
        )
        self._heatmap = self._row(
            _pane(figures["heatmap"]),
            _pane(figures["heatmap_strip"], width=STRIP_PX),
            pn.Spacer(width=PROFILE_PX),
            styles={"flex": "2 1 0", "min-height": "160px"},
        )
        self._heatmap_bar = pn.Row(self.heatmap_bar, sizing_mode="stretch_width", margin=0, height=22)
        self.column = pn.Column(
            pn.Row(
                self.mode,
                self.show,
                pn.layout.HSpacer(),
                self.colour_bar,
                sizing_mode="stretch_width",
                margin=0,
                height=44,
            ),
            self._overview,
            self._drift,
            self._raster,
            self._heatmap_bar,
            self._heatmap,
            pn.Row(self.status, self.readout, sizing_mode="stretch_width", margin=0, height=24),
            sizing_mode="stretch_both",
            margin=0,
            styles={"min-width": "0", "overflow": "hidden"},
            css_classes=["centre"],
        )
        for plot in figures.values():
            lighten(plot)
        for name in ("raster", "strip", "profile", "heatmap", "heatmap_strip"):
            figures[name].min_border_bottom = AXIS_PX
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
            margin=(3, 8, 5, 8),
        )

    @staticmethod
    def _row(*items: Any, **options: Any) -> pn.Row:
        has_height = "height" in options
        sizing = "stretch_width" if has_height else "stretch_both"
        return pn.Row(*items, sizing_mode=sizing, margin=0, **options)

    def show_drift(self, is_there: bool) -> None:
        """Fold the drift row away where there is no drift."""
        self._drift.visible = is_there

    def compare(self, rows: Sequence[Any]) -> None:
        """Give the other side of a comparison its place under the raster; none takes it away.

        The heatmap is then shown only where it stands in for the raster.
        """
        self._is_comparing = bool(rows)
        if rows and rows[0] not in self.column:
            below = self.column.index(self._raster) + 1
            self.column[below:below] = list(rows)
        self.column.css_classes = ["centre", "comparing"] if rows else ["centre"]
        self._arrange()

    def stand_units(self, row: Any) -> None:
        """Give the raster with a row for each unit its place, which raster and heatmap then leave free for it."""
        self._units = row
        self.column.insert(self.column.index(self._raster), row)
        self._arrange()

    def say(self, status: str, bar: str) -> None:
        """Take the status line and the colour bar of the picture that is shown."""
        self.status.object = f'<div class="status-line" role="status" aria-live="polite">{status}</div>'
        self.colour_bar.object = bar

    def stand_amplitudes(self, plot: figure) -> None:
        """Give the profile of amplitudes its place beside the heatmap, if it does not stand there yet."""
        if isinstance(self._heatmap[2], pn.Spacer):
            lighten(plot)
            plot.min_border_bottom = AXIS_PX
            self._heatmap[2] = _pane(plot, width=PROFILE_PX)

    def _arrange(self, *events: object) -> None:
        state = self._state
        self.readout.object = ""  # of a picture that may be gone
        self._raster.visible = state.shows("raster")
        has_heatmap = state.show == "heatmap" if self._is_comparing else state.shows("heatmap")
        self._heatmap.visible = self._heatmap_bar.visible = has_heatmap
        if self._units is not None:
            self._units.visible = state.shows("clusters")

"""The page: where everything stands, and its empty, loading and error states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import panel as pn
import panel_material_ui as pmui
from bokeh.plotting import figure

from dashboard.views.arriving import ArrivingView
from dashboard.views.figures import LEFT_BORDER_PX, asset, lighten
from dashboard.views.state import ViewState

STRIP_PX = 62
PROFILE_PX = 128
RAIL_PX = 280
AXIS_PX = 42
"""Height of a time axis with its label; kept free in every figure of a row, so frames line up."""

_TYPOGRAPHY = {"button": {"textTransform": "none"}}
THEME = {
    "light": {
        "typography": _TYPOGRAPHY,
        "palette": {"primary": {"main": "#3949ab"}, "background": {"default": "#fafafa", "paper": "#ffffff"}},
    },
    "dark": {
        "typography": _TYPOGRAPHY,
        "palette": {"primary": {"main": "#9fa8da"}, "background": {"default": "#121212", "paper": "#1b1b1f"}},
    },
}

HEADER_PX = 48
DENSE = {
    "& .MuiToolbar-root": {"minHeight": f"{HEADER_PX}px !important", "height": f"{HEADER_PX}px"},
    "& header .MuiTypography-root.title": {"fontSize": "1.25rem", "whiteSpace": "nowrap"},
    "& header .MuiBox-root:has(> .child-wrapper), & header .child-wrapper:first-of-type": {"minWidth": 0},
    # The same in both themes: the primary colour of the dark one is too bright for a bar.
    "& header.MuiAppBar-root": {"backgroundColor": "#283593", "color": "#ffffff", "backgroundImage": "none"},
    "& main": {"padding": 0},
}


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
        self._figures = figures
        css = [asset("page.css")]
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


CARD_PX = 620
"""Width of the card that shows the progress of a load."""


class Cover:
    """What stands in for the centre, or over it, while there is nothing to see yet.

    Parameters
    ----------
    open_demo : callable (event) -> None
    """

    def __init__(self, open_demo: Callable[[Any], None]) -> None:
        css = [asset("page.css")]
        self.progress = pmui.LinearProgress(variant="indeterminate", sizing_mode="stretch_width", margin=(8, 16))
        self.stage = pn.pane.HTML("", stylesheets=css, margin=(0, 16), sizing_mode="stretch_width")
        self.cancel = pmui.Button(label="Cancel", variant="outlined", size="small", margin=(8, 16))
        self.arriving = ArrivingView()
        self.loading = pmui.Paper(
            self.stage,
            self.arriving.panel,
            self.progress,
            self.cancel,
            elevation=6,
            width=CARD_PX,
            margin=0,
            visible=False,
            styles={"position": "absolute", "left": f"calc(50% - {CARD_PX // 2}px)", "top": "14%", "z-index": "20"},
        )
        self.alert = pmui.Alert(
            title="", severity="error", closeable=True, visible=False, sizing_mode="stretch_width", margin=(4, 8)
        )
        self.retry = pmui.Button(label="Try again", variant="outlined", size="small", visible=False, margin=(0, 8))
        self.paste = pmui.TextInput(
            label="Insertion",
            placeholder="pid, eid/probe, subject/date/number/probe",
            sizing_mode="stretch_width",
            margin=(8, 0),
        )
        demo = pmui.Button(label="Open the demo insertion", variant="contained", margin=(8, 0))
        demo.on_click(open_demo)
        self.empty = pn.Column(
            pn.pane.HTML(
                '<div class="empty"><h2>Open an insertion</h2><p>Paste a pid, an eid and probe, or a session path, '
                "or pick one on the left.</p></div>",
                stylesheets=css,
                margin=0,
                sizing_mode="stretch_width",
            ),
            self.paste,
            demo,
            width=520,
            margin=(120, 0, 0, 120),
        )


WHOLE: dict[str, Any] = {"sizing_mode": "stretch_both", "margin": 0}


def work_row(centre: Centre, dock: Any) -> pn.Row:
    """Return the pictures and the dock beside them, out of sight until something is open."""
    return pn.Row(centre.column, dock.panel, visible=False, stylesheets=[asset("work.css")], **WHOLE)


def page(rail: list[Any], header: list[Any], main: list[Any], *, dark: bool, title: str = "Spike dashboard") -> Any:
    """Return the page itself; `main` stands below the header, one above the other."""
    made = pmui.Page(  # type: ignore[attr-defined]
        title=title,
        site_url=".",
        favicon="data:image/svg+xml," + quote(asset("favicon.svg").strip()),
        header=header,
        sidebar=rail,
        sidebar_width=RAIL_PX,
        sidebar_resizable=False,
        main=[pn.Column(*main, styles={"height": "calc(100vh - 48px)"}, **WHOLE)],
        dark_theme=dark,
        theme_config=THEME,
        busy_indicator=None,
        sx=DENSE,
        meta_viewport="width=device-width, initial-scale=1.0",
        raw_css=[asset("document.css")],
    )
    # It follows whether any session is busy, by which Panel's state would keep every page that there ever was.
    made.param._update_ref("busy", False)
    return made


class Room:
    """Makes room for the Summary in a triage: the dock stands beside the raster, however narrow the window is.

    Parameters
    ----------
    state : ViewState
    whole : Page
        Its rail folds away where a browser says that the room is needed.
    work : Row
        Raster and dock.
    """

    def __init__(self, state: ViewState, whole: Any, work: Any) -> None:
        self._page, self._work = whole, work
        self._is_made = False
        state.param.watch(self._arrange, "triage")

    def _arrange(self, event: Any) -> None:
        self._work.css_classes = ["triage"] if event.new else []

    def make(self, is_needed: bool) -> None:
        """Fold the rail; unfold it where that is why it is folded."""
        if is_needed and self._page.sidebar_open:
            self._is_made, self._page.sidebar_open = True, False
        elif not is_needed and self._is_made:
            self._is_made, self._page.sidebar_open = False, True


def dress(part: Any, *, dark: bool) -> bool:
    """Tell a theme to every Material component of a part of the page, and return it.

    The browser tells it to those that it has drawn; of the others, which come with a tab that is opened later, some
    would miss it and stay light on a dark page.
    """
    with pn.io.hold():
        for component in part.select(pmui.base.MaterialComponent):
            if component.dark_theme != dark:
                component.dark_theme = dark
    return dark

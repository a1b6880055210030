"""The Probe tab: units on their channels, amplitude by depth, and which depths fire together."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import panel as pn
from bokeh.events import Tap

from dashboard.figures.probe import depth_correlation_figure
from dashboard.model.errors import DashboardError
from dashboard.model.sorting import SpikeSorting
from dashboard.model.unit_ids import UnitId
from dashboard.page.core import shading
from dashboard.page.core.assets import asset
from dashboard.page.core.bokeh_figures import inner_size
from dashboard.page.core.document_queue import Rest
from dashboard.page.core.figure_view import FigureView
from dashboard.page.core.numbers import wrong_bins
from dashboard.page.core.scene import Scene
from dashboard.page.core.tab import BaseTab, TabServices, pane
from dashboard.page.plot import cursor
from dashboard.page.plot.clicks import Clicks
from dashboard.page.plot.profiles import PROFILE_PAUSE_S, ProfilePicture, ProfileRequest, render_profile
from dashboard.page.tabs.probe import marks, texts
from dashboard.page.tabs.probe.figures import CORRELATION_PX, AmplitudeDepth, ProbeMap, mark_source, ring_source
from dashboard.page.tabs.probe.marks import COLOURS, MarkStyle
from dashboard.page.tabs.probe.picture import (
    CorrelationPicture,
    CorrelationRequest,
    SpikesPicture,
    SpikesRequest,
    Units,
    render_correlation,
    render_spikes,
    render_units,
)
from dashboard.page.tabs.probe.state import MARKS, ProbeState
from dashboard.page.tabs.probe.words import PROBE_FIELDS, probe_bins
from dashboard.page.widgets.fields import BinFields
from dashboard.page.widgets.sections import folded

SHOWN = {"units": "units", "all spikes": "spikes", "firing rate": "rate", "mean amplitude": "amplitude"}
"""What can stand beside the map, in the words of the page -> value of the state."""

PROFILES = ("rate", "amplitude")
FIGURES_PX, BODY_PX = 400, 1000
"""Least heights of map and amplitudes, and of everything: a low dock scrolls."""

PARTS = {
    "probe-map": ("The map of units", "legend"),
    "probe-amplitudes": ("The plot beside the map", "amplitudes"),
    "probe-correlation": ("The correlation of depths", "correlation"),
}
CAPTIONS_PX = {"legend": 38, "amplitudes": 46, "correlation": 62}
"""Heights of what is said: two lines, and a colour bar."""

UNMEASURED = (220, 400)
"""Size of a frame that the browser has not laid out yet."""

MAX_PIXELS = 2_000


class ProbeTab(BaseTab[TabServices]):
    """Probe map, amplitude by depth of units or of all spikes, correlation of depths.

    Attributes
    ----------
    units : Units or None
        What the tab shows.
    """

    def __init__(self, services: TabServices, title: str) -> None:
        super().__init__(services, title)
        self._own = own = services.states[ProbeState]
        self.units: Units | None = None
        self._placed: tuple[SpikeSorting, str] | None = None
        self._mapped: Units | None = None
        self._marked: tuple[Scene, Units, MarkStyle] | None = None
        self._is_laid_out = False
        self._correlated: tuple[CorrelationRequest, bool] | None = None
        self._units_loop = self.loop(render_units, self._place)
        self._spikes_loop = self.loop(render_spikes, self._show_spikes)
        self._correlation_loop = self.loop(render_correlation, self._show_correlation, self._not_correlated)
        self._profile_loop = self.loop(render_profile, self._show_profile, self._no_profile, PROFILE_PAUSE_S)
        state, axes = self._state, services.axes
        self.notice = self.html(texts.WORKING)
        self.colour = _choice(own.param.marks, "Colour of units", dict(zip(COLOURS, MARKS, strict=True)))
        self.shown = _choice(own.param.beside, "By depth, beside the map", SHOWN)
        self.line = self.html(height=18)
        self.marks, self.ring = mark_source(), ring_source()
        self.map = ProbeMap(axes, self.marks, self.ring)
        self.amplitudes = AmplitudeDepth(axes, self.marks, self.ring)
        width, height = CORRELATION_PX
        self.correlation = FigureView("probe-correlation", height, dark=self._state.dark)
        self.correlation.figure.update(sizing_mode="fixed", width=width)
        # Of one height whatever they say: figures do not follow where the room between them shrinks.
        self._captions = {name: self.html(height=height) for name, height in CAPTIONS_PX.items()}
        self._captions["correlation"].object = texts.CORRELATING
        self._map, self._beside, self._matrix = (
            pane(drawn.figure) for drawn in (self.map, self.amplitudes, self.correlation)
        )
        for (name, (title, caption)), figure in zip(
            PARTS.items(), (self._map, self._beside, self._matrix), strict=True
        ):
            self.part(name, title, self._captions[caption], figure)
        self._body = pn.Column(
            pn.Row(self.colour, self.shown, margin=0),
            self._captions["legend"],
            self.line,
            pn.Row(
                self._map,
                self._beside,
                sizing_mode="stretch_both",
                margin=0,
                styles={"flex": "1 1 0", "min-height": f"{FIGURES_PX}px"},
            ),
            self._captions["amplitudes"],
            self._captions["correlation"],
            self._matrix,
            folded({"Bins of profiles and correlation": self._make_bins}, margin=(4, 10)),
            sizing_mode="stretch_both",
            margin=0,
            styles={"min-height": f"{BODY_PX}px"},
        )
        self._cursor = cursor.cursor_source()
        self._cursor.name = "probe-cursor"
        self._cursor.on_change("data", self._moved)
        clicks = Clicks(state, self._queue, self._clicked)
        for plot, name in ((self.map.figure, "lateral"), (self.amplitudes.figure, "amplitude")):
            cursor.follow(plot, self._cursor, name)
            clicks.follow(plot)
        # As in the Unit tab: figures come with the first picture.
        self.panel = pn.Column(
            self.refusal, self.busy.panel, self.notice, sizing_mode="stretch_both", margin=0, scroll=True
        )
        self.map.figure.on_change("inner_width", self._laid_out)
        self.amplitudes.figure.on_change("inner_width", self._resized)
        self.amplitudes.figure.on_change("inner_height", self._resized)
        state.param.watch(self._request, ["tab", "dark", "cmap", "bins"])
        state.param.watch(Rest(self._queue, self._request).ask, "selected")
        own.param.watch(self._request, ["marks", "beside"])
        state.param.watch(self._zoomed, "depth_range")
        state.param.watch(self._moved_in_time, "time_range")

    def _make_bins(self) -> Any:
        fields = BinFields(
            self._state, PROBE_FIELDS, partial(wrong_bins, names=PROBE_FIELDS), width=118
        ).widgets.values()
        return pn.FlexBox(*fields, sizing_mode="stretch_width", margin=0)

    def open(self, scene: Scene) -> None:
        """Show another insertion, or the same one through other filters."""
        self._scene = scene
        self._request()

    def _not_correlated(self, error: DashboardError) -> None:
        self._matrix.visible = False
        self._captions["correlation"].object = texts.not_correlated(error)

    # -- asking ----------------------------------------------------------------------------------

    def _request(self, *events: object) -> None:
        """Draw what the state asks for; only what changed is computed."""
        scene = self._scene
        if scene is None or not self.is_seen:
            return
        if self.units is None or self._placed != (scene.sorting, scene.level):
            self.busy.begin()
            self._units_loop.request(scene)
            return
        self._draw(scene, self.units)

    def _place(self, scene: Scene, units: Units) -> None:
        if self._scene is None or scene.sorting is not self._scene.sorting or scene.level != self._scene.level:
            return
        self.units, self._placed = units, (scene.sorting, scene.level)
        self.answered()
        self._draw(self._scene, units)
        if self._body not in self.panel.objects:
            self.notice.visible = False
            self.panel.append(self._body)

    def _snapshot(self) -> MarkStyle:
        return MarkStyle(COLOURS[MARKS.index(self._own.marks)], self._selected, self._state.dark)

    @property
    def _selected(self) -> tuple[int, ...]:
        """Indexes of the selected units."""
        return () if self._scene is None else self._scene.indexes(self._state.selected)

    def _draw(self, scene: Scene, units: Units) -> None:
        self.draw("probe-map", self._show_map, scene, units)
        self.draw("probe-amplitudes", self._show_beside, scene, units)
        self._correlate(scene)

    def _mark(self, scene: Scene, units: Units) -> MarkStyle:
        """Have the marks that both figures draw, of what is asked for."""
        wanted = scene, units, self._snapshot()
        if wanted != self._marked:
            self.marks.data = marks.marks(*wanted)
            self._marked = wanted
            self._point([])
        return wanted[2]

    def _show_map(self, scene: Scene, units: Units) -> None:
        look = self._mark(scene, units)
        if self._mapped is not units:
            self.map.show(scene, units)
            self._mapped = units
        self._captions["legend"].object = texts.legend(scene, units, look)

    def _show_beside(self, scene: Scene, units: Units) -> None:
        has_spikes, beside = scene.columns.amps_uv is not None, self._own.beside
        if beside != "spikes":
            self._spikes_loop.cancel()
            self.busy.end()
        if beside == "units":
            self._mark(scene, units)
            self._beside.visible = not units.amplitudes.why
            if not units.amplitudes.why:
                self.amplitudes.show_units(units, texts.amplitude_unit(scene))
            self._captions["amplitudes"].object = texts.amplitudes(scene, units)
        else:
            self._beside.visible = has_spikes or beside == "rate"
            if not self._beside.visible:
                self._captions["amplitudes"].object = texts.no_spikes(scene)
            elif beside == "spikes":
                self._request_spikes(scene)
            else:
                self._request_profile(scene)

    def _request_profile(self, scene: Scene) -> None:
        if self._state.time_range is not None:
            of_amplitudes = self._own.beside == "amplitude"
            bin_um = probe_bins(self._state.bins)[2]
            self._profile_loop.request(ProfileRequest(scene, self._state.time_range, bin_um, of_amplitudes))

    def _correlate(self, scene: Scene) -> None:
        """Ask for the matrix, not before the browser has laid the units out: they are what is waited for."""
        request = CorrelationRequest(scene, *probe_bins(self._state.bins)[:2])
        wanted = (request, self._state.dark)
        if self._is_laid_out and self._correlated != wanted:
            self._correlated = wanted
            self._captions["correlation"].object = texts.CORRELATING
            self._correlation_loop.request(request)

    def _laid_out(self, attribute: str, old: object, new: object) -> None:
        if not self._is_laid_out:
            self._is_laid_out = True
            self._request()

    def _resized(self, attribute: str, old: object, new: object) -> None:
        self._zoomed()

    def _zoomed(self, *events: object) -> None:
        """Count all spikes in other pixels."""
        if self._scene is not None and self.is_seen and self._own.beside == "spikes":
            self._request_spikes(self._scene)

    def _moved_in_time(self, *events: object) -> None:
        if self._scene is not None and self.is_seen and self._beside_is_profile():
            self._request_profile(self._scene)

    def _beside_is_profile(self) -> bool:
        has_it = self._own.beside == "rate" or (self._scene is not None and self._scene.columns.amps_uv is not None)
        return self._own.beside in PROFILES and has_it

    def _request_spikes(self, scene: Scene) -> None:
        if scene.columns.amps_uv is None or self._state.depth_range is None:
            return
        width, height = np.clip(inner_size(self.amplitudes.figure, UNMEASURED), 64, MAX_PIXELS).tolist()
        palette = shading.palette(self._state.cmap, dark=self._state.dark)
        selected = self._selected
        self.busy.begin()
        self._spikes_loop.request(SpikesRequest(scene, self._state.depth_range, width, height, selected, palette))

    # -- showing ---------------------------------------------------------------------------------

    def _show_spikes(self, request: SpikesRequest, picture: SpikesPicture) -> None:
        if request.scene is not self._scene or self._own.beside != "spikes":
            return
        self.answered()
        self.draw("probe-amplitudes", self._draw_spikes, request, picture)

    def _draw_spikes(self, request: SpikesRequest, picture: SpikesPicture) -> None:
        self.amplitudes.show_spikes(picture, texts.amplitude_unit(request.scene))
        self._captions["amplitudes"].object = texts.spikes(request.scene, picture, request.palette)

    def _show_profile(self, request: ProfileRequest, picture: ProfilePicture) -> None:
        if request.scene is self._scene and request.of_amplitudes == (self._own.beside == "amplitude"):
            self.refusal.object = ""
            self.draw("probe-amplitudes", self._draw_profile, request, picture)

    def _draw_profile(self, request: ProfileRequest, picture: ProfilePicture) -> None:
        unit = f"Mean amplitude ({texts.amplitude_unit(request.scene)})"
        rate = f"Firing rate (Hz per {request.bin_um:g} µm)"
        self.amplitudes.show_profile(picture, unit if request.of_amplitudes else rate)
        self._captions["amplitudes"].object = texts.profile(request, picture)

    def _no_profile(self, error: DashboardError) -> None:
        self._beside.visible = False
        self._captions["amplitudes"].object = texts.no_profile(error)

    def _show_correlation(self, request: CorrelationRequest, picture: CorrelationPicture) -> None:
        if request.scene is self._scene:
            self.draw("probe-correlation", self._draw_correlation, request, picture)

    def _draw_correlation(self, request: CorrelationRequest, picture: CorrelationPicture) -> None:
        dark = self._state.dark
        self._captions["correlation"].object = texts.correlation(request, picture, dark=dark)
        self._matrix.visible = picture.n_known > 1
        if picture.n_known > 1:
            self.correlation.show(depth_correlation_figure(picture.found), dark=dark)

    # -- pointing --------------------------------------------------------------------------------

    def _at(self, plot: Any, x_name: str, x: float, y: float) -> list[int]:
        """Return the units that a point of a figure means."""
        width, height = inner_size(plot, UNMEASURED)
        across = (plot.x_range.end - plot.x_range.start) / max(width, 1)
        along = (plot.y_range.end - plot.y_range.start) / max(height, 1)
        data = self.marks.data
        return marks.units_at(data["id"], data[x_name], data["depth"], (x, y), (across, along))

    def _clicked(self, event: Tap) -> list[UnitId] | None:
        is_line = event.model is self.amplitudes.figure and self._beside_is_profile()
        if self._scene is None or self.units is None or is_line:
            return None
        x_name = "lateral" if event.model is self.map.figure else "amplitude"
        at = self._at(event.model, x_name, float(event.x), float(event.y))
        return self._scene.ids(marks.in_turn(at, self._selected))

    def _moved(self, attribute: str, old: Any, new: Any) -> None:
        if (at := cursor.place(new)) is None or self.units is None:
            self._point([])
            return
        x, y, x_name = at
        if x_name == "amplitude" and self._beside_is_profile():  # no unit stands there
            self._point([])
            return
        plot = self.map.figure if x_name == "lateral" else self.amplitudes.figure
        self._point(self._at(plot, x_name, x, y))

    def _point(self, at: list[int]) -> None:
        """Say which unit a click picks, and put a ring around it in both figures."""
        scene, units = self._scene, self.units
        if scene is None or units is None:
            return
        picked = marks.in_turn(at, self._selected)
        self.line.object = (
            texts.pointed(scene, units, at, picked) if picked else texts.number(scene, units, self._snapshot())
        )
        rows = np.flatnonzero(np.isin(units.ids, picked))
        ring = {name: values[rows].tolist() for name, values in marks.places(units).items()}
        if ring != self.ring.data:
            self.ring.data = ring


def _choice(parameter: Any, label: str, options: dict[str, str]) -> Any:
    """Return a list of options for a parameter of the state; a plain one, which is cheaper than Material's."""
    return pn.widgets.Select.from_param(
        parameter, label=label, options=options, description=None, width=165, margin=(4, 10),
        stylesheets=[asset("page/tabs/probe/select.css")],
    )  # fmt: skip

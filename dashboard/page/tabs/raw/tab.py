"""The Raw tab: the voltage around a moment with its spikes, and the quality of the recording by depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
from bokeh.events import Tap

from dashboard.analysis.raw.heat import PALETTES as RMS_PALETTES
from dashboard.analysis.raw.lf_picture import csd_scale
from dashboard.analysis.raw.many import ManySpikes
from dashboard.analysis.raw.maps import QualityMaps
from dashboard.analysis.raw.picture import SnippetPicture, farthest
from dashboard.figures.raw import many_figure
from dashboard.model.errors import BadRequest, DashboardError
from dashboard.model.raw import BANDS, PALETTES, NotRecorded
from dashboard.page.core.bokeh_figures import entitle
from dashboard.page.core.document_queue import Rest
from dashboard.page.core.figure_view import FigureView
from dashboard.page.core.render_loop import RenderLoop
from dashboard.page.core.scene import Scene
from dashboard.page.core.sent import finite
from dashboard.page.core.tab import BaseTab, pane, refusal_text
from dashboard.page.services.alignment import AlignmentState
from dashboard.page.services.page_services import PageServices
from dashboard.page.tabs.raw import texts
from dashboard.page.tabs.raw.figures import (
    SINKS_RED,
    VOLTAGE,
    BandFigure,
    MapFigure,
    RowsFigure,
    SnippetFigure,
    SpectrogramFigure,
)
from dashboard.page.tabs.raw.picture import (
    AheadRequest,
    ManyRequest,
    SnippetRequest,
    read_next,
    render_many,
    render_snippet,
    step_to_event,
    step_to_spike,
)
from dashboard.page.tabs.raw.state import MANY, MAX_GAIN_DB, WIDTHS_MS, RawState

GAIN_STEP_DB = 3
FOLLOWED_S = 5.0
"""A view that is not longer than this takes the tab along."""
WAVEFORMS_PX = 420


PARTS = {
    "snippet": "The raw data",
    "csd": "The current sources",
    "spectrogram": "The power over time",
    "waveforms": "The single spikes",
    "rms": "The map of the noise",
    "spectrum": "The map of the spectrum",
    "bands": "The power by depth",
    "ap-spectrum": "The map of the spectrum of AP",
}
"""What the tab draws, by the name of its caption."""


class RawTab(BaseTab[PageServices]):
    """Voltage by channel around a moment, RMS over time and depth, spectrum by depth.

    Attributes
    ----------
    picture : SnippetPicture or None
    maps : QualityMaps or None
        What the tab shows.
    """

    def __init__(self, services: PageServices, title: str) -> None:
        super().__init__(services, title)
        self._own = own = services.states[RawState]
        self.picture: SnippetPicture | None = None
        self.maps: QualityMaps | None = None
        self._drawn: SnippetRequest | None = None
        self._asked: SnippetRequest | None = None
        self._snippet_loop = self._raw_loop(render_snippet, self._show, self.refuse)
        # What cannot be read is said when it is looked at.
        self._ahead_loop = self._raw_loop(read_next, lambda request, found: None, lambda error: None)
        self._direction = 1
        services.quality.listen(self._show_maps)
        self._loops.append(services.quality.loop)
        self._many_loop = self._raw_loop(render_many, self._show_many, self._no_many)
        self._many: ManyRequest | None = None
        self.snippet = SnippetFigure()
        self.csd = RowsFigure("raw-csd", SINKS_RED)
        self.spectrogram = SpectrogramFigure()
        self.waveforms = FigureView("raw-waveforms", WAVEFORMS_PX)
        axes = services.axes
        self.rms = MapFigure(axes, "raw-rms", over_time=True, palette="plasma")
        self.spectrum = MapFigure(axes, "raw-spectrum", over_time=False, palette="inferno")
        self.bands = BandFigure(axes)
        self.ap_spectrum = MapFigure(axes, "raw-ap-spectrum", over_time=False, palette="inferno")
        self._captions = {name: self.html() for name in PARTS}
        self._captions["snippet"].object = texts.WORKING
        for name, about in PARTS.items():
            self.part(f"raw-{name}", about, self._captions[name])
        # Figures come with their first picture: one that was hidden has no width when it is shown.
        self._figures = {
            name: pane(drawn.figure)
            for name, drawn in (
                ("snippet", self.snippet),
                ("csd", self.csd),
                ("spectrogram", self.spectrogram),
                ("waveforms", self.waveforms),
                ("rms", self.rms),
                ("spectrum", self.spectrum),
                ("bands", self.bands),
                ("ap-spectrum", self.ap_spectrum),
            )
        }
        for name, shown in self._figures.items():
            entitle(shown.object, PARTS[name])
        self._shown: frozenset[str] = frozenset()
        self._recorded: tuple[float, float] | None = None
        self.go = pn.widgets.Button(label="Go to what is recorded", visible=False, margin=(4, 10))
        self.go.on_click(lambda event: self._go_to_recorded())
        self._head = [self.refusal, self.busy.panel, self._controls(), self.go]
        self.panel = pn.Column(sizing_mode="stretch_both", margin=0, scroll=True)
        self._arrange()
        services.raster.figure.on_event(Tap, self._tapped)
        own.param.watch(self._request, ["raw_at", "raw_step", "raw_ms"])
        own.param.watch(self._banded, "raw_band")
        own.param.watch(self._ask_many, ["raw_many", "raw_step"])
        own.param.watch(self._redraw, ["raw_db", "raw_palette"])
        self._state.param.watch(self._request, ["tab", "depth_range"])
        self._state.param.watch(Rest(self._queue, self._request).ask, "selected")
        self._state.param.watch(self._follow, "time_range")

    def _raw_loop(self, render: Any, apply: Any, refuse: Any) -> RenderLoop[Any, Any]:
        """Return what computes on the threads of raw data."""
        services = self._services
        return self.loop(services.reading(render, self.busy.tell), apply, refuse, pool=services.quality.pool)

    def _controls(self) -> Any:
        own = self._own

        def choice(parameter: Any, label: str, options: Any, width: int) -> Any:
            return pn.widgets.Select.from_param(
                parameter, label=label, options=options, description=None, width=width, margin=(4, 3)
            )

        def button(label: str, about: str, act: Any) -> Any:
            made = pn.widgets.Button(
                label=label, description=about, width=30 if len(label) == 1 else 58, height=30, margin=(20, 1, 0, 1)
            )
            made.on_click(lambda event: act())
            return made

        return pn.FlexBox(
            choice(own.param.raw_band, "Band", {name.upper(): name for name in BANDS}, 62),
            choice(own.param.raw_step, "Voltage", {words: name for name, words in texts.STEPS.items()}, 108),
            choice(own.param.raw_palette, "Colours", list(PALETTES), 76),
            choice(own.param.raw_ms, "Length", {f"{ms:,} ms": ms for ms in WIDTHS_MS}, 84),
            pn.Row(
                button("−3 dB", "Less gain, by 3 dB", lambda: self._gain(-GAIN_STEP_DB)),
                button("+3 dB", "More gain, by 3 dB", lambda: self._gain(GAIN_STEP_DB)),
                margin=0,
            ),
            pn.Row(
                button("◀", "Previous spike of the selected unit (,)", lambda: self._step(-1)),
                button("▶", "Next spike of the selected unit (.)", lambda: self._step(1)),
                margin=0,
            ),
            pn.Row(
                button("⇤", f"Previous event of the trials (<){texts.OF_EVENTS}", lambda: self._step_to_event(-1)),
                button("⇥", f"Next event of the trials (>){texts.OF_EVENTS}", lambda: self._step_to_event(1)),
                choice(own.param.raw_many, "Spikes", {f"{n}" if n else "none": n for n in MANY}, 74),
                margin=0,
            ),
            sizing_mode="stretch_width",
            margin=0,
        )

    def open(self, scene: Scene) -> None:
        """Show another insertion, or the same one through other filters."""
        self._scene = scene
        self._request()

    @property
    def for_export(self) -> tuple[SnippetRequest, SnippetPicture] | None:
        """What is on the screen of this insertion; None where nothing is."""
        if self._drawn is None or self.picture is None or self._scene is None:
            return None
        return (self._drawn, self.picture) if self._drawn.scene.sorting is self._scene.sorting else None

    def press(self, key: str) -> None:
        """Open the tab at the spike of the selected unit next to the middle of the view; step to another spike."""
        if key in ",.":
            self._step(-1 if key == "," else 1)
        elif key in "<>":
            self._step_to_event(-1 if key == "<" else 1)
        else:
            self._state.tab = self.title

    # -- where -----------------------------------------------------------------------------------

    def _tapped(self, event: Tap) -> None:
        if self.is_seen and finite(event.x):
            self._queue.later(lambda: self._own.param.update(raw_at=float(event.x)))

    def _middle(self, scene: Scene) -> float | None:
        """Return the middle of the snippet: as it was set, else a spike of the selected unit, else that of the view."""
        if self._own.raw_at is not None:
            return float(self._own.raw_at)
        if self._state.time_range is None:
            return None
        middle = sum(self._state.time_range) / 2
        if units := scene.indexes(self._state.selected):
            try:
                return step_to_spike(scene, units[-1], middle, 1)
            except BadRequest:
                pass
        return middle

    def _follow(self, *events: object) -> None:
        """Show the middle of a short view that was moved away from what is shown."""
        t0, t1 = self._state.time_range or (0.0, 0.0)
        if not self.is_seen or not 0 < t1 - t0 <= FOLLOWED_S:
            return
        if self._own.raw_at is not None and not t0 <= self._own.raw_at <= t1:
            self._own.raw_at = None
        elif self._own.raw_at is None:
            self._request()

    def _go_to_recorded(self) -> None:
        """Show what the raw file has: in the raster, and its middle here."""
        if self._recorded is not None:
            self._own.raw_at = None
            self._state.time_range = self._recorded
            self._request()

    def _step(self, direction: int) -> None:
        scene = self._scene
        if scene is None:
            return
        self._direction = direction
        units = scene.indexes(self._state.selected)
        at = self._middle(scene)
        try:
            if not units or at is None:
                raise BadRequest("No unit is selected", "", "Click a spike in the raster")
            self._own.raw_at = step_to_spike(scene, units[-1], at, direction)
        except BadRequest as error:
            self.refuse(error)

    def _step_to_event(self, direction: int) -> None:
        if self._scene is None or (at := self._middle(self._scene)) is None:
            return
        try:
            event = self._services.states[AlignmentState].event
            self._own.raw_at = step_to_event(self._scene, event, at, direction)
        except BadRequest as error:
            self.refuse(error)

    def _gain(self, db: int) -> None:
        self._own.raw_db = max(-MAX_GAIN_DB, min(self._own.raw_db + db, MAX_GAIN_DB))

    # -- asking and showing ----------------------------------------------------------------------

    def _request(self, *events: object) -> None:
        scene = self._scene
        if scene is None or not self.is_seen or self._state.depth_range is None:
            return
        self._services.quality.of(scene)
        self._show_maps()
        self._ask_many()
        at = self._middle(scene)
        if at is None:
            return
        own = self._own
        request = SnippetRequest(
            scene, at, own.raw_ms / 1e3, own.raw_band, own.raw_step, self._state.depth_range,
            scene.indexes(self._state.selected),
        )  # fmt: skip
        if request != self._drawn:
            self.busy.begin()
            self._ahead_loop.cancel()
            if self._asked is not None and not request.is_of_the_samples_of(self._asked):
                self._snippet_loop.cancel()  # what comes from a server for the one before is of no use
            self._asked = request
            self._snippet_loop.request(request)

    def _show(self, request: SnippetRequest, picture: SnippetPicture) -> None:
        if request.scene is not self._scene:
            return
        self.answered()
        self.go.visible = False
        self.picture, self._drawn = picture, request
        self._redraw()
        if picture.snippet.band.hold is not None:
            is_free = self._services.quality.pool.has_one_job
            self._ahead_loop.request(AheadRequest(request, self._direction, is_free))

    def draw(self, name: str, show: Callable[..., object], *arguments: Any) -> None:
        """Draw one part; a figure that could not be drawn is taken out, since it may show something else still."""
        super().draw(name, show, *arguments)
        if name in self._refused:
            self._set(name.removeprefix("raw-"), False)

    def _set(self, name: str, is_shown: bool) -> None:
        """Put a figure under its caption, or take it out."""
        if (name in self._shown) != is_shown:
            self._shown ^= {name}
            self._arrange()

    def _arrange(self) -> None:
        parts = list(self._head)
        for name, figure in self._figures.items():
            parts += [self._captions[name], figure] if name in self._shown else [self._captions[name]]
        self.panel[:] = parts

    def _redraw(self, *events: object) -> None:
        request, picture = self._drawn, self.picture
        if request is None or picture is None or request.scene is not self._scene:
            return
        self.draw("raw-snippet", self._draw_snippet, request, picture)
        self.draw("raw-csd", self._draw_csd, request, picture)
        self.draw("raw-spectrogram", self._draw_spectrogram, request, picture)

    def _draw_snippet(self, request: SnippetRequest, picture: SnippetPicture) -> None:
        gain = self._own.raw_db
        palette = self._own.raw_palette
        self.snippet.mapper.palette = VOLTAGE[palette]
        self.snippet.show(request.scene, picture, request.at_s, gain, request.selected)
        self._captions["snippet"].object = texts.snippet(picture, request.at_s, gain, palette)
        self._set("snippet", True)

    def _draw_csd(self, request: SnippetRequest, picture: SnippetPicture) -> None:
        lf, end = picture.lf, 0.0
        if lf is not None:
            end = csd_scale(lf) * 10 ** (-self._own.raw_db / 20)
            self.csd.fill(picture, farthest(lf.csd, picture.n_pooled), end, request.at_s)
        self._captions["csd"].object = texts.current_sources(lf, end)
        self._set("csd", lf is not None)

    def _draw_spectrogram(self, request: SnippetRequest, picture: SnippetPicture) -> None:
        power = None if picture.lf is None else picture.lf.power
        if power is not None and power.power_db.size:
            self.spectrogram.show(power, request.at_s)
        self._captions["spectrogram"].object = texts.spectrogram(picture.lf)
        self._set("spectrogram", power is not None and power.power_db.size > 0)

    def refuse(self, error: DashboardError) -> None:
        """Say it in the tab; what was drawn of this insertion stays, unless nothing is recorded there."""
        elsewhere = error if isinstance(error, NotRecorded) else None
        super().refuse(error)
        self.go.visible = elsewhere is not None
        if elsewhere is not None:
            self._recorded, self.refusal.object = elsewhere.recorded_s, ""
            self.picture = self._drawn = None
        if self._drawn is None or self._drawn.scene is not self._scene:
            for name in ("snippet", "csd", "spectrogram"):
                self._set(name, False)
                self._captions[name].object = ""
        if elsewhere is not None:
            self._captions["snippet"].object = texts.not_recorded(elsewhere)

    # -- single spikes ---------------------------------------------------------------------------

    def _ask_many(self, *events: object) -> None:
        scene, n = self._scene, self._own.raw_many
        if scene is None or not self.is_seen:
            return
        units = scene.indexes(self._state.selected)
        if not n or not units:
            self._many_loop.cancel()
            self._many = None
            self._set("waveforms", False)
            self._captions["waveforms"].object = texts.NO_UNIT if n else ""
            return
        request = ManyRequest(scene, units[-1], n, self._own.raw_step)
        if request != self._many:
            self._many = request
            self._captions["waveforms"].object = texts.WORKING
            self._many_loop.cancel()
            self._many_loop.request(request)

    def _show_many(self, request: ManyRequest, found: ManySpikes) -> None:
        if request == self._many:
            self.draw("raw-waveforms", self._draw_many, found)

    def _draw_many(self, found: ManySpikes) -> None:
        self._captions["waveforms"].object = texts.many(found)
        self._set("waveforms", True)
        self.waveforms.show(many_figure(found))

    def _no_many(self, error: DashboardError) -> None:
        self._set("waveforms", False)
        self._captions["waveforms"].object = refusal_text(error)

    def _banded(self, *events: object) -> None:
        self._request()
        self._draw_rms()

    def _show_maps(self) -> None:
        if self._scene is None:
            return
        quality = self._services.quality
        maps, before = quality.known(self._scene), self.maps
        self.maps = maps
        if maps is not None and maps is not before:
            self._draw_rms()
            self.draw("raw-spectrum", self._draw_spectrum, maps)
            self.draw("raw-bands", self._draw_bands, maps)
            self.draw("raw-ap-spectrum", self._draw_ap_spectrum, maps)
        elif maps is None and quality.error is not None:
            self._no_maps(quality.error)

    def _draw_spectrum(self, maps: QualityMaps) -> None:
        self._captions["spectrum"].object = texts.spectrum(maps)
        self._set("spectrum", maps.spectrum is not None)
        if maps.spectrum is not None:
            self.spectrum.show(maps.spectrum, "inferno")
            self.spectrum.show_bad(maps)

    def _draw_ap_spectrum(self, maps: QualityMaps) -> None:
        self._captions["ap-spectrum"].object = texts.ap_spectrum(maps)
        self._set("ap-spectrum", maps.ap_spectrum is not None)
        if maps.ap_spectrum is not None:
            self.ap_spectrum.show(maps.ap_spectrum, "inferno")
            self.ap_spectrum.show_bad(maps)

    def _draw_bands(self, maps: QualityMaps) -> None:
        self._captions["bands"].object = texts.bands(maps)
        self._set("bands", bool(maps.powers))
        if maps.powers:
            self.bands.show(maps)

    def _draw_rms(self) -> None:
        if self.maps is not None:
            self.draw("raw-rms", self._draw_map, self.maps)

    def _draw_map(self, maps: QualityMaps) -> None:
        band = self._own.raw_band
        self._captions["rms"].object = texts.rms(maps, band)
        self._set("rms", band in maps.rms)
        if band in maps.rms:
            self.rms.show(maps.rms[band], RMS_PALETTES[band])

    def _no_maps(self, error: DashboardError) -> None:
        for name in ("rms", "spectrum", "bands", "ap-spectrum"):
            self._set(name, False)
            self._captions[name].object = ""
        self._captions["rms"].object = refusal_text(error)

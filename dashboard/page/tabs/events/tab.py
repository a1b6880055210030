"""The Events tab: what a unit, a band of depths, a region or the whole population does around an event."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.events import Tap

from dashboard.analysis.anatomy.regions import at_level
from dashboard.analysis.events.picture import EventPicture
from dashboard.analysis.events.trials import available_events
from dashboard.model.errors import DashboardError
from dashboard.page.core.assets import asset
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.render_loop import RenderLoop
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import ViewState
from dashboard.page.core.tab import BusyIndicator, pane, refusal_line, refusal_text
from dashboard.page.core.theme import apply_theme
from dashboard.page.tabs.events import texts as event_texts
from dashboard.page.tabs.events.figures import MapFigure, PsthFigure, TrialRaster
from dashboard.page.tabs.events.picture import DEPTHS, FILTER, REGION, SUBJECTS, UNIT, EventRequest, render_events
from dashboard.page.tabs.events.response_test import ResponseTester
from dashboard.page.tabs.events.trial_browser import TrialBrowser
from dashboard.page.tabs.events.words import EVENT_FIELDS, event_request
from dashboard.page.widgets.fields import BinFields
from dashboard.page.widgets.folding import folded

PSTH_PX, RASTER_PX, MAP_PX = 170, 252, 320


class EventsTab:
    """Trial raster, PSTH, population map, trial browser and the test of responses.

    Parameters
    ----------
    state : ViewState
    pool : ThreadPoolExecutor
        Threads that render.
    queue : DocumentQueue
    browser : TrialBrowser
    response_test : ResponseTester

    Attributes
    ----------
    picture : EventPicture or None
        What the tab shows.
    """

    title = "Events"
    follows_hidden = False

    def __init__(
        self,
        state: ViewState,
        pool: ThreadPoolExecutor,
        queue: DocumentQueue,
        browser: TrialBrowser,
        response_test: ResponseTester,
    ) -> None:
        self._state, self._browser, self._response_test = state, browser, response_test
        self._scene: Scene | None = None
        self._is_moving = False
        self.picture: EventPicture | None = None
        self._css = [asset("page.css"), asset("summary.css"), asset("unit.css")]

        def refused(error: DashboardError) -> None:
            """Say it in the tab; what was drawn stays."""
            self.busy.end()
            self._put_body()
            self.notice.visible = False
            self.refusal.object = refusal_text(error)

        self._loop: RenderLoop[EventRequest, EventPicture] = RenderLoop(
            queue, pool, render_events, self._apply, refused, pause_s=0
        )
        self._make_controls()
        self.psth, self.raster, self.map = PsthFigure(PSTH_PX), TrialRaster(RASTER_PX), MapFigure(MAP_PX)
        self._captions = {name: self._html() for name in ("head", "psth", "raster", "map")}
        self._captions["head"].object = event_texts.WORKING
        self.notice = self._html()
        self.busy, self.refusal = BusyIndicator(queue, self._css), refusal_line(self._css)
        self._body = pn.Column(*self._sections(), sizing_mode="stretch_width", margin=0)
        self._panel = pn.Column(
            self.refusal, self.busy.panel, self.notice, sizing_mode="stretch_both", margin=0, scroll=True
        )
        self.raster.figure.on_event(Tap, self._tapped)
        state.param.watch(self._follow_subject, "spikes_of")
        state.param.watch(self._request, ["selected", "tab", "event", "split", "spikes_of", "masked", "bins", "dark"])
        state.param.watch(self._moved, "depth_range")

    def _html(self, text: str = "") -> Any:
        return pn.pane.HTML(text, stylesheets=self._css, margin=(2, 10), sizing_mode="stretch_width")

    def _make_controls(self) -> None:
        state = self._state
        small: dict[str, Any] = {"size": "small", "variant": "outlined", "margin": (6, 4)}
        self.event = pmui.Select.from_param(state.param.event, label="Align to", width=135, **small)
        self.split = pmui.Select.from_param(state.param.split, label="Split by", width=125, **small)
        self.mask = pmui.Switch.from_param(
            state.param.masked, label="Mask", description=event_texts.MASK_WORDS, size="small", margin=(12, 6)
        )
        self.subject = pmui.Select(label="Spikes of", options=SUBJECTS, value=UNIT, width=175, **small)
        self.region = pmui.Select(label="Region", options=["–"], value="–", width=175, visible=False, **small)
        self.subject.param.watch(self._chosen, "value")
        self.region.param.watch(self._chosen, "value")

    def _sections(self) -> list[Any]:
        parts = {"Test response of every unit": lambda: self._response_test.panel, "Bins and windows": self._make_bins}
        return [
            pn.Row(self.event, self.split, self.mask, margin=(0, 6)),
            pn.Row(self.subject, self.region, margin=(0, 6)),
            self._captions["head"],
            self._captions["psth"],
            pane(self.psth.figure),
            self._captions["raster"],
            pane(self.raster.figure),
            self._browser.panel,
            self._captions["map"],
            pane(self.map.figure),
            folded(parts, margin=(4, 10)),
        ]

    def _make_bins(self) -> Any:
        fields = BinFields(self._state, EVENT_FIELDS).widgets.values()
        return pn.FlexBox(*fields, sizing_mode="stretch_width", margin=0)

    @property
    def panel(self) -> Any:
        """What the dock shows."""
        return self._panel

    def open(self, scene: Scene) -> None:
        """Show the events of another insertion, or of the same one through other filters."""
        self._scene = scene
        trials = scene.sorting.trials
        self._browser.open(trials)
        self._response_test.open(scene)
        events = available_events(trials.table) if trials is not None else ()
        if not events:
            why = "the trials table has no times of events" if trials is not None else ""
            self._loop.cancel()
            self.picture = None
            self.busy.end()
            self.refusal.object = ""
            self.notice.param.update(object=event_texts.absent(scene.sorting, why), visible=True)
            self._panel[:] = [self.refusal, self.busy.panel, self.notice]
            return
        self._is_moving = True
        try:
            self._offer_regions(scene)
            if self._state.event not in events:
                self._state.event = events[0]
        finally:
            self._is_moving = False
        self._put_body()  # the browser builds it while the first picture is computed
        self._request()

    def _put_body(self) -> None:
        if self._body not in self._panel.objects:
            apply_theme(self._body, dark=self._state.dark)
            self._panel.append(self._body)

    def _offer_regions(self, scene: Scene) -> None:
        clusters = scene.sorting.clusters
        names = ["–"]
        if "acronym" in clusters:
            own = clusters["acronym"].dropna().to_numpy(dtype=object)
            names = sorted({str(name) for name in at_level(own, scene.level)} - {"", "void", "root"}) or ["–"]
        subject, _, region = self._state.spikes_of.partition(":")
        if subject == REGION and region not in names:
            self._state.spikes_of = FILTER if names == ["–"] else f"{REGION}:{names[0]}"
        if names != self.region.options:
            value = self.region.value if self.region.value in names else names[0]
            self.region.param.update(options=names, value=value)
        subjects = {words: name for words, name in SUBJECTS.items() if name != REGION or names != ["–"]}
        if subjects != self.subject.options:
            value = self.subject.value if self.subject.value in subjects.values() else FILTER
            self.subject.param.update(options=subjects, value=value)
        self._follow_subject()

    def _chosen(self, event: Any) -> None:
        """Take whose spikes were asked for, and the region, into the state."""
        if not self._is_moving:
            subject = self.subject.value
            self._state.spikes_of = f"{REGION}:{self.region.value}" if subject == REGION else subject

    def _follow_subject(self, *events: object) -> None:
        was_moving, self._is_moving = self._is_moving, True
        try:
            subject, _, region = self._state.spikes_of.partition(":")
            if subject in self.subject.options.values():
                self.subject.value = subject
            if region in self.region.options:
                self.region.value = region
            self.region.visible = subject == REGION
        finally:
            self._is_moving = was_moving

    def close(self) -> None:
        """Stop what runs: the browser has gone."""
        self._loop.close()
        self._response_test.close()

    def _moved(self, event: object) -> None:
        if self._state.spikes_of == DEPTHS:
            self._request()

    def _request(self, *events: object) -> None:
        scene, state = self._scene, self._state
        if scene is None or self._is_moving or state.tab != self.title or scene.sorting.trials is None:
            return
        self.busy.begin()
        values = {name: getattr(state, name) for name in state.param}
        self._loop.request(event_request(scene, values, self.picture))

    def _apply(self, request: EventRequest, picture: EventPicture) -> None:
        if request.scene is not self._scene:
            return
        self.picture = picture
        dark = self._state.dark
        aside = "no unit is selected, so " if self._state.spikes_of == UNIT and request.subject != UNIT else ""
        texts = event_texts.captions(picture, request.event, request.split, aside, dark=dark)
        for name, text in texts.items():
            self._captions[name].object = text
        self.psth.show(picture.groups, request.event, dark=dark)
        self.raster.show(picture.groups, request.event, picture.raster_edges_s, is_single=picture.is_single, dark=dark)
        self.map.show(picture.map, request.event, dark=dark)
        self.busy.end()
        self.refusal.object = ""
        self.notice.visible = False
        self._put_body()

    def _tapped(self, event: Tap) -> None:
        """Show the trial that was clicked."""
        if self.picture is not None and event.y is not None:
            self._browser.go(self.picture.trial_at(float(event.y)))

"""The Events tab: what a unit, a band of depths, a region or the whole population does around an event."""

from __future__ import annotations

import threading
from functools import partial
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.events import Tap

from dashboard.analysis.anatomy.regions import at_level
from dashboard.analysis.computed import compute_all
from dashboard.analysis.events.picture import EventPicture
from dashboard.analysis.events.trials import EVENTS, SPLITS, available_events, available_splits, has_mask
from dashboard.figures.registry import FIGURES, Declared
from dashboard.model.errors import DashboardError
from dashboard.page.core.document_queue import Rest
from dashboard.page.core.figure_view import FigureView
from dashboard.page.core.panes import caption
from dashboard.page.core.scene import Scene
from dashboard.page.core.sent import finite
from dashboard.page.core.tab import BaseTab, pane
from dashboard.page.core.theme import apply_theme
from dashboard.page.services.alignment import (
    DEPTHS,
    EVENT_FIELDS,
    FILTER,
    REGION,
    SUBJECTS,
    UNIT,
    AlignmentState,
    EventRequest,
    event_request,
    render_events,
    wrong_event_fields,
)
from dashboard.page.services.page_services import PageServices
from dashboard.page.tabs.events import texts as event_texts
from dashboard.page.tabs.events.upload import EventUpload
from dashboard.page.widgets.fields import BinFields
from dashboard.page.widgets.sections import folded

HEIGHTS_PX = {"event-psth": 170, "event-raster": 252, "event-map": 320}
ADDED_PX = 170
"""Of figures of other packages."""


def draw_events(request: EventRequest, cancel: threading.Event) -> tuple[EventPicture, Declared]:
    """Compute what is around the event, and declare its figures."""
    picture = render_events(request, cancel)
    compute_all(picture)
    return picture, Declared("event", picture)


class EventsTab(BaseTab[PageServices]):
    """Trial raster, PSTH, population map, trial browser and the test of responses.

    Attributes
    ----------
    picture : EventPicture or None
        What the tab shows.
    """

    def __init__(self, services: PageServices, title: str) -> None:
        super().__init__(services, title, ("summary", "unit"))
        self._browser, self._response_test = services.trials, services.response_test
        self._own = own = services.states[AlignmentState]
        self._is_moving = False
        self.picture: EventPicture | None = None
        self._loop = self.loop(draw_events, self._apply, pause_s=0)
        self._make_controls()
        names = [entry.name for entry in FIGURES if entry.of == "event"]
        dark = self._state.dark
        self.views = {name: FigureView(name, HEIGHTS_PX.get(name, ADDED_PX), dark=dark) for name in names}
        self._panes = {name: pane(view.figure) for name, view in self.views.items()}
        self._captions = {name: self.html() for name in ("event-head", *names)}
        self._captions["event-head"].object = event_texts.WORKING
        self.part("event-head", "What is aligned", self._captions["event-head"])
        for name in names:
            self.part(name, FIGURES[name].title, self._captions[name], self._panes[name])
        self.notice = self.html()
        self.upload = EventUpload(services.own_events)
        self._body = pn.Column(*self._sections(), sizing_mode="stretch_width", margin=0)
        self.panel = pn.Column(
            self.refusal,
            self.busy.panel,
            self.notice,
            self.upload.panel,
            sizing_mode="stretch_both",
            margin=0,
            scroll=True,
        )
        self.views["event-raster"].figure.on_event(Tap, self._tapped)
        own.param.watch(self._follow_subject, "spikes_of")
        own.param.watch(self._request, ["event", "split", "spikes_of", "masked"])
        self._state.param.watch(self._request, ["tab", "bins", "dark"])
        self._state.param.watch(Rest(self._queue, self._request).ask, "selected")
        self._state.param.watch(self._moved, "depth_range")

    def _make_controls(self) -> None:
        own = self._own
        small: dict[str, Any] = {"size": "small", "variant": "outlined", "margin": (6, 4)}
        self.event = pmui.Select(options=list(EVENTS), value=own.event, label="Align to", width=135, **small)
        self.split = pmui.Select(options=list(SPLITS), value=own.split, label="Split by", width=125, **small)
        self.mask = pmui.Switch.from_param(
            own.param.masked,
            label="BWM trials",
            description=event_texts.MASK_WORDS,
            size="small",
            margin=(4, 6),
        )
        self.subject = pmui.Select(label="Spikes of", options=SUBJECTS, value=UNIT, width=175, **small)
        self.region = pmui.Select(label="Region", options=["–"], value="–", width=175, visible=False, **small)
        for name, widget in (("event", self.event), ("split", self.split)):
            widget.param.watch(partial(self._picked, name), "value")
            own.param.watch(partial(self._follow, widget), name)
        self.subject.param.watch(self._chosen, "value")
        self.region.param.watch(self._chosen, "value")

    def _sections(self) -> list[Any]:
        parts = {"Windows of the test": lambda: self._response_test.settings, "Bins and windows": self._make_bins}
        return [
            pn.Row(self.event, self.split, margin=(0, 6)),
            pn.Row(self.subject, self.region, self._response_test.button, margin=(0, 6)),
            pn.Row(self.mask, margin=(0, 6)),
            self._response_test.panel,
            self._captions["event-head"],
            *self._captioned("event-psth", "event-raster"),
            self._browser.panel,
            *self._captioned("event-map", *(name for name in self.views if name not in FIGURES.own)),
            folded(parts, margin=(4, 10)),
        ]

    def _captioned(self, *names: str) -> list[Any]:
        return [part for name in names for part in (self._captions[name], self._panes[name])]

    def _make_bins(self) -> Any:
        fields = BinFields(self._state, EVENT_FIELDS, wrong_event_fields).widgets.values()
        return pn.FlexBox(*fields, sizing_mode="stretch_width", margin=0)

    def open(self, scene: Scene) -> None:
        """Show the events of another insertion, or of the same one through other filters."""
        self._scene = scene
        trials = scene.sorting.trials
        self._browser.open(trials)
        self._response_test.open(scene)
        self.upload.open(scene)
        events = available_events(trials.table) if trials is not None else ()
        if not events:
            why = "the trials table has no times of events" if trials is not None else ""
            self._loop.cancel()
            self.picture = None
            self.answered()
            self.notice.param.update(object=event_texts.absent(scene.sorting, why), visible=True)
            self.panel[:] = [self.refusal, self.busy.panel, self.notice, self.upload.panel]
            return
        self._is_moving = True
        try:
            self._offer_regions(scene)
            assert trials is not None
            self._offer(self.event, "event", events)
            self._offer(self.split, "split", available_splits(trials.table))
            self.mask.disabled = not has_mask(trials.table)
        finally:
            self._is_moving = False
        self._put_body()  # the browser builds it while the first picture is computed
        self._request()

    def _offer(self, widget: Any, name: str, options: tuple[str, ...]) -> None:
        """Offer the events or splits of the trials; one that they do not have gives way to the first."""
        value = getattr(self._own, name)
        value = value if value in options else options[0]
        widget.param.update(options=list(options), value=value)
        setattr(self._own, name, value)

    def _picked(self, name: str, event: Any) -> None:
        if not self._is_moving and event.new is not None:
            setattr(self._own, name, event.new)

    def _follow(self, widget: Any, event: Any) -> None:
        if event.new in widget.options:
            widget.value = event.new

    def _put_body(self) -> None:
        if self._body not in self.panel.objects:
            apply_theme(self._body, dark=self._state.dark)
            self.panel.append(self._body)

    def _offer_regions(self, scene: Scene) -> None:
        clusters = scene.sorting.clusters
        names = ["–"]
        if "acronym" in clusters:
            own = clusters["acronym"].dropna().to_numpy(dtype=object)
            names = sorted({str(name) for name in at_level(own, scene.level)} - {"", "void", "root"}) or ["–"]
        subject, _, region = self._own.spikes_of.partition(":")
        if subject == REGION and region not in names:
            self._own.spikes_of = FILTER if names == ["–"] else f"{REGION}:{names[0]}"
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
            self._own.spikes_of = f"{REGION}:{self.region.value}" if subject == REGION else subject

    def _follow_subject(self, *events: object) -> None:
        was_moving, self._is_moving = self._is_moving, True
        try:
            subject, _, region = self._own.spikes_of.partition(":")
            if subject in self.subject.options.values():
                self.subject.value = subject
            if region in self.region.options:
                self.region.value = region
            self.region.visible = subject == REGION
        finally:
            self._is_moving = was_moving

    def refuse(self, error: DashboardError) -> None:
        """Say it in the tab; what was drawn stays."""
        self._put_body()
        self.notice.visible = False
        super().refuse(error)

    def _moved(self, event: object) -> None:
        if self._own.spikes_of == DEPTHS:
            self._request()

    def _request(self, *events: object) -> None:
        scene = self._scene
        if scene is None or self._is_moving or not self.is_seen or scene.sorting.trials is None:
            return
        self.busy.begin()
        self._loop.request(event_request(scene, self._services.states.values(), self.picture))

    def _apply(self, request: EventRequest, drawn: tuple[EventPicture, Declared]) -> None:
        if request.scene is not self._scene:
            return
        self.picture, figures = drawn
        aside = "no unit is selected, so " if self._own.spikes_of == UNIT and request.subject != UNIT else ""
        self.draw("event-head", self._show_head, self.picture, aside)
        for name in self.views:
            self.draw(name, self._show_view, name, self.picture, figures)
        self.answered()
        self.notice.visible = False
        self._put_body()

    def _show_head(self, picture: EventPicture, aside: str) -> None:
        self._captions["event-head"].object = event_texts.head(picture, aside, dark=self._state.dark)

    def _show_view(self, name: str, picture: EventPicture, figures: Declared) -> None:
        """Draw a figure under its caption."""
        figure = figures[name]
        absent = f": {escape(figure.absent)}" if figure.absent else ""
        own = "" if absent else event_texts.heading(name, picture, dark=self._state.dark)
        self._captions[name].object = own or caption(f"{escape(FIGURES[name].title)}{absent}")
        self.views[name].show(figure, dark=self._state.dark)
        self._panes[name].visible = not figure.absent

    def _tapped(self, event: Tap) -> None:
        """Show the trial that was clicked."""
        if self.picture is not None and finite(event.y):
            self._browser.go(self.picture.trial_at(float(event.y)))

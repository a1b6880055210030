"""The tab Curation: decide about the selected units, see what everybody has decided."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dashboard.analysis.curation.similar import SimilarUnits, similar_units
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.library.curation.formats import MAX_UPLOAD_BYTES
from dashboard.model.curation import Category
from dashboard.model.sorting import SpikeSorting
from dashboard.model.unit_ids import UnitId
from dashboard.page.core.document_queue import Rest
from dashboard.page.core.scene import Scene
from dashboard.page.core.tab import BaseTab
from dashboard.page.services.curation import CurationState
from dashboard.page.services.page_services import PageServices
from dashboard.page.tabs.curation import texts
from dashboard.page.tabs.curation.exports import DecisionsAtHand
from dashboard.page.tabs.curation.following import Following
from dashboard.page.widgets.chips import Chips
from dashboard.page.widgets.file_field import FileField

SELECTED, PASSING = "selected", "passing"
TOGETHER = "Look at them as one"
_BUTTON: dict[str, Any] = {"size": "small", "variant": "outlined", "margin": (4, 4)}


@dataclass(frozen=True, slots=True, eq=False)
class SimilarRequest:
    """Which unit others are compared with, by index."""

    sorting: SpikeSorting
    columns: SpikeColumns
    unit: int

    def is_same(self, scene: Scene, unit: int) -> bool:
        """Tell whether it asks for the same of the same spikes."""
        return self.columns is scene.columns and self.unit == unit


def _look_for(request: SimilarRequest, cancel: threading.Event | None = None) -> SimilarUnits:
    return similar_units(request.sorting, request.columns, request.unit, cancel)


class CurationTab(BaseTab[PageServices]):
    """Buttons for what the keys do, who decides, and the decisions about the selected unit and of late.

    Attributes
    ----------
    message, about, log : HTML
        What was kept last; what people say of the selected unit; the last decisions.
    """

    def __init__(self, services: PageServices, title: str) -> None:
        super().__init__(services, title)
        self._curation, self._user_session = services.curation, services.user_session
        rules = self._curation.rules
        login = self._user_session.login
        self.who = pmui.TextInput(
            label="Your name, which the browser remembers",
            value=self._curation.author, disabled=bool(login), size="small", variant="outlined",
            sizing_mode="stretch_width", margin=(6, 10),
        )  # fmt: skip
        self.target = pmui.RadioButtonGroup(
            options={"Selected units": SELECTED, "All units that pass": PASSING}, value=SELECTED, size="small",
            margin=(4, 10), label="",
        )  # fmt: skip
        self.labels = [pn.FlexBox(*self._buttons(category), margin=(0, 6)) for category in rules.categories]
        self.note = pmui.TextInput(
            label="Note of the selected units, kept with Enter", size="small", variant="outlined",
            sizing_mode="stretch_width", margin=(6, 10),
        )  # fmt: skip
        acts = (
            ("Flag", self._curation.flag),
            ("Same unit · Alt+S", self._curation.merge),
            (TOGETHER, self._curation.look_together),
            ("Undo", self._curation.undo),
            ("Redo", self._curation.redo),
        )
        self.acts = {name: pmui.Button(label=name, **_BUTTON) for name, _ in acts}
        for name, act in acts:
            self.acts[name].on_click(partial(_call, act))
        self._own = own = services.states[CurationState]
        self.queue_switch = pmui.Switch.from_param(
            own.param.unjudged,
            description="",
            label="J and K stop at units that I have not judged yet",
            margin=(4, 10),
        )
        self.applied_switch = pmui.Switch.from_param(
            own.param.applied,
            description="",
            label="Show units merged and split, without removed units and bad spans",
            margin=(4, 10),
        )
        self.applied = self.html()
        self.reason = pmui.TextInput(
            label="Why the window in view is bad", size="small", variant="outlined", width=210, margin=(4, 4),
        )  # fmt: skip
        self.bad = [pmui.Button(label=name, **_BUTTON) for name in ("Bad for all units", "Bad for selected units")]
        for button, of_selected in zip(self.bad, (False, True), strict=True):
            button.on_click(partial(self._mark_bad, of_selected))
        self.proposals = Chips(self._unmark, about="Units merged and split", margin=(4, 10), visible=False)
        self.spans = Chips(self._unmark, about="Bad spans", margin=(4, 10), visible=False)
        self.whose = pmui.TextInput(
            label="Author of the decisions in a file", size="small", variant="outlined", width=210, margin=(4, 4),
        )  # fmt: skip
        self.file = FileField("Import a file", MAX_UPLOAD_BYTES, self._brought, self.refuse)
        self._similar: SimilarUnits | None = None
        self._asked: SimilarRequest | None = None
        self._loop = self.loop(_look_for, self._apply)
        self.pairs = Chips(self._pair, about="Similar units", margin=(4, 10), visible=False)
        self.similar = self.html()
        self.part("curation-similar", "Similar units", self.similar)
        self.following = Following(services.store, self._curation, self._queue, self.html)
        self.message = self.html()
        self.about = self.html()
        self.log = self.html()
        self.part("curation-about", "What people say of the unit", self.about)
        self.part("curation-log", "The last decisions", self.log)
        self.panel = pn.Column(
            self.refusal, self.who, self.target, *self.labels, self.note,
            pn.FlexBox(*self.acts.values(), margin=(0, 6)), self.queue_switch, self.applied_switch, self.applied,
            self.proposals, self.message, self.about, self.busy.panel, self.similar, self.pairs,
            pn.FlexBox(self.reason, *self.bad, margin=(0, 6)), self.spans,
            pn.FlexBox(self.whose, self.file, margin=(0, 6)), self.following.panel, self.log,
            sizing_mode="stretch_both", margin=0, scroll=True,
        )  # fmt: skip
        self._rest = Rest(self._queue, self._follow)
        self.who.param.watch(lambda event: self._user_session.say(event.new), "value")
        self.note.param.watch(self._noted, "value")
        self._state.param.watch(self._show, ["selected", "tab"])
        self._curation.listen(self._show)

    @property
    def for_export(self) -> DecisionsAtHand | None:
        """What was decided; None where nothing was."""
        curation = self._curation
        if curation.subject is None or not curation.rows:
            return None
        return DecisionsAtHand(tuple(curation.rows), curation.subject, curation.author, curation.rules)

    def _buttons(self, category: Category) -> list[Any]:
        made = []
        keys = (*category.keys, *[""] * len(category.labels))
        for label, key in [*zip(category.labels, keys, strict=False), ("", "")]:
            button = pmui.Button(label=texts.button(label, key, category), **_BUTTON)
            button.on_click(partial(self._label, category, label))
            made.append(button)
        return made

    def _label(self, category: Category, label: str, event: object) -> None:
        if self.target.value == SELECTED:
            self._curation.label(category, label)
        else:
            self._curation.label(category, label, self._passing())

    def _passing(self) -> list[UnitId]:
        scene = self._scene
        if scene is None:
            return []
        n = scene.sorting.n_clusters
        return scene.ids(range(n) if scene.mask is None else scene.mask[:n].nonzero()[0].tolist())

    def _noted(self, event: Any) -> None:
        if event.new.strip():
            self._curation.note(event.new)
            self._queue.later(partial(self.note.param.update, value=""))

    def close(self) -> None:
        """Stop what runs: the browser has gone."""
        self.following.close()
        super().close()

    def _mark_bad(self, of_selected: bool, event: object) -> None:
        self._curation.mark_bad(self.reason.value.strip(), of_selected=of_selected)

    def _unmark(self, step: str) -> None:
        self._queue.later(partial(self._curation.withdraw, step))

    def _brought(self, name: str, content: bytes) -> None:
        self._curation.bring(name, content, self.whose.value.strip())

    def open(self, scene: Scene) -> None:
        """Show what was decided about another insertion, or the same one."""
        self._scene = scene
        self.answered()
        self._show()

    def _pair(self, name: str) -> None:
        """Select a similar unit beside the one it is like."""
        scene, found = self._scene, self._similar
        if scene is not None and found is not None:
            self._queue.later(partial(self._state.param.update, selected=scene.ids((found.unit, int(name)))))

    def _look_again(self, scene: Scene) -> None:
        """Look for units like the one that was selected last, unless it is one of those that are listed."""
        units = scene.indexes(self._state.selected)
        if not units:
            self._loop.cancel()
            self.busy.end()
            self._apply(None, None)
            return
        found = self._similar
        is_listed = found is not None and len(units) > 1 and found.unit in units
        if is_listed or (self._asked is not None and self._asked.is_same(scene, units[-1])):
            if found is not None:
                self.draw("curation-similar", self._show_similar, scene)
            return
        self._asked = SimilarRequest(scene.sorting, scene.columns, units[-1])
        self.busy.begin()
        self._loop.request(self._asked)

    def _apply(self, request: SimilarRequest | None, found: SimilarUnits | None) -> None:
        self.busy.end()
        self._similar = found
        scene = self._scene
        if found is None:
            self._asked = None
        if scene is not None:
            self.draw("curation-similar", self._show_similar, scene)

    def _show_similar(self, scene: Scene) -> None:
        found = self._similar
        self.similar.object = texts.similar(found, scene.units)
        chips = (
            []
            if found is None
            else [
                (
                    str(one.unit),
                    f"with {scene.units.of(one.unit)}",
                    f"Select units {scene.units.of(found.unit)} and "
                    f"{scene.units.of(one.unit)}: the tab Unit lays them over each other",
                )
                for one in found.found
            ]
        )
        self.pairs.param.update(chips=chips, visible=bool(chips))

    def _show(self, *events: object) -> None:
        """Say what every key changes; the rest follows the first and the last of them."""
        scene = self._scene
        if scene is None or not self.is_seen:
            return
        curation = self._curation
        if self.who.value != curation.author:
            self.who.value = curation.author
        may = bool(self._user_session.may_decide)
        for button in (*self.acts.values(), *self.bad, self.file, *(button for row in self.labels for button in row)):
            button.disabled = not may
        self.draw("curation-about", self._show_about, scene)
        self.message.object = texts.message(
            curation.message, curation.n_waiting, is_bad=curation.is_bad, may=may, author=curation.author
        ) + texts.report(curation.report)
        self._rest.ask()

    def _follow(self) -> None:
        scene, curation = self._scene, self._curation
        if scene is None or not self.is_seen:
            return
        self.draw("curation-log", self._show_log)
        self._look_again(scene)
        self.acts[TOGETHER].label = "Show them apart" if self._own.together else TOGETHER
        if curation.loaded is not None:
            self.following.show(curation.loaded)
        self.applied.object = texts.applied(scene.sorting, curation.plan, is_wanted=self.applied_switch.value)
        held = curation.proposals
        self.proposals.param.update(chips=[texts.proposal(one, curation.author) for one in held], visible=bool(held))
        spans = curation.spans
        self.spans.param.update(chips=[texts.span(one, curation.author) for one in spans], visible=bool(spans))

    def _show_about(self, scene: Scene) -> None:
        unit = self._state.selected[-1] if self._state.selected else None
        state = self._curation.states.get(str(unit)) if unit is not None else None
        n = scene.sorting.n_clusters
        counts = (self._curation.n_judged, n, len(self._state.selected), scene.n_clusters_passing)
        self.about.object = texts.about(unit, state, counts, self._curation.author)

    def _show_log(self) -> None:
        self.log.object = texts.log(self._curation.rows, self._curation.subject)


def _call(act: Any, event: object) -> None:
    act()

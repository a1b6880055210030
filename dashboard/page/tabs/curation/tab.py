"""The tab Curation: decide about the selected units, see what everybody has decided."""

from __future__ import annotations

from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dashboard.model.curation import Category
from dashboard.model.unit_ids import UnitId
from dashboard.page.core.scene import Scene
from dashboard.page.core.tab import BaseTab
from dashboard.page.services.curation import CurationState
from dashboard.page.services.page_services import PageServices
from dashboard.page.tabs.curation import texts
from dashboard.page.tabs.curation.exports import DecisionsAtHand

SELECTED, PASSING = "selected", "passing"
_BUTTON: dict[str, Any] = {"size": "small", "variant": "outlined", "margin": (4, 4)}


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
            options={"Selected units": SELECTED, "All that pass": PASSING}, value=SELECTED, size="small",
            margin=(4, 10), label="",
        )  # fmt: skip
        self.labels = [pn.FlexBox(*self._buttons(category), margin=(0, 6)) for category in rules.categories]
        self.note = pmui.TextInput(
            label="Note of the selected units, kept with Enter", size="small", variant="outlined",
            sizing_mode="stretch_width", margin=(6, 10),
        )  # fmt: skip
        acts = (("Flag", self._curation.flag), ("Undo", self._curation.undo), ("Redo", self._curation.redo))
        self.acts = {name: pmui.Button(label=name, **_BUTTON) for name, _ in acts}
        for name, act in acts:
            self.acts[name].on_click(partial(_call, act))
        own = services.states[CurationState]
        self.queue_switch = pmui.Switch.from_param(
            own.param.unjudged, label="J and K stop at units that I have not judged yet", margin=(4, 10)
        )
        self.message = self.html()
        self.about = self.html()
        self.log = self.html()
        self.part("curation-about", "What people say of the unit", self.about)
        self.part("curation-log", "The last decisions", self.log)
        self.panel = pn.Column(
            self.refusal, self.who, self.target, *self.labels, self.note,
            pn.FlexBox(*self.acts.values(), margin=(0, 6)), self.queue_switch, self.message, self.about, self.log,
            sizing_mode="stretch_both", margin=0, scroll=True,
        )  # fmt: skip
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

    def open(self, scene: Scene) -> None:
        """Show what was decided about another insertion, or the same one."""
        self._scene = scene
        self.answered()
        self._show()

    def _show(self, *events: object) -> None:
        scene = self._scene
        if scene is None or not self.is_seen:
            return
        curation = self._curation
        if self.who.value != curation.author:
            self.who.value = curation.author
        may = bool(self._user_session.may_decide)
        for button in (*self.acts.values(), *(button for row in self.labels for button in row)):
            button.disabled = not may
        self.draw("curation-about", self._show_about, scene)
        self.draw("curation-log", self._show_log)
        self.message.object = texts.message(
            curation.message, curation.n_waiting, is_bad=curation.is_bad, may=may, author=curation.author
        )

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

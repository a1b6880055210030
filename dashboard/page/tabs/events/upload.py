"""Where a person brings in events of their own."""

from __future__ import annotations

from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dashboard.page.core.panes import html_pane
from dashboard.page.core.scene import Scene
from dashboard.page.core.tab import refusal_text
from dashboard.page.services.own_events import OwnEvents
from dashboard.page.widgets.file_field import FileField
from dashboard.sources.events import MAX_UPLOAD_BYTES, SENT

HINT = (
    f"Your own events ({', '.join(SENT)}): one row per event, a column of times in seconds (time, onset, or ending "
    "in _times), columns of conditions. They are shown by the link of this page only."
)
KEPT_WORDS = (
    "The link of this page shows them, also after a reload and to whoever has it, until the server ends or needs room; "
    "nothing is written to the data."
)


class EventUpload:
    """A button that takes a file, what it holds or why it was not taken, and the way back to the trials.

    Parameters
    ----------
    events : OwnEvents
    """

    def __init__(self, events: OwnEvents) -> None:
        self._events = events
        self._scene: Scene | None = None
        self.file = FileField("Import events", MAX_UPLOAD_BYTES, self._bring, events.refuse)
        self.back = pmui.Button(label="Remove events", size="small", variant="text", visible=False, margin=(4, 4))
        self.back.on_click(self._leave)
        self.words = html_pane("", "unit", margin=(0, 10))
        self.panel = pn.Column(
            pn.FlexBox(self.file, self.back, margin=(0, 6)), self.words, sizing_mode="stretch_width", margin=0
        )
        events.listen(self._show)

    def open(self, scene: Scene) -> None:
        """Take files for another insertion."""
        if self._scene is not None and self._scene.opened.key != scene.opened.key:
            self._events.refused = None
        self._scene = scene
        self._show()

    def _bring(self, name: str, content: bytes) -> None:
        if self._scene is not None:
            self._events.bring(name, content, self._scene.opened)

    def _leave(self, event: Any) -> None:
        if self._scene is not None:
            self._events.leave(self._scene.opened)

    def _show(self) -> None:
        own = self._events.of(self._scene.opened) if self._scene is not None else None
        self.back.visible = own is not None
        if self._events.refused is not None:
            self.words.object = refusal_text(self._events.refused)
        else:
            has_trials = self._scene is not None and self._scene.sorting.trials is not None
            hint = "" if has_trials else HINT
            said = hint if own is None else f"{own.note}. {KEPT_WORDS}"
            self.words.object = f'<div class="unit" role="status"><p class="absent">{escape(said)}</p></div>'

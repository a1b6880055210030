"""A line that says what is being computed in the background, how far it is, and how to stop it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import panel_material_ui as pmui

from dashboard.model.progress import Progress
from dashboard.page.core.late import Late
from dashboard.page.core.panes import html_pane


class ProgressLine:
    """Name of the work, a bar, and a button that stops it or starts it again.

    Parameters
    ----------
    start, stop : callable () -> None
    """

    def __init__(self, start: Callable[[], None], stop: Callable[[], None]) -> None:
        self._start, self._stop = start, stop
        self._is_running = False
        self._words = html_pane(margin=(2, 12))
        self._bar = pmui.LinearProgress(value=0, max=100, sizing_mode="stretch_width", margin=(2, 12))
        self._button = pmui.Button(label="Cancel", size="small", variant="text", margin=(0, 8))
        self._button.on_click(self._clicked)
        self.panel = Late(self._words, self._bar, self._button, visible=False)

    def run(self, progress: Progress) -> None:
        """Show how far the work is."""
        share = 100 * progress.done / progress.total if progress.total else 0.0
        self._is_running = True
        self._words.object = f'<div class="notes">{escape(progress.stage)} … {share:.0f} %</div>'
        self._bar.param.update(value=int(share), visible=True)
        self._button.param.update(label="Cancel", visible=True)
        self.panel.visible = True

    def halt(self, words: str, again: str) -> None:
        """Say why the work stopped; the button starts it again."""
        self._is_running = False
        self._words.object = f'<div class="notes">{escape(words)}</div>'
        self._bar.visible = False
        self._button.param.update(label=again, visible=True)
        self.panel.visible = True

    def hide(self) -> None:
        """There is nothing to do."""
        self._is_running = False
        self.panel.visible = False

    def _clicked(self, event: Any) -> None:
        if self._is_running:
            self._stop()
        else:
            self._start()

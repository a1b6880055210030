"""What the keyboard does to the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from dashboard.page.core.axes import Axes
from dashboard.page.core.state import SHOW, ViewState
from dashboard.page.core.tab import TabSlot
from dashboard.page.tabs.registry import TABS

MODES = {"v": "pan", "b": "select", "z": "zoom"}

HELP: tuple[tuple[tuple[str, ...], str], ...] = (
    (("wheel",), "zoom time; over the depth axis, or with Alt, zoom depth"),
    (("pinch", "Ctrl + wheel"), "zoom time and depth"),
    (("drag",), "pan, select units or zoom, as the mode says"),
    (("V", "B", "Z"), "mode: pan, select units by a box, zoom into a box"),
    (("click",), "select the nearest unit"),
    (("double click", "Home"), "show everything"),
    (("←", "→", "↑", "↓"), "move by a quarter"),
    (("+", "−"), "zoom time in and out"),
    (("G",), "show good units only, or all"),
    (("H",), "next picture: raster with heatmap, raster, heatmap, a row for each unit"),
    (("Shift + drag",), 'on the overview: draw the span "before", then the span "after", for the tab Change'),
    (("Backspace",), "back to the previous view, as the browser's own back"),
    (("Escape",), "clear the selection"),
    (("Ctrl+K", "/"), "find an insertion; in the list J and K move, Enter opens, S adds a favourite, T starts triage"),
    (("P", "F", "C"), "in a triage: pass, fail, comment; J and K step through its insertions"),
    (("Ctrl+Shift+E",), "export: figures, data, code"),
)
"""Keys of the page and what they do, in the order of the help; those of tabs are in their entries."""


class Keys:
    """Turns keys into changes of the state.

    Parameters
    ----------
    state : ViewState
    axes : Axes
    tabs : mapping of str to TabSlot
        By the names of their entries, which name their keys.
    decide : callable (str) -> bool
        Acts on keys that decide about units.
    """

    def __init__(
        self,
        state: ViewState,
        axes: Axes,
        tabs: Mapping[str, TabSlot],
        decide: Callable[[str], bool] = lambda key: False,
    ) -> None:
        self._decide = decide
        self._state = state
        self._axes = axes
        self._of_tabs = {key: tabs[entry.name] for entry in TABS if entry.name in tabs for key in entry.keys}

    def press(self, key: str) -> None:
        """Act on one key; keys that mean nothing here are ignored."""
        if self._decide(key):
            return
        state = self._state
        match key:
            case "v" | "b" | "z":
                state.mode = MODES[key]
            case "h":
                state.show = SHOW[(SHOW.index(state.show) + 1) % len(SHOW)]
            case "g":
                state.quality = "all" if state.quality == "good" else "good"
            case "+" | "=" | "-" | "ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown" | "Home":
                self._navigate(key)
            case "Escape":
                state.selected = []
            case _ if key in self._of_tabs:
                self._of_tabs[key].press(key)

    def _navigate(self, key: str) -> None:
        state, axes = self._state, self._axes
        if state.time_range is None or state.depth_range is None:
            return
        (t0, t1), (d0, d1) = state.time_range, state.depth_range
        match key:
            case "Home":
                axes.show(None, None)
                return
            case "+" | "=" | "-":
                quarter = (t1 - t0) / 4 * (1 if key != "-" else -2)
                t0, t1 = t0 + quarter, t1 - quarter
            case "ArrowLeft" | "ArrowRight":
                step = (t1 - t0) / 4 * (1 if key == "ArrowRight" else -1)
                step = float(np.clip(step, axes.time_limits.start - t0, axes.time_limits.end - t1))
                t0, t1 = t0 + step, t1 + step
            case _:
                step = (d1 - d0) / 4 * (1 if key == "ArrowUp" else -1)
                step = float(np.clip(step, axes.depth_limits.start - d0, axes.depth_limits.end - d1))
                d0, d1 = d0 + step, d1 + step
        axes.show((t0, t1), (d0, d1))

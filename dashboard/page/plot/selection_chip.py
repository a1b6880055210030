"""The selected unit in a chip over the pictures: what it is, whether the filters hide it, and a click to open it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dashboard.model.colours import SELECTION
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.scene import UNKNOWN, Scene
from dashboard.page.core.state import ViewState
from dashboard.page.widgets.chips import Chips

TAB = "Unit"


class SelectionChip:
    """A chip for the unit that was selected last.

    Parameters
    ----------
    state : ViewState
    queue : DocumentQueue

    Attributes
    ----------
    panel : Chips
    """

    def __init__(self, state: ViewState, queue: DocumentQueue) -> None:
        self._state = state
        self._scene: Scene | None = None
        self.panel = Chips(
            lambda name: queue.later(self._open_tab), about="Selected unit", margin=0, visible=False,
            css_classes=["choice"],
        )  # fmt: skip
        state.param.watch(self._follow, "selected")

    def open(self, scene: Scene) -> None:
        """Name units of another insertion, or of the same one through other filters."""
        self._scene = scene
        self._follow()

    def _open_tab(self) -> None:
        self._state.tab = TAB

    def _follow(self, *events: object) -> None:
        selected = self._scene.indexes(self._state.selected) if self._scene is not None else ()
        if self._scene is None or not selected:
            self.panel.param.update(chips=[], visible=False)
            return
        words = unit_words(self._scene, selected[-1])
        more = f"{len(selected)} selected, last " if len(selected) > 1 else ""
        colour = SELECTION[(len(selected) - 1) % len(SELECTION)]
        self.panel.param.update(
            chips=[(TAB, f"{more}{words} · Open ▸", "Open it in the tab Unit", colour)], visible=True
        )


def unit_words(scene: Scene, unit: int) -> str:
    """Return what a unit is: id, region, rate, label, as far as they are known, and whether the filters hide it."""
    table = scene.sorting.clusters
    row: Any = table.iloc[unit] if unit < len(table) else {}
    region = scene.region_names(np.array([unit]))[0]
    parts = [f"unit {scene.units.of(unit)}", "" if region == UNKNOWN else region]
    for name, words in (("firing_rate", "{:.3g} Hz"), ("label", "label {:.2g}")):
        value = row.get(name)
        if isinstance(value, int | float) and math.isfinite(value):
            parts.append(words.format(value))
    if scene.mask is not None and not scene.mask[unit]:
        parts.append("hidden by the filters")
    return " · ".join(part for part in parts if part)

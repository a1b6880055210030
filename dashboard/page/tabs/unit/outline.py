"""An outline drawn in amplitude or depth over time: the spikes inside and outside are proposed as two units."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.events import SelectionGeometry
from bokeh.models import LassoSelectTool, PolyAnnotation
from bokeh.plotting import figure

from dashboard.analysis.curation.splits import AMPLITUDE, DEPTH, inside
from dashboard.analysis.unit_picture import UnitPicture
from dashboard.model.texts import counted
from dashboard.model.unit_ids import UnitId
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.services.curation import CurationService

HINT = "Drag an outline in amplitude or depth over time to split the unit."
MAX_CORNERS = 400
"""More than the pixels of the figure can tell apart."""


class SplitOutline:
    """Lassos on two figures, how many spikes are inside, and the button that proposes the split.

    Parameters
    ----------
    figures : dict of str to figure
        By what the outline is in: 'amplitude', 'depth'.
    curation : CurationService
    queue : DocumentQueue
    html : callable () -> HTML
        Makes a piece of text of the tab.
    """

    def __init__(
        self, figures: dict[str, figure], curation: CurationService, queue: DocumentQueue, html: Callable[[], Any]
    ) -> None:
        self._curation, self._queue = curation, queue
        self._picture: UnitPicture | None = None
        self._drawn: tuple[str, list[float], list[float]] | None = None
        self._outlines: dict[str, PolyAnnotation] = {}
        for of, plot in figures.items():
            lasso = LassoSelectTool(continuous=False, persistent=False)
            plot.add_tools(lasso)
            plot.toolbar.active_drag = lasso
            plot.on_event(SelectionGeometry, partial(self._lassoed, of))
            outline = self._outlines[of] = PolyAnnotation(
                xs=[], ys=[], fill_alpha=0.08, fill_color="#d55e00", line_color="#d55e00", line_width=1.5
            )
            plot.add_layout(outline)
        self.line = html()
        self.button = pmui.Button(
            label="Inside and outside are two units", size="small", variant="outlined", margin=(2, 10), visible=False
        )
        self.button.on_click(lambda event: self._split())
        self.panel = pn.Column(self.line, self.button, sizing_mode="stretch_width", margin=0)

    def show(self, picture: UnitPicture) -> None:
        """Take the unit that the figures show; what was drawn over another one goes."""
        if self._unit != (picture.names[picture.place], picture.sorting.ref):
            self._drawn = None
        self._picture = picture
        self._tell()

    @property
    def _unit(self) -> tuple[UnitId, object] | None:
        picture = self._picture
        return None if picture is None else (picture.names[picture.place], picture.sorting.ref)

    def _lassoed(self, of: str, event: SelectionGeometry) -> None:
        geometry = event.geometry
        x, y = (list(map(float, geometry.get(name) or ())) for name in ("x", "y"))
        if not event.final or geometry.get("type") != "poly" or len(x) < 3 or len(x) != len(y):
            return
        step = -(-len(x) // MAX_CORNERS)
        self._drawn = (of, x[::step], y[::step])
        self._queue.later(self._tell)

    def _tell(self) -> None:
        picture, drawn = self._picture, self._drawn
        for of, outline in self._outlines.items():
            xs, ys = (drawn[1], drawn[2]) if drawn is not None and drawn[0] == of else ([], [])
            if list(outline.xs) != xs:
                outline.update(xs=xs, ys=ys)
        if picture is None or drawn is None:
            self.button.visible, self.line.object = False, f'<div class="unit absent">{HINT}</div>'
            return
        spikes = picture.whole[picture.place]
        values = spikes.amps_uv if drawn[0] == AMPLITUDE else spikes.depths_um
        n = 0 if values is None else int(inside(spikes.times_s, values.astype(np.float64), *drawn[1:]).sum())
        unit = escape(str(picture.names[picture.place]))
        self.line.object = (
            f'<div class="unit">{n:,} of {counted(len(spikes), "spike")} of unit {unit} are inside.</div>'
        )
        self.button.visible = 0 < n < len(spikes)

    def _split(self) -> None:
        if self._picture is not None and self._drawn is not None:
            self._curation.split(self._picture.names[self._picture.place], *self._drawn)
            self._drawn = None
            self._queue.later(self._tell)


def outlined(views: dict[str, Any]) -> dict[str, figure]:
    """Return the figures that take an outline, of the views of the tab."""
    return {of: views[f"unit-{of}"].figure for of in (AMPLITUDE, DEPTH)}

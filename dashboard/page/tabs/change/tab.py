"""The Change tab: how units differ between two spans, and whether they moved together."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import panel as pn
from bokeh.events import Tap
from bokeh.models import Range1d

from dashboard.analysis.change import columns as verdicts
from dashboard.analysis.change.change import Change, ChangeRequest, changed_columns, render_change, with_changes
from dashboard.analysis.computed import value_of
from dashboard.figures.change import change_by_depth
from dashboard.figures.figure import Points
from dashboard.model.errors import DashboardError
from dashboard.model.unit_ids import UnitId
from dashboard.page.core.bokeh_figures import navigable
from dashboard.page.core.figure_view import FigureView, colour
from dashboard.page.core.panes import caption
from dashboard.page.core.scene import Scene
from dashboard.page.core.tab import BaseTab, pane, refusal_text
from dashboard.page.plot.clicks import Clicks
from dashboard.page.plot.spans import SPANS, SpanState, mark_span
from dashboard.page.services.page_services import PageServices
from dashboard.page.tabs.change import texts
from dashboard.page.widgets.chips import Chips

HEIGHT_PX = 420
MAX_FLAGGED = 12
"""Flagged units named in the tab; the table has them all."""

REACH = 0.04
"""How far from a mark a click still picks it, of the axes' lengths."""

SIGNS = {"circle": "●", "diamond": "◆", "triangle": "▲", "x": "✕"}
"""Shapes of marks, in words."""

LINES = {"depth": "change_depth_um", "amplitude": "change_amp", "rate": "change_rate_hz"}
"""What the table can be sorted by from here -> start of the column's name."""


class ChangeTab(BaseTab[PageServices]):
    """Depth change against depth, the bands, and the units to look at.

    Attributes
    ----------
    change : Change or None
        What the columns and the tab show.
    """

    def __init__(self, services: PageServices, title: str) -> None:
        super().__init__(services, title)
        self._spans = services.states[SpanState]
        self._asked: ChangeRequest | None = None
        self._drawn: tuple[Change, Scene, list[int]] | None = None
        self._body: pn.Column | None = None
        self.change: Change | None = None
        self._points: Points | None = None
        self._loop = self.loop(render_change, self._apply)
        self.empty = self.html(texts.EMPTY)
        self.panel = pn.Column(
            self.refusal, self.busy.panel, self.empty, sizing_mode="stretch_both", margin=0, scroll=True
        )
        self._spans.param.watch(self._ask, ["before", "after"])
        self._state.param.watch(self._draw, ["tab", "selected"])

    def open(self, scene: Scene) -> None:
        """Take another insertion, or the same one through other filters."""
        self._scene = scene
        self._ask()
        self._draw()

    def press(self, key: str) -> None:
        """Mark the window in view as a span."""
        mark_span(self._services.states, "before" if key == "[" else "after")

    # -- asking ----------------------------------------------------------------------------------

    def _ask(self, *events: object) -> None:
        """Compare the spans where that was not done yet; where there are not two, take the columns away."""
        scene, spans = self._scene, self._spans
        if scene is None:
            return
        if spans.before is None or spans.after is None:
            self._forget()
            names = tuple(SPANS) if spans.after is None else tuple(SPANS)[::-1]
            is_half = spans.before is not None or spans.after is not None
            self.empty.object = texts.HALF.format(*names, names[1].capitalize()) if is_half else texts.EMPTY
            return
        if self.change is not None and self.change.request.is_of(scene.columns, spans.before, spans.after):
            if value_of(self.change, "columns") is not None and not changed_columns(scene.sorting):  # loaded anew
                self._queue.later(partial(self._hand_over, self.change))
            return
        if self._asked is None or not self._asked.is_of(scene.columns, spans.before, spans.after):
            sorting = scene.sorting
            self._asked = ChangeRequest(scene.columns, spans.before, spans.after, sorting.amps_are_volts, sorting.drift)
            self.refusal.object = ""
            self.busy.begin()
            self._loop.request(self._asked)

    def _forget(self) -> None:
        self._loop.cancel()
        self._asked = self.change = self._drawn = None
        self.answered()
        self._show_body(is_there=False)
        if self._scene is not None and changed_columns(self._scene.sorting):
            self._queue.later(partial(self._hand_over, None))

    def refuse(self, error: DashboardError) -> None:
        """Say why there is nothing to show; what was there before would be taken for the answer."""
        asked = self._asked
        self._forget()
        self._asked = asked
        self.empty.object = ""
        self.refusal.object = refusal_text(error)

    def _apply(self, request: ChangeRequest, change: Change) -> None:
        if request is not self._asked:
            return
        self.answered()
        self.change = change
        self._hand_over(change)
        self._draw()

    def _hand_over(self, change: Change | None) -> None:
        """Give the columns to the cluster table, its filters and expressions."""
        if self._scene is not None and change is self.change:
            opened = self._scene.opened
            table = None if change is None else value_of(change, "columns")
            self._services.take(replace(opened, sorting=with_changes(opened.sorting, table)))

    # -- drawing ---------------------------------------------------------------------------------

    def _draw(self, *events: object) -> None:
        if not self.is_seen or self._scene is None or self.change is None:
            return
        drawn = self.change, self._scene, list(self._state.selected)
        before, self._drawn = self._drawn, drawn
        if before is not None and (before[0] is drawn[0], before[1] is drawn[1], before[2] == drawn[2]) == (True,) * 3:
            return
        if self._body is None:
            self._build()
        change, scene = self.change, self._scene
        self.draw("change-head", self._show_head, change)
        self.draw("change", self._show_units, change, scene)
        self.draw("change-bands", self._show_bands, change)
        self.draw("change-flagged", self._show_flagged, change, scene)
        self._show_body(is_there=True)

    def _show_head(self, change: Change) -> None:
        self.head.object = texts.head(change)

    def _show_units(self, change: Change, scene: Scene) -> None:
        units = passing_units(scene)
        figure = change_by_depth(change, units, scene.names(units), scene.indexes(self._state.selected))
        self._points = next(mark for mark in figure.marks if isinstance(mark, Points))
        self.legend.object = change_legend(self._points)
        self.view.show(figure, dark=self._state.dark)

    def _show_bands(self, change: Change) -> None:
        self.bands.object = texts.bands_table(change.bands)

    def _show_flagged(self, change: Change, scene: Scene) -> None:
        flagged = flagged_chips(change, scene)
        self.flagged.chips = flagged[:MAX_FLAGGED]
        named = f"{min(len(flagged), MAX_FLAGGED)} of {len(flagged):,}" if flagged else "none"
        self.look.object = caption(f"Units to look at ({named}), the largest change first")
        by = [name for name, start in LINES.items() if any(str(c).startswith(start) for c in change.columns)]
        self.sorting.chips = [(name, f"by {name}", f"Sort the table of units by the change of {name}") for name in by]

    def _show_body(self, *, is_there: bool) -> None:
        self.empty.visible = not is_there
        if self._body is not None:
            self._body.visible = is_there

    def _build(self) -> None:
        """Make what stands below, when it is first looked at."""
        axes = self._services.axes
        self.head, self.bands = self.html(), self.html()
        plot = navigable(
            Range1d(-1, 1), axes.depth, axes.depth_limits, axes.depth_limits,
            only="y", name="change", height=HEIGHT_PX, sizing_mode="stretch_width",
        )  # fmt: skip
        self.view = FigureView("change", HEIGHT_PX, dark=self._state.dark, plot=plot, follows="y")
        Clicks(self._state, self._queue, self._clicked).follow(plot)
        self.flagged = Chips(self._picked, about="Units to look at", sizing_mode="stretch_width", margin=(2, 10))
        self.sorting = Chips(self._sort, about="Sort the table of units", sizing_mode="stretch_width", margin=(2, 10))
        self.legend, self.look = self.html(), self.html()
        self.part("change-head", "What is compared", self.head)
        self._plot = pane(plot)
        self.part("change", "The change of units by depth", self.legend, self._plot)
        self.part("change-bands", "The table of bands", self.bands)
        self.part("change-flagged", "Units to look at", self.look)
        self._body = pn.Column(
            self.head, self.legend, self._plot,
            self.html(caption("Rank all units in the table")), self.sorting,
            self.look, self.flagged,
            self.html(caption("Bands of depth")), self.bands,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        self.panel.append(self._body)

    # -- what the hand does ----------------------------------------------------------------------

    def _picked(self, name: str) -> None:
        assert self._scene is not None, "its chips are of a scene"
        self._queue.later(partial(self._state.param.update, selected=self._scene.ids([int(name)])))

    def _sort(self, name: str) -> None:
        if self.change is not None:
            column = next(str(c) for c in self.change.columns if str(c).startswith(LINES[name]))
            self._queue.later(partial(self._state.param.update, ranked_by=column))

    def _clicked(self, event: Tap) -> list[UnitId] | None:
        depths, across = self._services.axes.depth, self.view.figure.x_range
        size = across.end - across.start, depths.end - depths.start
        unit = None if self._points is None else nearest_mark(self._points, event.x, event.y, *size)
        return [] if unit is None or self._scene is None else self._scene.ids([unit])


def passing_units(scene: Scene) -> npt.NDArray[np.int64]:
    """Return the indexes of the units that pass the filters."""
    units = np.arange(scene.sorting.n_clusters)
    return units if scene.mask is None else units[scene.mask[: len(units)]]


def flagged_chips(change: Change, scene: Scene) -> list[tuple[str, str, str]]:
    """Return the units to look at: those that went or came alone, and those that moved alone, largest change first."""
    table = change.columns.loc[passing_units(scene)]
    chips = []
    for word in (verdicts.LOST, verdicts.ALONE, verdicts.LOST_TOGETHER, verdicts.APPEARED):
        found = table[table["change_verdict"] == word]
        size = found["change_depth_um" if word == verdicts.ALONE else "change_rate_hz"].abs()
        for cluster in size.sort_values(ascending=False, kind="stable").index:
            row, name = found.loc[cluster], scene.units.of(cluster)
            what = f"{row['change_depth_um']:+.0f} µm" if word == verdicts.ALONE else f"{row['change_rate_hz']:+.1f} Hz"
            chips.append((str(cluster), f"{name} {word}, {what}", f"Select unit {name}"))
    return chips


def nearest_mark(points: Points, x: float | None, y: float | None, wide: float, high: float) -> int | None:
    """Return the index of the unit whose mark is nearest to a point, None where none is within `REACH`."""
    if x is None or y is None or not len(points.ids) or not (wide > 0 and high > 0):
        return None
    away = np.hypot((points.x - x) / wide, (points.y - y) / high)
    nearest = int(away.argmin())
    return int(points.ids[nearest]) if away[nearest] <= REACH else None


def change_legend(points: Points) -> str:
    """Return what colours and marks mean."""
    named = [(SIGNS[shape], colour(ink, dark=False), name) for name, ink, shape in points.legend]
    named.append(("━", colour("mean", dark=False), "median of the band"))
    chips = "".join(f'<span class="chip"><b style="color:{ink}">{sign}</b>{name}</span>' for sign, ink, name in named)
    return f'<div class="unit"><div class="chips">{chips}</div></div>'

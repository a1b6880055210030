"""One selection on both sides of a comparison: a unit picked on one shows its partners on the other."""

from __future__ import annotations

from collections.abc import Sequence

import panel as pn

from dashboard.analysis.compare.units import Comparison
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import ViewState
from dashboard.page.plot.raster import RasterView
from dashboard.page.tabs.compare import texts
from dashboard.page.tabs.compare.table import PairRows


class JointSelection:
    """Keeps the selections of A and B in step, and their colours alike.

    Parameters
    ----------
    state, other : ViewState
        Of side A, and of side B.
    raster : RasterView
        Pane B.
    rows : PairRows
        Its row of the selected unit is marked.
    line : HTML
        Says which units are selected, in their colours.
    """

    def __init__(
        self, state: ViewState, other: ViewState, raster: RasterView, rows: PairRows, line: pn.pane.HTML
    ) -> None:
        self._state, self._other, self._raster, self._rows, self._line = state, other, raster, rows, line
        self._comparison: Comparison | None = None
        self._scenes: tuple[Scene, Scene] | None = None
        self._has_same_ids = self._is_moving = False
        state.param.watch(self._picked_a, "selected")
        other.param.watch(self._picked_b, "selected")

    def open(self, a: Scene, b: Scene, comparison: Comparison | None, *, has_same_ids: bool) -> None:
        """Join the sides by matched units, or by id; by nothing while units are not matched."""
        self._scenes, self._comparison, self._has_same_ids = (a, b), comparison, has_same_ids
        self._picked_a()

    def leave(self) -> None:
        """There is no other side."""
        self._scenes = self._comparison = None
        self._other.selected = []

    def partners(self, unit: int, *, of_a: bool) -> tuple[int, ...]:
        """Return what a unit of one side is on the other; both by index."""
        if self._has_same_ids:
            return (unit,)
        return self._comparison.partners(unit, of_a) if self._comparison is not None else ()

    def select(self, units_a: Sequence[int], units_b: Sequence[int]) -> None:
        """Select units by index; partners get one colour, and what has none there a further one."""
        if self._scenes is None:
            return
        ranks: dict[int, int] = {}
        free = len(units_a)
        for unit in units_b:
            whole = [a for a in self.partners(unit, of_a=False) if a in units_a]
            rank = units_a.index(whole[0]) if whole else free
            if rank in ranks.values():
                rank = free
            free += rank == free
            ranks[unit] = rank
        self._raster.ranks = ranks
        self._is_moving = True
        try:
            ids_a, ids_b = (scene.ids(units) for scene, units in zip(self._scenes, (units_a, units_b), strict=True))
            self._other.selected = ids_b
            self._state.selected = ids_a
        finally:
            self._is_moving = False
        self._line.object = texts.pair(ids_a, ids_b, list(ranks.values()))

    def _picked_a(self, *events: object) -> None:
        if self._is_moving or self._scenes is None:
            return
        units_a = self._scenes[0].indexes(self._state.selected)
        units_b = tuple(dict.fromkeys(b for a in units_a for b in self.partners(a, of_a=True)))
        self.select(units_a, units_b)
        self._rows.select(units_a, units_b)

    def _picked_b(self, *events: object) -> None:
        if self._is_moving or self._scenes is None:
            return
        units_b = self._scenes[1].indexes(self._other.selected)
        units_a = tuple(dict.fromkeys(a for b in units_b for a in self.partners(b, of_a=False)))
        self.select(units_a, units_b)
        self._rows.select(units_a, units_b)

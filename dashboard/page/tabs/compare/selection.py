"""One selection on both sides of a comparison: a unit picked on one shows its partners on the other."""

from __future__ import annotations

import panel as pn

from dashboard.analysis.compare.units import Comparison
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
        self._has_same_ids = self._is_open = self._is_moving = False
        state.param.watch(self._picked_a, "selected")
        other.param.watch(self._picked_b, "selected")

    def open(self, comparison: Comparison | None, *, has_same_ids: bool) -> None:
        """Join the sides by matched units, or by id; by nothing while units are not matched."""
        self._comparison, self._has_same_ids, self._is_open = comparison, has_same_ids, True
        self._picked_a()

    def leave(self) -> None:
        """There is no other side."""
        self._is_open, self._comparison = False, None
        self._other.selected = []

    def partners(self, unit: int, *, of_a: bool) -> tuple[int, ...]:
        """Return what a unit of one side is on the other."""
        if self._has_same_ids:
            return (unit,)
        return self._comparison.partners(unit, of_a) if self._comparison is not None else ()

    def select(self, units_a: list[int], units_b: list[int]) -> None:
        """Select units; partners get one colour, and what has none there a further one."""
        if not self._is_open:
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
            self._other.selected = units_b
            self._state.selected = units_a
        finally:
            self._is_moving = False
        self._line.object = texts.pair(units_a, units_b, ranks)

    def _picked_a(self, *events: object) -> None:
        if self._is_moving or not self._is_open:
            return
        units_a = list(self._state.selected)
        units_b = list(dict.fromkeys(b for a in units_a for b in self.partners(a, of_a=True)))
        self.select(units_a, units_b)
        self._rows.select(units_a, units_b)

    def _picked_b(self, *events: object) -> None:
        if self._is_moving or not self._is_open:
            return
        units_b = list(self._other.selected)
        units_a = list(dict.fromkeys(a for b in units_b for a in self.partners(b, of_a=False)))
        self.select(units_a, units_b)
        self._rows.select(units_a, units_b)

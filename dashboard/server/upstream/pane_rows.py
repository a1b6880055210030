"""Each pane of Panel comes with a row that it never stands in, which watches all that the pane watches."""

from __future__ import annotations

from typing import Any

import panel as pn
from panel.pane.base import PaneBase

from dashboard.server.upstream import mend

LEAN_PANES = (pn.pane.HTML, pn.pane.Bokeh)
"""Panes that pages are made of; their object stays of its kind, so that nothing asks for a row of their own."""


class EmptyRow:
    """In place of the row of a pane that stands in none."""

    _models: dict[str, Any] = {}  # noqa: RUF012 - Panel looks its models up, and finds none


EMPTY_ROW = EmptyRow()


def spare_rows() -> None:
    """Have panes of the kinds of `LEAN_PANES` made without a row of their own; done once, it stays."""
    original = PaneBase.__init__

    def make(self: PaneBase, object: Any = None, **params: Any) -> None:
        if type(self) not in LEAN_PANES:
            original(self, object, **params)
            return
        self._object_changing = False
        super(PaneBase, self).__init__(object=object, **params)
        if not hasattr(self, "_internal_callbacks"):
            self._internal_callbacks = []
        self.layout = EMPTY_ROW

    mend(PaneBase, "__init__", make)

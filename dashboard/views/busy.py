"""A word over a tab while it computes, where that takes long enough to be noticed."""

from __future__ import annotations

from functools import partial

import panel as pn
from tornado.ioloop import IOLoop

from dashboard.views.turns import Turns

WAIT_S = 0.2
"""Shorter waits show nothing: two changes of the page cost as much as they would tell."""

WORDS = '<div class="unit busy" role="status">computing …</div>'


class Busy:
    """Stands over a tab's upper right corner, and takes no room.

    Parameters
    ----------
    turns : Turns
    css : list of str
        Style sheets, with ``busy``.
    """

    def __init__(self, turns: Turns, css: list[str]) -> None:
        self._turns = turns
        self._n = 0
        self.panel = pn.pane.HTML("", stylesheets=css, margin=0, height=0, sizing_mode="stretch_width")

    def begin(self) -> None:
        """Something is being computed."""
        self._n += 1
        IOLoop.current().call_later(WAIT_S, self._turns.later, partial(self._show, self._n))

    def end(self) -> None:
        """It is done, or no longer wanted."""
        self._n += 1
        if self.panel.object:
            self.panel.object = ""

    def _show(self, number: int) -> None:
        if number == self._n:
            self.panel.object = WORDS

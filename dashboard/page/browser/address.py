"""The address bar, which always says what is on the page."""

from __future__ import annotations

import time

from tornado.ioloop import IOLoop

from dashboard.page import link
from dashboard.page.browser.bridge import Bridge
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.state import PageState

COALESCE_S = 0.01
"""What changes together is written together."""

PACE_S = 0.15
"""While a view moves the address follows at this pace: a message for every picture would hold the pictures up."""


class AddressBar:
    """Writes the state into the address.

    Parameters
    ----------
    state : PageState
    bridge : Bridge
    queue : DocumentQueue
    """

    def __init__(self, state: PageState, bridge: Bridge, queue: DocumentQueue) -> None:
        self._state = state
        self._bridge = bridge
        self._queue = queue
        self._is_waiting = False
        self._written = 0.0
        state.watch(self._changed)

    def write(self) -> None:
        """Write what the state is now."""
        self._is_waiting = False
        self._written = time.monotonic()
        self._bridge.query = link.write(self._state)

    def _changed(self, *events: object) -> None:
        if self._queue.is_building:
            self.write()
        elif not self._is_waiting:
            self._is_waiting = True
            left = PACE_S - (time.monotonic() - self._written)
            IOLoop.current().call_later(max(COALESCE_S, left), self._queue.later, self.write)

"""The address bar, which always says what is on the page."""

from __future__ import annotations

from dashboard.page import link
from dashboard.page.browser.bridge import Bridge
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.state import PageState


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
        state.watch(self._changed)

    def write(self) -> None:
        """Write what the state is now."""
        self._bridge.query = link.write(self._state)

    def _changed(self, *events: object) -> None:
        self._queue.follow("address", self.write)

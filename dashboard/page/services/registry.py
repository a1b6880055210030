"""Services of the page that change the open insertion as a person sees it: an entry each, made with the page.

To add one, write its class in a file of this folder and its line here: the session knows none of them.
"""

from __future__ import annotations

from typing import Any, Protocol

from dashboard.library.store import OpenInsertion

SERVICES: dict[str, str] = {"own_events": "dashboard.page.services.own_events:OwnEvents"}
"""``"module:Class"`` by name; the class is called with the `dashboard.page.services.page_services.PageServices`."""


class PageService(Protocol):
    """What an entry names."""

    def dress(self, opened: OpenInsertion, taken: dict[str, Any] | None = None) -> OpenInsertion:
        """Return an insertion as the service has it; called when one was opened, and when its units are others.

        Parameters
        ----------
        opened : OpenInsertion
        taken : dict, optional
            State that is taken with one that was just opened.
        """

    def close(self) -> None:
        """Stop what runs: the browser has gone."""

"""Each change of a widget asks the disk for the style sheets of the theme, which only new style sheets would need."""

from __future__ import annotations

from functools import wraps
from typing import Any

from bokeh.document import Document
from panel.reactive import Reactive
from param.parameterized import Event

from dashboard.server.upstream import mend


def change_without_design() -> None:
    """Have the design asked for where style sheets change; done once, it stays."""
    original = Reactive._update_properties

    @wraps(original)
    def update_properties(self: Reactive, *events: Event, doc: Document) -> dict[str, Any]:
        if any(event.name == "stylesheets" for event in events):
            return original(self, *events, doc=doc)
        return self._process_param_change({event.name: event.new for event in events})

    mend(Reactive, "_update_properties", update_properties)

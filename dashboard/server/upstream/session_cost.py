"""What a page costs the server: Panel's and Bokeh's objects, with what no page here uses left out of them.

A tab is some four hundred of Bokeh's models and a hundred of Panel's objects, and a lab has many tabs open.
"""

from __future__ import annotations

from bokeh.settings import settings as bokeh_settings
from panel.pane.base import PaneBase
from panel.reactive import Syncable

from dashboard.server.upstream import mend
from dashboard.server.upstream.memory import share_heaps
from dashboard.server.upstream.message_references import refer_late
from dashboard.server.upstream.model_defaults import remember_defaults
from dashboard.server.upstream.page_head import remember_heads
from dashboard.server.upstream.pane_rows import spare_rows
from dashboard.server.upstream.pane_words import write_words_only
from dashboard.server.upstream.property_changes import change_without_design
from dashboard.server.upstream.property_owners import count_owners

GATHER_MS = 8
"""So long changes of one widget are gathered before they count; Panel waits 50 ms, half of a filter's time."""


def reduce_session_cost() -> None:
    """Leave out of Panel and Bokeh what costs each session; done once, it stays."""
    if getattr(PaneBase, "_is_lean", False):
        return
    PaneBase._is_lean = True
    mend(Syncable, "_debounce", GATHER_MS)
    share_heaps()
    spare_rows()
    write_words_only()
    change_without_design()
    count_owners()
    remember_defaults()
    remember_heads()
    refer_late()
    # Checks for who writes a page: that callbacks take the arguments they get, that plots are whole, how a name that
    # does not exist might have been meant. They take a tenth of the time in which a page is built.
    bokeh_settings.perform_error_diagnostics = False
    bokeh_settings.perform_document_validation = False

"""The help overlay: what the keys and the mouse do."""

from __future__ import annotations

from html import escape

import panel_material_ui as pmui

from dashboard.page.browser.keys import HELP
from dashboard.page.core.assets import assets_folder
from dashboard.page.core.panes import html_pane
from dashboard.page.tabs.registry import TABS

DOCUMENTS = assets_folder() / "server" / "docs"
"""The site of the documents; `make docs` builds it, and a wheel made after that has it."""

ABSENT = "The documents were not built: run `make docs` in the sources of spike-dashboard, and start the server again."


def help_dialog() -> pmui.Dialog:
    """Return the list of keys, with a link to the documents; `?` opens it."""
    return pmui.Dialog(
        html_pane(help_text(), margin=0),
        title="Keys and mouse",
        title_variant="h6",
        width_option="sm",
        show_close_button=True,
        close_on_click=True,
    )


def help_text() -> str:
    """Return the way to the documents and the table of keys as HTML."""
    rows = "".join(
        f"<tr><td>{' '.join(f'<kbd>{escape(key)}</kbd>' for key in keys)}</td><td>{escape(words)}</td></tr>"
        for keys, words in (*HELP, *(line for entry in TABS for line in entry.help), (("?",), "this list"))
    )
    site = '<a href="docs/" target="_blank">Tour, how-tos, reference, troubleshooting</a>'
    documents = site if DOCUMENTS.is_dir() else escape(ABSENT)
    return f'<p>{documents}</p><table class="keys" tabindex="0">{rows}</table>'  # by which keys scroll it

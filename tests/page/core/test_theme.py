"""A change of theme reaches what the browser has not drawn yet."""

from __future__ import annotations

import panel as pn
import panel_material_ui as pmui

from dashboard.page.core.theme import apply_theme


def test_the_theme_reaches_widgets_of_tabs_that_were_never_opened() -> None:
    hidden = pmui.Select(label="Align to", options=["stimOn"], dark_theme=False)
    folded = pmui.Button(label="Test", dark_theme=False)
    tabs = pmui.Tabs(
        ("Clusters", pn.Column("table")), ("Events", pn.Column(hidden, pmui.Accordion(("More", folded)))), dynamic=True
    )
    for dark in (True, False):
        assert apply_theme(pn.Row(tabs), dark=dark) is dark
        assert [part.dark_theme for part in (tabs, hidden, folded)] == [dark] * 3

"""The colours of what is written over a picture: they read on the picture's zero, light or dark."""

from __future__ import annotations

from bokeh.models import Label, ScaleBar

from dashboard.page.core.state import ViewState

LIGHT, DARK = ("#283593", "#ffffff"), ("#9fa8da", "#121212")
"""Letters, in no colour of a selection, and what lies behind them."""


def follow_theme(state: ViewState, *parts: Label | ScaleBar) -> None:
    """Give bars and labels the colours of the theme, now and whenever it changes."""

    def colour(*events: object) -> None:
        ink, paper = DARK if state.dark else LIGHT
        for part in parts:
            written = "text_color" if isinstance(part, Label) else "label_text_color"
            part.update(background_fill_color=paper, **{written: ink})

    colour()
    state.param.watch(colour, "dark")

"""A page goes when its tab goes."""

from __future__ import annotations

import gc
import weakref

import panel as pn

from dashboard.page.layout import page


def test_panels_state_keeps_no_page() -> None:
    made = page(None, [], [pn.pane.HTML("words")], dark=False)
    kept = weakref.ref(made)
    del made
    gc.collect()
    assert kept() is None, "every session would stay in memory for good"

"""A page goes when its tab goes."""

from __future__ import annotations

import gc
import json
import weakref

import panel as pn

from dashboard.config.readers import PANELS
from dashboard.page.core.assets import asset
from dashboard.page.layout import page


def test_the_panels_of_a_labs_layout_are_those_of_the_browser() -> None:
    assert f"const PANELS = {json.dumps(PANELS)}" in asset("page/browser/layout.js")


def test_panels_state_keeps_no_page() -> None:
    made = page(None, [], [pn.pane.HTML("words")], dark=False)
    kept = weakref.ref(made)
    del made
    gc.collect()
    assert kept() is None, "every session would stay in memory for good"

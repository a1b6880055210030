"""Whatever a tab computes or draws and however that fails, it says so in one line, and the rest is drawn."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache as kept
from typing import Any

import panel as pn
import pytest

from dashboard.analysis.change.change import Change
from dashboard.analysis.computed import Computed, computed_names
from dashboard.analysis.events.picture import EventPicture, GroupPicture, TrialCounts
from dashboard.analysis.raw.lf_picture import LfPicture
from dashboard.analysis.raw.maps import QualityMaps
from dashboard.analysis.raw.picture import SnippetPicture
from dashboard.analysis.unit_picture import UnitPicture
from dashboard.library.store import OpenInsertion
from dashboard.page.core import tab as core_tab
from dashboard.page.core.tab import BaseTab
from dashboard.page.tabs.change.tab import ChangeTab
from dashboard.page.tabs.probe.picture import Units
from dashboard.page.tabs.raw.tab import RawTab
from dashboard.page.tabs.registry import TABS
from dashboard.page.tabs.unit.tab import UnitTab
from dashboard.sources.demo import raw as demo_raw
from tests.page.driving import DrivenPage, driven_page, is_idle, texts, waits

ALERT = 'role="alert"'
LOOK = {
    "before": (10.0, 100.0), "after": (120.0, 220.0), "compare": "sorting:pykilosort,original", "raw_band": "lf",
    "raw_many": 20, "raw_at": 0.25,
}  # fmt: skip
RECORDED_S = 0.5
"""Of voltage, which holds five spikes of the unit: twenty are filtered in a second each time."""


class Faults:
    """Which part of a tab fails, and which were drawn.

    Attributes
    ----------
    title, wanted : str
        The tab, and the name of its part that fails; empty for none.
    drawn : set of str
    """

    def __init__(self) -> None:
        self.wanted = self.title = ""
        self.drawn: set[str] = set()

    def run(self, tab: BaseTab[Any], name: str, show: Callable[[], object]) -> None:
        if name == self.wanted:
            raise IndexError("of no use to a reader")
        show()
        if name in tab.parts and tab.title == self.title:
            self.drawn.add(name)


@pytest.fixture(scope="module")
def page(opened: OpenInsertion, cache: Any) -> Iterator[DrivenPage]:
    """One page with two spans and another sorting beside it, for every tab."""
    with pytest.MonkeyPatch.context() as patch, driven_page(opened.source, cache) as made:
        patch.setattr(demo_raw, "DURATION_S", RECORDED_S)
        made.open("demo")
        made.do(lambda: made.session.states.update(**LOOK, selected=[3, 5]))
        yield made


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    made = Faults()
    monkeypatch.setattr(core_tab, "run_part", made.run)
    return made


def show(page: DrivenPage, title: str) -> BaseTab[Any]:
    """Turn to a tab, have it draw everything anew, and wait until it rests."""
    session = page.session
    slot = next(slot for slot in session.dock.slots.values() if slot.title == title)
    page.do(lambda: setattr(session.state, "tab", title))
    made: BaseTab[Any] = page.wait(lambda: slot.made, title)

    def again() -> None:
        if hasattr(made, "_is_laid_out"):  # a browser says so
            made._is_laid_out = True
        if isinstance(made, ChangeTab):  # it compares the same spikes once
            made._forget()
        if isinstance(made, UnitTab):  # it reads the single spikes of units once
            made._singles = None
        if isinstance(made, RawTab):  # it reads the maps of a recording once, and draws them once
            made.maps = session.quality._channels = None
        opened = session._opened
        assert opened is not None
        session._tested(replace(opened, sorting=replace(opened.sorting)))  # as with metrics that come later
        session._catch_up()

    page.do(again)
    page.wait(lambda: is_idle(made), f"{title} to rest")
    return made


@pytest.mark.parametrize("title", [entry.title for entry in TABS])
def test_each_part_of_a_tab_that_fails_is_one_line_and_the_rest_is_drawn(
    title: str, page: DrivenPage, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    faults.title = title
    tab = show(page, title)
    parts = page.do(lambda: dict(tab.parts))
    try:
        whole = page.wait(lambda: set(faults.drawn) if is_idle(tab) and not waits(tab) else None)
    except AssertionError as error:
        said = page.do(lambda: (is_idle(tab), waits(tab), faults.drawn, texts(tab)))
        raise AssertionError(f"{title} was not drawn: {said}") from error
    assert parts, f"{title} has no parts"
    figures = page.do(lambda: {pane.object.name for pane in tab.panel.select(pn.pane.Bokeh)})
    assert figures <= set(parts), "a figure that is no part of its tab: it would fail unsaid"
    n_alerts = page.do(lambda: texts(tab).count(ALERT))  # of what the files of the demo lack
    for name in sorted(whole):
        caplog.clear()
        faults.wanted, faults.drawn = name, set()
        show(page, title)
        rest = whole - {name}
        page.wait(lambda rest=rest: rest <= faults.drawn and is_idle(tab), f"{title} without {name}")
        page.wait(lambda name=name: ALERT in tab.parts[name].caption.object, f"the line of {name}")
        line = page.do(lambda name=name: tab.parts[name].caption.object)
        assert parts[name].title in line and "IndexError" in line and "of no use" not in line
        assert page.do(lambda: texts(tab).count(ALERT)) == n_alerts + 1, name
        assert not page.do(lambda: waits(tab)), name
        assert any(record.exc_info for record in caplog.records), name
    faults.wanted = ""
    show(page, title)
    page.wait(lambda: texts(tab).count(ALERT) == n_alerts, f"{title} to be whole again")


@pytest.mark.parametrize("title", [entry.title for entry in TABS])
def test_each_computation_of_a_tab_that_fails_is_said(
    title: str, page: DrivenPage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*arguments: object) -> None:
        raise IndexError("of no use to a reader")

    tab = show(page, title)
    for loop in tab._loops:
        with monkeypatch.context() as patch:
            caplog.clear()
            patch.setattr(loop, "_render", fail)
            show(page, title)
            if any(record.exc_info for record in caplog.records):  # what is not on the page is not asked for
                page.wait(lambda: ALERT in texts(tab) or "IndexError" in texts(tab), title)
            assert not page.do(lambda: waits(tab))
    show(page, title)


VALUES = {
    "Unit": [(UnitPicture, name) for name in computed_names(UnitPicture)] + [(UnitPicture, "pair")],
    "Events": [(each, name) for each in (TrialCounts, GroupPicture, EventPicture) for name in computed_names(each)],
    "Probe": [(Units, name) for name in computed_names(Units)],
    "Change": [(Change, name) for name in computed_names(Change)],
    "Raw": [(each, name) for each in (SnippetPicture, LfPicture, QualityMaps) for name in computed_names(each)],
}
MARKS = {"probe-map", "probe-amplitudes"}
SHARED = {
    ("Unit", "amplitude_cloud"): {"unit-amplitude", "unit-amplitudes"},  # the histogram stands beside its axis
    **{("Probe", name): MARKS for name in ("_positions", "rate_hz", "labels", "peak_to_trough")},  # place, size, look
    ("Change", "columns"): {"change-head", "change", "change-flagged"},
    ("Change", "bands"): {"change-head", "change", "change-bands"},
    ("Raw", "regions"): {"raw-snippet", "raw-csd"},  # names of their rows
    ("Raw", "lf"): {"raw-csd", "raw-spectrogram"},
    ("Raw", "depths_um"): {"raw-rms", "raw-spectrum", "raw-bands", "raw-ap-spectrum"},
    ("Raw", "labels"): {"raw-spectrum", "raw-ap-spectrum"},  # bad channels stand on both
}
"""Figures that need a value, where that are several."""


@pytest.fixture(scope="module")
def whole(page: DrivenPage) -> Callable[[str], tuple[BaseTab[Any], int]]:
    """Returns a tab that was drawn whole, and its alerts; each test leaves it whole."""

    @kept
    def drawn(title: str) -> tuple[BaseTab[Any], int]:
        tab = show(page, title)
        return tab, page.wait(lambda: [texts(tab).count(ALERT)] if tab.parts and not waits(tab) else None)[0]

    return drawn


@pytest.mark.parametrize(("title", "owner", "name"), [(title, *value) for title in VALUES for value in VALUES[title]])
def test_a_value_that_cannot_be_computed_costs_its_own_figure_alone(
    title: str, owner: type, name: str, page: DrivenPage, whole: Callable[[str], tuple[BaseTab[Any], int]],
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def fail(*arguments: object) -> None:
        raise IndexError("of no use to a reader")

    page.do(lambda: page.session.states.update(marks="duration" if name == "peak_to_trough" else "label"))
    tab, n_alerts = whole(title)
    with monkeypatch.context() as patch:
        if isinstance(value := vars(owner)[name], Computed):
            patch.setattr(value, "_compute", fail)
        else:
            patch.setattr(owner, name, fail)
        caplog.clear()
        show(page, title)
        more = page.wait(lambda: texts(tab).count(ALERT) - n_alerts, f"{title} without {name}")
        failed = page.do(lambda: {part for part, text in tab._refused.items() if "IndexError" in text})
        assert failed == SHARED[title, name] if (title, name) in SHARED else len(failed) == 1, failed
        assert 1 <= more <= len(failed)
        shown = page.do(lambda: [part for part in failed if (pane := tab.parts[part].pane) and pane.visible])
        assert not shown, "a figure of something else stands under the line of the failure"
        assert not page.do(lambda: tab.refusal.object)
        assert not page.do(lambda: waits(tab))
        assert any(record.exc_info for record in caplog.records)
    show(page, title)
    page.wait(lambda: texts(tab).count(ALERT) == n_alerts, f"{title} to be whole again")


def test_a_picture_of_the_page_that_fails_is_named_and_the_others_are_drawn(
    opened: OpenInsertion, cache: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*arguments: object) -> None:
        raise IndexError("of no use to a reader")

    views = {"raster": "raster", "heatmap": "heatmap", "profile": "rate by depth", "amplitudes": "amplitude by depth"}
    with driven_page(opened.source, cache) as page:
        page.open("demo")
        session = page.session
        page.wait(lambda: session.heatmap.picture is not None, "the heatmap")
        for place, (name, words) in enumerate(views.items()):
            caplog.clear()
            view = getattr(session, name)
            kept, view._loop._render = view._loop._render, fail
            page.do(lambda: session.card.alert.param.update(object="", visible=False))
            page.do(lambda place=place: session.state.param.update(time_range=(10.0 + place, 60.0)))
            said = page.wait(lambda: session.card.alert.visible and session.card.alert.object, name)
            assert words in said.lower() and "IndexError" in said
            assert any(record.exc_info for record in caplog.records)
            view._loop._render = kept
            others = [session.raster, session.heatmap]
            page.wait(lambda others=others: all(each._loop.is_idle for each in others), "the others")
        assert all(logging.getLevelName(record.levelno) != "CRITICAL" for record in caplog.records)

"""What cannot act stays in its field, with the reason, and is written nowhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dashboard.library.store import OpenInsertion
from dashboard.page import link
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import ViewState
from dashboard.page.rail.filtered_scene import passing
from dashboard.page.rail.filters import FiltersView
from dashboard.page.services.export_view import make_subject
from dashboard.page.tabs.registry import page_state


@pytest.fixture
def view(opened: OpenInsertion) -> FiltersView:
    """The fields of the small demo."""
    view = FiltersView(ViewState(filters={"rate": "2,"}))
    view.offer(opened.sorting)
    view.show(passing(view._state, opened).result, opened.sorting.n_clusters)
    return view


def write(view: FiltersView, word: str, text: str) -> None:
    """Type a text into the field of a word."""
    if word in ("where", "ids"):
        getattr(view, word).value = text
    elif word == "metrics":
        view.metric.value = "presence_ratio"
        view._metric_limits.low.value, view._metric_limits.high.value = text.split(",")
    else:
        view._limits[word].low.value, view._limits[word].high.value = text.split(",")


UNFINISHED = [
    ("where", "firing_rate > 2 and", "firing_rate > 2"),
    ("where", "no_such_column > 2", "firing_rate > 2"),
    ("rate", "10,2", "2,10"),
    ("amp", "a,", "50,"),
    ("band", "900,1", "1,900"),
    ("spike_amp", "200,50", "50,200"),
    ("ids", '1,"a', "1,2"),
    ("metrics", "1,0.5", "0.5,1"),
]


@pytest.mark.parametrize(("word", "bad", "good"), UNFINISHED)
def test_what_cannot_act_stays_in_its_field_and_the_filter_before_acts(
    view: FiltersView, opened: OpenInsertion, word: str, bad: str, good: str
) -> None:
    state = view._state
    write(view, word, bad)
    passing(state, opened)  # which refuses nothing: the state holds only what acts
    assert bad not in state.filters.values()
    assert "Not applied" in view.line.object
    view._follow()
    row = view._metric_limits if word == "metrics" else view._limits.get(word)
    field = getattr(view, word) if row is None else row.high
    assert field.error_state
    assert (field.value if row is None else f"{row.low.value},{row.high.value}") == bad
    write(view, word, good)
    assert not field.error_state
    assert "Not applied" not in view.line.object
    assert state.filters[word] == (f"presence_ratio:{good.replace(',', ':')}" if word == "metrics" else good)


def test_a_column_that_another_insertion_lacks_is_taken_out_of_the_state(
    view: FiltersView, opened: OpenInsertion
) -> None:
    view._state.filters = {"rate": "2,", "where": "of_another_sorting > 1"}
    view.refuse(opened.sorting)
    assert view._state.filters == {"rate": "2,"}
    assert view.where.value == "of_another_sorting > 1" and view.where.error_state
    written = link.write(page_state(insertion="demo", filters=view._state.filters))
    assert "rate=2" in written and "of_another_sorting" not in written


def test_clear_all_clears_what_is_unfinished(view: FiltersView) -> None:
    write(view, "where", "firing_rate >")
    view.clear()
    assert (view.where.value, view.where.error_state, view._state.filters) == ("", False, {})


def test_metadata_hold_only_what_acts(opened: OpenInsertion) -> None:
    """A sorting without labels and amplitudes: such filters hide nothing, and are not written."""
    sorting = replace(
        opened.sorting, clusters=opened.sorting.clusters.drop(columns=["label"]),
        spikes=replace(opened.sorting.spikes, amps_v=None),
    )  # fmt: skip
    scene = Scene(replace(opened, sorting=sorting))
    values = page_state().values() | {"time_range": (0.0, 1.0), "depth_range": (0.0, 1.0), "quality": "good"}
    subject = make_subject(scene, values | {"filters": {"rate": "2,", "spike_amp": "50,"}})
    assert dict(subject.filters) == {"rate": "2,"}

"""What is drawn on the overview becomes a span of the session."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dashboard.page.plot.spans import SpanState, drawn_span, mark_span
from dashboard.page.tabs.registry import page_state

LIMITS = (0.0, 600.0)


def drawn(start: Any, end: Any, span: Any = "before") -> dict[str, Any]:
    return {"span": span, "start": start, "end": end, "n": 1}


def test_a_span_is_cut_to_tenths_of_a_second_and_to_the_session() -> None:
    assert drawn_span(drawn(10.04, 99.96), LIMITS) == ("before", (10.0, 100.0))
    assert drawn_span(drawn(-5, 9999, "after"), LIMITS) == ("after", (0.0, 600.0))


@pytest.mark.parametrize(
    "odd",
    [
        drawn(5, 5),
        drawn(5.01, 5.02),
        drawn(700, 800),
        drawn(9, 3),
        drawn("1", 2),
        drawn(None, 2),
        drawn(math.nan, 2),
        drawn(1, math.inf),
        drawn(1, 2, "insertion"),
        {},
    ],
)
def test_what_is_no_span_marks_nothing(odd: dict[str, Any]) -> None:
    assert drawn_span(odd, LIMITS) is None


def test_the_second_span_shows_the_comparison() -> None:
    states = page_state(insertion="demo", time_range=(0, 60))
    state, spans = states.view, states[SpanState]
    mark_span(states, "before", (1.0, 2.0))
    assert (spans.before, state.tab) == ((1.0, 2.0), "Clusters")
    mark_span(states, "after")
    assert (spans.after, state.tab) == ((0, 60), "Change")

"""Spans of time that people have marked bad: an artefact, a seizure, drift."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from dashboard.analysis.curation.state import standing
from dashboard.analysis.curation.subject import Subject
from dashboard.model.curation import Decision


class BadSpan(NamedTuple):
    """A span of time whose spikes are not to be counted.

    Attributes
    ----------
    start_s, end_s : float
        The end is outside.
    unit : str
        Whose spikes; ``''`` for those of all units.
    author, reason, step : str
        Who marked it, why, and the step of the decision.
    """

    start_s: float
    end_s: float
    unit: str = ""
    author: str = ""
    reason: str = ""
    step: str = ""


def write_span(start_s: float, end_s: float) -> str:
    """Return the value of a decision that marks a span."""
    return f"{start_s:.6f},{end_s:.6f}"


def read_span(value: str) -> tuple[float, float] | None:
    """Return begin and end in s; None where the value is no span."""
    try:
        start_s, end_s = map(float, value.split(","))
    except ValueError:
        return None
    return (start_s, end_s) if math.isfinite(start_s) and math.isfinite(end_s) and start_s < end_s else None


def bad_spans(decisions: Sequence[Decision], subject: Subject) -> list[BadSpan]:
    """Return the spans that are marked now, in order of time: everybody's.

    One of all units holds for every sorting of the insertion, one of a unit for that unit.
    """
    found = []
    for one in standing(decisions):
        if one.kind != "span" or (limits := read_span(one.value)) is None:
            continue
        own = one if not one.unit else subject.own(one)
        if own is not None and (not own.unit or own.unit in subject.place):
            found.append(BadSpan(*limits, own.unit, one.author, one.reason, one.step))
    return sorted(found)

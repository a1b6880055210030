"""Insertions after a plan of their curation: made once, and shared by the pages that show them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary, WeakValueDictionary

from dashboard.analysis.curation.applied import Applied, CurationPlan, apply_plan
from dashboard.library.store import OpenInsertion


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class AppliedInsertion:
    """An insertion after a plan."""

    applied: Applied
    opened: OpenInsertion


class _Made:
    """What was made of one insertion, as long as somebody shows it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.by_plan: WeakValueDictionary[CurationPlan, AppliedInsertion] = WeakValueDictionary()


_lock = threading.Lock()
_made: WeakKeyDictionary[OpenInsertion, _Made] = WeakKeyDictionary()


def applied_insertion(before: OpenInsertion, plan: CurationPlan) -> AppliedInsertion:
    """Return an insertion after a plan; the columns of its spikes are built once for all who ask.

    Parameters
    ----------
    before : OpenInsertion
        As it was sorted.
    plan : CurationPlan

    Raises
    ------
    DashboardError
        A split is of another number of spikes than its unit has.
    """
    with _lock:
        made = _made.setdefault(before, _Made())
    with made.lock:
        found = made.by_plan.get(plan)
        if found is None:
            applied = apply_plan(before.sorting, plan)
            columns = applied.columns(before.sorting, before.columns)
            found = AppliedInsertion(applied, replace(before, sorting=applied.sorting, columns=columns))
            made.by_plan[plan] = found
        return found

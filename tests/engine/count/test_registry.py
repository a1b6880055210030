"""The table of aggregates: what it names is there, its texts can be filled in, and readers find every name."""

from __future__ import annotations

import pytest

from dashboard.engine.count.registry import AGGREGATES, AggregateKind
from dashboard.model.registry import load


@pytest.mark.parametrize("entry", AGGREGATES, ids=lambda entry: entry.name)
def test_what_an_entry_names_is_there(entry: AggregateKind) -> None:
    for target in (entry.kernel, entry.needs, entry.categories, entry.ids):
        assert not target or callable(load(target))
    assert "{" not in entry.bar.format(bin="1 s", unit="uV") + entry.paper.format(bin="1 s", unit="uV")
    assert entry.words(7, bin="1 s", unit="uV", category="seven")


def test_one_spike_is_no_plural() -> None:
    assert AGGREGATES["count"].words(1, bin="1 s") == "1 spike in 1 s"
    assert AGGREGATES["count"].words(1200, bin="1 s") == "1,200 spikes in 1 s"

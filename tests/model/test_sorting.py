"""What a sorting says of itself."""

from __future__ import annotations

from dataclasses import replace

from dashboard.model.sorting import SpikeSorting


def test_a_sorting_says_in_five_lines_what_it_is(small_demo: SpikeSorting) -> None:
    title, spikes, units, channels, trials = repr(small_demo).splitlines()
    assert title == f"<SpikeSorting {small_demo.title}>"
    assert f"{small_demo.n_spikes:,} from" in spikes
    assert spikes.endswith("amplitudes in µV")
    assert f"{small_demo.n_clusters:,}; {int((small_demo.labels == 1).sum())} good" in units
    assert "histology: alf" in channels
    assert small_demo.trials is not None
    assert f"{len(small_demo.trials):,}" in trials
    assert repr(replace(small_demo, trials=None)).endswith("trials    none")

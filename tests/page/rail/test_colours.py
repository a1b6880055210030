"""Colours that an insertion has no data for are off, with the reason."""

from __future__ import annotations

from dataclasses import replace

from dashboard.engine.count.registry import AGGREGATES
from dashboard.model.sorting import Missing, SpikeSorting
from dashboard.page.rail.colours import colours_off, colours_off_words


def test_the_demo_offers_every_colour(small_demo: SpikeSorting) -> None:
    """But for those of a probe with several shanks; of people's labels once there are some."""
    assert set(colours_off(small_demo)) == {"curated", "shank"}
    decided = replace(small_demo, clusters=small_demo.clusters.assign(curated="good"))
    assert set(colours_off(decided)) == {"shank"}
    assert colours_off_words({}) == ""


def test_what_is_missing_is_off_and_says_why(small_demo: SpikeSorting) -> None:
    poor = replace(
        small_demo,
        spikes=replace(small_demo.spikes, amps_v=None),
        clusters=small_demo.clusters.drop(columns=["label", "atlas_id"]),
        missing=(Missing("spikes.amps", "no file <spikes.amps>"),),
    )
    off = colours_off(poor)
    assert set(off) == {"amp_mean", "amp_max", "region", "label", "curated", "shank"} < set(AGGREGATES.names)
    words = colours_off_words(off)
    assert "Mean amplitude, Largest amplitude: off, no file &lt;spikes.amps&gt;" in words
    assert "Brain region: off, there are no brain locations" in words

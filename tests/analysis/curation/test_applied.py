"""What decisions change of a sorting: units that are one, units and spans that are left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dashboard.analysis.curation.applied import CurationPlan, apply_plan, plan_of
from dashboard.analysis.curation.spans import BadSpan, bad_spans, read_span, write_span
from dashboard.analysis.curation.splits import write_split
from dashboard.analysis.curation.state import UnitState
from dashboard.analysis.curation.subject import Subject
from dashboard.engine.build import SpikeColumns, build_columns
from dashboard.model.conventions import DepthKind
from dashboard.model.curation import CurationRules, Decision
from dashboard.model.sorting import SpikeSorting

PLAN = CurationPlan(
    (("3", "5"), ("20", "21", "22")), ("9",), (BadSpan(10.0, 20.0), BadSpan(40.0, 41.0, "12")), ("Ada",)
)
MERGES = replace(PLAN, removed=(), spans=())


def counts(sorting: SpikeSorting) -> dict[object, int]:
    """Return the number of spikes by id."""
    found = np.bincount(np.asarray(sorting.unit_indexes()), minlength=sorting.n_clusters)
    return dict(zip(sorting.units.values.tolist(), found.tolist(), strict=True))


def same_columns(a: SpikeColumns, b: SpikeColumns) -> bool:
    names = ("times_s", "depths_um", "depth_codes", "depth_fines", "clusters", "amps_uv")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names) and np.array_equal(
        a.unit_index.offsets, b.unit_index.offsets
    )


def test_spikes_of_merged_units_are_of_one_with_a_new_id(small_demo: SpikeSorting) -> None:
    before, applied = counts(small_demo), apply_plan(small_demo, MERGES)
    after, n = counts(applied.sorting), small_demo.n_clusters
    assert after[n] == before[3] + before[5]
    assert after[n + 1] == sum(before[unit] for unit in (20, 21, 22))
    assert {unit: n for unit, n in after.items() if unit in before} == {
        unit: n for unit, n in before.items() if unit not in (3, 5, 20, 21, 22)
    }
    assert (applied.new_of_old["5"], applied.new_of_old["6"], applied.members[str(n)]) == (
        (str(n),),
        ("6",),
        ("3", "5"),
    )
    assert "5 units are merged into 2" in applied.sorting.curation
    assert counts(small_demo) == before
    assert small_demo.curation == ""


def test_removed_units_and_bad_spans_are_in_no_count(small_demo: SpikeSorting) -> None:
    applied = apply_plan(small_demo, PLAN)
    times, units = np.asarray(small_demo.spikes.times_s), np.asarray(small_demo.spikes.clusters)
    is_bad = (units == 9) | ((times >= 10) & (times < 20)) | ((units == 12) & (times >= 40) & (times < 41))
    assert applied.rows is not None
    assert np.array_equal(applied.rows, np.flatnonzero(~is_bad))
    assert np.array_equal(applied.sorting.spikes.times_s, times[~is_bad])
    assert 9 not in applied.sorting.units
    assert applied.new_of_old["9"] == ()
    assert f"{int(is_bad.sum()):,} spikes not shown" in applied.sorting.curation


def test_a_merged_unit_has_the_place_of_the_largest_and_no_metrics_of_its_units(small_demo: SpikeSorting) -> None:
    before, table = counts(small_demo), apply_plan(small_demo, MERGES).sorting.clusters
    merged, largest = table.loc[small_demo.n_clusters], max((3, 5), key=before.__getitem__)
    assert merged["channels"] == small_demo.clusters.loc[largest, "channels"]
    assert merged["axial_um"] == small_demo.clusters.loc[largest, "axial_um"]
    assert np.isnan(merged["label"])
    assert pd.isna(merged["uuids"])
    assert table.loc[4, "label"] == small_demo.clusters.loc[4, "label"]


@pytest.mark.parametrize("kind", ["of spikes", "of units"])
def test_columns_are_those_that_the_new_sorting_gives(small_demo: SpikeSorting, kind: str) -> None:
    spikes = small_demo.spikes
    before = small_demo
    if kind == "of units":
        before = replace(before, depth_kind=DepthKind.UNIT, spikes=replace(spikes, depths_um=None), identity=None)
    columns = build_columns(before)
    for plan in (MERGES, PLAN):
        applied = apply_plan(before, plan)
        assert same_columns(applied.columns(before, columns), build_columns(applied.sorting))


def test_counts_and_rates_in_the_table_are_those_outside_bad_spans(small_demo: SpikeSorting) -> None:
    times, units = np.asarray(small_demo.spikes.times_s), np.asarray(small_demo.spikes.clusters)
    span_s = float(times.max() - times.min())
    spans = (BadSpan(10.0, 20.0), BadSpan(15.0, 25.0), BadSpan(40.0, 41.0, "12"))
    table = apply_plan(small_demo, CurationPlan(spans=spans)).sorting.clusters
    is_bad = ((times >= 10) & (times < 25)) | ((units == 12) & (times >= 40) & (times < 41))
    for unit, left_s in ((12, span_s - 16), (13, span_s - 15)):
        share = (~is_bad[units == unit]).mean()
        before = small_demo.clusters.loc[unit]
        assert table.loc[unit, "firing_rate"] == pytest.approx(before["firing_rate"] * share * span_s / left_s)
        assert table.loc[unit, "spike_count"] == pytest.approx(before["spike_count"] * share)
    assert "counts and rates of units are those outside the spans" in apply_plan(small_demo, PLAN).sorting.curation


def test_a_new_id_follows_the_largest_that_is_not_removed(small_demo: SpikeSorting) -> None:
    last = small_demo.n_clusters - 1
    applied = apply_plan(small_demo, CurationPlan((("3", "5"),), (str(last),)))
    assert applied.sorting.units.values[-1] == last  # as SpikeInterface gives it


def test_texts_get_the_names_that_spikeinterface_gives(small_demo: SpikeSorting) -> None:
    for names, new in ((lambda unit: str(unit), str(small_demo.n_clusters)), (lambda unit: f"u{unit}", "merge0")):
        table = small_demo.clusters.set_axis([names(unit) for unit in small_demo.clusters.index])
        spikes = replace(small_demo.spikes, clusters_are_rows=True)
        sorting = replace(small_demo, clusters=table, spikes=spikes)
        applied = apply_plan(sorting, CurationPlan(((names(3), names(5)),)))
        assert applied.sorting.units.values[-1] == new
        n_spikes = int((np.asarray(small_demo.spikes.clusters) == 12).sum())
        halves = write_split((np.arange(n_spikes) % 2).astype(np.uint8))
        split = apply_plan(sorting, CurationPlan(splits=((names(12), halves),)))
        expected = ["u12-split0", "u12-split1"] if new == "merge0" else [new, str(int(new) + 1)]
        assert split.sorting.units.values[-2:].tolist() == expected


def test_a_merged_unit_has_the_label_that_all_of_its_units_have(small_demo: SpikeSorting) -> None:
    applied, new = apply_plan(small_demo, MERGES), str(small_demo.n_clusters)
    good, noise = ({"quality": {"Ada": label}} for label in ("good", "noise"))
    for of_5, expected in ((good, {"Ada": "good"}), ({}, {"Ada": "good"}), (noise, {})):
        said = {"3": UnitState(labels=good), "5": UnitState(labels=of_5, notes={"Ada": "odd"}), "6": UnitState()}
        states = applied.states(said)
        assert states[new].labels["quality"] == expected
        assert states[new].notes == {"Ada": "odd"}
        assert states["6"] is said["6"]


def test_what_decisions_come_to_is_a_plan(small_demo: SpikeSorting) -> None:
    subject = Subject.of(small_demo)
    said = [
        subject.decide("Ada", "merge", "3,5"), subject.decide("Bob", "merge", "5,8"),
        subject.decide("Bob", "label", "removed", 9, name="removed"), subject.decide("Bob", "span", write_span(1, 2)),
    ]  # fmt: skip
    rows = [replace(one, step=str(n), id=n) for n, one in enumerate(said)]
    plan = plan_of(rows, subject, "Ada", CurationRules())
    assert (plan.merges, plan.removed, plan.authors) == ((("3", "5"),), ("9",), ("Ada", "Bob"))
    assert [(span.start_s, span.end_s, span.author) for span in plan.spans] == [(1.0, 2.0, "Bob")]
    assert plan_of(rows, subject, "Bob", CurationRules()).merges == (("5", "8"),)


def test_a_span_of_all_units_holds_for_every_sorting_and_one_of_a_unit_follows_it() -> None:
    subject = Subject("S/1", "alf/probe00", "", "9:aa", ("3", "5"), ("u3", ""))
    said = [
        Decision("Ada", "S/1", "span", "1,2", spikes="7:bb", step="0"),
        Decision("Ada", "S/1", "span", "3,4", "77", "u3", spikes="7:bb", step="1"),
        Decision("Ada", "S/1", "span", "5,6", "78", "gone", spikes="7:bb", step="2"),
        Decision("Ada", "S/1", "span", "9,8", spikes="9:aa", step="3"),
    ]
    assert [(span.start_s, span.unit) for span in bad_spans(said, subject)] == [(1.0, ""), (3.0, "3")]
    assert [read_span(text) for text in ("1,x", "1", "nan,2", "2,1")] == [None] * 4

"""Units of measure of exported columns: beside the names, never in their place unless that is asked."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from dashboard.engine.build import SpikeColumns
from dashboard.export.origin import Subject
from dashboard.export.spikes import cluster_table, write_clusters, write_spikes
from dashboard.export.tables import head_with_units
from dashboard.model.column_units import unit_of
from dashboard.model.sorting import SpikeSorting

WITHOUT = {
    "cluster_id", "channels", "contamination", "contamination_alt", "missed_spikes_est", "noise_cutoff", "label",
    "presence_ratio", "presence_ratio_std", "slidingRP_viol", "slidingRP_viol_forced", "spike_count", "atlas_id",
    "n_spikes_below2", "bitwise_fail", "ks2_contamination_pct", "rawInd", "presence_ratio_1min", "snr",
}  # fmt: skip
"""Ids, counts, shares, and values of no unit among the numbers of the demo's clusters."""


@pytest.fixture(scope="module")
def subject(small_demo: SpikeSorting, small_columns: SpikeColumns) -> Subject:
    """All units of the small demo."""
    return Subject(small_demo, small_columns, (0.0, 300.0), (0.0, 4000.0))


def test_every_number_of_a_unit_has_a_unit_or_is_known_to_have_none(subject: Subject) -> None:
    table = cluster_table(subject)
    numbers = {str(name) for name in table if pd.api.types.is_float_dtype(table[name])}
    assert {name for name in numbers if not unit_of(name)} <= WITHOUT


def test_the_header_says_units_where_that_is_asked(subject: Subject, tmp_path: Path) -> None:
    path = tmp_path / "clusters.csv"
    write_clusters(path, subject, "csv")
    before = path.read_text(encoding="utf-8")
    names = next(csv.reader(before.splitlines()))
    head_with_units(path)
    after = path.read_text(encoding="utf-8")
    assert after.split("\n", 1)[1] == before.split("\n", 1)[1]
    heads = dict(zip(names, next(csv.reader(after.splitlines())), strict=True))
    assert (heads["amp_max"], heads["depths"], heads["cluster_id"]) == ("amp_max [V]", "depths [um]", "cluster_id")


def test_fields_of_parquet_have_units_and_the_same_names(subject: Subject, tmp_path: Path) -> None:
    write_clusters(tmp_path / "clusters.pqt", subject, "parquet")
    write_spikes(tmp_path / "spikes.pqt", subject, "parquet")
    clusters, spikes = (pq.read_schema(tmp_path / f"{name}.pqt") for name in ("clusters", "spikes"))
    assert clusters.names == list(cluster_table(subject))
    assert [spikes.field(name).metadata[b"unit"] for name in ("times", "depths", "amps")] == [b"s", b"um", b"V"]
    assert clusters.field("firing_rate").metadata == {b"unit": b"Hz"}
    assert b"pid" in clusters.metadata
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "clusters.pqt"), cluster_table(subject).reset_index(drop=True)
    )


def test_amplitudes_that_are_no_volts_are_not_called_so() -> None:
    assert [unit_of(name, are_volts=False) for name in ("amps", "amp_from", "amp_max")] == ["a.u."] * 3
    assert [unit_of(name) for name in ("rate_hz", "start_s", "bin_s", "change_amp_uv", "resp_q", "lag_s")] == [
        "Hz", "s", "s", "uV", "", "s",
    ]  # fmt: skip

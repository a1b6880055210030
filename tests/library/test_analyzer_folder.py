"""A SortingAnalyzer that is written is read again as what it was written from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dashboard.analysis.curation.splits import write_split
from dashboard.analysis.curation.subject import Subject, write_merge
from dashboard.library.apply import write_applied
from dashboard.library.open import open_insertion
from dashboard.model.curation import CurationRules

FILES = Path(__file__).parents[3] / "shared/formats/spikeinterface"


@pytest.mark.skipif(not FILES.is_dir(), reason="no shared/formats/spikeinterface beside the checkout")
@pytest.mark.parametrize("name", ["analyzer_two_segments", "analyzer_string_ids.zarr"])
def test_an_analyzer_with_a_curation_applied_has_the_same_spikes(name: str, tmp_path: Path) -> None:
    sorting = open_insertion(FILES / name, cache=tmp_path)
    subject, units = Subject.of(sorting), sorting.units.values.tolist()
    parts = (np.arange(subject.n_spikes[4]) % 4 == 0).astype(np.uint8)
    said = [
        subject.decide("Ada", "merge", write_merge(units[:2])),
        subject.decide("Ada", "split", write_split(parts), units[4]),
        subject.decide("Ada", "label", "good", units[5], name="quality"),
        subject.decide("Ada", "note", "µ, odd", units[5]),
    ]
    rows = [replace(one, step=str(n), id=n + 1) for n, one in enumerate(said)]
    written = write_applied(sorting, rows, "Ada", CurationRules(), tmp_path / "new", "analyzer")
    found, expected = open_insertion(tmp_path / "new", cache=tmp_path / "other"), written.applied.sorting
    assert found.units.values.tolist() == expected.units.values.tolist()
    order = np.argsort(found.spikes.times_s, kind="stable")
    np.testing.assert_array_equal(found.unit_indexes()[order], expected.unit_indexes())
    np.testing.assert_allclose(found.spikes.times_s[order], expected.spikes.times_s, atol=1e-9)
    for column in ("depths_um", "amps_v"):
        of_found, of_expected = (getattr(one.spikes, column) for one in (found, expected))
        np.testing.assert_allclose(of_found[order], of_expected, rtol=1e-6)
    assert (found.clusters["quality"].iloc[2], found.clusters["note"].iloc[2]) == ("good", "µ, odd")
    assert found.templates is not None
    np.testing.assert_allclose(found.clusters["depths"], expected.clusters["depths"])

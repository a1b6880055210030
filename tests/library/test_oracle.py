"""What we load equals what ibllib's SpikeSortingLoader was recorded to load, to the last value."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.library.open import open_insertion
from dashboard.model.errors import NoSpikeSorting
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.alf.choose import resolve
from tests.library.recorded import BY_PROCESSOR, RecordedSource

CASES = (
    "S1p00_default", "S1p00_pykilosort", "S1p00_pykilosort_rev2024-05-05", "S1p00_pykilosort_rev2024-05-06",
    "S1p00_base", "S1p00_good_units", "S1p01_default_mixedrev_resolved", "S2p00_aligned", "S2p01_traced",
    "S2p01_namespace_av", "S3p00_none", "S3p02_electrodeSites",
)  # fmt: skip
WORDS = {"spike_sorter": "sorter"}


@pytest.fixture(scope="module")
def alyx(shared: Path) -> Path:
    return shared / "alyx"


@pytest.fixture(scope="module")
def answers(alyx: Path) -> dict[str, Any]:
    known: dict[str, Any] = json.loads((alyx / "oracle" / "index.json").read_text())
    return known


@pytest.fixture(scope="module")
def opened(alyx: Path, answers: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    source, cache, known = RecordedSource(alyx), tmp_path_factory.mktemp("cache"), {}

    def open_case(case: str) -> SpikeSorting:
        if case not in known:
            words = {WORDS.get(k, k): v for k, v in answers[case]["kwargs"].items()}
            insertion = source.by_pid(answers[case]["pid"])
            known[case] = open_insertion(insertion, source=source, cache=cache, **words)
        return known[case]

    return open_case


def test_every_case_with_data_is_here(answers: dict[str, Any]) -> None:
    assert {case for case, answer in answers.items() if answer["files"]} == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_collection_histology_and_files(case: str, opened: Any, answers: dict[str, Any]) -> None:
    sorting, answer = opened(case), answers[case]
    assert sorting.ref.collection == answer["collection"]
    assert sorting.histology == (answer["histology"] or "none")
    for obj, files in answer["files"].items():
        ours = {d.relative_path for d in sorting.ref.datasets.values() if d.object == obj}
        assert ours == set(files)


@pytest.mark.parametrize("case", CASES)
def test_spikes(case: str, opened: Any, answers: dict[str, Any]) -> None:
    spikes = opened(case).spikes
    ours = {"times": spikes.times_s, "clusters": spikes.clusters, "depths": spikes.depths_um, "amps": spikes.amps_v}
    recorded = answers[case]["spikes"]
    assert set(recorded) == set(ours)
    for name, answer in recorded.items():
        column = ours[name]
        assert (str(column.dtype), list(column.shape)) == (answer["dtype"], answer["shape"])
        assert np.nansum(column) == pytest.approx(answer["sum"], rel=1e-12)
        assert (column[0], column[-1]) == (answer["first"], answer["last"])
        assert np.count_nonzero(np.isnan(column)) == answer["nan"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("part", ["channels", "clusters_merged"])
def test_tables_to_the_last_value(case: str, part: str, opened: Any, alyx: Path) -> None:
    sorting = opened(case)
    ours = sorting.channels if part == "channels" else sorting.clusters
    with np.load(alyx / "oracle" / f"{case}.{part}.npz") as answer:
        columns = {name: answer[name] for name in answer.files}
    local = columns.pop("localCoordinates", None)
    if local is not None:  # always under these two names here
        columns |= {"lateral_um": local[:, 0], "axial_um": local[:, 1]}
    assert set(columns) <= set(ours.columns)
    # rawInd is kept where ibllib loses it: with brain locations from the database
    assert set(ours.columns) - set(columns) <= {"rawInd"}
    for name, expected in columns.items():
        found = ours[name].to_numpy()
        if expected.dtype.kind == "U":
            assert found.astype(expected.dtype).tolist() == expected.tolist(), name
        elif expected.dtype.kind == "f" and name in ("x", "y", "z") and sorting.histology not in ("alf",):
            # ibllib interpolates along the track in the atlas, the server's rows did so before
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9, err_msg=name)
        elif name in BY_PROCESSOR and sorting.metrics_made:
            np.testing.assert_allclose(found, expected, rtol=1e-14, atol=0, err_msg=name)
        else:
            assert found.dtype == expected.dtype, name
            np.testing.assert_array_equal(found, expected, err_msg=name)


def test_stale_metrics_are_recomputed_and_said_so(opened: Any) -> None:
    sorting = opened("S1p01_default_mixedrev_resolved")
    assert not sorting.metrics_stale
    assert any("320 rows for 331 clusters" in note for note in sorting.notes)
    assert any("clusters.metrics is of the original" in note for note in sorting.notes)


def test_no_data_is_said_so(alyx: Path, answers: dict[str, Any]) -> None:
    assert answers["S4p04_nodata"]["spikes"] == {}
    source = RecordedSource(alyx)
    insertion = next(iter(source.insertions()))
    with pytest.raises(NoSpikeSorting, match=r"alf/probe04"):
        resolve(replace(insertion, probe="probe04"), source.datasets(insertion))

"""Opened straight from the replayed server, each case is what ibllib was recorded to load from the real one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.library.open import open_insertion
from dashboard.model.errors import DatasetInvalid, NoSpikeSorting
from dashboard.model.references import Histology
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.alyx.source import AlyxSource
from tests.library.recorded import BY_PROCESSOR
from tests.replay.server import Replay

EID = "476cedbd-08e6-4844-ac5d-baed40ae4d78"
CASES = (
    "S1p00_default", "S1p00_pykilosort", "S1p00_pykilosort_rev2024-05-05", "S1p00_pykilosort_rev2024-05-06",
    "S1p00_base", "S1p00_good_units", "S1p01_default_mixedrev_resolved", "S2p00_aligned", "S2p01_traced",
    "S2p01_namespace_av", "S3p00_none", "S3p02_electrodeSites",
)  # fmt: skip


@pytest.fixture(scope="module")
def answers(recorded_alyx: Path) -> dict[str, Any]:
    known: dict[str, Any] = json.loads((recorded_alyx / "oracle" / "index.json").read_text())
    return known


@pytest.fixture(scope="module")
def opened(
    recorded_alyx: Path, answers: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], SpikeSorting]]:
    cache, known = tmp_path_factory.mktemp("cache"), {}
    with Replay(recorded_alyx) as replay:
        source = AlyxSource(replay.url, cache=cache, user="alice", password="alicepass")

        def open_case(case: str) -> SpikeSorting:
            if case not in known:
                asked = dict(answers[case]["kwargs"])
                asked["sorter"] = asked.pop("spike_sorter", None)
                known[case] = open_insertion(answers[case]["pid"], source=source, cache=cache, **asked)
            return known[case]

        yield open_case
        assert max(replay.data_counts().values()) == 1


def test_every_case_with_data_is_here(answers: dict[str, Any]) -> None:
    assert {case for case, answer in answers.items() if answer["files"]} == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_case(case: str, opened: Callable[[str], SpikeSorting], answers: dict[str, Any], recorded_alyx: Path) -> None:
    sorting, answer = opened(case), answers[case]
    assert sorting.ref.collection == answer["collection"]
    assert sorting.histology == (answer["histology"] or "none")
    for name, files in answer["files"].items():
        assert {d.relative_path for d in sorting.ref.datasets.values() if d.object == name} == set(files)
    spikes = sorting.spikes
    columns = {"times": spikes.times_s, "clusters": spikes.clusters, "depths": spikes.depths_um, "amps": spikes.amps_v}
    for name, recorded in answer["spikes"].items():
        column = columns[name]
        assert column is not None
        assert (str(column.dtype), list(column.shape)) == (recorded["dtype"], recorded["shape"])
        assert np.nansum(column) == pytest.approx(recorded["sum"], rel=1e-12)
        assert (column[0], column[-1]) == (recorded["first"], recorded["last"])
        assert np.count_nonzero(np.isnan(column)) == recorded["nan"]
    for part, table in (("channels", sorting.channels), ("clusters_merged", sorting.clusters)):
        with np.load(recorded_alyx / "oracle" / f"{case}.{part}.npz", allow_pickle=True) as theirs:
            for name in theirs.files:
                if name != "localCoordinates":  # here as two columns
                    _same(table[name].to_numpy(), theirs[name], name, sorting)


def test_who_resolved_the_alignment_is_said(opened: Callable[[str], SpikeSorting]) -> None:
    reasons = {case: opened(case).choices[2][2] for case in ("S1p00_default", "S2p00_aligned")}
    assert reasons["S1p00_default"].endswith("; resolved by alice")
    assert "resolved by" not in reasons["S2p00_aligned"]


def _same(ours: Any, theirs: Any, name: str, sorting: SpikeSorting) -> None:
    if name in ("x", "y", "z") and sorting.histology is not Histology.ALF:
        # the server has them in um: the division by 1e6 costs the last bit
        np.testing.assert_array_max_ulp(ours, theirs, maxulp=1)
    elif name in BY_PROCESSOR and sorting.metrics_made:
        np.testing.assert_allclose(ours, theirs, rtol=1e-14, atol=0, err_msg=name)
    elif theirs.dtype.kind in "UO":
        assert [str(value) for value in ours] == [str(value) for value in theirs], name
    else:
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_files_of_different_lengths_are_refused_by_name(source: AlyxSource, replay: Replay, tmp_path: Path) -> None:
    """200,000 times against 205,000 clusters, as seen on the real server."""
    folder = "alf/probe00/pykilosort"
    older = replay.dataset(EID, f"{folder}/spikes.times.npy")
    newer = replay.dataset(EID, f"{folder}/#2024-05-06#/spikes.times.npy")
    replay.put(newer, replay.content(replay.data_path(older)) or b"")
    newer["file_size"], newer["hash"] = older["file_size"], older["hash"]
    with pytest.raises(DatasetInvalid) as caught:
        open_insertion(f"{EID}/probe00", sorter="pykilosort", source=source, cache=tmp_path)
    assert len(caught.value.paths) == 2
    assert "spikes.times.npy" in {path.name for path in caught.value.paths}
    assert all(str(path) in str(caught.value) for path in caught.value.paths)
    assert "200,000" in str(caught.value) and "205,000" in str(caught.value)


def test_an_insertion_whose_json_is_null_opens(source: AlyxSource, tmp_path: Path) -> None:
    sorting = open_insertion("9ca72bb6-6dfd-4214-91f6-8a717cc69006", source=source, cache=tmp_path)
    assert sorting.histology is Histology.NONE
    assert sorting.n_spikes > 0


def test_an_insertion_without_a_sorting_says_so(source: AlyxSource, tmp_path: Path) -> None:
    with pytest.raises(NoSpikeSorting):
        open_insertion("a2bd848a-04b7-4648-a57d-7be58905d581", source=source, cache=tmp_path)


def test_opens_again_without_the_server(source: AlyxSource, replay: Replay, tmp_path: Path) -> None:
    pid = "707cdac8-3ab2-4b3c-8d3e-6358c027c3e2"
    before = open_insertion(pid, source=source, cache=tmp_path / "cache", lazy=True)
    replay.down = True
    offline = AlyxSource(replay.url, cache=tmp_path / "cache", user="alice", password="alicepass")
    after = open_insertion(pid, source=offline, cache=tmp_path / "cache", lazy=True)
    assert (after.n_spikes, after.histology) == (before.n_spikes, before.histology)
    assert offline.notice.startswith("Offline: the Alyx server cannot be reached")


@pytest.mark.parametrize("kind", ["404", "null", "corrupt"])
def test_opens_without_an_optional_file(source: AlyxSource, replay: Replay, tmp_path: Path, kind: str) -> None:
    pid, name = "707cdac8-3ab2-4b3c-8d3e-6358c027c3e2", "drift.um"
    if kind == "404":
        replay.faults.add(f"*{name}*", "status", code=404, times=None)
    elif kind == "corrupt":
        replay.faults.add(f"*{name}*", "corrupt", times=None)
    else:
        eid = "f0cf55b9-f908-41f6-a933-2362c62944ec"
        replay.dataset(eid, f"alf/probe01/pykilosort/{name}.npy")["data_url"] = None
    sorting = open_insertion(pid, source=source, cache=tmp_path, lazy=True)
    assert sorting.n_spikes > 0
    assert sorting.drift is None
    assert sorting.missing_reason(name) is not None

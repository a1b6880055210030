"""NWB files as pynwb reads them: its recorded answers for the samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.config.settings import Settings
from dashboard.library.open import open_insertion
from dashboard.model.conventions import Clock, DepthKind, LabelKind
from dashboard.model.references import Histology
from dashboard.sources.nwb.source import NwbSource

pytest.importorskip("h5py", reason="NWB files are read by h5py, of the extra nwb")
SAMPLES = Path(__file__).parents[4] / "shared" / "formats" / "nwb"

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample files are not beside the repository")


def answers(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / "oracle" / f"{name}.json").read_text())
    return found


def opened(name: str, cache: Path) -> dict[str, Any]:
    source = NwbSource(SAMPLES / f"{name}.nwb", Settings(cache=cache))
    return {i.probe: open_insertion(i, source=source, cache=cache) for i in source.insertions()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Any:
    (sorting,) = opened("plain", tmp_path_factory.mktemp("cache")).values()
    return sorting


@pytest.fixture(scope="module")
def of_ibl(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return opened("ibl_like_two_probes", tmp_path_factory.mktemp("cache"))


def equals(array: np.ndarray, answer: dict[str, Any]) -> None:
    values = np.asarray(array, np.float64)
    assert list(values.shape) == answer["shape"]
    assert int(np.isnan(values).sum()) == answer["n_nan"]
    for name, value in (("sum", np.nansum(values)), ("min", np.nanmin(values)), ("max", np.nanmax(values))):
        assert value == pytest.approx(answer[name], rel=1e-12), name
    for name, value in (("first", values[0]), ("last", values[-1])):
        assert value == pytest.approx(answer[name], rel=1e-12), name


def test_a_plain_file(plain: Any) -> None:
    merged = answers("plain")["units"]["merged_in_time (stable sort; row of the table)"]
    assert plain.unit_ids.tolist() == answers("plain")["units"]["id"]
    equals(plain.spikes.times_s, merged["times_s"])
    equals(plain.unit_indexes(), merged["row"])
    assert np.bincount(plain.unit_indexes(), minlength=12).tolist() == answers("plain")["units"]["spikes_per_unit"]
    assert (plain.clock, plain.depth_kind, plain.label_kind) == (Clock.SESSION, DepthKind.SPIKE, LabelKind.CURATED)
    assert plain.histology is Histology.ALF
    equals(plain.trials.table["stimOn_times"], answers("plain")["trials"]["stimOn_times"])
    assert plain.channels["acronym"].unique().tolist() == ["CA1", "DG"] or set(plain.channels["acronym"]) == {
        "CA1",
        "DG",
    }


def test_several_probes_are_several_insertions(of_ibl: dict[str, Any]) -> None:
    assert sorted(of_ibl) == ["Probe00", "Probe01"]
    assert [of_ibl[name].n_clusters for name in sorted(of_ibl)] == [14, 9]
    counts = [np.bincount(of_ibl[name].unit_indexes()).tolist() for name in sorted(of_ibl)]
    assert [*counts[0], *counts[1]] == answers("ibl_like_two_probes")["units"]["spikes_per_unit"]


def test_a_file_of_ibl(of_ibl: dict[str, Any]) -> None:
    said, probes = answers("ibl_like_two_probes"), [of_ibl[name] for name in sorted(of_ibl)]
    units, first_rows = said["units"], (0, 14)
    times = np.concatenate([sorting.spikes.times_s for sorting in probes])
    order = np.argsort(times, kind="stable")
    equals(times[order], units["merged_in_time (stable sort; row of the table)"]["times_s"])
    rows = [sorting.unit_indexes() + row for sorting, row in zip(probes, first_rows, strict=True)]
    equals(np.concatenate(rows)[order], units["merged_in_time (stable sort; row of the table)"]["row"])
    for name, column, scale in (("amplitudes", "amps_v", 1e6), ("depths", "depths_um", 1.0)):
        answer = next(value for key, value in units.items() if key.startswith(name))
        equals(np.concatenate([getattr(sorting.spikes, column) for sorting in probes])[order] * scale, answer)
    for sorting, row in zip(probes, first_rows, strict=True):
        assert sorting.unit_ids.tolist() == list(range(row, row + sorting.n_clusters))
        assert (sorting.label_kind, sorting.clock, sorting.histology) == (LabelKind.IBL, Clock.SESSION, Histology.ALF)
        assert sorting.amps_are_volts
        assert not sorting.metrics_stale
        electrodes = 96 * (row > 0) + sorting.clusters["channels"]
        depths = np.asarray(sorting.clusters["depths"])
        assert depths.tolist() == sorting.channels["axial_um"].to_numpy()[electrodes % 96].tolist()
    assert probes[0].n_without_depth + probes[1].n_without_depth == 5


def test_trials_of_ibl_have_ibls_names(of_ibl: dict[str, Any]) -> None:
    table, said = of_ibl["Probe00"].trials.table, answers("ibl_like_two_probes")["trials"]
    equals(table["stimOn_times"], said["gabor_stimulus_onset_time"])
    equals(table["firstMovement_times"], said["wheel_movement_onset_time"])
    equals(table["feedback_times"], said["feedback_time"])
    contrast = table["contrastLeft"].fillna(table["contrastRight"])
    equals(contrast * 100, said["gabor_stimulus_contrast"])
    assert set(table["choice"]) <= {-1.0, 0.0, 1.0}
    assert set(table["feedbackType"]) == {-1.0, 1.0}

"""Whatever a disk or a broken copy does to a file, it is refused by name, or what it says is opened; nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard.engine.build import build_columns
from dashboard.library.open import open_insertion
from dashboard.model.errors import DatasetInvalid
from tests.library.alf_folder import N_CHANNELS, N_CLUSTERS, write_session

OPTIONAL = {
    "drift.um": np.zeros((5, 2)),
    "drift.times": np.arange(5.0),
    "drift_depths.um": np.zeros(2),
    "templates.waveforms": np.zeros((N_CLUSTERS, 4, 5), np.float32),
    "templates.waveformsChannels": np.zeros((N_CLUSTERS, 5), np.int64),
}
LOCATIONS = {
    "channels.brainLocationIds_ccf_2017": np.full(N_CHANNELS, 382),
    "channels.mlapdv": np.zeros((N_CHANNELS, 3)),
}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of a whole session by name."""
    folder = write_session(tmp_path_factory.mktemp("data"), changed=OPTIONAL | LOCATIONS)
    trials = folder.parents[1] / "_ibl_trials.table.pqt"
    pd.DataFrame({"stimOn_times": [1.0, 2.0], "choice": [1.0, -1.0]}).to_parquet(trials)
    return {path.name: path for path in sorted([*folder.iterdir(), trials])}


def root_of(session: dict[str, Path]) -> Path:
    return session["spikes.times.npy"].parents[7]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_refused_by_name_or_opens(
    session: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(session)))
    path = session[name]
    whole = path.read_bytes()
    # Most of what can go wrong is in the header, and most of a file is not.
    place = st.integers(0, min(len(whole), 160) - 1) | st.integers(0, len(whole) - 1)
    broken = bytearray(whole[: data.draw(st.just(len(whole)) | st.integers(0, len(whole)))])
    for position, value in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), max_size=8)):
        if position < len(broken):
            broken[position] = value
    cache = tmp_path_factory.mktemp("cache")
    try:
        path.write_bytes(bytes(broken))
        sorting = open_insertion(root_of(session), cache=cache, lazy=True)
        build_columns(sorting, cache)
    except DatasetInvalid as error:
        assert name in str(error)
        assert error.remedy
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("name", sorted(OPTIONAL))
def test_what_the_spikes_can_do_without_does_not_keep_them_away(tmp_path: Path, name: str) -> None:
    folder = write_session(tmp_path, changed=OPTIONAL)
    (folder / f"{name}.npy").write_bytes(b"\x93NUMPY nothing")
    sorting = open_insertion(tmp_path, cache=tmp_path / "cache")
    obj = "templates" if name.startswith("templates") else "drift"
    assert getattr(sorting, obj) is None
    assert f"{name}.npy" in (sorting.missing_reason(obj) or "")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("drift.um", np.full((5, 2), "far"), "Should hold numbers"),
        ("templates.waveforms", np.full((N_CLUSTERS, 4, 5), "up"), "should hold numbers"),
        ("templates.waveformsChannels", np.zeros((N_CLUSTERS, 4), np.int64), "of shape"),
    ],
)
def test_optional_files_that_make_no_sense_are_missing_with_a_reason(
    tmp_path: Path, name: str, value: np.ndarray, says: str
) -> None:
    write_session(tmp_path, changed=OPTIONAL | {name: value})
    sorting = open_insertion(tmp_path, cache=tmp_path / "cache")
    assert says in (sorting.missing_reason("templates" if name.startswith("templates") else "drift") or "")

"""Keys of what is kept in the cache: a cache that an older version wrote is found again."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboard.model.errors import Cancelled
from dashboard.model.identity import FileState, Identity
from dashboard.model.references import Choice, DatasetRef, Histology, InsertionRef, SortingRef
from dashboard.model.sidecars import Draft, kept, sidecar_key
from dashboard.model.sorting import Spikes, SpikeSorting
from dashboard.sources.alf import spikes
from dashboard.sources.alf.identity import identity_of

ROOT = "/tmp/spike-dashboard-keys/alf/probe00"
CHANGED_NS = 1_700_000_000_123_456_789
MD5 = "0123456789abcdef0123456789abcdef"
SIZES = {"spikes.amps": 192, "spikes.clusters": 160, "spikes.depths": 192, "spikes.times": 192}
OF_CLUSTERS = {"channels.localCoordinates": 192, "clusters.channels": 152, "clusters.depths": 152}


def states(sizes: dict[str, int]) -> tuple[FileState, ...]:
    return tuple(
        FileState(name, f"{ROOT}/{name}.npy", size, CHANGED_NS, MD5 if name == "spikes.times" else None)
        for name, size in sorted(sizes.items())
    )


def sorting_of(columns: Spikes, identity: Identity | None) -> SpikeSorting:
    ref = SortingRef(InsertionRef("mouse", "2020-01-01", 1, "probe00"), "alf/probe00", Choice("", ""), Choice("", ""))
    clusters = pd.DataFrame({"depths": [10.0, 20.0, 30.0]})
    return SpikeSorting(ref, columns, clusters, pd.DataFrame(), Histology.NONE, identity=identity)


@pytest.fixture
def columns(tmp_path: Path) -> dict[str, np.ndarray]:
    n = 8
    arrays = {
        "times": np.arange(n) / 10,
        "clusters": np.arange(n, dtype=np.uint32) % 3,
        "depths": np.arange(n) * 100.0,
        "amps": np.full(n, 5e-5),
    }
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    return arrays | {f"mapped {name}": np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in arrays}


def test_keys_of_columns_are_those_of_caches_that_exist(columns: dict[str, np.ndarray]) -> None:
    """Recorded with version 43aca91: another key would have every column of every lab built anew."""
    names = ("times", "clusters", "depths", "amps")
    mapped = [columns[f"mapped {name}"] for name in names]
    identity = Identity(states(SIZES), "")
    assert sidecar_key(sorting_of(Spikes(*mapped), identity)) == "77c8b1d12b56b64db2f4f88af6b80ad4"
    in_memory = Spikes(*(columns[name] for name in names))
    assert sidecar_key(sorting_of(in_memory, identity)) == "fc54be6ccd3ecd98874d6cc5b72dfe54"
    without = {name: size for name, size in (SIZES | OF_CLUSTERS).items() if name != "spikes.depths"}
    by_unit = Spikes(mapped[0], mapped[1], None, mapped[3])
    assert sidecar_key(sorting_of(by_unit, Identity(states(without), ""))) == "2ddec1379c4488e665c63ee851a41c3a"


def alf(folder: Path, names: dict[str, int]) -> SortingRef:
    datasets = {}
    for name in names:
        path = folder / f"{name}.npy"
        path.write_bytes(b"x" * names[name])
        os.utime(path, ns=(CHANGED_NS, CHANGED_NS))
        obj, _, attribute = name.partition(".")
        md5 = MD5 if name == "spikes.times" else None
        datasets[name] = DatasetRef(obj, attribute, "npy", "alf/probe00", path=path, md5=md5)
    insertion = InsertionRef("mouse", "2020-01-01", 1, "probe00")
    return SortingRef(insertion, "alf/probe00", Choice("", ""), Choice("", ""), datasets)


@pytest.mark.parametrize("has_depths", [True, False])
def test_files_of_alf_are_named_as_the_keys_need_it(tmp_path: Path, has_depths: bool) -> None:
    sizes = SIZES | OF_CLUSTERS
    if not has_depths:
        del sizes["spikes.depths"]
    found = identity_of(alf(tmp_path, sizes))
    assert found is not None
    expected = states(SIZES if has_depths else sizes)
    assert found.files == tuple(file._replace(path=f"{tmp_path.resolve()}/{file.name}.npy") for file in expected)


def test_the_key_of_metrics_is_that_of_caches_that_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = alf(tmp_path, SIZES | OF_CLUSTERS | {"clusters.metrics": 152})
    in_place = spikes.identity
    monkeypatch.setattr(spikes, "identity", lambda path: (f"{ROOT}/{path.name}", *in_place(path)[1:]))
    found = identity_of(ref)
    assert found is not None
    assert found.metrics == "31c0a5271fc88b622942a3200ad2c628"


def test_any_source_makes_an_identity_of_its_files(tmp_path: Path) -> None:
    path = tmp_path / "sorting.npz"
    path.write_bytes(b"one")
    first = Identity.of([path], "probe A")
    assert first is not None
    assert first == Identity.of([path], "probe A") != Identity.of([path], "probe B")
    path.write_bytes(b"another")
    assert Identity.of([path], "probe A") != first
    assert Identity.of([tmp_path / "gone"]) is None


def test_arrays_of_a_source_are_made_once_and_kept_whole(tmp_path: Path) -> None:
    made: list[Draft] = []

    def make(draft: Draft) -> dict[str, str]:
        made.append(draft)
        draft.allocate("order", (5,), np.int64)[:] = np.arange(5)[::-1]
        return {"unit": "spikes"}

    for _ in range(2):
        arrays, facts = kept(tmp_path / "sorted", "a" * 32, make)
        assert arrays["order"].tolist() == [4, 3, 2, 1, 0]
        assert facts == {"unit": "spikes"}
    assert len(made) == 1
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    arrays, _ = kept(blocked, "a" * 32, make)
    assert arrays["order"].tolist() == [4, 3, 2, 1, 0]
    assert len(made) == 2


def test_an_array_whose_making_fails_is_not_kept(tmp_path: Path) -> None:
    def make(draft: Draft) -> dict[str, str]:
        draft.allocate("order", (5,), np.int64)
        raise Cancelled

    with pytest.raises(Cancelled):
        kept(tmp_path, "a" * 32, make)
    assert list(tmp_path.iterdir()) == []


def test_spikes_without_a_depth_have_columns_of_their_own(columns: dict[str, np.ndarray]) -> None:
    """They lie at the depth of their unit now, and were left out by earlier versions: old columns are not theirs."""
    spikes = Spikes(*(columns[f"mapped {name}"] for name in ("times", "clusters", "depths", "amps")))
    sorting = sorting_of(spikes, Identity(states(SIZES), ""))
    assert sidecar_key(replace(sorting, n_without_depth=1)) not in (None, sidecar_key(sorting))

"""Analyzers saved as zarr: both versions of the format, and folders that are wrong or were made to do harm."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashboard
from dashboard.model.errors import BadRequest, DatasetInvalid
from dashboard.sources.analyzer import zarr_arrays
from dashboard.sources.analyzer.zarr_arrays import ZarrFolder
from tests.sources.samples import write_analyzer, write_zarr, write_zarr_array


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_opens_as_the_same_analyzer_in_a_plain_folder(tmp_path: Path, version: int) -> None:
    zarr, plain = write_zarr(tmp_path / "x.zarr", version=version), write_analyzer(tmp_path / "x")
    found, known = (dashboard.open_insertion(path, cache=tmp_path / "cache") for path in (zarr, plain))
    for name in ("times_s", "depths_um", "amps_v"):
        np.testing.assert_array_equal(getattr(found.spikes, name), getattr(known.spikes, name))
    np.testing.assert_array_equal(found.unit_indexes(), known.unit_indexes())
    assert found.clusters.equals(known.clusters)
    assert found.channels.equals(known.channels)
    np.testing.assert_array_equal(found.templates.waveforms, known.templates.waveforms)
    assert found.notes == known.notes


@pytest.mark.parametrize("codec", ["blosc", "zstd", "lz4"])
def test_chunks_packed_by_numcodecs(tmp_path: Path, codec: str) -> None:
    values = np.arange(2_500, dtype=np.float32).reshape(500, 5)
    write_zarr_array(tmp_path / "a", values, n_chunk=500)
    packed = zarr_arrays._codec(codec)().encode(values.tobytes())
    (tmp_path / "a" / "0.0").write_bytes(packed)
    change(tmp_path / "a", compressor={"id": codec})
    np.testing.assert_array_equal(ZarrFolder(tmp_path).array("a"), values)
    (tmp_path / "a" / "0.0").write_bytes(zarr_arrays._codec(codec)().encode(bytes(20_000)))  # a chunk has 10,000
    with pytest.raises(DatasetInvalid, match="A chunk is damaged"):
        ZarrFolder(tmp_path).array("a")


def test_order_and_byte_order(tmp_path: Path) -> None:
    values = np.arange(24, dtype=">i4").reshape(4, 6)
    write_zarr_array(tmp_path / "a", values.astype(np.float64), n_chunk=4)
    change(tmp_path / "a", dtype=">i4", order="F", compressor=None)
    (tmp_path / "a" / "0.0").write_bytes(values.tobytes(order="F"))
    np.testing.assert_array_equal(ZarrFolder(tmp_path).array("a"), values)


def change(folder: Path, **changed: Any) -> None:
    path = folder / ".zarray"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"dtype": "|O"}, "Holds Python objects, which are not read"),
        ({"dtype": [["x", "|O"], ["y", "<f4"]]}, "Holds Python objects"),
        ({"dtype": "|O", "filters": [{"id": "pickle", "protocol": 5}]}, "Holds Python objects"),
        ({"filters": [{"id": "pickle", "protocol": 5}]}, "filtered by 'pickle', which is not read"),
        ({"filters": [{"id": "json2"}]}, "filtered by 'json2'"),
        ({"compressor": {"id": "lzma"}}, "packed by 'lzma'"),
        ({"dtype": "<M8[s]"}, "which are not read"),
        ({"shape": [10**15]}, "Claims"),
        ({"shape": [10**9], "chunks": [10**9]}, "Claims more than files of their size may hold"),
        ({"shape": [-5]}, "does not describe|Does not describe"),
        ({"chunks": [0]}, "Does not describe"),
        ({"dimension_separator": "/../"}, "Does not describe"),
        ({"order": "K"}, "Does not describe"),
        ({"dtype": "<i4"}, "filtered by 'delta'|A chunk is damaged"),
    ],
)
def test_arrays_that_are_refused(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    write_zarr_array(tmp_path / "a", np.arange(10))
    change(tmp_path / "a", **changed)
    with pytest.raises(DatasetInvalid, match=words) as raised:
        ZarrFolder(tmp_path).array("a")
    assert "\n" not in str(raised.value)
    assert str(tmp_path / "a") in str(raised.value)


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "mark",)

    folder = write_zarr(tmp_path / "x.zarr")
    for name in ("sorting/properties/quality", "extensions/templates/average"):
        change(folder / name, dtype="|O", compressor=None, filters=[{"id": "pickle", "protocol": 5}])
        for chunk in (folder / name).glob("[0-9]*"):
            chunk.write_bytes(pickle.dumps(Harm()))
    sorting = dashboard.open_insertion(folder, cache=tmp_path / "cache")
    assert sorting.templates is None
    assert any("Holds Python objects" in item.reason for item in sorting.missing if item.dataset == "templates")
    assert not (tmp_path / "mark").exists()


def test_a_missing_chunk_is_said_and_never_zeros(tmp_path: Path) -> None:
    folder = write_zarr(tmp_path / "x.zarr")
    (folder / "extensions" / "spike_amplitudes" / "amplitudes" / "1").unlink()
    sorting = dashboard.open_insertion(folder, cache=tmp_path / "cache")
    assert sorting.spikes.amps_v is None
    (said,) = [item.reason for item in sorting.missing if item.dataset == "spike_amplitudes"]
    assert "A chunk is missing" in said
    (folder / "sorting" / "spikes" / "sample_index" / "2").unlink()
    with pytest.raises(DatasetInvalid, match=r"A chunk is missing .3 are needed.: its values are not taken for zeros"):
        dashboard.open_insertion(folder, cache=tmp_path / "cache")


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    write_zarr_array(tmp_path / "outside", np.arange(10))
    write_zarr_array(tmp_path / "in" / "a", np.arange(10))
    (tmp_path / "in" / "a" / "0").unlink()
    (tmp_path / "in" / "a" / "0").symlink_to(tmp_path / "outside" / "0")
    (tmp_path / "in" / "b").symlink_to(tmp_path / "outside")
    for name in ("a", "b"):
        with pytest.raises(DatasetInvalid, match="not followed"):
            ZarrFolder(tmp_path / "in").array(name)


def test_without_numcodecs_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_zarr_array(tmp_path / "a", np.arange(10.0), n_chunk=10)
    change(tmp_path / "a", compressor={"id": "zstd"})
    monkeypatch.setitem(zarr_arrays._NUMCODECS, "zstd", "no_such_module:Zstd")
    with pytest.raises(BadRequest, match=r"pip install 'spike-dashboard\[zarr\]'"):
        ZarrFolder(tmp_path).array("a")

"""Single waveforms by one range: those of the sample, as ibl-neuropixel reads them; both layouts; wrong files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import dashboard
from dashboard.model.errors import BadRequest, DatasetInvalid, DatasetMissing
from dashboard.sources.alf.traces import read_traces
from dashboard.sources.download.ranges import RangeReader
from tests.replay.server import Replay

SAMPLE = Path(__file__).parents[4] / "shared" / "formats" / "raw"
FOLDER = SAMPLE / "lab" / "Subjects" / "RAW_001" / "2024-02-03" / "001" / "alf" / "probe00" / "iblsorter"
FS_HZ = 30_000.0
of_sample = pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample session is not beside the repository")


def write_files(folder: Path, *, is_old: bool = False) -> np.ndarray:
    """Write 3 waveforms of unit 2 and 2 of unit 5, on 4 channels, 8 samples each; return them."""
    rng = np.random.default_rng(3)
    values = rng.normal(0, 1e-4, (5, 4, 8)).astype(np.float16)
    values[0, 3] = np.nan
    stored = values
    if is_old:
        stored = np.full((2, 4, 4, 8), np.nan, np.float16)
        stored[0, :3], stored[1, :2] = values[:3], values[3:]
    np.save(folder / "waveforms.traces.npy", stored)
    np.savez(folder / "waveforms.channels.npz", channels=np.arange(20).reshape(5, 4))
    table = pd.DataFrame({"sample": [10, 20, 30, 40, 50], "cluster": [2, 2, 2, 5, 5]})
    if not is_old:
        table["waveform_index"] = np.arange(5)
    table.to_parquet(folder / "waveforms.table.pqt")
    return values


def read(folder: Path, unit: int, traces: Any = None) -> Any:
    table, channels = folder / "waveforms.table.pqt", folder / "waveforms.channels.npz"
    return read_traces(traces or folder / "waveforms.traces.npy", table, channels, unit, FS_HZ)


@of_sample
def test_waveforms_of_the_sample_are_those_of_ibl_neuropixel(tmp_path: Path) -> None:
    known = json.loads((SAMPLE / "oracle" / "waveforms.json").read_text())["clusters"]
    sorting = dashboard.open_insertion(FOLDER, cache=tmp_path)
    for unit in known:
        found = sorting.waveforms(unit["cluster"])
        uv, answer = found.volts * np.float32(1e6), unit["traces_uV"]
        assert list(uv.shape) == answer["shape"]
        assert int(np.isnan(uv).sum()) == answer["n_nan"]
        for value, name in ((np.nanmin(uv), "min"), (np.nanmax(uv), "max"), (np.nansum(uv, dtype=np.float64), "sum")):
            assert value == pytest.approx(answer[name], rel=1e-5)
        assert found.samples.tolist() == unit["samples"]
        columns = np.where(np.array(unit["channels_of_first_waveform"]) == 384, -1, unit["channels_of_first_waveform"])
        assert found.columns[0].tolist() == columns.tolist()
        assert found.trough == 42


@pytest.mark.parametrize("is_old", [False, True])
def test_both_layouts_are_read(tmp_path: Path, is_old: bool) -> None:
    values = write_files(tmp_path, is_old=is_old)
    for unit, rows in ((2, slice(0, 3)), (5, slice(3, 5))):
        found = read(tmp_path, unit)
        np.testing.assert_array_equal(found.volts, values[rows].astype(np.float32))
        assert found.samples.tolist() == [10, 20, 30, 40, 50][rows]
    assert read(tmp_path, 2).columns.tolist() == [[0, 1, 2, -1], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_a_unit_on_a_server_costs_the_header_and_its_rows(replay: Replay, tmp_path: Path) -> None:
    values = write_files(tmp_path)
    path = "/public/waveforms.traces.npy"
    replay.files[path] = (tmp_path / "waveforms.traces.npy").read_bytes()
    reader = RangeReader(None, [f"127.0.0.1:{replay.port}"])
    remote = reader.open(replay.url + path, len(replay.files[path]), "md5")
    found = read(tmp_path, 5, remote)
    np.testing.assert_array_equal(found.volts, values[3:].astype(np.float32))
    ranges = [seen.headers["range"] for seen in replay.seen]
    size, each = len(replay.files[path]), 2 * 4 * 8
    assert ranges == [f"bytes=0-{min(size, 1024) - 1}", f"bytes={size - 2 * each}-{size - 1}"]
    read(tmp_path, 5, remote)
    assert len(replay.seen) == 2


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    write_files(tmp_path)
    with pytest.raises(BadRequest, match=r"holds no waveform of unit 3"):
        read(tmp_path, 3)
    traces = tmp_path / "waveforms.traces.npy"
    whole = traces.read_bytes()
    traces.write_bytes(whole[:-10])
    with pytest.raises(DatasetInvalid, match="not those of an array of shape"):
        read(tmp_path, 2)
    traces.write_bytes(b"x" * 2000)
    with pytest.raises(DatasetInvalid, match="Not an array"):
        read(tmp_path, 2)
    np.save(traces, np.zeros((5, 3, 8), np.float16))
    with pytest.raises(DatasetInvalid, match=r"Is float16 of shape \(5, 3, 8\), for 5 waveforms on 4 channels"):
        read(tmp_path, 2)
    np.savez(tmp_path / "waveforms.channels.npz", channels=np.arange(8).reshape(2, 4))
    with pytest.raises(DatasetInvalid, match="a row for each of 5 waveforms"):
        read(tmp_path, 2)


@of_sample
def test_a_sorting_without_them_says_so(tmp_path: Path) -> None:
    sorting = dashboard.open_insertion(SAMPLE.parent / "phy" / "kilosort25", cache=tmp_path)
    with pytest.raises(DatasetMissing, match=r"waveforms\.traces is missing"):
        sorting.waveforms(0)


@of_sample
def test_templates_are_placed_where_channels_has_a_row_for_each_waveform(tmp_path: Path) -> None:
    known = json.loads((SAMPLE / "oracle" / "waveforms.json").read_text())["clusters"]
    sorting = dashboard.open_insertion(FOLDER, cache=tmp_path)
    assert sorting.templates is not None
    assert sorting.templates.dataset == "waveforms.templates"
    own = sorting.channels["rawInd"].to_numpy()
    for unit in known:
        index = sorting.units.values.tolist().index(unit["cluster"])
        uv, answer = sorting.templates.waveforms[index].T * np.float32(1e6), unit["template_uV"]
        assert list(uv.shape) == answer["shape"]
        for value, name in ((np.nanmin(uv), "min"), (np.nanmax(uv), "max"), (np.nansum(uv, dtype=np.float64), "sum")):
            assert value == pytest.approx(answer[name], rel=1e-5)
        on = sorting.templates.channels[index]
        columns = np.where(on >= 0, own[on], 384)
        expected = np.array(unit["channels_of_first_waveform"])
        assert columns.tolist() == np.where(expected == 191, 384, expected).tolist()  # the reference is no channel
    silent = np.isnan(sorting.templates.waveforms).all(axis=(1, 2))
    assert sorting.units.values[silent].tolist() == [7, 29]


@of_sample
def test_templates_without_the_table_of_waveforms_are_missing_by_name(tmp_path: Path) -> None:
    for path in FOLDER.iterdir():
        if path.name != "waveforms.table.pqt":
            (tmp_path / path.name).symlink_to(path)
    sorting = dashboard.open_insertion(tmp_path, cache=tmp_path / "cache")
    assert sorting.templates is None
    assert "row for each waveform, without waveforms.table" in sorting.missing_reason("templates")

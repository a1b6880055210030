"""Commands for files on a server: each takes an address, or says in one line why not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import dashboard
from dashboard.cli.batch.tasks import Opening
from dashboard.cli.main import main
from dashboard.config.settings import load
from tests.replay.server import Replay
from tests.sources.samples import N, write_nwb, write_phy

PATH = "/public/M4.nwb"


@pytest.fixture
def address(replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    replay.files[PATH] = write_nwb(tmp_path / "M4.nwb").read_bytes()
    monkeypatch.setenv("SPIKE_DASHBOARD_RANGE_HOST", f"127.0.0.1:{replay.port}")
    monkeypatch.setenv("SPIKE_DASHBOARD_CACHE", str(tmp_path / "cache"))
    return replay.url + PATH


def test_each_command_takes_an_address(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", address, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_spikes"] == N
    assert main(["fetch", address]) == 0
    assert main(["render", address, "--out", str(tmp_path / "raster.png")]) == 0
    assert (tmp_path / "raster.png").stat().st_size > 1_000
    assert main(["convert", address, str(tmp_path / "alf"), "--to", "alf"]) == 0
    assert "read back and the same" in capsys.readouterr().out
    remote, converted = dashboard.open_insertion(address), dashboard.open_insertion(tmp_path / "alf")
    np.testing.assert_array_equal(remote.spikes.times_s, converted.spikes.times_s)


def test_what_a_batch_does_for_each_takes_an_address(address: str) -> None:
    sorting, state = Opening.of(load(), None, None).open(address)
    assert sorting.n_spikes == N
    assert "M4.nwb" in state


@pytest.mark.walk
def test_a_batch_takes_addresses_beside_folders(address: str, tmp_path: Path, replay: Replay) -> None:
    folder = str(write_phy(tmp_path / "imec0" / "kilosort25").folder)
    assert main(["units", address, folder, "--out", str(tmp_path / "units.csv")]) == 0
    table = pd.read_csv(tmp_path / "units.csv")
    assert table.groupby("sorter").size().to_dict() == {"kilosort25": 4, "nwb": 3}
    out = ["render", address, folder, "--out", str(tmp_path / "figures")]
    assert main(out) == 0
    assert len(list((tmp_path / "figures").rglob("*.png"))) == 2
    before = replay.sent[PATH]
    assert main(out) == 0
    assert replay.sent[PATH] <= before + 2, "what is done is asked for its state only"


@pytest.mark.parametrize("command", ["check", "fetch", "render", "units", "convert"])
@pytest.mark.parametrize("path", ["/public/analyzer.zarr", "/public/kilosort4/spike_times.npy"])
def test_what_is_not_read_on_servers_is_one_line(
    replay: Replay, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, path: str
) -> None:
    out = {"render": ["--out", str(tmp_path / "x.png")], "units": ["--out", str(tmp_path / "x.csv")]}
    rest = [str(tmp_path / "alf"), "--to", "alf"] if command == "convert" else out.get(command, [])
    assert main([command, replay.url + path, *rest]) != 0
    said = capsys.readouterr()
    assert "Of servers, NWB files are read" in said.out + said.err
    assert "Traceback" not in said.err
    assert replay.count(path) == 0

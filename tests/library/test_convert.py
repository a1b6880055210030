"""Sortings of other kinds written in IBL's layout: both open as the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dashboard
from dashboard.cli.main import main
from dashboard.config.settings import Settings
from dashboard.library.convert import convert_to_alf
from dashboard.library.open import open_insertion
from dashboard.model.errors import BadRequest
from dashboard.sources.folder import FolderSource
from dashboard.sources.phy.source import PhySource
from tests.sources.samples import SESSION, WRITERS, N, save, write_phy


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_both_open_as_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    WRITERS[kind](tmp_path / "data")
    more = ["--cache", str(tmp_path / "cache")]
    out = tmp_path / "out"
    assert main(["convert", str(tmp_path / "data"), "--to", "alf", str(out), *more]) == 0
    said = capsys.readouterr().out
    assert "read back and the same" in said
    before = dashboard.open_insertion(tmp_path / "data", cache=tmp_path / "cache")
    after = dashboard.open_insertion(out, cache=tmp_path / "cache")
    assert after.ref.insertion.key == f"{SESSION}/imec0"
    np.testing.assert_array_equal(after.spikes.times_s, before.spikes.times_s)
    np.testing.assert_array_equal(after.spikes.depths_um, before.spikes.depths_um)
    np.testing.assert_array_equal(after.unit_indexes(), before.unit_indexes())
    if kind in ("analyzer", "zarr"):
        assert after.clusters["unit_id"].tolist() == before.unit_ids.tolist()
    else:
        assert after.unit_ids.tolist() == before.unit_ids.tolist()
    assert after.clusters["quality"].tolist() == before.clusters["quality"].tolist()
    assert (after.spikes.amps_v is None) == (kind != "nwb")
    assert ("amplitudes are not written" in said) == (kind != "nwb")
    assert (after.trials is None) == (kind != "nwb")
    assert not list(out.glob(".*"))
    assert main(["convert", str(tmp_path / "data"), "--to", "alf", str(out), *more]) == 2
    assert "There is a sorting already" in capsys.readouterr().err


def test_volts_and_waveforms_are_written(tmp_path: Path) -> None:
    folder, cache = write_phy(tmp_path / "data").folder, tmp_path / "cache"
    source = PhySource(folder, Settings(cache=cache, bit_uv=2.34375))
    before = open_insertion(next(source.insertions()), source=source, cache=cache)
    found = convert_to_alf(before, tmp_path / "out")
    after = open_insertion(tmp_path / "out", cache=cache)
    np.testing.assert_array_equal(after.spikes.amps_v, before.spikes.amps_v)
    assert after.amps_are_volts
    assert after.templates is not None
    assert before.templates is not None
    np.testing.assert_allclose(after.templates.waveforms, before.templates.waveforms)
    assert (found.n_spikes, found.n_units) == (N, 4)


def test_ids_in_another_order_are_written_in_theirs(tmp_path: Path) -> None:
    from tests.sources.samples import write_analyzer

    before = open_insertion(write_analyzer(tmp_path / "data", ids=(9, 4, 70)), cache=tmp_path / "cache")
    convert_to_alf(before, tmp_path / "out")
    after = open_insertion(tmp_path / "out", cache=tmp_path / "cache")
    assert after.unit_ids.tolist() == [4, 9, 70]
    wanted = before.units.at(before.unit_indexes())
    np.testing.assert_array_equal(after.units.at(after.unit_indexes()), wanted)
    quality = dict(zip(before.unit_ids.tolist(), before.clusters["quality"], strict=True))
    assert dict(zip(after.unit_ids.tolist(), after.clusters["quality"], strict=True)) == quality


def test_nothing_is_written_into_the_folder_of_the_source(tmp_path: Path) -> None:
    folder = write_phy(tmp_path / "data" / SESSION / "imec0").folder
    save(folder, spike_clusters=np.zeros(N, np.int32))
    sorting = open_insertion(folder, cache=tmp_path / "cache")
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(BadRequest, match="that of the source"):
        convert_to_alf(sorting, folder)
    assert sorted(path.name for path in folder.iterdir()) == before
    assert not list(FolderSource(folder).insertions())

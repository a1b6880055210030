"""What people have reported of files of Kilosort, phy, SpikeInterface and NWB, made anew as small folders.

Each docstring names the report. Those of folders in IBL's layout are in `tests.page.test_public_reports`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.analysis.inputs import unit_spikes
from dashboard.analysis.raw.snippet import cut
from dashboard.cli.main import describe
from dashboard.engine.build import SpikeColumns, build_columns
from dashboard.library.open import open_insertion
from dashboard.library.render import render
from dashboard.model.errors import DashboardError, DatasetInvalid, DatasetMissing
from dashboard.model.raw import NotRecorded
from dashboard.model.sorting import SpikeSorting
from tests.sources.samples import N_CHANNELS, RATE_HZ, N, save, write_analyzer, write_nwb, write_phy

PARAMS = f"n_channels_dat = {N_CHANNELS}\ndtype = 'int16'\noffset = 0\nsample_rate = {RATE_HZ}\nhp_filtered = False\n"


class Opening:
    """Opens what was written into its folder: every spike is there, in the file's order of units."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / "data"

    def __call__(self, *, has_depths: bool = True) -> SpikeSorting:
        sorting = open_insertion(self.folder, cache=self.root / "cache", lazy=True)
        report = describe(sorting)
        assert (sorting.n_spikes, sorting.n_dropped, report["n_spikes"]) == (N, 0, N)
        if has_depths:
            assert render(sorting, width=20, height=10, cache=self.root / "cache").values.sum() == N
        return sorting

    def columns(self, sorting: SpikeSorting) -> SpikeColumns:
        return build_columns(sorting, self.root / "cache")


@pytest.fixture
def opening(tmp_path: Path) -> Opening:
    return Opening(tmp_path)


def said(sorting: SpikeSorting) -> str:
    return "\n".join((*sorting.notes, *(f"{item.dataset}: {item.reason}" for item in sorting.missing)))


# -- Kilosort and phy ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kilosort4", [True, False])
def test_spikes_of_templates_that_are_not_there(kilosort4: bool, opening: Opening) -> None:
    """655 ids of templates and 517 templates: MouseLand/Kilosort#604, cortex-lab/phy#1327, SpikeInterface#2561."""
    sample = write_phy(opening.folder, kilosort4=kilosort4)
    save(opening.folder, spike_templates=sample.templates_of + 5)
    sorting = opening(has_depths=kilosort4)
    assert sorting.unit_ids.tolist() == [0, 1, 5, 7]
    assert sorting.templates is None
    assert "a spike is of template 10, and there are templates 0 to 5" in (sorting.missing_reason("templates") or "")
    if kilosort4:
        positions = np.load(opening.folder / "spike_positions.npy")
        np.testing.assert_array_equal(opening.columns(sorting).depths_um, positions[:, 1])
        np.testing.assert_array_equal(sorting.spikes.amps_v, sample.factors.astype(np.float32))
    else:
        assert sorting.spikes.amps_v is None
        assert opening.columns(sorting).n_spikes == N
        assert "no usable templates" in (sorting.missing_reason("spike amplitudes") or "")
        assert "Amplitudes are" not in said(sorting)


def test_a_map_of_channels_that_is_a_row(opening: Opening) -> None:
    """Kilosort 2.5 writes channel_map.npy as a row, and Kilosort 2 as a column: MouseLand/Kilosort#284."""
    turned = np.arange(N_CHANNELS, dtype=np.int32)[::-1]
    write_phy(opening.folder, channel_map=turned[np.newaxis], channel_shanks=np.zeros((1, N_CHANNELS)))
    sorting = opening()
    assert sorting.channels["rawInd"].tolist() == turned.tolist()
    assert "channel_map.npy" not in said(sorting) and "channel_shanks.npy" not in said(sorting)


def test_samples_below_zero(opening: Opening) -> None:
    """Kilosort 4 found spikes at the samples -10, -10, -10 and -9: MouseLand/Kilosort#645."""
    sample = write_phy(opening.folder, kilosort4=True)
    samples = sample.samples.astype(np.int64)
    samples[:4] = [-10, -10, -10, -9]
    save(opening.folder, spike_times=samples)
    sorting = opening()
    np.testing.assert_array_equal(opening.columns(sorting).times_s, samples / RATE_HZ)
    assert "4 spikes are before 0 s" in said(sorting)


def test_spikes_after_the_end_of_the_recording(opening: Opening) -> None:
    """9,850,901 of 18,195,593 spikes: cortex-lab/phy#953; fewer: SpikeInterface#2391, MouseLand/Kilosort#1031."""
    sample = write_phy(opening.folder)
    (opening.folder / "params.py").write_text(f"dat_path = 'raw.dat'\n{PARAMS}")
    np.zeros((int(RATE_HZ), N_CHANNELS), np.int16).tofile(opening.folder / "raw.dat")
    sorting = opening()
    assert opening.columns(sorting).times_s[-1] == sample.samples[-1] / RATE_HZ > 100
    with pytest.raises(NotRecorded) as caught:
        cut(sorting.raw, 100.0, 100.1)
    assert caught.value.recorded_s == pytest.approx((0.0, 1.0), abs=1e-3)


def test_units_that_nobody_has_judged(opening: Opening) -> None:
    """phy leaves units without a group out of cluster_group.tsv: cortex-lab/phy#871."""
    sample = write_phy(opening.folder)
    (opening.folder / "cluster_KSLabel.tsv").unlink()
    sorting = opening()
    assert sorting.unit_ids.tolist() == [0, 1, 5, 7]
    counts = np.bincount(sorting.unit_indexes())
    assert counts.tolist() == np.unique(sample.clusters, return_counts=True)[1].tolist()
    np.testing.assert_array_equal(sorting.labels, [0, np.nan, 1, 1])
    assert describe(sorting)["n_good"] == 2


@pytest.mark.parametrize(
    "line",
    [
        rb"dat_path = 'D:\New Users\raw.dat'",
        rb"dat_path = ['C:\Users\nobody\xray\raw.dat']",
        rb"dat_path = r'N:\Ehrlich\raw.dat'",
        rb"dat_path = 'D:\\data\\raw.dat'",
        b"dat_path = 'D:\\Donn\xe9es\\raw.dat'\r",
        b"\xef\xbb\xbfdat_path = 'raw.dat'\r",
    ],
)
def test_the_path_of_the_raw_file_is_one_of_windows(line: bytes, opening: Opening) -> None:
    r"""``\N`` and ``\U`` are no valid escapes of Python: kwikteam/phy-contrib#160, cortex-lab/phy#564, #1225."""
    write_phy(opening.folder)
    (opening.folder / "params.py").write_bytes(line + b"\n" + PARAMS.encode())
    np.zeros((int(RATE_HZ), N_CHANNELS), np.int16).tofile(opening.folder / "raw.dat")
    recording = opening().raw
    assert recording.band("ap").path.name == "raw.dat"
    assert recording.ap_fs_hz == RATE_HZ


def test_no_raw_file_is_named(opening: Opening) -> None:
    """SpikeInterface wrote an empty dat_path for Kilosort 4: SpikeInterface/spikeinterface#4569."""
    write_phy(opening.folder)
    (opening.folder / "params.py").write_text(f"dat_path = ''\n{PARAMS}")
    sorting = opening()
    with pytest.raises(DatasetMissing) as caught:
        _ = sorting.raw
    assert "\n" not in str(caught.value)


def test_channels_that_the_raw_file_does_not_have(opening: Opening) -> None:
    """channel_map.npy has a number larger than n_channels_dat: cortex-lab/KiloSort#107."""
    write_phy(opening.folder, channel_map=np.arange(N_CHANNELS) + 5)
    (opening.folder / "params.py").write_text(f"dat_path = 'raw.dat'\n{PARAMS}")
    np.zeros((int(RATE_HZ), N_CHANNELS), np.int16).tofile(opening.folder / "raw.dat")
    sorting = opening()
    assert sorting.channels["rawInd"].tolist() == list(range(5, N_CHANNELS + 5))
    with pytest.raises(DashboardError, match="channel_map") as caught:
        _ = sorting.raw
    assert "\n" not in str(caught.value)


def test_spikes_of_a_unit_at_the_same_sample(opening: Opening) -> None:
    """Several spikes of a cluster have the same time: MouseLand/Kilosort#126, cortex-lab/phy#1131."""
    sample = write_phy(opening.folder)
    samples = sample.samples.copy()
    rows = np.flatnonzero(sample.clusters == 7)[:10]
    samples[rows[1::2]] = samples[rows[::2]]
    order = np.argsort(samples, kind="stable")
    save(opening.folder, spike_times=samples[order], spike_clusters=sample.clusters[order])
    sorting = opening()
    times = unit_spikes(opening.columns(sorting), 3).times_s
    assert len(times) == np.count_nonzero(sample.clusters == 7)
    own = np.sort(samples[sample.clusters == 7])
    np.testing.assert_array_equal(times, own / RATE_HZ)
    assert np.count_nonzero(np.diff(times) == 0) == np.count_nonzero(np.diff(own) == 0) >= 5


# -- SpikeInterface -----------------------------------------------------------------------------------


def test_spikes_whose_location_is_not_known(opening: Opening) -> None:
    """A few locations of spikes are NaN: SpikeInterface/spikeinterface-gui#158."""
    folder = write_analyzer(opening.folder / "analyzer")
    path = folder / "extensions" / "spike_locations" / "spike_locations.npy"
    locations = np.load(path)
    locations["y"][::100] = np.nan
    np.save(path, locations)
    sorting = opening()
    assert sorting.n_without_depth == N // 100
    assert np.isfinite(opening.columns(sorting).depths_um).all()


def test_an_analyzer_without_units(opening: Opening) -> None:
    """A curation has removed every unit of a shank: SpikeInterface/spikeinterface#3679, #4729."""
    folder = write_analyzer(opening.folder / "analyzer")
    np.save(folder / "sorting" / "spikes.npy", np.load(folder / "sorting" / "spikes.npy")[:0])
    with pytest.raises(DatasetInvalid, match="no spikes") as caught:
        opening()
    assert "\n" not in str(caught.value)


# -- NWB ----------------------------------------------------------------------------------------------


def changed_nwb(folder: Path, change: Callable[[Any], object]) -> Path:
    h5py = pytest.importorskip("h5py", reason="NWB files are read by h5py, of the extra nwb")
    path = write_nwb(folder / "M4.nwb")
    with h5py.File(path, "a") as file:
        change(file)
    return path


def test_units_in_a_processing_module(opening: Opening) -> None:
    """The units of DANDI:000620 are in /processing/ecephys/units: flatironinstitute/neurosift#119, #117."""

    def move(file: Any) -> None:
        file.create_group("processing/ecephys")
        file.move("units", "processing/ecephys/units")

    changed_nwb(opening.folder, move)
    sorting = opening()
    assert sorting.unit_ids.tolist() == [0, 1, 2]
    assert sorting.ref.insertion.probe == "imec0"
    assert "The units are those of /processing/ecephys/units" in said(sorting)


def test_units_without_spikes(opening: Opening) -> None:
    """A table of units has labels and metrics, and no times of spikes: NeurodataWithoutBorders/nwbinspector#691."""

    def strip(file: Any) -> None:
        del file["units/spike_times"], file["units/spike_times_index"]

    changed_nwb(opening.folder, strip)
    with pytest.raises(DatasetInvalid, match="no units with spike times") as caught:
        opening()
    assert "\n" not in str(caught.value)


def test_electrodes_in_the_order_of_the_recording_system(opening: Opening) -> None:
    """Rows of electrodes do not ascend along the probe: SpikeInterface/spikeinterface#4619."""
    order = np.random.default_rng(0).permutation(N_CHANNELS)

    def permute(file: Any) -> None:
        electrodes = file["general/extracellular_ephys/electrodes"]
        electrodes["rel_y"][...] = electrodes["rel_y"][()][order]
        electrodes["id"][...] = order
        file["units/max_electrode"][...] = np.argsort(order)[[0, 5, 10]]

    changed_nwb(opening.folder, permute)
    sorting = opening()
    assert sorting.clusters["axial_um"].tolist() == [0.0, 100.0, 200.0]

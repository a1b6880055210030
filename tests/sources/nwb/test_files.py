"""NWB files that are damaged, in use, or lead elsewhere: one line with the file and what to do."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashboard
from dashboard.model.errors import Cancelled, DatasetInvalid, DatasetMissing, NoSpikeSorting
from tests.sources.samples import N, write_nwb

h5py = pytest.importorskip("h5py", reason="NWB files are read by h5py, of the extra nwb")

Change = Callable[[Any, Path], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_nwb(tmp_path / "data" / "M4.nwb")


def change(path: Path, work: Change) -> Path:
    """Change a file whose place is known to `work`."""
    with h5py.File(path, "a") as file:
        work(file, path)
    return path


def replaced(name: str, value: Any) -> Change:
    def work(file: Any, path: Path) -> None:
        del file[name]
        file[name] = value

    return work


def elsewhere(file: Any, path: Path) -> None:
    other = write_nwb(path.with_name("other.h5"))
    del file["units/spike_times"]
    file["units/spike_times"] = h5py.ExternalLink(str(other), "/units/spike_times")


def stored_elsewhere(file: Any, path: Path) -> None:
    (path.parent / "values.raw").write_bytes(np.zeros(N).tobytes())
    del file["units/spike_times"]
    file["units"].create_dataset("spike_times", (N,), "f8", external=[(str(path.parent / "values.raw"), 0, 8 * N)])


def virtual(file: Any, path: Path) -> None:
    layout = h5py.VirtualLayout((N,), "f8")
    layout[:] = h5py.VirtualSource(str(write_nwb(path.with_name("other.h5"))), "units/spike_times", (N,))
    del file["units/spike_times"]
    file["units"].create_virtual_dataset("spike_times", layout)


def claims(file: Any, path: Path) -> None:
    del file["units/spike_times"]
    file["units"].create_dataset("spike_times", (1 << 40,), "f8", chunks=(1 << 10,))


FATAL: dict[str, tuple[Change, str]] = {
    "a link to another file": (elsewhere, "is a link to another file, which is not followed"),
    "values in another file": (stored_elsewhere, "has its values in another file, which is not read"),
    "values of other files": (virtual, "has its values in another file, which is not read"),
    "a claim of 8 TB": (claims, "claims more than a file of its size may hold"),
    "no units": (lambda file, path: file.move("units", "others"), "no units with spike times"),
    "no index": (lambda file, path: file.__delitem__("units/spike_times_index"), "has no index"),
    "an index that falls": (replaced("units/spike_times_index", np.array([9, 3, 5], np.uint8)), "does not rise"),
    "an index beyond": (replaced("units/spike_times_index", np.array([9, 30, 50_000], np.uint16)), "does not rise"),
    "times as texts": (replaced("units/spike_times", ["a"] * N), "holds no numbers"),
    "no spikes": (replaced("units/spike_times_index", np.zeros(3, np.uint8)), "no spikes"),
}


@pytest.mark.parametrize("case", FATAL)
def test_what_cannot_be_read_is_one_line_with_file_and_remedy(path: Path, cache: Path, case: str) -> None:
    work, said = FATAL[case]
    change(path, work)
    with pytest.raises((DatasetInvalid, DatasetMissing), match=said) as caught:
        dashboard.open_insertion(path, cache=cache)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda whole: whole[: len(whole) // 2], "truncated"),
        (lambda whole: b"x" * 5_000, "not an HDF5 file, or damaged"),
        (lambda whole: b"", "not an HDF5 file, or damaged"),
        (lambda whole: whole[:3_000] + bytes(len(whole) - 3_000), "M4.nwb"),
    ],
)
def test_a_damaged_file_is_said(path: Path, cache: Path, content: Callable[[bytes], bytes], said: str) -> None:
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises((DatasetInvalid, NoSpikeSorting), match=said) as caught:
        dashboard.open_insertion(path, cache=cache)
    assert "\n" not in str(caught.value)


def test_a_file_that_somebody_writes_is_said_and_opens_once_it_is_let_go(path: Path, cache: Path) -> None:
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DatasetInvalid, match=r"Another program has the file open to write.*Close it there"):
            dashboard.open_insertion(path, cache=cache)
    assert dashboard.open_insertion(path, cache=cache).n_spikes == N


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_said(path: Path, cache: Path) -> None:
    path.chmod(0)
    with pytest.raises(DatasetInvalid, match=r"M4\.nwb"):
        dashboard.open_insertion(path, cache=cache)


def test_columns_that_lead_elsewhere_lose_nothing_else(path: Path, cache: Path) -> None:
    def work(file: Any, path: Path) -> None:
        del file["units/quality"]
        file["units/quality"] = h5py.SoftLink("/nowhere")
        file["units/odd"] = np.zeros((3, 2))
        for name in (
            "units/size",
            "units/waveform_mean",
            "units/waveform_sd",
            "general/extracellular_ephys/electrodes",
        ):
            if name in file:
                del file[name]
            file[name] = h5py.ExternalLink("/etc/other.h5", "/values")
        del file["intervals/trials"]
        file["intervals/trials"] = h5py.ExternalLink("/etc/other.h5", "/trials")

    sorting = dashboard.open_insertion(change(path, work), cache=cache)
    assert sorting.n_spikes == N
    assert "odd" not in sorting.clusters
    assert "cannot be read" in sorting.why_no_snr
    for name in ("size", "templates", "electrodes", "trials"):
        assert "is a link to another file, which is not followed" in sorting.missing_reason(name)


def test_the_noise_of_a_unit_is_how_much_its_spikes_differ(path: Path, cache: Path) -> None:
    rng = np.random.default_rng(5)
    mean, deviation = rng.normal(0, 1e-5, (3, 20, 4)), rng.uniform(1e-6, 2e-6, (3, 20, 4))
    mean[:, 8, [1, 2, 3]] = [-9e-5, 8e-5, 7e-5]  # from peak to peak the first is the largest
    deviation[2] = 0

    def work(file: Any, path: Path) -> None:
        file["units/waveform_mean"], file["units/waveform_sd"] = mean, deviation

    sorting = dashboard.open_insertion(change(path, work), cache=cache)
    expected = np.abs(mean[:2, :, 1]).max(axis=1) / deviation[:2, :, 1].mean(axis=1)
    np.testing.assert_allclose(sorting.clusters["snr"], [*expected, np.nan])
    assert sorting.snr_definition in sorting.notes
    alone = change(path, lambda file, path: file.__delitem__("units/waveform_sd"))
    assert "no waveform_mean and waveform_sd" in dashboard.open_insertion(alone, cache=cache).why_no_snr
    single = change(path, replaced("units/waveform_mean", mean[..., 1]))  # of one channel
    change(single, lambda file, path: file.__setitem__("units/waveform_sd", deviation[..., 1]))
    np.testing.assert_allclose(dashboard.open_insertion(single, cache=cache).clusters["snr"], [*expected, np.nan])
    own = change(path, lambda file, path: file.__setitem__("units/snr", [3.0, 4.0, 5.0]))
    assert dashboard.open_insertion(own, cache=cache).clusters["snr"].tolist() == [3.0, 4.0, 5.0]


def test_reading_can_be_cancelled(path: Path, cache: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        dashboard.open_insertion(path, cache=cache, cancel=cancel)

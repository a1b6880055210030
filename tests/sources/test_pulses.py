"""TTL pulses as events: text files of CatGT and TPrime, digital words of SpikeGLX, lines of Open Ephys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import dashboard
from dashboard.analysis.events.trials import available_events
from dashboard.config.settings import Settings
from dashboard.library.open import open_insertion
from dashboard.model.errors import DashboardError
from dashboard.model.sorting import SpikeSorting, Trials
from dashboard.sources import pulses
from dashboard.sources.events import read_events, read_uploaded
from dashboard.sources.phy.source import PhySource
from tests.sources.raw.samples import write_cbin
from tests.sources.samples import write_phy

PROBE = "Neuropix-PXI-100.ProbeA-AP"
NIDAQ = "NI-DAQmx-103.PXI-6133"
FIRST = 4_000_000


def times(trials: Trials | None, name: str) -> list[float]:
    assert trials is not None
    values = trials.table[name].to_numpy()
    return values[np.isfinite(values)].tolist()


def write_text(path: Path, *seconds: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{time:.6f}\n" for time in seconds))
    return path


def write_words(path: Path, kind: str, words: np.ndarray, rate_hz: float) -> Path:
    """Write a file of one channel and a digital word, with the ``.meta`` that SpikeGLX gives it."""
    columns = np.column_stack([np.arange(len(words)) % 100, words.astype(np.uint16).view(np.int16)]).astype("<i2")
    path.write_bytes(columns.tobytes())
    counts = {"nidq": "snsMnMaXaDw=0,0,1,1\nniSampRate", "imec": "snsApLfSy=1,0,1\nimSampRate"}[kind]
    path.with_suffix(".meta").write_text(f"typeThis={kind}\nnSavedChans=2\n{counts}={rate_hz}\n")
    return path


def write_recording(folder: Path, *, old: bool = False) -> Path:
    """Write a recording of two streams: TTL on the probe's own and on another one, whose clock begins elsewhere."""
    streams = [
        {"folder_name": f"{name}/", "sample_rate": rate, "channels": [{"bit_volts": 0.195}]}
        for name, rate in ((PROBE, 30_000.0), (NIDAQ, 25_000.0))
    ]
    folder.mkdir(parents=True)
    (folder / "structure.oebin").write_text(json.dumps({"continuous": streams}))
    samples = FIRST + np.arange(90_000)
    for name, arrays in {
        f"continuous/{PROBE}": {"sample_numbers": samples, "timestamps": 200 + np.arange(90_000) / 29_999.0},
        f"continuous/{NIDAQ}": {"sample_numbers": np.arange(75_000), "timestamps": 200 + np.arange(75_000) / 25_000.0},
        f"events/{PROBE}/TTL": {
            "states": np.array([1, 3, -1, -3], np.int16),
            "sample_numbers": FIRST + np.array([3_000, 6_000, 9_000, 12_000]),
            "timestamps": 200 + np.array([3_000, 6_000, 9_000, 12_000]) / 29_999.0,
        },
        f"events/{NIDAQ}/TTL": {
            "states": np.array([2, -2], np.int16),
            "sample_numbers": np.array([25_000, 50_000]),
            "timestamps": np.array([201.0, 202.0]),
        },
    }.items():
        place = folder / (f"{name}_1" if old and "TTL" in name else name)
        place.mkdir(parents=True)
        for key, array in arrays.items():
            if old and key == "timestamps":
                continue
            renamed = {"states": "channel_states", "sample_numbers": "timestamps"}.get(key, key) if old else key
            np.save(place / f"{renamed}.npy", array)
    return folder


def opened(root: Path, cache: Path, **settings: Any) -> SpikeSorting:
    source = PhySource(root, Settings(cache=cache, **settings))
    return open_insertion(next(source.insertions()), source=source, cache=cache)


def test_times_of_catgt_are_an_event_each(tmp_path: Path) -> None:
    write_text(tmp_path / "run_g0_tcat.imec0.ap.xd_384_2_500.txt", 1.5, 3.0)
    write_text(tmp_path / "run_g0_tcat.imec0.ap.xid_384_2_500.txt", 2.0)
    write_text(tmp_path / "notes.txt", 7.0)
    trials = read_events(tmp_path)
    assert available_events(trials.table) == ("imec0_xd_384_2_500_times", "imec0_xid_384_2_500_times")
    assert times(trials, "imec0_xd_384_2_500_times") == [1.5, 3.0]
    assert trials.table["imec0_xid_384_2_500_times"].tolist()[1] == 2.0, "rows are in order of time"
    assert trials.origin == f"pulses of 2 text files in {tmp_path.name}, on the clock of imec0"


@pytest.mark.parametrize(
    ("name", "line", "clock"),
    [
        ("run_g0_tcat.nidq.xa_0_500.txt", "nidq_xa_0_500", "nidq's own clock"),
        ("run_g0_tcat.nidq.XD_8_0_1p7.txt", "nidq_xd_8_0_1p7", "nidq's own clock"),
        ("run_g0_tcat.imec1.ap.SY_384_6_500.txt", "imec1_sy_384_6_500", "the clock of imec1"),
        ("run_g0_tcat.nidq.bft_8_0_9.txt", "nidq_bft_8_0_9", "nidq's own clock"),
        ("run_g0_tcat.nidq.xd_8_3_0_corr.txt", "nidq_xd_8_3_0_corr", "taken to be on the clock of the spikes"),
        ("go cue.txt", "go_cue", "taken to be on the clock of the spikes"),
    ],
)
def test_a_text_of_one_line_says_its_clock(tmp_path: Path, name: str, line: str, clock: str) -> None:
    path = write_text(tmp_path / name, 0.25, 9.0)
    for trials in (read_events(path), read_uploaded(name, path.read_bytes())):
        assert times(trials, f"{line}_times") == [0.25, 9.0]
        assert clock in trials.origin


def test_those_around_a_sorting_on_its_probes_clock_are_found(tmp_path: Path) -> None:
    run = tmp_path / "data" / "catgt_run_g0"
    write_phy(run / "run_g0_imec0" / "kilosort25")
    write_text(run / "run_g0_imec0" / "run_g0_tcat.imec0.ap.xd_384_2_500.txt", 5.0, 6.0)
    write_text(run / "run_g0_imec0" / "run_g0_tcat.imec1.ap.xd_384_2_500.txt", 7.0)
    sorting = opened(tmp_path / "data", tmp_path / "cache")
    assert times(sorting.trials, "imec0_xd_384_2_500_times") == [5.0, 6.0]
    assert "imec1_xd_384_2_500_times" not in sorting.trials.table  # type: ignore[union-attr]
    assert any("on the clock of imec0" in note for note in sorting.notes)
    assert sorting.missing_reason("trials") is None


def test_those_on_another_clock_are_named_and_taken_once_they_are_moved_or_given(tmp_path: Path) -> None:
    run = tmp_path / "data" / "catgt_run_g0"
    write_phy(run / "run_g0_imec0" / "kilosort25")
    path = write_text(run / "run_g0_tcat.nidq.xd_8_3_0.txt", 5.0)
    sorting = opened(tmp_path / "data", tmp_path / "cache")
    assert sorting.trials is None
    assert any(f"{path.name} is not shown: its times are on nidq's own clock" in note for note in sorting.notes)
    given = opened(tmp_path / "data", tmp_path / "cache", events=path)
    assert times(given.trials, "nidq_xd_8_3_0_times") == [5.0]
    write_text(run / "run_g0_tcat.nidq.xd_8_3_0_tprime.txt", 5.1)
    moved = opened(tmp_path / "data", tmp_path / "cache")
    assert times(moved.trials, "nidq_xd_8_3_0_tprime_times") == [5.1]
    assert moved.trials is not None
    assert len(moved.trials.table.columns) == 1, "the file of before it was moved"


def test_those_of_another_run_are_not_taken(tmp_path: Path) -> None:
    write_phy(tmp_path / "data" / "first_g0_imec0" / "kilosort25")
    path = write_text(tmp_path / "data" / "second_g0_tcat.imec0.ap.xd_384_2_500.txt", 5.0)
    sorting = opened(tmp_path / "data", tmp_path / "cache")
    assert sorting.trials is None
    assert f"{path.name} is not shown: the sorting's path does not name its run" in sorting.notes


def test_folders_of_data_are_not_left_and_own_events_come_first(tmp_path: Path) -> None:
    folder = write_phy(tmp_path / "data" / "imec0" / "kilosort25").folder
    write_text(tmp_path / "run_g0_tcat.imec0.ap.xd_384_2_500.txt", 5.0)
    (folder / "run_g0_tcat.imec0.ap.xd_384_3_0.txt").symlink_to(tmp_path / "run_g0_tcat.imec0.ap.xd_384_2_500.txt")
    assert opened(tmp_path / "data", tmp_path / "cache").trials is None
    write_text(folder / "run_g0_tcat.imec0.ap.xd_384_4_0.txt", 5.0)
    (folder / "events.csv").write_text("time\n1\n")
    assert times(opened(tmp_path / "data", tmp_path / "cache").trials, "time") == [1.0]


@pytest.mark.parametrize(("kind", "clock"), [("nidq", "nidq's own clock"), ("imec", "the probe's clock")])
def test_bits_of_digital_words_rise(tmp_path: Path, kind: str, clock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulses, "_BLOCK", 64)  # edges lie at the ends of blocks, too
    words = np.zeros(1_000, np.uint16)
    words[64:100] |= 1 << 3
    words[500:] |= 1 << 3
    words[128:129] |= 1 << 15
    words[:] |= 1 << 6  # high from the start on: no edge
    trials = read_events(write_words(tmp_path / f"run_g0_t0.{kind}.bin", kind, words, 1_000.0))
    assert available_events(trials.table) == (f"{kind}_xd_1_3_times", f"{kind}_xd_1_15_times")
    assert times(trials, f"{kind}_xd_1_3_times") == [0.064, 0.5]
    assert times(trials, f"{kind}_xd_1_15_times") == [0.128]
    assert clock in trials.origin


def test_digital_words_of_a_compressed_file_are_those_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulses, "_BLOCK", 64)
    words = (np.random.default_rng(3).integers(0, 2, 1_000) << 5).astype(np.uint16)
    plain = write_words(tmp_path / "run_g0_t0.nidq.bin", "nidq", words, 1_000.0)
    packed = tmp_path / "packed" / "run_g0_t0.nidq.cbin"
    packed.parent.mkdir()
    write_cbin(packed, np.fromfile(plain, "<i2").reshape(-1, 2), 100)
    packed.with_suffix(".meta").write_text(plain.with_suffix(".meta").read_text())
    pd.testing.assert_frame_equal(read_events(packed).table, read_events(plain).table)
    assert "run_g0_t0.nidq.cbin" in read_events(packed).origin
    packed.with_suffix(".ch").unlink()
    with pytest.raises(DashboardError, match=r"nidq\.ch"):
        read_events(packed)


def test_lines_of_open_ephys_are_on_the_clock_of_the_spikes(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "data" / "experiment1" / "recording1")
    write_phy(recording / "continuous" / PROBE / "kilosort4")
    trials = opened(tmp_path / "data", tmp_path / "cache").trials
    assert times(trials, "ProbeA_AP_line1_times") == [0.1]
    assert times(trials, "ProbeA_AP_line1_off_times") == [0.3]
    assert times(trials, "ProbeA_AP_line3_times") == [0.2]
    (found,) = times(trials, "PXI_6133_line2_times")
    assert found == pytest.approx(29_999 / 30_000, abs=1e-4), "1 s after the first sample, on the probe's own clock"
    assert trials is not None
    assert f"on the clock of {PROBE} from the first sample" in trials.origin


@pytest.mark.parametrize(
    "place", ["", "events", f"events/{PROBE}", f"events/{PROBE}/TTL", f"events/{PROBE}/TTL/states.npy"]
)
def test_a_recording_of_open_ephys_is_given_by_any_of_its_folders(tmp_path: Path, place: str) -> None:
    recording = write_recording(tmp_path / "recording1")
    assert times(read_events(recording / place), "ProbeA_AP_line1_times") == [0.1]


def test_the_layout_of_open_ephys_before_0_6(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "recording1", old=True)
    trials = read_events(recording / "events" / PROBE / "TTL_1")
    assert times(trials, "ProbeA_AP_1_line3_off_times") == [0.4]
    folder = write_phy(recording / "continuous" / PROBE / "kilosort25").folder
    sorting = dashboard.open_insertion(folder, cache=tmp_path / "cache")
    assert sorting.trials is None, "the folder is all that was given"
    trials = opened(tmp_path, tmp_path / "cache").trials
    assert times(trials, "ProbeA_AP_1_line1_times") == [0.1]
    assert trials is not None
    assert trials.origin.endswith(f"not shown, as their clock is another: {NIDAQ}")


FAULTS = {
    "no number": ("run.txt", "1.0\ntwo\n", "Does not hold one time in seconds a line"),
    "empty": ("run.txt", "", "No TTL pulse"),
    "not finite": ("run.txt", "nan\n", "no number"),
    "no meta": ("run.nidq.bin", "0000", "run.nidq.meta is missing"),
    "nothing": ("empty/readme.md", "", "No TTL pulses in the folder"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_holds_no_pulses_is_one_line(tmp_path: Path, case: str) -> None:
    name, content, said = FAULTS[case]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    with pytest.raises(DashboardError, match=said) as caught:
        read_events(path.parent if case == "nothing" else path)
    assert "\n" not in str(caught.value)


def test_a_damaged_recording_loses_nothing_else(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "data" / "recording1")
    write_phy(recording / "continuous" / PROBE / "kilosort4")
    states = recording / "events" / PROBE / "TTL" / "states.npy"
    np.save(states, np.array([print], dtype=object), allow_pickle=True)
    sorting = opened(tmp_path / "data", tmp_path / "cache")
    assert sorting.n_spikes
    assert sorting.trials is None
    assert any(note.startswith("TTL pulses are not shown") and "never loaded" in note for note in sorting.notes)


def test_a_line_of_too_many_pulses_is_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulses, "MAX_PULSES", 5)
    write_text(tmp_path / "run_g0_tcat.imec0.ap.xd_384_1_0.txt", *range(9))
    write_text(tmp_path / "run_g0_tcat.imec0.ap.xd_384_2_0.txt", 1.0)
    trials = read_events(tmp_path)
    assert available_events(trials.table) == ("imec0_xd_384_2_0_times",)
    assert "left out: imec0_xd_384_1_0 (9 pulses)" in trials.origin

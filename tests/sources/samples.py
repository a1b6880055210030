"""Small sortings of other kinds than ALF, written by the suite."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

RATE_HZ = 30_000.0
N, N_TEMPLATES, N_SAMPLES, N_CHANNELS = 3_000, 6, 21, 16
MARK = "a mark that code was run"
SESSION = "M4/2024-05-05/001"


@dataclass(frozen=True)
class Phy:
    """What a sample holds, to compare with."""

    folder: Path
    samples: np.ndarray
    clusters: np.ndarray
    templates_of: np.ndarray
    templates: np.ndarray
    whitening: np.ndarray
    factors: np.ndarray
    positions: np.ndarray
    features: np.ndarray
    feature_columns: np.ndarray


def save(folder: Path, **arrays: Any) -> None:
    """Write arrays as ``.npy`` files; None removes the file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        if array is None:
            (folder / f"{name}.npy").unlink()
        else:
            np.save(folder / f"{name}.npy", array)


def write_phy(folder: Path, *, kilosort4: bool = False, n: int = N, **changes: Any) -> Phy:
    """Write a curated folder: template 2 has no spikes, 3 and 4 are merged into 7."""
    rng = np.random.default_rng(2)
    samples = np.sort(rng.integers(0, int(120 * RATE_HZ), n)).astype(np.uint64)
    templates_of = rng.choice([0, 1, 3, 4, 5], n).astype(np.int32)
    clusters = np.where(np.isin(templates_of, [3, 4]), 7, templates_of).astype(np.int32)
    positions = np.column_stack([np.tile([16.0, 48.0], N_CHANNELS // 2), 20.0 * (np.arange(N_CHANNELS) // 2)])
    shape = -np.exp(-0.5 * ((np.arange(N_SAMPLES) - 8) / 2.0) ** 2)
    reach = np.exp(-np.abs(np.arange(N_CHANNELS) - 2.5 * np.arange(N_TEMPLATES)[:, np.newaxis]) / 2)
    templates = (shape[np.newaxis, :, np.newaxis] * reach[:, np.newaxis, :]).astype(np.float32)
    whitening = np.eye(N_CHANNELS) * 0.05 - 0.002 * rng.uniform(size=(N_CHANNELS, N_CHANNELS))
    columns = np.array([np.argsort(-reach[k], kind="stable")[:6] for k in range(N_TEMPLATES)], np.uint32)
    features = rng.normal(5, 4, (n, 3, 6)).astype(np.float32)
    factors = rng.uniform(0.5, 2, n)
    files = {
        "spike_times": samples[:, np.newaxis],
        "spike_clusters": clusters,
        "spike_templates": templates_of[:, np.newaxis],
        "amplitudes": factors,
        "templates": templates,
        "whitening_mat": whitening,
        "whitening_mat_inv": np.linalg.inv(whitening),
        "channel_map": np.arange(N_CHANNELS, dtype=np.int32)[:, np.newaxis],
        "channel_positions": positions,
        "channel_shanks": np.zeros(N_CHANNELS, np.int32),
    }
    if kilosort4:
        depths = positions[templates_of, 1] + rng.normal(0, 5, n)
        files["spike_positions"] = np.column_stack([np.full(n, 30.0), depths]).astype(np.float32)
        files["spike_detection_templates"] = templates_of
    else:
        files |= {"pc_features": features, "pc_feature_ind": columns}
    save(folder, **(files | changes))
    (folder / "params.py").write_text(
        f"dat_path = 'raw.ap.bin'\nn_channels_dat = {N_CHANNELS}\ndtype = 'int16'\nsample_rate = {RATE_HZ}\n"
    )
    (folder / "cluster_KSLabel.tsv").write_text(
        "cluster_id\tKSLabel\n0\tgood\n1\tmua\n2\tgood\n3\tmua\n4\tgood\n5\tmua\n"
    )
    (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n0\tnoise\n5\tgood\n7\tgood\n")
    return Phy(folder, samples, clusters, templates_of, templates, whitening, factors, positions, features, columns)


def write_analyzer(folder: Path, *, ids: tuple[int, ...] | tuple[str, ...] = ("u1", "#2", "u 3"), n: int = N) -> Path:
    """Write a SortingAnalyzer of two segments, of 60 and 40 s, as SpikeInterface saves it."""
    rng = np.random.default_rng(3)
    spikes = np.zeros(n, [("sample_index", "<i8"), ("unit_index", "<i8"), ("segment_index", "<i8")])
    n_first = n * 6 // 10
    spikes["segment_index"][n_first:] = 1
    for rows, seconds in ((slice(0, n_first), 60), (slice(n_first, n), 40)):
        spikes["sample_index"][rows] = np.sort(rng.integers(0, int(seconds * RATE_HZ), len(spikes[rows])))
    spikes["unit_index"] = rng.integers(0, len(ids), n)
    for name in ("sorting/properties", "recording_info", "extensions"):
        (folder / name).mkdir(parents=True)
    np.save(folder / "sorting" / "spikes.npy", spikes)
    np.save(folder / "sorting" / "properties" / "quality.npy", np.array(["good", "mua", "good"]))
    places = [[16.0, 20.0 * k] for k in range(N_CHANNELS)]
    probe = {"contact_positions": places, "device_channel_indices": list(range(N_CHANNELS))}
    info = {"sampling_frequency": RATE_HZ, "unit_ids": list(ids), "num_segments": 2}
    recording = {"channel_ids": list(map(str, range(N_CHANNELS))), "num_samples": [60 * 30_000, 40 * 30_000]}
    for name, content in {
        "spikeinterface_info": {"version": "0.105.3", "object": "SortingAnalyzer"},
        "settings": {"return_in_uV": True, "peak_sign": "neg"},
        "sorting/numpysorting_info": info,
        "recording_info/recording_attributes": recording,
        "recording_info/probegroup": {"probes": [probe]},
    }.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    locations = np.zeros(n, [("x", "<f4"), ("y", "<f4")])
    locations["y"] = 100 + 80 * spikes["unit_index"] + rng.normal(0, 5, n)
    waveform = -np.exp(-0.5 * ((np.arange(N_SAMPLES) - 8) / 2.0) ** 2)[:, np.newaxis]
    peaks = 5 + 4 * np.arange(3)[:, np.newaxis]
    average = 80 * waveform * np.exp(-np.abs(np.arange(N_CHANNELS) - peaks))[:, np.newaxis]
    save(folder / "extensions" / "spike_locations", spike_locations=locations)
    save(folder / "extensions" / "spike_amplitudes", amplitudes=rng.uniform(-120, -40, n).astype(np.float32))
    save(folder / "extensions" / "templates", average=average)
    return folder


def write_nwb(path: Path, *, probes: tuple[str, ...] = ("imec0",), n: int = N) -> Path:
    """Write a file of 3 units on each probe, the spikes unit by unit, with trials."""
    h5py = pytest.importorskip("h5py", reason="NWB files are read by h5py, of the extra nwb")
    rng = np.random.default_rng(4)
    n_units = 3 * len(probes)
    counts = rng.multinomial(n, np.full(n_units, 1 / n_units))
    ends = np.cumsum(counts)
    rows = np.repeat(np.arange(n_units), counts)
    times = np.concatenate([np.sort(rng.uniform(0, 120, count)) for count in counts])
    names = [probe for probe in probes for _ in range(3)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        units = file.create_group("units")
        ragged = {
            "spike_times": times,
            "spike_amplitudes_uV": rng.uniform(40, 200, n),
            "spike_distances_from_probe_tip_um": 100.0 + 60 * (rows % 3) + rng.normal(0, 5, n),
        }
        for name, values in ragged.items():
            units[name], units[f"{name}_index"] = values, ends.astype(np.uint16)
        units["id"], units["probe_name"] = np.arange(n_units), names
        units["quality"] = ["good", "mua", "good"] * len(probes)
        units["max_electrode"] = np.array([N_CHANNELS * (k // 3) + 5 * (k % 3) for k in range(n_units)])
        electrodes = file.create_group("general/extracellular_ephys/electrodes")
        electrodes["id"] = np.arange(N_CHANNELS * len(probes))
        electrodes["group_name"] = [probe for probe in probes for _ in range(N_CHANNELS)]
        electrodes["location"] = ["CA1"] * (N_CHANNELS * len(probes))
        electrodes["rel_x"] = np.zeros(N_CHANNELS * len(probes))
        electrodes["rel_y"] = np.tile(20.0 * np.arange(N_CHANNELS), len(probes))
        trials = file.create_group("intervals/trials")
        trials["id"], trials["start_time"] = np.arange(20), np.arange(20) * 5.0
        trials["stop_time"], trials["stim_time"] = np.arange(20) * 5.0 + 4, np.arange(20) * 5.0 + 1
        trials["side"] = ["left", "right"] * 10
    return path


WRITERS: dict[str, Callable[[Path], object]] = {
    "phy": lambda root: write_phy(root / SESSION / "imec0" / "kilosort25"),
    "analyzer": lambda root: write_analyzer(root / SESSION / "imec0"),
    "nwb": lambda root: write_nwb(root / SESSION / "M4.nwb"),
}
"""For each kind of source, what writes one insertion below a folder."""

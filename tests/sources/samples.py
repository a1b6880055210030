"""Small sortings of other kinds than ALF, written by the suite."""

from __future__ import annotations

import gzip
import json
import tempfile
import zlib
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


def write_zarr(folder: Path, *, version: int = 2, **options: Any) -> Path:
    """Write what `write_analyzer` writes as zarr, of either version of the format, chunks packed by zlib or gzip."""
    with tempfile.TemporaryDirectory() as place:
        plain = write_analyzer(Path(place) / "plain", **options)
        spikes = np.load(plain / "sorting" / "spikes.npy")
        info = json.loads((plain / "sorting" / "numpysorting_info.json").read_text())
        ids = np.array(info.pop("unit_ids"))
        n_first = int(np.searchsorted(spikes["segment_index"], 1))
        groups = {
            "": {
                name: json.loads((plain / f"{name}.json").read_text()) for name in ("settings", "spikeinterface_info")
            },
            "sorting": info,
            "recording_info": {
                path.stem: json.loads(path.read_text()) for path in (plain / "recording_info").glob("*.json")
            },
        }
        arrays = {
            "sorting/unit_ids": ids,
            "sorting/spikes/sample_index": spikes["sample_index"],
            "sorting/spikes/unit_index": spikes["unit_index"],
            "sorting/spikes/segment_slices": np.array([[0, n_first], [n_first, len(spikes)]]),
            "sorting/properties/quality": np.load(plain / "sorting" / "properties" / "quality.npy"),
        }
        for path in (plain / "extensions").glob("*/*.npy"):
            arrays[f"extensions/{path.parent.name}/{path.stem}"] = np.load(path)
    for group, attributes in groups.items():
        (folder / group).mkdir(parents=True, exist_ok=True)
        if version == 3:
            node = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
            (folder / group / "zarr.json").write_text(json.dumps(node))
        else:
            (folder / group / ".zgroup").write_text('{"zarr_format": 2}')
            (folder / group / ".zattrs").write_text(json.dumps(attributes))
    for name, array in arrays.items():
        write_zarr_array(folder / name, array, version)
    return folder


def write_zarr_array(folder: Path, array: np.ndarray, version: int = 2, n_chunk: int = 1_000) -> None:
    """Write an array in chunks of so many rows, the last of them full as zarr's are; integers as differences."""
    folder.mkdir(parents=True, exist_ok=True)
    is_delta, shape = array.dtype.kind == "i" and array.ndim == 1, array.shape
    chunks = [min(n_chunk, shape[0]), *shape[1:]]
    dtype: Any = array.dtype.descr if array.dtype.names else array.dtype.str
    if version == 2:
        about: Any = {
            "zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": dtype, "order": "C", "fill_value": None,
            "compressor": {"id": "zlib", "level": 1},
            "filters": [{"id": "delta", "dtype": dtype, "astype": dtype}] if is_delta else None,
        }  # fmt: skip
        (folder / ".zarray").write_text(json.dumps(about))
    else:
        kind: Any = str(array.dtype)
        if array.dtype.kind == "U":
            kind = {"name": "fixed_length_utf32", "configuration": {"length_bytes": array.dtype.itemsize}}
        if array.dtype.names:
            fields = [[name, str(array.dtype[name])] for name in array.dtype.names]
            kind = {"name": "structured", "configuration": {"fields": fields}}
        codecs: list[Any] = [{"name": "numcodecs.delta", "configuration": {"dtype": dtype}}] if is_delta else []
        codecs += [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "gzip", "configuration": {}}]
        about = {
            "zarr_format": 3, "node_type": "array", "shape": shape, "data_type": kind, "codecs": codecs,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}}, "fill_value": 0,
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}, "attributes": {},
        }  # fmt: skip
        (folder / "zarr.json").write_text(json.dumps(about))
    for k in range(-(-shape[0] // chunks[0])):
        chunk = np.zeros(chunks, array.dtype)
        part = array[k * chunks[0] : (k + 1) * chunks[0]]
        chunk[: len(part)] = part
        if is_delta:
            chunk = np.concatenate([chunk[:1], np.diff(chunk)])
        zeros = [0] * (array.ndim - 1)
        name = ".".join(map(str, [k, *zeros])) if version == 2 else "/".join(map(str, ["c", k, *zeros]))
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((zlib.compress if version == 2 else gzip.compress)(chunk.tobytes()))


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
    "zarr": lambda root: write_zarr(root / SESSION / "imec0"),
    "nwb": lambda root: write_nwb(root / SESSION / "M4.nwb"),
}
"""For each kind of source, what writes one insertion below a folder."""

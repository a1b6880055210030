"""A sorting of any kind written as a SortingAnalyzer of SpikeInterface: a folder of numpy arrays and JSON.

Layout: ``spikeinterface.core.sortinganalyzer.SortingAnalyzer`` 0.105, format ``binary_folder``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.library.phy_folder import peak_channels, rate_hz, samples_of, unit_templates
from dashboard.model.errors import BadRequest, Cancelled
from dashboard.model.files import write_file
from dashboard.model.progress import Progress, ProgressCallback
from dashboard.model.sorting import SpikeSorting
from dashboard.model.tables import csv_text

VERSION = "0.105.3"
_SPIKE = [("sample_index", "int64"), ("unit_index", "int64"), ("segment_index", "int64")]
_CLASSES = {
    "templates": "core.analyzer_extension_core.ComputeTemplates",
    "spike_amplitudes": "postprocessing.spike_amplitudes.ComputeSpikeAmplitudes",
    "spike_locations": "postprocessing.spike_locations.ComputeSpikeLocations",
    "unit_locations": "postprocessing.unit_locations.ComputeUnitLocations",
    "quality_metrics": "metrics.quality.quality_metrics.ComputeQualityMetrics",
}
_NO_METRICS = (
    "channels",
    "depths",
    "axial_um",
    "lateral_um",
    "rawInd",
    "atlas_id",
    "x",
    "y",
    "z",
    "shank",
    "cluster_id",
)


def write_analyzer_folder(
    sorting: SpikeSorting,
    folder: Path,
    properties: Mapping[str, Sequence[str]],
    progress: ProgressCallback,
    cancel: threading.Event | None,
) -> tuple[str, ...]:
    """Write the files into a folder that is there; return a sentence for each thing that they cannot hold.

    Parameters
    ----------
    sorting : SpikeSorting
    folder : Path
    properties : mapping of str to sequence of str
        Texts of the units, in their order, by name.
    progress : callable
    cancel : threading.Event or None

    Raises
    ------
    BadRequest
        The sites of the probe are not known.
    Cancelled
        `cancel` was set.
    """
    channels, spikes, n = sorting.channels, sorting.spikes, sorting.n_spikes
    if not {"axial_um", "lateral_um"} <= set(channels) or not len(channels):
        raise BadRequest("An analyzer needs the sites of the probe, which are unknown", sorting.title, "Write ALF")
    progress(Progress("writing the analyzer", 0, n, "spikes"))
    rate, samples, said = rate_hz(sorting), samples_of(sorting), ["the recording has no place in these files"]
    order = np.argsort(samples, kind="stable") if (np.diff(samples) < 0).any() else slice(None)
    ids = sorting.units.values.tolist()
    vector = np.zeros(n, _SPIKE)
    vector["sample_index"] = samples[order]
    vector["unit_index"] = sorting.unit_indexes().reshape(-1)[order]
    if cancel is not None and cancel.is_set():
        raise Cancelled("Writing was cancelled")
    below = folder / "sorting"
    (below / "properties").mkdir(parents=True)
    np.save(below / "spikes.npy", vector)
    info = {"sampling_frequency": rate, "unit_ids": ids, "num_segments": 1}
    _json(below / "numpysorting_info.json", info)
    _json(below / "annotations.json", {})
    _json(below / "si_folder.json", {
        "class": "spikeinterface.core.sortingfolder.NumpyFolderSorting", "module": "spikeinterface",
        "version": VERSION, "kwargs": {"folder_path": ".", "mmap_mode": None}, "annotations": {}, "properties": {},
        "relative_paths": True,
    })  # fmt: skip
    for name, texts in properties.items():
        np.save(below / "properties" / f"{name}.npy", np.asarray(list(texts), dtype=np.str_))
    _json(folder / "spikeinterface_info.json", {"version": VERSION, "dev_mode": False, "object": "SortingAnalyzer"})
    in_uv = sorting.amps_are_volts
    _json(folder / "settings.json", {"return_in_uV": in_uv, "peak_sign": "both", "peak_mode": "extremum"})
    _recording(folder / "recording_info", channels, rate, int(samples.max(initial=0)) + 1)
    _templates(sorting, folder, rate, said)
    if spikes.amps_v is not None:
        amps = (sorting.amp_scale * np.asarray(spikes.amps_v, np.float64).reshape(-1)).astype(np.float32)
        _extension(folder, "spike_amplitudes", {}, amplitudes=amps[order])
        said.append("amplitudes of spikes are magnitudes, without a sign")
    places = _places(sorting)
    if spikes.depths_um is not None:
        places_of_spikes = np.zeros(n, [("x", "float64"), ("y", "float64")])
        places_of_spikes["x"] = places[vector["unit_index"], 0]
        places_of_spikes["y"] = np.asarray(spikes.depths_um).reshape(-1)[order]
        _extension(folder, "spike_locations", {}, spike_locations=places_of_spikes)
    _extension(folder, "unit_locations", {}, unit_locations=places)
    _metrics(sorting, folder, ids, said)
    return tuple(said)


def _recording(folder: Path, channels: pd.DataFrame, rate: float, n_samples: int) -> None:
    folder.mkdir()
    names, n = [str(k) for k in range(len(channels))], len(channels)
    _json(folder / "recording_attributes.json", {
        "channel_ids": names, "sampling_frequency": rate, "num_channels": n, "num_samples": [n_samples],
        "is_filtered": True, "properties": {"gain_to_uV": [1.0] * n, "offset_to_uV": [0.0] * n}, "dtype": "float32",
    })  # fmt: skip
    shanks = channels["shank"].to_numpy().astype(str).tolist() if "shank" in channels else [""] * n
    _json(folder / "probegroup.json", {
        "specification": "probeinterface", "version": "0.4.2",
        "probes": [{
            "ndim": 2, "si_units": "um", "annotations": {}, "contact_annotations": {},
            "contact_positions": channels[["lateral_um", "axial_um"]].to_numpy(np.float64).tolist(),
            "contact_plane_axes": [[[1.0, 0.0], [0.0, 1.0]]] * n,
            "contact_shapes": ["square"] * n, "contact_shape_params": [{"width": 12.0}] * n,
            "device_channel_indices": list(range(n)), "contact_ids": names, "shank_ids": shanks,
        }],
    })  # fmt: skip


def _templates(sorting: SpikeSorting, folder: Path, rate: float, said: list[str]) -> None:
    """Write the template of each unit on all channels; the spike is where most of them are largest."""
    average, is_known = unit_templates(sorting)
    if not is_known:
        said.append("templates are not known")
        return
    n_before = int(np.median(np.abs(average).max(axis=2).argmax(axis=1))) if len(average) else 0
    n_after = average.shape[1] - n_before
    # A quarter of a sample more: SpikeInterface cuts off what is not whole.
    before_ms, after_ms = (1e3 * (n + 0.25) / rate for n in (n_before, n_after))
    params = {"operators": ["average"], "ms_before": before_ms, "ms_after": after_ms}
    _extension(folder, "templates", params, average=average)


def _places(sorting: SpikeSorting) -> npt.NDArray[np.float64]:
    """Return lateral position and depth of each unit in µm, shape (n_units, 2)."""
    channels, peaks = sorting.channels, peak_channels(sorting)
    places = channels[["lateral_um", "axial_um"]].to_numpy(np.float64)[peaks]
    if "depths" in sorting.clusters:
        own = sorting.clusters["depths"].to_numpy(dtype=np.float64, na_value=np.nan)
        places[:, 1] = np.where(np.isfinite(own), own, places[:, 1])
    return places


def _metrics(sorting: SpikeSorting, folder: Path, ids: list[Any], said: list[str]) -> None:
    table = sorting.clusters
    names = [
        name for name in map(str, table)
        if name not in _NO_METRICS and pd.api.types.is_numeric_dtype(table[name])
    ]  # fmt: skip
    if not names:
        return
    params = {"metric_names": [], "metrics_to_compute": [], "delete_existing_metrics": False, "metric_params": {}}
    below = _extension(folder, "quality_metrics", params)
    metrics = table[names].set_axis(pd.Index(ids, name=""))
    write_file(below / "metrics.csv", csv_text(metrics.reset_index()).encode())
    said.append("metrics are those of the source; of merged and split units they are blank, but counts and rates")


def _extension(folder: Path, name: str, params: Mapping[str, Any], **arrays: npt.NDArray[Any]) -> Path:
    below = folder / "extensions" / name
    below.mkdir(parents=True)
    about = {"class": f"spikeinterface.{_CLASSES[name]}", "module": "spikeinterface", "version": VERSION}
    for file, content in (("info", about), ("params", params), ("run_info", {"run_completed": True, "runtime_s": 0.0})):
        _json(below / f"{file}.json", content)
    for file, array in arrays.items():
        np.save(below / f"{file}.npy", array)
    return below


def _json(path: Path, content: Mapping[str, Any]) -> None:
    write_file(path, json.dumps(content, indent=1, ensure_ascii=False).encode())

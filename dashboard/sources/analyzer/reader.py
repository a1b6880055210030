"""One SortingAnalyzer, or one sorting of SpikeInterface, as the model."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model import sidecars
from dashboard.model.errors import Cancelled, DatasetInvalid
from dashboard.model.identity import Identity
from dashboard.model.progress import Progress, ProgressCallback
from dashboard.model.references import SortingRef
from dashboard.model.sorting import Missing, Spikes, SpikeSorting, Templates
from dashboard.model.texts import counted
from dashboard.sources.alf.clusters import merge_clusters
from dashboard.sources.analyzer.store import Store
from dashboard.sources.readers import DAMAGED
from dashboard.sources.sync import sync_at
from dashboard.sources.unit_columns import with_columns
from dashboard.sources.validation import Columns, checked_sorting, kept_arrays, means_of_units, put
from dashboard.sources.waveforms import undo

#: Raised when what is derived from the files, or what it means, changes.
_VERSION = 1
#: Folder of the cache for what is derived.
KEPT = "analyzer"

MAX_SAID = 12
"""Segments whose beginnings a note names; each has a line in the pictures."""

MAX_SAMPLES = 1 << 40
"""Of a segment: a year of 30 kHz; what is told of more is no length."""

_AGAIN = "Save the analyzer again"
_BLOCK = 1 << 20
_UV = 1e-6


def read_analyzer(
    store: Store,
    ref: SortingRef,
    cache: Path | None,
    progress: ProgressCallback,
    cancel: threading.Event | None,
    sync_file: Path | None = None,
) -> SpikeSorting:
    """Read an analyzer or a sorting.

    Raises
    ------
    DatasetMissing, DatasetInvalid
        Spikes cannot be read; the message names the file and the remedy.
    Cancelled
        `cancel` was set.
    """
    progress(Progress("reading files"))
    missing: list[Missing] = []
    notes: list[str] = []
    ids, rate_hz, n_segments = store.sorting()
    samples, units, segments = store.spikes()
    n, path = len(samples), store.used[0]
    if not n:
        raise DatasetInvalid("The sorting holds no spikes", [path], "Sort the recording again")
    if len(units) != n or len(segments) != n:
        raise DatasetInvalid("Fields of spikes are of different lengths", [path], _AGAIN)
    recording, settings = store.json("recording_info/recording_attributes"), store.json("settings")
    channels = _channels(store, recording, missing)
    amplitudes = _of_spikes(store, "spike_amplitudes/amplitudes", n, missing)
    locations = _of_spikes(store, "spike_locations/spike_locations", n, missing)
    depths = locations["y"] if locations is not None and "y" in (locations.dtype.names or ()) else None
    sync = sync_at(store.path, sync_file)
    in_uv = settings.get("return_in_uV", settings.get("return_scaled")) is True
    starts = _starts(recording.get("num_samples"), samples, segments, n_segments)
    average = _optional(store, "templates/average", missing) if len(channels) else None
    if average is not None and average.shape[:1] + average.shape[2:] != (len(ids), len(channels)):
        missing.append(
            Missing(
                "templates",
                f"of shape {average.shape} for {counted(len(ids), 'unit')}, {counted(len(channels), 'channel')}",
            )
        )
        average = None

    state = Identity.of([*store.used, *([sync.path] if sync else [])], f"analyzer {_VERSION}")
    key = state.metrics if state is not None else hashlib.sha256(str(store.path).encode()).hexdigest()[:32]
    root = cache / KEPT if cache is not None and state is not None else None

    def derive(draft: sidecars.Draft) -> Mapping[str, Any]:
        times = draft.allocate("times", (n,), np.float64)
        clusters = draft.allocate("clusters", (n,), np.int32)
        amps = draft.allocate("amps", (n if amplitudes is not None else 0,), np.float32)
        for start in range(0, n, _BLOCK):
            if cancel is not None and cancel.is_set():
                raise Cancelled("Reading was cancelled")
            progress(Progress("reading spikes", start, n, "spikes"))
            rows = slice(start, start + _BLOCK)
            block = np.asarray(units[rows])
            if block.min() < 0 or block.max() >= len(ids):
                what = f"A spike is of unit {block.max()}, and there are {counted(len(ids), 'unit')}"
                raise DatasetInvalid(what, [path], _AGAIN)
            clusters[rows] = block
            of_segment = np.asarray(segments[rows])
            if of_segment.min() < 0 or of_segment.max() >= n_segments:
                what = f"A spike is of segment {of_segment.max()}, and there are {n_segments}"
                raise DatasetInvalid(what, [path], _AGAIN)
            seconds = (np.asarray(samples[rows]) + starts[of_segment]) / rate_hz
            times[rows] = seconds if sync is None else sync.to_session(seconds)
            if amplitudes is not None:
                amps[rows] = np.abs(np.asarray(amplitudes[rows])) * np.float32(_UV if in_uv else 1.0)
        progress(Progress("reading spikes", n, n, "spikes"))

        def of_units(rows: slice) -> npt.NDArray[np.int64]:
            return clusters[rows].astype(np.int64)

        put(
            draft,
            mean_amps=means_of_units(amps, of_units, len(ids)) if amplitudes is not None else np.empty(0),
            mean_depths=means_of_units(depths, of_units, len(ids)) if depths is not None else np.empty(0),
        )
        if average is not None:
            positions = channels[["axial_um", "lateral_um"]].to_numpy() if "axial_um" in channels else None
            found = undo(np.ascontiguousarray(average), None, None, positions, len(channels), None, cancel)
            waveforms = found.waveforms * np.float32(_UV if in_uv else 1.0)
            put(draft, waveforms=waveforms, near=found.channels, peaks=_peaks(average, settings.get("peak_sign")))
        return {}

    derived = kept_arrays(root, key, derive)
    table = pd.DataFrame(index=pd.Index(_one_type(ids)))
    if "peaks" in derived:
        table["channels"] = np.asarray(derived["peaks"])
    places = _optional(store, "unit_locations/unit_locations", missing)
    if places is not None and places.ndim == 2 and places.shape[0] == len(ids) and places.shape[1] >= 2:
        table["depths"] = np.asarray(places[:, 1], np.float64)
    elif len(derived["mean_depths"]):
        table["depths"] = np.asarray(derived["mean_depths"])
    if len(derived["mean_amps"]):
        table["amps"] = np.asarray(derived["mean_amps"])
    merged = merge_clusters(table, None, channels)
    properties = {name: values for name, values in store.properties(missing).items() if values.shape == (len(ids),)}
    merged, kind = with_columns(merged, properties)
    tables = store.metrics(missing)
    for name, metrics in tables:
        if len(metrics) != len(ids):
            missing.append(Missing(name, f"{counted(len(metrics), 'row')} for {counted(len(ids), 'unit')}"))
            continue
        merged, _ = with_columns(merged, {str(column): metrics[column].to_numpy() for column in metrics})
    begin = starts[1:] / rate_hz
    borders = tuple((begin if sync is None else sync.to_session(begin)).tolist())
    if borders:
        at = ", ".join(f"{start:,.6g} s" for start in borders[:MAX_SAID]) + " …" * (len(borders) > MAX_SAID)
        notes.append(
            f"{counted(n_segments, 'segment is', 'segments are')} shown one after the other: "
            f"the next begin at {at} (dashed lines)"
        )
    if amplitudes is not None:
        unit = "µV" if in_uv else "the recording's own unit, which settings.json does not call µV"
        notes.append(f"Amplitudes are magnitudes of the values at the peak, in {unit}; the files have their signs")
    if depths is None:
        notes.append("Each spike is shown at the depth of its unit: there is no extension spike_locations")
    spikes = Spikes(
        derived["times"],
        derived["clusters"],
        depths,
        derived["amps"] if amplitudes is not None else None,
        MappingProxyType({"samples": samples}),
        clusters_are_rows=True,
    )
    templates = None
    if "waveforms" in derived:
        templates = Templates(derived["waveforms"], derived["near"], "extension templates")
    sorting = checked_sorting(
        Columns(
            spikes, merged, channels, path, in_uv, sync, at_peak=True,
            metrics_stale=not any(name == "quality_metrics" for name, _ in tables),
        ),
        ref, cache, key, progress, cancel,
        missing=missing, notes=notes, label_kind=kind, templates=templates, what="A SpikeInterface folder",
    )  # fmt: skip
    folders = [root / key] if root is not None else []
    identity = Identity.of(store.used, f"analyzer {_VERSION} {sync.key if sync else ''}", folders)
    return replace(sorting, identity=identity, segment_starts_s=borders)


def _one_type(ids: list[Any]) -> npt.NDArray[Any]:
    return np.array(ids if all(isinstance(unit, int) for unit in ids) else list(map(str, ids)))


def _optional(store: Store, name: str, missing: list[Missing]) -> npt.NDArray[Any] | None:
    """Return an array of an extension; None where there is none, or where it cannot be read, which is said."""
    try:
        return store.array(f"extensions/{name}")
    except DatasetInvalid as error:
        missing.append(Missing(name.partition("/")[0], str(error)))
        return None


def _of_spikes(store: Store, name: str, n: int, missing: list[Missing]) -> npt.NDArray[Any] | None:
    """Return an extension with a value for each spike, or say why there is none."""
    extension, n_missing = name.partition("/")[0], len(missing)
    array = _optional(store, name, missing)
    if len(missing) > n_missing:
        return None
    if array is None:
        missing.append(Missing(extension, f"no extension {extension}: analyzer.compute('{extension}') makes it"))
        return None
    if array.shape != (n,):
        missing.append(Missing(extension, f"of shape {array.shape} for {counted(n, 'spike')}"))
        return None
    return array


def _starts(
    n_samples: Any, samples: npt.NDArray[Any], segments: npt.NDArray[Any], n_segments: int
) -> npt.NDArray[np.int64]:
    """Return the sample at which each segment begins when they are laid one after the other."""
    lengths = np.zeros(n_segments, np.int64)
    is_told = isinstance(n_samples, list) and len(n_samples) == n_segments
    if is_told and all(isinstance(n, int) and 0 <= n < MAX_SAMPLES for n in n_samples):
        lengths[:] = n_samples
    elif n_segments > 1:  # the recording is not told: up to the last spike
        for start in range(0, len(samples), _BLOCK):
            rows = slice(start, start + _BLOCK)
            of_segment = np.clip(np.asarray(segments[rows]).astype(np.int64), 0, n_segments - 1)  # checked later
            np.maximum.at(lengths, of_segment, np.asarray(samples[rows]).astype(np.int64) + 1)
    return np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)


def _channels(store: Store, recording: Mapping[str, Any], missing: list[Missing]) -> pd.DataFrame:
    """Return the channels of the recording, in its order."""
    names = recording.get("channel_ids")
    n = len(names) if isinstance(names, list) else 0
    probes = store.json("recording_info/probegroup").get("probes")
    rows: list[tuple[int, float, float, str]] = []
    try:
        for probe in probes or []:
            places = probe["contact_positions"]
            indexes = probe.get("device_channel_indices") or range(len(rows), len(rows) + len(places))
            shanks = probe.get("shank_ids") or [""] * len(places)
            rows += [
                (int(k), float(x[0]), float(x[1]), str(s)) for k, x, s in zip(indexes, places, shanks, strict=True)
            ]
    except DAMAGED:
        rows = []
    rows = sorted(row for row in rows if row[0] >= 0)
    if not rows or (n and len(rows) != n):
        why = (
            "no recording_info/probegroup.json"
            if not probes
            else f"{counted(len(rows), 'contact')} for {counted(n, 'channel')}"
        )
        missing.append(Missing("positions of channels", why))
        return pd.DataFrame({"rawInd": np.arange(n)})
    table = pd.DataFrame({
        "axial_um": [row[2] for row in rows],
        "lateral_um": [row[1] for row in rows],
        "rawInd": np.arange(len(rows)),
    })  # fmt: skip
    if len({row[3] for row in rows}) > 1:
        table["shank"] = np.unique([row[3] for row in rows], return_inverse=True)[1]
    return table


def _peaks(average: npt.NDArray[Any], peak_sign: Any) -> npt.NDArray[np.int64]:
    """Return the channel with the largest peak of each unit, as ``get_template_extremum_channel`` does."""
    values = {"neg": -np.asarray(average), "pos": np.asarray(average)}.get(peak_sign, np.abs(average))
    peaks: npt.NDArray[np.int64] = values.max(axis=1).argmax(axis=1)
    return peaks

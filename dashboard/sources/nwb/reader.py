"""The units of one probe of an NWB file as the model."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model import sidecars
from dashboard.model.conventions import Clock, LabelKind
from dashboard.model.errors import Cancelled, DatasetInvalid
from dashboard.model.identity import FileState, Identity
from dashboard.model.progress import Progress, ProgressCallback
from dashboard.model.references import Histology, SortingRef
from dashboard.model.sorting import SNR, Missing, Spikes, SpikeSorting, Templates
from dashboard.model.texts import counted
from dashboard.sources.alf.channels import regions
from dashboard.sources.alf.clusters import MAX_UNITS, merge_clusters
from dashboard.sources.download.ranges import RemoteFile
from dashboard.sources.hdf5 import member, numbers, opened, path_of, shape_of, word, words
from dashboard.sources.nwb.trials import read_trials
from dashboard.sources.readers import FREE_BYTES
from dashboard.sources.unit_columns import with_columns
from dashboard.sources.validation import Columns, checked_sorting, kept_arrays, means_of_units, put

#: Raised when what is derived from the files, or what it means, changes.
_VERSION = 1
#: Folder of the cache for what is derived.
KEPT = "nwb"

AMPLITUDES_UV, AMPLITUDES = "spike_amplitudes_uV", "spike_amplitudes"
DEPTHS = ("spike_distances_from_probe_tip_um", "spike_depths_um", "spike_depths", "spike_distances_from_probe_tip")
UNIT_DEPTHS = ("distance_from_probe_tip_um", "depth_um", "depth", "depths", "distances_from_probe_tip_um")
_PROBES = ("probe_name", "probe")
_ELECTRODES = "general/extracellular_ephys/electrodes"
# By other names here; the median of IBL's files is in microvolts.
_RENAMED = {"kilosort2_label": "ks2_label", "ibl_quality_score": "label", "cluster_uuid": "uuids"}
_MEDIAN_UV = "median_spike_amplitude_uV"
_NOT_COLUMNS = frozenset(
    {"id", "waveform_mean", "waveform_sd", "waveforms", "obs_intervals", "electrodes", "spike_times"}
)
_VOID = frozenset({"", "void", "unknown", "none", "nan", "null"})
#: Waveforms of more than this cannot be the volts that NWB declares.
MAX_WAVEFORM_V = 0.05
SNR_SAID = (
    "snr is the largest magnitude of the unit's waveform_mean over the mean of waveform_sd on that channel: the noise "
    "is how much its own spikes differ"
)

Value = TypeVar("Value")

_AGAIN = "Write the file again"
_BLOCK = 1 << 20


def subject_of(where: Path | RemoteFile) -> str:
    """Return the subject that a file names, empty where it names none."""
    with opened(where) as file:
        name = word(file, "general/subject/subject_id")
    return re.sub(r"[^\w.-]+", "-", name).strip("-")[:64]


def probes_of(where: Path | RemoteFile) -> list[str]:
    """Return the probes of the units of a file, in their order; one empty name where it does not tell them apart.

    Raises
    ------
    BadRequest, DatasetMissing, DatasetInvalid
        As `dashboard.sources.hdf5.opened`.
    """
    with opened(where) as file:
        return list(dict.fromkeys(_probe_of_units(file)))


def read_units(
    where: Path | RemoteFile,
    probe: str,
    ref: SortingRef,
    cache: Path | None,
    progress: ProgressCallback,
    cancel: threading.Event | None,
) -> SpikeSorting:
    """Read the units of a probe.

    Raises
    ------
    BadRequest, DatasetMissing, DatasetInvalid
        The file cannot be read; the message says why, and the remedy.
    Cancelled
        `cancel` was set.
    """
    progress(Progress("reading files"))
    missing: list[Missing] = []
    notes: list[str] = []
    path, read_as = path_of(where), f"nwb {_VERSION} {probe}"
    state = _identity(where, read_as)
    key = state.metrics if state is not None else hashlib.sha256(f"{path} {probe}".encode()).hexdigest()[:32]
    root = cache / KEPT if cache is not None and state is not None else None
    with opened(where) as file:
        units = _units(file)
        if units is None or member(units, "spike_times") is None:
            raise DatasetInvalid("Has no units with spike times (/units/spike_times)", [path], "Give another file")
        if units.name != "/units":
            notes.append(f"The units are those of {units.name}: the file has no /units with spike times")
        of_units = _probe_of_units(file)
        rows = np.array([row for row, name in enumerate(of_units) if not probe or name == probe], np.int64)
        derived = kept_arrays(root, key, lambda draft: _merge(path, units, rows, draft, progress, cancel))
        channels, of_electrodes, said = _spared(
            "electrodes", missing, lambda: _channels(file, units, rows, probe, missing), (pd.DataFrame(), {}, [])
        )
        notes += said
        table, columns = _unit_table(units, rows, len(of_units), missing)
        templates, peaks = _spared(
            "templates", missing, lambda: _templates(units, rows, of_electrodes, missing, notes), (None, None)
        )
        is_local = isinstance(where, Path)
        why_no_snr, definition = _spared(
            "waveform_sd", missing, lambda: _take_snr(units, rows, columns, is_local, notes),
            ("waveform_mean or waveform_sd of units cannot be read", ""),
        )  # fmt: skip
        trials = _spared("trials", missing, lambda: read_trials(file), None)
    if peaks is not None and len(channels) and (peaks >= 0).all():
        table["channels"] = peaks
    if "depths" not in table and "channels" in table and "axial_um" in channels:
        table["depths"] = channels["axial_um"].to_numpy()[table["channels"].to_numpy()]
    if len(derived["mean_amps"]) and "amps" not in table:
        table["amps"] = np.asarray(derived["mean_amps"])
    label = columns.pop("label", None)
    merged, kind = with_columns(merge_clusters(table, None, channels), columns)
    if label is not None and label.dtype.kind == "f":
        merged["label"], kind = label, LabelKind.IBL
    has_depths, has_amps = bool(len(derived["depths"])), bool(len(derived["amps"]))
    are_volts = has_amps and bool(derived["are_volts"][0])
    if has_amps and not are_volts:
        notes.append(f"Amplitudes are {AMPLITUDES} of the file, which does not say their unit")
    if not has_amps:
        missing.append(Missing("spike amplitudes", f"no column {AMPLITUDES_UV} or {AMPLITUDES}"))
    if not has_depths:
        notes.append("Each spike is shown at the depth of its unit: the file has no depth for each spike")
    spikes = Spikes(
        derived["times"],
        derived["clusters"],
        derived["depths"] if has_depths else None,
        derived["amps"] if has_amps else None,
        clusters_are_rows=True,
    )
    sorting = checked_sorting(
        Columns(
            spikes, merged, channels, path, are_volts, clock=Clock.SESSION,
            metrics_stale=kind is not LabelKind.IBL,
        ),
        ref, cache, key, progress, cancel,
        missing=missing, notes=notes, label_kind=kind, templates=templates, trials=trials, what="The NWB file",
    )  # fmt: skip
    located = "atlas_id" in channels
    return replace(
        sorting,
        identity=_identity(where, read_as, [root / key] if root is not None else []),
        histology=Histology.ALF if located else Histology.NONE,
        histology_reason="the file's electrodes have locations" if located else sorting.histology_reason,
        why_no_snr=why_no_snr,
        snr_definition=definition,
    )


def _identity(where: Path | RemoteFile, read_as: str, folders: Sequence[Path] = ()) -> Identity | None:
    if isinstance(where, Path):
        return Identity.of([where], read_as, folders)
    return Identity.of_states([FileState(where.name, where.url, where.size, 0, where.version)], read_as, folders)


def _units(file: Any) -> Any:
    """Return the table of units; where it has no spike times, one of a processing module that has some."""
    found = member(file, "units")
    if found is not None and member(found, "spike_times") is not None:
        return found
    modules = member(file, "processing")
    places = [f"{module}/{name}" for module in modules or () for name in member(modules, module) or ()]
    within = (member(modules, place) for place in places)
    return next((table for table in within if member(table, "spike_times_index") is not None), found)


def _probe_of_units(file: Any) -> list[str]:
    """Return the name of the probe of each unit."""
    units = _units(file)
    if units is None:
        return []
    ids = member(units, "id")
    n = len(ids) if ids is not None else len(_ends(units, "spike_times", Path(file.filename)))
    if n > MAX_UNITS:
        raise DatasetInvalid(f"{units.name} claims {counted(n, 'unit')}", [Path(file.filename)], _AGAIN)
    for name in _PROBES:
        if shape_of(units, name) == (n,) and (found := words(units, name)) is not None:
            return found
    groups, first = words(file, f"{_ELECTRODES}/group_name"), _first_electrodes(units, n)
    if groups and first is not None and len(set(groups)) > 1:
        return [groups[row] if 0 <= row < len(groups) else "" for row in first]
    return [groups[0] if groups and len(set(groups)) == 1 else ""] * n


def _ends(units: Any, name: str, path: Path) -> npt.NDArray[np.int64]:
    """Return where the values of each unit end in a ragged column."""
    ends, values = numbers(units, f"{name}_index"), member(units, name)
    if ends is None or values is None:
        raise DatasetInvalid(f"/units/{name} has no index that says which value is of which unit", [path], _AGAIN)
    ends = ends.astype(np.int64)
    if (np.diff(ends, prepend=0) < 0).any() or (len(ends) and ends[-1] > len(values)):
        what = f"/units/{name}_index does not rise to the {counted(len(values), 'value')} there are"
        raise DatasetInvalid(what, [path], _AGAIN)
    return ends


def _first_electrodes(units: Any, n: int) -> list[int] | None:
    rows, ends = numbers(units, "electrodes"), numbers(units, "electrodes_index")
    if rows is None or ends is None or len(ends) != n:
        return None
    ends = ends.astype(np.int64)
    starts = np.concatenate([[0], ends[:-1]])
    return [int(rows[start]) if start < min(end, len(rows)) else -1 for start, end in zip(starts, ends, strict=True)]


def _merge(
    path: Path,
    units: Any,
    rows: npt.NDArray[np.int64],
    draft: sidecars.Draft,
    progress: ProgressCallback,
    cancel: threading.Event | None,
) -> Mapping[str, Any]:
    """Write the spikes in order of time; they stand unit by unit in the file, each in order."""
    ends = _ends(units, "spike_times", path)
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    counts = (ends - starts)[rows] if len(rows) else np.empty(0, np.int64)
    n = int(counts.sum())
    if not n:
        raise DatasetInvalid("The units of the probe have no spikes", [path], "Give another file")
    amplitudes = next((name for name in (AMPLITUDES_UV, AMPLITUDES) if _is_like(units, name, ends)), "")
    depths = next((name for name in DEPTHS if _is_like(units, name, ends)), "")
    scale = 1e-6 if amplitudes == AMPLITUDES_UV else 1.0

    def gather(name: str) -> npt.NDArray[Any]:
        if cancel is not None and cancel.is_set():
            raise Cancelled("Reading was cancelled")
        progress(Progress("reading spikes", 0, n, "spikes"))
        values = numbers(units, name)
        if values is None:
            raise DatasetInvalid(f"/units/{name} holds no numbers", [path], _AGAIN)
        if len(rows) == len(ends) and len(values) == n:
            return values
        return np.concatenate([values[starts[row] : ends[row]] for row in rows])

    times = gather("spike_times").astype(np.float64)
    # Stable, and for float64 a merge of the runs that are in order: numpy's timsort.
    order = np.argsort(times, kind="stable")
    draft.allocate("times", (n,), np.float64)[:] = times[order]
    clusters = draft.allocate("clusters", (n,), np.int32)
    clusters[:] = np.repeat(np.arange(len(rows), dtype=np.int32), counts)[order]
    amps = draft.allocate("amps", (n if amplitudes else 0,), np.float64)
    if amplitudes:
        amps[:] = gather(amplitudes)[order] * scale
    of_depth = draft.allocate("depths", (n if depths else 0,), np.float64)
    if depths:
        of_depth[:] = gather(depths)[order]
    progress(Progress("reading spikes", n, n, "spikes"))

    def of_units(block: slice) -> npt.NDArray[np.int64]:
        return clusters[block].astype(np.int64)

    means = means_of_units(amps, of_units, len(rows)) if amplitudes else np.empty(0)
    put(draft, mean_amps=means, are_volts=np.array([amplitudes == AMPLITUDES_UV]))
    return {}


def _is_like(units: Any, name: str, ends: npt.NDArray[np.int64]) -> bool:
    """Return whether a ragged column has a value for each spike."""
    index = numbers(units, f"{name}_index")
    return index is not None and np.array_equal(index.astype(np.int64), ends)


def _spared(name: str, missing: list[Missing], read: Callable[[], Value], otherwise: Any) -> Value:
    """Return what `read` gives; where it lies in another file or is damaged, `otherwise`, and say so."""
    try:
        return read()
    except DatasetInvalid as error:
        missing.append(Missing(name, error.what))
        return otherwise  # type: ignore[no-any-return]


def _unit_table(
    units: Any, rows: npt.NDArray[np.int64], n: int, missing: list[Missing]
) -> tuple[pd.DataFrame, dict[str, npt.NDArray[Any]]]:
    """Return the units with what has a meaning here, and their other columns."""
    ids = numbers(units, "id")
    names = ids[rows].astype(np.int64) if ids is not None and len(np.unique(ids)) == n == len(ids) else rows
    table = pd.DataFrame(index=pd.Index(names))
    columns: dict[str, npt.NDArray[Any]] = {}
    said = [name for name in units if name not in _NOT_COLUMNS and shape_of(units, name, (n,)) == (n,)]
    if 8 * n * len(said) > FREE_BYTES:
        what = f"{units.name} claims {counted(n, 'unit')} with {counted(len(said), 'column')}"
        raise DatasetInvalid(what, [Path(units.file.filename)], _AGAIN)
    for name in said:
        if name.endswith("_index") or f"{name}_index" in units:
            continue
        values: Any = _spared(name, missing, lambda name=name: _column(units, name), None)  # type: ignore[misc]
        if values is None:
            continue
        column = np.array(values, dtype=object)[rows] if isinstance(values, list) else values[rows]
        if name == _MEDIAN_UV:
            table["amp_median"] = column * 1e-6
        elif name in UNIT_DEPTHS and "depths" not in table and column.dtype.kind in "iuf":
            table["depths"] = column.astype(np.float64)
        elif name == "cluster_uuid":
            table["uuids"] = column
        else:
            columns[_RENAMED.get(name, name)] = column
    return table, columns


def _column(units: Any, name: str) -> Any:
    values = numbers(units, name)
    return words(units, name) if values is None else values


def _channels(
    file: Any, units: Any, rows: npt.NDArray[np.int64], probe: str, missing: list[Missing]
) -> tuple[pd.DataFrame, dict[int, int], list[str]]:
    """Return the electrodes of the probe, the channel of each row of the file's table, and notes."""
    group = member(file, _ELECTRODES)
    ids = numbers(group, "id") if group is not None else None
    if group is None or ids is None:
        missing.append(Missing("electrodes", "no table of electrodes"))
        return pd.DataFrame(), {}, []
    n = len(ids)
    groups = words(group, "group_name")
    chosen = np.arange(n)
    if groups and len(groups) == n and probe and probe in groups:
        chosen = np.flatnonzero([name == probe for name in groups])
    table: dict[str, Any] = {}
    axial, lateral = numbers(group, "rel_y"), numbers(group, "rel_x")
    if axial is not None and axial.shape == (n,) and np.isfinite(axial[chosen]).all():
        table["axial_um"] = axial[chosen].astype(np.float64)
        across = lateral if lateral is not None and lateral.shape == (n,) else np.zeros(n)
        table["lateral_um"] = np.nan_to_num(across[chosen].astype(np.float64))
    else:
        missing.append(Missing("positions of electrodes", "no usable column rel_y"))
    table["rawInd"] = np.arange(len(chosen))
    notes: list[str] = []
    locations = words(group, "location")
    if locations is not None and len(locations) == n:
        texts = ["void" if locations[k].strip().lower() in _VOID else locations[k].strip() for k in chosen]
        atlas = regions()
        known = dict(zip(atlas.acronym.tolist(), atlas.id.tolist(), strict=True))
        unknown = sorted({text for text in texts if text not in known})
        if unknown:
            named = ", ".join(unknown[:3])
            notes.append(f"Locations of electrodes are no acronyms of the Allen atlas ({named}), and are not shown")
            table["location"] = texts
        elif set(texts) != {"void"}:
            table["acronym"] = np.array(texts, dtype=object)
            table["atlas_id"] = np.array([abs(known[text]) for text in texts], np.int64)
            missing.append(Missing("coordinates of electrodes", "x, y and z of NWB do not say of which atlas they are"))
    return pd.DataFrame(table), {int(row): k for k, row in enumerate(chosen)}, notes


def _templates(
    units: Any, rows: npt.NDArray[np.int64], of_electrodes: Mapping[int, int], missing: list[Missing], notes: list[str]
) -> tuple[Templates | None, npt.NDArray[np.int64] | None]:
    """Return mean waveforms, and the channel of each unit; None where they are not told."""
    waveforms = numbers(units, "waveform_mean")
    largest = numbers(units, "max_electrode")
    electrodes, ends = numbers(units, "electrodes"), numbers(units, "electrodes_index")
    places: list[list[int]] = []
    if electrodes is not None and ends is not None:
        stops = ends.astype(np.int64)
        starts = np.concatenate([[0], stops[:-1]])
        for row in rows:
            places.append([of_electrodes.get(int(k), -1) for k in electrodes[starts[row] : stops[row]]])
    templates = None
    if waveforms is None or waveforms.ndim != 3 or len(waveforms) <= rows.max(initial=-1):
        missing.append(Missing("templates", "no waveform_mean on several electrodes"))
        waveforms = None
    elif not places or any(len(place) != waveforms.shape[2] for place in places):
        missing.append(Missing("templates", "waveform_mean does not say of which electrodes it is"))
        waveforms = None
    if waveforms is not None:
        shown = waveforms[rows].astype(np.float32)
        if np.nanmax(np.abs(shown), initial=0) > MAX_WAVEFORM_V:
            shown *= np.float32(1e-6)
            notes.append("waveform_mean cannot be the volts that NWB declares, and is taken for microvolts")
        templates = Templates(shown, np.array(places, np.int64), "waveform_mean")
    if largest is not None and len(largest) > rows.max(initial=-1):
        return templates, np.array([of_electrodes.get(int(row), -1) for row in largest[rows]], np.int64)
    if templates is not None:
        best = np.ptp(np.nan_to_num(templates.waveforms), axis=1).argmax(axis=1)
        return templates, templates.channels[np.arange(len(rows)), best]
    if places and all(places):
        return None, np.array([place[0] for place in places], np.int64)
    return None, None


def _take_snr(
    units: Any, rows: npt.NDArray[np.int64], columns: dict[str, npt.NDArray[Any]], is_local: bool, notes: list[str]
) -> tuple[str, str]:
    """Add the column ``snr``, unless the file has one; return why it cannot be, and what it is.

    The noise of a unit is the mean over samples of the standard deviation of its spikes, as that of
    ``elephant.waveform_features.waveform_snr``.
    """
    if SNR in columns:
        return "", ""
    if member(units, "waveform_sd") is None or member(units, "waveform_mean") is None:
        return "there are no waveform_mean and waveform_sd of units, and NWB has no other noise", ""
    if not is_local:
        return "waveform_sd of units is on the server, and is not fetched for it", ""
    mean, deviation = numbers(units, "waveform_mean"), numbers(units, "waveform_sd")
    if mean is None or deviation is None or mean.shape != deviation.shape or mean.ndim not in (2, 3):
        return "waveform_mean and waveform_sd are of different shapes, or not one waveform a unit", ""
    if len(mean) <= rows.max(initial=-1):
        return "waveform_sd is not of every unit", ""
    of_channels = (len(rows), mean.shape[1], -1)
    mean, deviation = (np.asarray(values[rows], np.float64).reshape(of_channels) for values in (mean, deviation))
    is_known = np.isfinite(mean).all(axis=1) & np.isfinite(deviation).all(axis=1)
    reach = np.where(is_known, np.ptp(np.nan_to_num(mean), axis=1), 0.0)
    best = reach.argmax(axis=1)[:, np.newaxis]
    heights, noise = np.abs(mean).max(axis=1), deviation.mean(axis=1)
    signal, noise = (np.take_along_axis(values, best, axis=1)[:, 0] for values in (heights, noise))
    found = np.full(len(rows), np.nan)
    np.divide(signal, noise, out=found, where=(reach.max(axis=1) > 0) & (noise > 0))
    if not np.isfinite(found).any():
        return "waveform_sd is zero, or no number", ""
    columns[SNR] = found
    notes.append(SNR_SAID)
    return "", SNR_SAID

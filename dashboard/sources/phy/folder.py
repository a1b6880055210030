"""One Kilosort or phy folder as the model: files checked against each other, and what they lack."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model import sidecars
from dashboard.model.conventions import DepthKind
from dashboard.model.errors import Cancelled, DatasetInvalid, DatasetMissing
from dashboard.model.identity import Identity
from dashboard.model.progress import Progress, ProgressCallback
from dashboard.model.references import SortingRef
from dashboard.model.sorting import SNR, LaterWork, Missing, Spikes, SpikeSorting, Templates
from dashboard.model.texts import counted
from dashboard.sources.alf.arrays import map_array
from dashboard.sources.alf.clusters import merge_clusters
from dashboard.sources.phy.depths import depths_from_features
from dashboard.sources.phy.features import features_of
from dashboard.sources.phy.params import Params, read_params
from dashboard.sources.phy.snr import OF_FACTORS, OF_MEANS, why_no_factors, why_no_scale
from dashboard.sources.phy.units import count_units, read_tables, row_finder
from dashboard.sources.readers import FREE_BYTES, MAX_RATIO
from dashboard.sources.sync import Sync, sync_at
from dashboard.sources.unit_columns import GROUP, KSLABEL, UNDECIDED, with_columns
from dashboard.sources.validation import Columns, checked_sorting, kept_arrays, means_of_units, put
from dashboard.sources.waveforms import MAX_CHANNELS, is_mixing, undo

#: Raised when what is derived from the files, or what it means, changes.
_VERSION = 2
#: Folder of the cache for what is derived.
KEPT = "phy"

_KILOSORT4 = ("spike_detection_templates.npy", "kept_spikes.npy", "spike_positions.npy", "whitening_mat_dat.npy")
_COPY = "Copy the folder again, or export the sorting again"
_BLOCK = 1 << 20


def is_kilosort4(folder: Path) -> bool:
    """Return whether Kilosort 4 wrote a folder."""
    return any((folder / name).is_file() for name in _KILOSORT4)


@dataclass(slots=True)
class _Files:
    """The arrays of a folder, mapped; those that cannot be used are left out and named."""

    folder: Path
    params: Params
    times: npt.NDArray[Any]
    clusters: npt.NDArray[Any]
    templates_of: npt.NDArray[Any] | None
    arrays: dict[str, npt.NDArray[Any]]
    missing: list[Missing]
    notes: list[str]
    used: list[Path] = field(default_factory=list)
    highest_template: int = -1

    @property
    def n(self) -> int:
        return len(self.times)

    def get(self, name: str) -> npt.NDArray[Any] | None:
        return self.arrays.get(name)


def read_folder(
    folder: Path,
    ref: SortingRef,
    cache: Path | None,
    progress: ProgressCallback,
    cancel: threading.Event | None,
    sync_file: Path | None = None,
    bit_uv: float | None = None,
) -> SpikeSorting:
    """Read a folder.

    Parameters
    ----------
    folder : Path
    ref : SortingRef
    cache : Path or None
        Folder for what is derived; None: it is held in memory.
    progress : callable
    cancel : threading.Event or None
    sync_file : Path or None
        In place of one in the folder.
    bit_uv : float or None
        Microvolts per bit of the raw file, which no file of the folder says.

    Raises
    ------
    DatasetMissing, DatasetInvalid
        Spikes cannot be read; the message names the file and the remedy.
    Cancelled
        `cancel` was set.
    """
    progress(Progress("reading files"))
    files = _open(folder)
    sync = sync_at(folder, sync_file)
    channels = _channels(files)
    _check_templates(files, len(channels))
    is_ks4 = is_kilosort4(folder)
    state = Identity.of([*files.used, *([sync.path] if sync else [])], f"phy {_VERSION} {bit_uv}")
    key = state.metrics if state is not None else hashlib.sha256(str(folder).encode()).hexdigest()[:32]
    root = cache / KEPT if cache is not None and state is not None else None
    derived = kept_arrays(root, key, lambda draft: _derive(files, channels, sync, is_ks4, progress, cancel, draft))

    ids = np.asarray(derived["ids"])
    table = pd.DataFrame(index=pd.Index(ids))
    peaks = np.asarray(derived["peaks"])
    main = np.asarray(derived["main_templates"])
    if len(peaks) and len(channels) and (main >= 0).all() and (peaks[main] >= 0).all():
        table["channels"] = peaks[main]
        if "axial_um" in channels:
            table["depths"] = channels["axial_um"].to_numpy(np.float64)[peaks[main]]
    if "depths" not in table and len(derived["mean_depths"]):
        table["depths"] = np.asarray(derived["mean_depths"])
    if len(derived["mean_amps"]):
        scale = bit_uv * 1e-6 if bit_uv is not None and _are_volts(files, is_ks4, bit_uv) else 1.0
        table["amps"] = np.asarray(derived["mean_amps"]) * scale
    said, absent = read_tables(folder, ids)
    files.missing += absent
    merged, kind = with_columns(merge_clusters(table, None, channels), said)
    files.notes += _contradictions(merged)
    why_no_snr, definition = _take_snr(files, derived, merged, is_ks4)

    positions = files.get("spike_positions")
    are_volts = bool(len(derived["amps"])) and _are_volts(files, is_ks4, bit_uv)
    volts_per_bit = bit_uv * 1e-6 if are_volts and bit_uv is not None else 1.0
    amps = np.asarray(derived["amps"]) * np.float32(volts_per_bit) if are_volts else derived["amps"]
    extra: dict[str, npt.NDArray[Any]] = {"samples": files.times}
    if files.templates_of is not None:
        extra["templates"] = files.templates_of
    spikes = Spikes(
        derived["times"],
        files.clusters,
        None if positions is None else positions[:, 1],
        amps if len(amps) else None,
        MappingProxyType(extra),
    )
    if len(amps):
        files.notes += _amplitude_notes(files, is_ks4, bit_uv, are_volts)
    elif "amplitudes" in files.arrays:
        why = "amplitudes.npy holds factors of templates, and there are no usable templates"
        files.missing.append(Missing("spike amplitudes", why))
    if is_ks4:
        files.missing.append(Missing("drift", "Kilosort 4 leaves it in ops.npy, a pickle, which is never loaded"))
    if is_ks4 or _is_whitened(files.params):
        files.notes.append("Depths are after Kilosort's drift correction: a flat raster proves nothing about drift")
    later = _later(files, channels, root, key, positions)
    if positions is None:
        why = "spike_positions.npy and pc_features.npy are absent" if not later else "they are being computed"
        files.notes.append(f"Each spike is shown at the depth of its unit's largest channel: {why}")
    sorting = checked_sorting(
        Columns(spikes, merged, channels, files.folder / "spike_times.npy", are_volts, sync),
        ref, cache, key, progress, cancel,
        missing=files.missing, notes=files.notes, label_kind=kind,
        templates=_templates(derived, volts_per_bit, files), what="A Kilosort or phy folder",
    )  # fmt: skip
    folders = [root / key] if root is not None else []
    identity = Identity.of(files.used, f"phy {_VERSION} {bit_uv} {sync.key if sync else ''}", folders)
    features = features_of(folder, files.clusters, files.templates_of)
    return replace(
        sorting, identity=identity, later=later, open_features=features, why_no_snr=why_no_snr,
        snr_definition=definition,
    )  # fmt: skip


def _open(folder: Path) -> _Files:
    params = read_params(folder)
    times_path = folder / "spike_times.npy"
    times = _whole(times_path, "samples")
    templates_of = _whole(folder / "spike_templates.npy") if (folder / "spike_templates.npy").exists() else None
    clusters_path = folder / "spike_clusters.npy"
    notes: list[str] = []
    missing: list[Missing] = []
    if clusters_path.exists():
        clusters = _whole(clusters_path)
    elif templates_of is not None:
        clusters, clusters_path = templates_of, folder / "spike_templates.npy"
        notes.append("There is no spike_clusters.npy: units are Kilosort's templates, before any curation")
    else:
        raise DatasetMissing("spike_clusters.npy", folder, "Copy it too; spike_templates.npy would do")
    if len(clusters) != len(times):
        what = f"{times_path.name} has {counted(len(times), 'row')} and {clusters_path.name} has {len(clusters):,}"
        raise DatasetInvalid(what, [times_path, clusters_path], "They are of different sortings: copy the folder again")
    if not len(times):
        raise DatasetInvalid("The sorting holds no spikes", [times_path], "Sort the recording again")
    files = _Files(folder, params, times, clusters, templates_of, {}, missing, notes, [])
    files.used = [folder / "params.py", times_path, clusters_path]
    if templates_of is not None and len(templates_of) != len(times):
        rows = counted(len(templates_of), "row")
        missing.append(Missing("spike_templates.npy", f"{rows} for {counted(len(times), 'spike')}"))
        files.templates_of = None
    if params.not_read:
        notes.append(f"params.py: {', '.join(params.not_read)} are expressions, which are not executed")
    _optional(files, "amplitudes", 1, n=files.n)
    _optional(files, "spike_positions", 2, n=files.n)
    _optional(files, "channel_positions", 2)
    for name in ("channel_map", "channel_shanks"):
        _optional(files, name, 1)
    _optional(files, "templates", 3)
    _optional(files, "template_ind", 2, wanted=False)
    for name in ("whitening_mat", "whitening_mat_inv", "whitening_mat_dat"):
        _optional(files, name, 2, wanted=name == "whitening_mat")
    if "spike_positions" not in files.arrays:
        for name, ndim in (("pc_features", 3), ("pc_feature_ind", 2)):
            _optional(files, name, ndim)
        _optional(files, "pc_feature_spike_ids", 1, wanted=False)
    if files.templates_of is None:
        return files
    files.highest_template, lowest = _extent(files.templates_of)
    templates = files.get("templates")
    if templates is not None and (files.highest_template >= len(templates) or lowest < 0):
        wrong = files.highest_template if files.highest_template >= len(templates) else lowest
        what = f"a spike is of template {wrong}, and there are templates 0 to {len(templates) - 1}"
        missing.append(Missing("templates", f"{what}: the two files are of different sortings"))
        del files.arrays["templates"]
    if lowest < 0:
        files.templates_of = None
    return files


def _whole(path: Path, what: str = "ids") -> npt.NDArray[Any]:
    """Return a column of whole numbers."""
    array = map_array(path)
    if array.ndim != 1:
        raise DatasetInvalid(f"Should be one column, and is of shape {array.shape}", [path], _COPY)
    if array.dtype.kind not in "iu":
        remedy = "Write samples as whole numbers: params.py says how many there are in a second"
        raise DatasetInvalid(
            f"Holds {array.dtype}, not whole numbers of {what}", [path], remedy if what == "samples" else _COPY
        )
    return array


def _extent(array: npt.NDArray[Any]) -> tuple[int, int]:
    return int(array.max()), int(array.min())


def _optional(files: _Files, name: str, ndim: int, n: int | None = None, *, wanted: bool = True) -> None:
    """Map a file that nothing depends on, or say why there is none."""
    path = files.folder / f"{name}.npy"
    if not path.exists():
        if wanted:
            files.missing.append(Missing(path.name, f"no file {path.name}"))
        return
    try:
        array = map_array(path)
    except (DatasetInvalid, DatasetMissing) as error:
        files.missing.append(Missing(path.name, str(error)))
        return
    if ndim == 2 and array.ndim == 1:
        array = array[:, np.newaxis]
    if ndim == 1 and array.ndim == 2 and len(array) == 1:  # Kilosort 2.5 writes the map of channels as a row
        array = array[0]
    if array.ndim != ndim or array.dtype.kind not in "iufb":
        files.missing.append(Missing(path.name, f"is {array.dtype} of shape {array.shape}"))
    elif n is not None and len(array) != n:
        files.missing.append(Missing(path.name, f"{counted(len(array), 'row')} for {counted(n, 'spike')}"))
    elif name == "spike_positions" and array.shape[1] < 2:
        files.missing.append(Missing(path.name, f"is of shape {array.shape}, without a depth"))
    else:
        files.arrays[name] = array
        files.used.append(path)


def _channels(files: _Files) -> pd.DataFrame:
    """Return the channels that were sorted."""
    positions = files.get("channel_positions")
    templates = files.get("templates")
    known = [len(array) for name in ("channel_positions", "channel_map") if (array := files.get(name)) is not None]
    n = known[0] if known else 0
    if not known and templates is not None and files.get("template_ind") is None:
        n = templates.shape[2]
    table: dict[str, npt.NDArray[Any]] = {}
    if positions is not None and positions.shape[1] >= 2:
        table["axial_um"] = np.asarray(positions[:, 1], np.float64)
        table["lateral_um"] = np.asarray(positions[:, 0], np.float64)
    columns = files.get("channel_map")
    if columns is not None and len(columns) != n:
        files.missing.append(Missing("channel_map.npy", f"{counted(len(columns), 'row')} for {counted(n, 'channel')}"))
        columns = None
    table["rawInd"] = np.arange(n) if columns is None else np.asarray(columns).astype(np.int64)
    if columns is None and n:
        files.notes.append("Columns of the raw file are counted up: there is no usable channel_map.npy")
    shanks = files.get("channel_shanks")
    if shanks is not None and len(shanks) == n:
        table["shank"] = np.asarray(shanks).astype(np.int64)
    elif shanks is not None:
        rows = counted(len(shanks), "row")
        files.missing.append(Missing("channel_shanks.npy", f"{rows} for {counted(n, 'channel')}"))
    return pd.DataFrame(table)


def _inverse(files: _Files, n_channels: int, is_ks4: bool) -> npt.NDArray[np.float64] | None:
    """Return the inverse of the whitening matrix; None where there is none of use."""
    of_data = files.get("whitening_mat_dat") if is_ks4 else None
    inverse = files.get("whitening_mat_inv") if of_data is None else None
    for matrix, is_inverse in ((of_data, False), (inverse, True), (files.get("whitening_mat"), False)):
        if matrix is None or matrix.shape != (n_channels, n_channels) or not np.isfinite(matrix).all():
            continue
        values: npt.NDArray[np.float64] = np.asarray(matrix, np.float64)
        try:
            return values if is_inverse else np.linalg.inv(values).astype(np.float64)
        except np.linalg.LinAlgError:
            continue
    return None


def _check_templates(files: _Files, n_channels: int) -> None:
    """Leave out templates that do not fit the channels."""
    templates, columns = files.get("templates"), files.get("template_ind")
    if templates is None:
        return
    reason, (n, n_samples, _) = "", templates.shape
    if columns is None and templates.shape[2] != n_channels:
        reason = f"templates have {templates.shape[2]} channels, and {n_channels} have a position"
    elif columns is not None and columns.shape != (len(templates), templates.shape[2]):
        reason = f"template_ind.npy is of shape {columns.shape} for templates of shape {templates.shape}"
    unpacked = 4 * n_samples * (n_channels + n * min(MAX_CHANNELS, n_channels))
    if unpacked > max(FREE_BYTES, MAX_RATIO * templates.nbytes):
        reason = f"templates of shape {templates.shape} on {counted(n_channels, 'channel')} are more than may be held"
    if reason:
        files.missing.append(Missing("templates", reason))
        del files.arrays["templates"]


def _derive(
    files: _Files,
    channels: pd.DataFrame,
    sync: Sync | None,
    is_ks4: bool,
    progress: ProgressCallback,
    cancel: threading.Event | None,
    draft: sidecars.Draft,
) -> Mapping[str, Any]:
    """Fill in what is computed from the files."""
    templates, columns = files.get("templates"), files.get("template_ind")
    n_channels = len(channels)
    if templates is not None:
        n_templates = len(templates)

        def report(done: int) -> None:
            progress(Progress("reading templates", done, n_templates, "templates"))

        positions = channels[["axial_um", "lateral_um"]].to_numpy() if "axial_um" in channels else None
        inverse = _inverse(files, n_channels, is_ks4)
        undone = undo(np.ascontiguousarray(templates), columns, inverse, positions, n_channels, report, cancel)
        sizes, peaks, waveforms, near = undone.sizes, undone.peaks, undone.waveforms, undone.channels
        heights, norms = undone.heights, undone.norms
    else:
        sizes, peaks, heights, norms = np.empty(0), np.empty(0, np.int64), np.empty(0), np.empty(0)
        waveforms, near = np.empty((0, 0, 0), np.float32), np.empty((0, 0), np.int64)
    multipliers, of = files.get("amplitudes"), files.templates_of
    has_amps = multipliers is not None and (is_ks4 or (of is not None and len(sizes) > 0))
    times = draft.allocate("times", (files.n,), np.float64)
    amps = draft.allocate("amps", (files.n if has_amps else 0,), np.float32 if is_ks4 else np.float64)
    sums, numbers = np.zeros(len(sizes)), np.zeros(len(sizes), np.int64)
    for start in range(0, files.n, _BLOCK):
        if cancel is not None and cancel.is_set():
            raise Cancelled("Reading was cancelled")
        progress(Progress("reading spikes", start, files.n, "spikes"))
        rows = slice(start, start + _BLOCK)
        np.divide(files.times[rows], files.params.sample_rate_hz, out=times[rows])
        if sync is not None:
            times[rows] = sync.to_session(times[rows])
        if multipliers is not None and has_amps:
            if is_ks4 or of is None:
                amps[rows] = multipliers[rows]
                continue
            block, block_of = np.asarray(multipliers[rows], np.float64), np.asarray(of[rows]).astype(np.int64)
            sums += np.bincount(block_of, block, len(sizes))
            numbers += np.bincount(block_of, minlength=len(sizes))
            np.multiply(sizes[block_of], block, out=amps[rows])
    progress(Progress("reading spikes", files.n, files.n, "spikes"))
    draft.write("times", "amps")
    counts = count_units(files.clusters, files.templates_of, cancel)
    # A template is drawn as large as its spikes are on average; Kilosort 4's are means already.
    means = np.divide(sums, numbers, out=np.ones(len(sizes)), where=numbers > 0)
    waveforms *= means[:, np.newaxis, np.newaxis].astype(np.float32)
    put(draft, ids=counts.ids, main_templates=counts.templates, peaks=peaks, waveforms=waveforms, near=near)
    put(draft, heights=heights, norms=norms, factors=np.where(numbers > 0, means, np.nan))

    find = row_finder(counts.ids)

    def units(rows: slice) -> npt.NDArray[np.int64]:
        return find(np.asarray(files.clusters[rows]))

    n_units, positions = len(counts.ids), files.get("spike_positions")
    depths = positions[:, 1] if positions is not None and not len(peaks) else None  # where no template says more
    put(
        draft,
        mean_depths=means_of_units(depths, units, n_units) if depths is not None else np.empty(0),
        mean_amps=means_of_units(amps, units, n_units) if has_amps else np.empty(0),
    )
    return {}


def _are_volts(files: _Files, is_ks4: bool, bit_uv: float | None) -> bool:
    return not is_ks4 and bit_uv is not None and is_mixing(files.get("whitening_mat"))


def _take_snr(
    files: _Files, derived: Mapping[str, npt.NDArray[Any]], units: pd.DataFrame, is_ks4: bool
) -> tuple[str, str]:
    """Add the column ``snr``, unless a table of the folder has one; return why it cannot be, and what it is."""
    if SNR in units:
        return "", ""
    heights, factors, main = derived["heights"], derived["factors"], np.asarray(derived["main_templates"])
    if not len(heights):
        return "there are no usable templates", ""
    if (main < 0).any():
        return "spike_templates.npy does not say which templates units have", ""
    has_features = any((files.folder / name).exists() for name in ("pc_features.npy", "template_features.npy"))
    why = why_no_scale(files.arrays, is_ks4, has_features)
    if not why and not is_ks4:
        why = why_no_factors(derived["norms"], factors)
    if why:
        return why, ""
    values = np.where(heights > 0, heights if is_ks4 else heights * factors, np.nan)
    units[SNR] = values[main]
    definition = OF_MEANS if is_ks4 else OF_FACTORS
    files.notes.append(definition)
    return "", definition


def _contradictions(units: pd.DataFrame) -> list[str]:
    """Say in how many units the group of the curation is not Kilosort's label."""
    if not {GROUP, KSLABEL} <= set(units):
        return []
    group, label = units[GROUP], units[KSLABEL]
    n = int((group.notna() & ~group.isin(UNDECIDED) & label.notna() & (group != label)).sum())
    has = counted(n, "unit has", "units have")
    return [f"{has} another group than Kilosort's label: quality is the group"] if n else []


def _amplitude_notes(files: _Files, is_ks4: bool, bit_uv: float | None, are_volts: bool) -> list[str]:
    if are_volts:
        return []
    if is_ks4:
        return ["Amplitudes are Kilosort 4's: norms of the spikes' features, without a unit"]
    if not is_mixing(files.get("whitening_mat")):
        why = "the whitening matrix only scales, since the sorter whitened the data itself"
    else:
        why = "no file says how many µV a bit of the raw file is: --bit-uv does" if bit_uv is None else ""
    return [f"Amplitudes are peak-to-peak of the un-whitened template times the spike's factor, in bits: {why}"]


def _is_whitened(params: Params) -> bool:
    """Return whether what was sorted is Kilosort's own whitened, drift-corrected copy (2.5 and 3)."""
    name = PurePosixPath(PureWindowsPath(params.dat_path).as_posix()).name
    return name == "temp_wh.dat"


def _templates(derived: Mapping[str, npt.NDArray[Any]], scale: float, files: _Files) -> Templates | None:
    if not len(derived["waveforms"]):
        return None
    waveforms = derived["waveforms"] if scale == 1.0 else np.asarray(derived["waveforms"]) * np.float32(scale)
    return Templates(waveforms, derived["near"], "templates.npy, un-whitened")


def _later(
    files: _Files, channels: pd.DataFrame, root: Path | None, key: str, positions: npt.NDArray[Any] | None
) -> tuple[LaterWork, ...]:
    """Return the work of computing depths, where there is something to compute them from."""
    features, columns, of = files.get("pc_features"), files.get("pc_feature_ind"), files.templates_of
    if positions is not None or features is None or columns is None or of is None or "axial_um" not in channels:
        return ()
    n_templates = files.highest_template + 1
    ids = files.get("pc_feature_spike_ids")
    if len(features) != files.n or (ids is not None and not np.array_equal(ids, np.arange(files.n))):
        reason = f"features of {len(features):,} of {counted(files.n, 'spike')} only"
        files.missing.append(Missing("depths of pc_features.npy", reason))
        return ()
    if columns.shape[0] < n_templates or columns.shape[1] != features.shape[2]:
        reason = f"pc_feature_ind.npy is of shape {columns.shape} for features of shape {features.shape}"
        files.missing.append(Missing("depths of pc_features.npy", reason))
        return ()
    depths_um = channels["axial_um"].to_numpy(np.float64)

    def make(
        sorting: SpikeSorting, cache: Path | None, progress: ProgressCallback, cancel: threading.Event | None
    ) -> SpikeSorting:
        def report(done: int) -> None:
            progress(Progress("computing depths", done, files.n, "spikes"))

        def fill(draft: sidecars.Draft) -> Mapping[str, Any]:
            out = draft.allocate("depths", (files.n,), np.float64)
            depths_from_features(features, columns, of, depths_um, out, report, cancel)
            return {"n_without": int(np.count_nonzero(~np.isfinite(out)))}

        name = hashlib.sha256(json.dumps([key, "depths"]).encode()).hexdigest()[:32]
        depths = kept_arrays(root, name, fill)["depths"]
        n_without = int(np.count_nonzero(~np.isfinite(depths)))
        spikes = replace(sorting.spikes, depths_um=depths)
        said = "Depths are computed from pc_features.npy, as phylib does"
        notes = tuple(said if "they are being computed" in note else note for note in sorting.notes)
        if n_without:
            without = counted(n_without, "spike has", "spikes have")
            notes += (f"{without} no positive component: the depth of the unit is shown",)
        before = sorting.identity
        folders = (*before.folders, *([root / name] if root is not None else [])) if before is not None else ()
        paths = [Path(state.path) for state in before.files[1:]] if before is not None else []
        identity = Identity.of(paths, f"{before.files[0].path} depths", folders) if before is not None else None
        return replace(
            sorting, spikes=spikes, depth_kind=DepthKind.SPIKE, n_without_depth=n_without, notes=notes,
            identity=identity,
        )  # fmt: skip

    return (LaterWork("computing depths", make),)

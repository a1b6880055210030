"""The spikes object: columns by memory map, checked against each other; what a pass over them finds."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import Cancelled, DatasetInvalid, DatasetMissing
from dashboard.model.files import write_file
from dashboard.model.json_files import read_json
from dashboard.model.references import DatasetRef, SortingRef
from dashboard.model.sorting import Missing, Spikes
from dashboard.model.texts import counted
from dashboard.sources.alf.arrays import identity, is_table, map_array, read_array, read_table

log = logging.getLogger(__name__)

#: Amplitudes of which the median is above this cannot be volts: spikes are below 2 mV.
MAX_MEDIAN_V = 0.01

#: Times that span more are samples, or damaged: no acute recording lasts a week.
MAX_S = 7 * 86_400.0

# Rows that the checking pass holds at a time: 8 MB of float64, well inside a cache's reach.
_BLOCK = 1 << 20
# Of the keys of files, which metrics in caches of earlier versions are kept under, too.
_VERSION = 2
# Raised when what the checking pass records changes.
_RECORD = 2


@dataclass(frozen=True, slots=True)
class Validation:
    """What one pass over the spikes columns found; kept beside the cache, so made once per file.

    Attributes
    ----------
    n_spikes : int
    n_no_time, n_no_depth : int
        Rows whose time or depth is not a finite number.
    n_dropped : int
        Rows with either: in no view.
    lowest_id, highest_id : int
        Of spikes.clusters; 0 and -1 where there are no spikes.
    times_sorted : bool
        Whether no time is smaller than the one before (NaN aside).
    n_large_amps, n_amps : int
        Finite amplitudes whose magnitude is above `MAX_MEDIAN_V`, and all finite ones.
    n_negative_amps : int
        -1 in records of earlier versions, which did not count them and took no magnitude.
    whole_ids : bool
        False where a cluster id is not a whole number.
    span_s : float
        From the earliest to the latest finite time.
    n_before_zero, n_minus_one : int
        Times below 0, and those of exactly -1, which some exporters write for "none".
    n_steps_back, first_step_back : int
        Rows whose time is smaller than the one before, and the first of them; -1 for none.
    largest_step_back_s : float
    lowest_um, highest_um : float
        Of the finite depths; 0 where there are none.
    """

    n_spikes: int
    n_no_time: int = 0
    n_no_depth: int = 0
    n_dropped: int = 0
    lowest_id: int = 0
    highest_id: int = -1
    times_sorted: bool = True
    n_large_amps: int = 0
    n_amps: int = 0
    n_negative_amps: int = -1
    whole_ids: bool = True
    span_s: float = 0.0
    n_before_zero: int = 0
    n_minus_one: int = 0
    n_steps_back: int = 0
    largest_step_back_s: float = 0.0
    first_step_back: int = -1
    lowest_um: float = 0.0
    highest_um: float = 0.0

    @property
    def amps_are_volts(self) -> bool:
        """Whether the median amplitude is at most `MAX_MEDIAN_V`."""
        return 2 * self.n_large_amps <= self.n_amps

    @property
    def drop_reason(self) -> str:
        """``'no depth'``, ``'no time'``, both joined, or ``''``."""
        reasons = [text for n, text in ((self.n_no_depth, "no depth"), (self.n_no_time, "no time")) if n]
        return " or ".join(reasons)


def load_spikes(ref: SortingRef, attributes: Sequence[str] = ()) -> tuple[Spikes, tuple[Missing, ...]]:
    """Return the spikes of a sorting by memory map.

    Parameters
    ----------
    ref : SortingRef
        Its datasets have paths. Where they hold ``passingSpikes.table``, that table is read instead of
        the columns, with every column as float64, as ibllib returns it.
    attributes : sequence of str
        Further spikes datasets by name, ``spikes.samples``.

    Returns
    -------
    spikes : Spikes
        ``depths_um`` is None where there is no such file; see `depths_from_clusters`.
    missing : tuple of Missing
        Columns that are not there.

    Raises
    ------
    DatasetMissing
        There are no times or no clusters.
    DatasetInvalid
        A file is damaged, the columns differ in length, or there is no spike.
    """
    table = ref.datasets.get("passingSpikes.table")
    columns = _table_columns(table) if table is not None else _file_columns(ref)
    for name in ("times", "clusters"):
        if name not in columns:
            raise DatasetMissing(f"spikes.{name}", f"{ref.insertion.key} {ref.collection}", "Fetch or export it again")
    missing = []
    found = columns.get("templates") if "spikes.templates" not in attributes else None
    if found is not None and (found.shape != columns["times"].shape or found.dtype.kind not in "iuf"):
        # Nobody asked for it, so it spoils nothing.
        del columns["templates"]
        reason = f"is {found.dtype} of shape {found.shape} for {counted(len(columns['times']), 'spike')}"
        missing.append(Missing("spikes.templates", reason))
    elif "spikes.templates" in ref.datasets and "templates" not in columns:
        missing.append(Missing("spikes.templates", "the file is damaged"))
    for name in ("depths", "amps"):
        odd = columns.get(name)
        if odd is not None and odd.shape[:1] == columns["times"].shape and not _is_column(odd):
            del columns[name]
            what = f"should be one column of numbers, and is {odd.dtype} of shape {odd.shape}"
            missing.append(Missing(f"spikes.{name}", what))
    _check_columns(ref, columns)
    said = {item.dataset for item in missing}
    missing += [
        Missing(name, f"no file {name}")
        for name in ("spikes.depths", "spikes.amps")
        if name.removeprefix("spikes.") not in columns and name not in said
    ]
    for name in attributes:
        attribute = name.removeprefix("spikes.")
        if name.startswith("spikes.") and attribute != "*" and attribute not in columns:
            missing.append(Missing(name, f"no file {name}"))
    main = ("times", "clusters", "depths", "amps")
    spikes = Spikes(
        times_s=columns["times"],
        clusters=columns["clusters"],
        depths_um=columns.get("depths"),
        amps_v=columns.get("amps"),
        extra=MappingProxyType({name: column for name, column in columns.items() if name not in main}),
    )
    return spikes, tuple(missing)


def validate(
    spikes: Spikes,
    report: Callable[[int], None] | None = None,
    cancel: threading.Event | None = None,
) -> Validation:
    """Read the columns once, in blocks, and count what the views need to know.

    Parameters
    ----------
    spikes : Spikes
    report : callable or None
        Called with the number of rows done after each block.
    cancel : threading.Event or None

    Raises
    ------
    Cancelled
        `cancel` was set.
    """
    n = len(spikes)
    no_time = no_depth = dropped = large = n_amps = negative = 0
    low, high, in_order, whole = np.inf, -np.inf, True, True
    last = -np.inf
    earliest, latest = np.inf, -np.inf
    lowest_um, highest_um = np.inf, -np.inf
    before_zero = minus_one = n_back = 0
    largest, first_back = 0.0, -1
    for start in range(0, n, _BLOCK):
        if cancel is not None and cancel.is_set():
            raise Cancelled
        rows = slice(start, start + _BLOCK)
        times = np.asarray(spikes.times_s[rows])
        bad = ~np.isfinite(times)
        n_bad = int(np.count_nonzero(bad))
        no_time += n_bad
        finite = times[~bad] if n_bad else times
        if finite.size:
            steps = np.diff(finite, prepend=last if np.isfinite(last) else finite[:1])
            back = np.flatnonzero(steps < 0)
            if back.size:
                in_order = False
                n_back += int(back.size)
                largest = max(largest, float(-steps[back].min()))
                first_back = int(np.flatnonzero(~bad)[back[0]]) + start if first_back < 0 else first_back
            last = finite[-1]
            before_zero += int(np.count_nonzero(finite < 0))
            minus_one += int(np.count_nonzero(finite == -1))
            earliest, latest = min(earliest, float(finite.min())), max(latest, float(finite.max()))
        if spikes.depths_um is not None:
            depths = np.asarray(spikes.depths_um[rows])
            lost = ~np.isfinite(depths)
            placed = depths[~lost] if lost.any() else depths
            if placed.size:
                lowest_um, highest_um = min(lowest_um, float(placed.min())), max(highest_um, float(placed.max()))
            no_depth += int(np.count_nonzero(lost))
            bad |= lost
        dropped += int(np.count_nonzero(bad))
        ids = np.asarray(spikes.clusters[rows])
        low, high = min(low, ids.min()), max(high, ids.max())
        if ids.dtype.kind == "f":
            # NaN is equal to nothing, infinity to itself
            whole = whole and bool(np.all(np.isfinite(ids) & (np.floor(ids) == ids)))
        if spikes.amps_v is not None:
            amps = np.asarray(spikes.amps_v[rows])
            large += int(np.count_nonzero(np.abs(amps) > MAX_MEDIAN_V))
            negative += int(np.count_nonzero(amps < 0))
            n_amps += int(np.count_nonzero(np.isfinite(amps)))
        if report is not None:
            report(min(start + _BLOCK, n))
    usable = whole and np.isfinite(low) and np.isfinite(high)
    return Validation(
        n_spikes=n,
        n_no_time=no_time,
        n_no_depth=no_depth,
        n_dropped=dropped,
        lowest_id=int(low) if usable else 0,
        highest_id=int(high) if usable else -1,
        times_sorted=in_order,
        n_large_amps=large,
        n_amps=n_amps,
        n_negative_amps=negative,
        whole_ids=whole,
        span_s=max(latest - earliest, 0.0),
        n_before_zero=before_zero,
        n_minus_one=minus_one,
        n_steps_back=n_back,
        largest_step_back_s=largest,
        first_step_back=first_back,
        lowest_um=lowest_um if lowest_um <= highest_um else 0.0,
        highest_um=highest_um if lowest_um <= highest_um else 0.0,
    )


def with_signs(found: Validation, spikes: Spikes) -> Validation:
    """Return what an earlier version found, with the amplitudes that it did not look at: the negative ones."""
    if found.n_negative_amps >= 0 or spikes.amps_v is None:
        return found
    large = negative = 0
    for start in range(0, len(spikes), _BLOCK):
        amps = np.asarray(spikes.amps_v[start : start + _BLOCK])
        negative += int(np.count_nonzero(amps < 0))
        large += int(np.count_nonzero(np.abs(amps) > MAX_MEDIAN_V))
    return replace(found, n_large_amps=large, n_negative_amps=negative)


def check_times(ref: SortingRef, found: Validation) -> None:
    """Refuse spikes of which none has a time, or whose times cannot be seconds.

    Parameters
    ----------
    ref : SortingRef
    found : Validation

    Raises
    ------
    DatasetInvalid
        Every time is NaN or infinite, or they span more than `MAX_S`.
    """
    if found.n_no_time == found.n_spikes:
        what = f"None of the {counted(found.n_spikes, 'spike')} has a time (all are NaN or infinite)"
        raise DatasetInvalid(what, [_path(_dataset(ref, "times"))], "Fetch or export it again")
    if found.span_s > MAX_S:
        what = f"spikes.times spans {found.span_s / 86_400:,.0f} days, so it cannot be in seconds"
        raise DatasetInvalid(what, [_path(_dataset(ref, "times"))], "Export it in seconds, not in samples")


def count_invalid(times: npt.NDArray[Any], depths: npt.NDArray[Any] | None) -> int:
    """Return how many rows have no finite time or no finite depth.

    Parameters
    ----------
    times : ndarray, shape (n_spikes,), in seconds
    depths : ndarray, shape (n_spikes,), in um, or None
    """
    count = 0
    for start in range(0, times.shape[0], _BLOCK):
        rows = slice(start, start + _BLOCK)
        bad = ~np.isfinite(times[rows])
        if depths is not None:
            bad |= ~np.isfinite(depths[rows])
        count += int(np.count_nonzero(bad))
    return count


def files_key(datasets: Mapping[str, DatasetRef], names: Sequence[str] | None = None) -> str:
    """Return a key for one state of the files of a sorting: paths, sizes and times of change, no content.

    Parameters
    ----------
    datasets : mapping of str to DatasetRef
    names : sequence of str or None
        Which of them; by default those of the spikes and of the clusters' depths and channels.
    """
    if names is None:
        names = [n for n in datasets if n.startswith(("spikes.", "passingSpikes.", "clusters.depths", "clusters.chan"))]
    state = [[name, *identity(path)] for name in sorted(names) if (path := datasets[name].path) is not None]
    return hashlib.sha256(json.dumps([_VERSION, state]).encode()).hexdigest()[:32]


def recorded_validation(cache: Path, key: str) -> Validation | None:
    """Return what an earlier pass found, None where there was none or its record is unreadable."""
    path = _record(cache, key)
    try:
        return Validation(**read_json(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        log.warning("%s is unreadable and will be made again: %s", path, error)
        return None


def record_validation(cache: Path, key: str, found: Validation) -> None:
    """Keep what the pass found; a cache that cannot be written only costs the pass next time."""
    record = _record(cache, key)
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        write_file(record, json.dumps(asdict(found)).encode())
    except OSError as error:
        log.warning("The check of the spikes is not kept: %s", error)


def _record(cache: Path, key: str) -> Path:
    return cache / "validation" / f"{key}-{_RECORD}.json"


def _table_columns(table: DatasetRef) -> dict[str, npt.NDArray[Any]]:
    """Return the columns as float64: ibllib gets them through one two-dimensional array."""
    path = _path(table)
    frame = read_table(path)
    try:
        values = frame.to_numpy(dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise DatasetInvalid("A column of the table is not numeric", [path], "Fetch the file again") from error
    return {str(name): np.ascontiguousarray(values[:, i]) for i, name in enumerate(frame.columns)}


def _file_columns(ref: SortingRef) -> dict[str, npt.NDArray[Any]]:
    columns = {}
    for name, dataset in ref.datasets.items():
        if name.startswith("spikes."):
            path = _path(dataset)
            try:
                columns[dataset.attribute] = read_array(path) if is_table(path) else map_array(path)
            except DatasetInvalid:
                if name != "spikes.templates":
                    raise
    return columns


def _is_column(values: npt.NDArray[Any]) -> bool:
    return values.ndim == 1 and values.dtype.kind in "iuf"


def _check_columns(ref: SortingRef, columns: Mapping[str, npt.NDArray[Any]]) -> None:
    for name, column in columns.items():
        main = name in ("times", "clusters", "depths", "amps")
        if main and not _is_column(column):
            what = f"spikes.{name} should be one column of numbers, and is {column.dtype} of shape {column.shape}"
            raise DatasetInvalid(what, [_path(_dataset(ref, name))], "Fetch or export it again")
    n = columns["times"].shape[0]
    for name, column in columns.items():
        if column.ndim == 0 or column.shape[0] != n:
            rows = column.shape[0] if column.ndim else 0
            raise DatasetInvalid(
                f"spikes.times has {counted(n, 'row')} and spikes.{name} has {rows:,}",
                [_path(_dataset(ref, "times")), _path(_dataset(ref, name))],
                "The files are of different sortings or revisions; choose another revision, or fetch them again",
            )
    if n == 0:
        raise DatasetInvalid(
            "The sorting holds no spikes", [_path(_dataset(ref, "times"))], "Choose another sorter or revision"
        )


def _dataset(ref: SortingRef, attribute: str) -> DatasetRef:
    return ref.datasets.get("passingSpikes.table") or ref.datasets[f"spikes.{attribute}"]


def _path(dataset: DatasetRef) -> Path:
    if dataset.path is None:
        raise DatasetMissing(dataset.name, dataset.relative_path, "Fetch it first")
    return dataset.path

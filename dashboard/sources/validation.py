"""What is not ALF as the model: spikes checked once per state of their files, and what such a sorting never has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model import sidecars
from dashboard.model.conventions import Clock, DepthKind, LabelKind
from dashboard.model.errors import DatasetInvalid
from dashboard.model.progress import Progress, ProgressCallback
from dashboard.model.references import Histology, SortingRef
from dashboard.model.sorting import Missing, Spikes, SpikeSorting, Templates, Trials
from dashboard.model.texts import counted
from dashboard.sources.alf.notes import times_notes
from dashboard.sources.alf.spikes import MAX_S, Validation, record_validation, recorded_validation, validate
from dashboard.sources.sync import Sync

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What was read of a sorting.

    Attributes
    ----------
    spikes : Spikes
    units : DataFrame, index = id
    channels : DataFrame
    path : Path
        File of the times, for messages.
    are_volts : bool
        Whether amplitudes are volts.
    sync : Sync or None
        What the times were brought to the session's clock with.
    clock : Clock
        Of times that no table was used for.
    at_peak : bool
        Whether amplitudes are those at the peak, not peak-to-peak.
    metrics_stale : bool
        Whether metrics are to be computed from the spikes.
    """

    spikes: Spikes
    units: pd.DataFrame
    channels: pd.DataFrame
    path: Path
    are_volts: bool
    sync: Sync | None = None
    clock: Clock = Clock.PROBE
    at_peak: bool = False
    metrics_stale: bool = True


def checked_sorting(
    read: Columns,
    ref: SortingRef,
    cache: Path | None,
    key: str,
    progress: ProgressCallback,
    cancel: threading.Event | None,
    *,
    missing: Sequence[Missing],
    notes: Sequence[str],
    label_kind: LabelKind,
    what: str,
    templates: Templates | None = None,
    trials: Trials | None = None,
) -> SpikeSorting:
    """Return the sorting, without an identity.

    Parameters
    ----------
    read : Columns
    ref : SortingRef
    cache : Path or None
    key : str
        Of the state of the files.
    progress : callable
    cancel : threading.Event or None
    missing, notes : sequence
    label_kind : LabelKind
    what : str
        Kind of the source, at the beginning of a sentence.
    templates : Templates or None
    trials : Trials or None

    Raises
    ------
    DatasetInvalid
        Times cannot be seconds, or there is none.
    Cancelled
        `cancel` was set.
    """
    spikes, units = read.spikes, read.units
    found = _validated(spikes, cache, key, progress, cancel)
    if found.n_no_time == found.n_spikes:
        raise DatasetInvalid("No spike has a time", [read.path], "Export the sorting again")
    if found.span_s > MAX_S:
        days = f"Times span {found.span_s / 86_400:,.0f} days"
        raise DatasetInvalid(days, [read.path], "Check the sampling rate, and that times are in its samples")
    notes, missing = list(notes), list(missing)
    n_without = found.n_no_depth if spikes.depths_um is not None else 0
    n_dropped, reason = found.n_dropped, found.drop_reason
    if n_without:
        # A spike without a depth of its own is shown at that of its unit.
        has_unit = "depths" in units and bool(units["depths"].notna().any())
        n_dropped, reason = (found.n_no_time, "no time" if found.n_no_time else "") if has_unit else (n_dropped, reason)
        if has_unit:
            spikes_of = f"{n_without:,} of {counted(len(spikes), 'spike')}"
            notes.append(f"{spikes_of} have no depth, and are shown at that of their unit")
    if spikes.depths_um is None and not ("depths" in units and bool(units["depths"].notna().any())):
        notes.append("There are no depths of spikes or units: no spike can be placed, and units have rows instead")
    if not found.times_sorted:
        notes.append("Times are not sorted; spikes are sorted once, in the cache")
    notes += times_notes(found)
    if read.sync is not None:
        notes.append(f"Times are brought to the session's clock by {read.sync.path.name}")
    if templates is None and not any(item.dataset == "templates" for item in missing):
        missing.append(Missing("templates", "no templates in the files"))
    if trials is None:
        missing.append(Missing("trials", f"{what} has none: --events FILE, or events.csv beside it, brings some"))
    if not any(item.dataset == "drift" for item in missing):
        missing.append(Missing("drift", f"{what} has none"))
    return SpikeSorting(
        ref=ref,
        spikes=spikes,
        clusters=units,
        channels=read.channels,
        histology=Histology.NONE,
        n_dropped=n_dropped,
        n_without_depth=n_without,
        drop_reason=reason,
        amps_are_volts=read.are_volts,
        trials=trials,
        templates=templates,
        missing=tuple(missing),
        notes=tuple(notes),
        metrics_stale=read.metrics_stale,
        amps_at_peak=read.at_peak,
        n_negative_amps=max(found.n_negative_amps, 0),
        label_kind=label_kind,
        histology_reason=f"{what} has no brain locations",
        clock=read.clock if read.sync is None else Clock.SESSION,
        depth_kind=DepthKind.UNIT if spikes.depths_um is None else DepthKind.SPIKE,
    )


def _validated(
    spikes: Spikes, cache: Path | None, key: str, progress: ProgressCallback, cancel: threading.Event | None
) -> Validation:
    found = recorded_validation(cache, key) if cache is not None else None
    if found is not None and found.n_spikes == len(spikes):
        return found

    def report(done: int) -> None:
        progress(Progress("checking spikes", done, len(spikes), "spikes"))

    found = validate(spikes, report, cancel)
    if cache is not None:
        record_validation(cache, key, found)
    return found


def kept_arrays(
    root: Path | None, key: str, make: Callable[[sidecars.Draft], Mapping[str, Any]]
) -> Mapping[str, npt.NDArray[Any]]:
    """Return arrays that `make` fills in, from the folder `root` of the cache where there is one."""
    if root is not None:
        return sidecars.kept(root, key, make)[0]
    draft = sidecars.Draft(None)
    make(draft)
    return draft.arrays


def put(draft: sidecars.Draft, **arrays: npt.NDArray[Any]) -> None:
    """Add arrays to a draft."""
    for name, array in arrays.items():
        draft.allocate(name, array.shape, array.dtype)[...] = array


def means_of_units(
    values: npt.NDArray[Any], units: Callable[[slice], npt.NDArray[np.int64]], n_units: int
) -> npt.NDArray[np.float64]:
    """Return the mean of the finite values of each unit's spikes.

    Parameters
    ----------
    values : ndarray, shape (n_spikes,)
    units : callable (slice) -> ndarray
        Rows of the units of some spikes.
    n_units : int

    Returns
    -------
    ndarray, shape (n_units,), float64
        NaN for a unit without any.
    """
    sums = np.zeros((2, n_units))
    for start in range(0, len(values), _BLOCK):
        rows = slice(start, start + _BLOCK)
        block, of = np.asarray(values[rows], np.float64), units(rows)
        known = np.isfinite(block)
        if not known.all():
            block, of = block[known], of[known]
        sums[0] += np.bincount(of, block, n_units)
        sums[1] += np.bincount(of, minlength=n_units)
    means: npt.NDArray[np.float64] = np.full(n_units, np.nan)
    np.divide(sums[0], sums[1], out=means, where=sums[1] > 0)
    return means

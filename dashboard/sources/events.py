"""Events of one's own: a table of times and conditions, one row per event, in place of trials."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from dashboard.model.errors import BadRequest, DatasetInvalid
from dashboard.model.event_names import is_time_name
from dashboard.model.sorting import SpikeSorting, Trials
from dashboard.sources.alf.arrays import map_array, read_table
from dashboard.sources.alf.spikes import MAX_S

ENDINGS = (".csv", ".tsv", ".npy", ".pqt", ".parquet")
"""Of a file named ``events`` in the folder of a sorting, or ``NAME.events`` beside a file."""

MAX_COLUMNS = 100
_REMEDY = "Give one row per event, with a column of times in seconds called time, onset or ending in _times"


def events_beside(path: Path) -> Path | None:
    """Return the file of events that lies in the folder of a sorting, or beside its file; None without one.

    Raises
    ------
    DatasetInvalid
        There are several.
    """
    stem = path / "events" if path.is_dir() else path.with_name(f"{path.stem}.events")
    found = [file for ending in ENDINGS if (file := stem.with_name(stem.name + ending)).is_file()]
    if len(found) > 1:
        raise DatasetInvalid("Several files of events", found, "Keep one of them")
    return found[0] if found else None


def read_events(path: Path) -> Trials:
    """Read a table of events.

    Parameters
    ----------
    path : Path
        CSV, TSV or parquet with named columns; or ``.npy``: times alone, or an array with fields.

    Returns
    -------
    Trials
        One row per event; columns of times are in seconds, on the clock of the spikes.

    Raises
    ------
    BadRequest
        The file is of another kind.
    DatasetMissing, DatasetInvalid
        It is not there, cannot be read, or has no column of times.
    """
    if path.suffix not in ENDINGS:
        raise BadRequest(f"Events are not read from '{path.suffix}' files", path, f"Use one of {', '.join(ENDINGS)}")
    if path.suffix == ".npy":
        array = np.asarray(map_array(path))
        if array.dtype.names:
            table = pd.DataFrame({name: array[name] for name in array.dtype.names if array[name].ndim == 1})
        elif array.ndim == 1:
            table = pd.DataFrame({"event_times": array})
        else:
            raise DatasetInvalid(f"No column of times, but an array of shape {array.shape}", [path], _REMEDY)
    else:
        table = read_table(path)
        names = pd.to_numeric(pd.Series(table.columns.astype(str)), errors="coerce")
        if len(table.columns) == 1 and names.notna().all():  # times without a line of names
            table = pd.DataFrame({"event_times": [float(names.iloc[0]), *table.iloc[:, 0]]})
    if len(table.columns) > MAX_COLUMNS:
        raise DatasetInvalid(f"Has {len(table.columns):,} columns, more than {MAX_COLUMNS}", [path], _REMEDY)
    table.columns = pd.Index([" ".join(str(name).replace(",", " ").split()) or "unnamed" for name in table.columns])
    table = table.loc[:, ~table.columns.duplicated()].reset_index(drop=True)
    times = [name for name in table if is_time_name(str(name)) and pd.api.types.is_numeric_dtype(table[name])]
    if not times or not any(np.isfinite(table[name].to_numpy(np.float64)).any() for name in times):
        raise DatasetInvalid("No column of times", [path], _REMEDY)
    for name in times:
        values = table[name].to_numpy(np.float64, na_value=np.nan)
        known = values[np.isfinite(values)]
        if known.size and np.ptp(known) > MAX_S:
            days = f"{name} spans {np.ptp(known) / 86_400:,.0f} days, so it cannot be in seconds"
            raise DatasetInvalid(days, [path], "Give times in seconds, not in samples or milliseconds")
        table[name] = values
    return Trials(table)


def with_events(sorting: SpikeSorting, path: Path | None) -> SpikeSorting:
    """Return a sorting with the events of a file in place of its trials; as it is without one."""
    if path is None:
        return sorting
    trials = read_events(path)
    note = f"Events are the {len(trials):,} rows of {path.name}, taken to be on the clock of the spikes"
    missing = tuple(item for item in sorting.missing if not item.dataset.startswith("trials"))
    return replace(sorting, trials=trials, missing=missing, notes=(*sorting.notes, note))

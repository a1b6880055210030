"""Events of one's own: a table of times and conditions, one row per event, in place of trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from dashboard.model.conventions import Clock
from dashboard.model.errors import BadRequest, DatasetInvalid
from dashboard.model.event_names import is_time_name
from dashboard.model.files import uploaded_file
from dashboard.model.sorting import Missing, SpikeSorting, Trials
from dashboard.model.texts import counted
from dashboard.sources.alf.arrays import map_array, read_table
from dashboard.sources.alf.spikes import MAX_S
from dashboard.sources.pulses import is_pulses, pulses_around, read_pulses

ENDINGS = (".csv", ".tsv", ".npy", ".pqt", ".parquet")
"""Of a file named ``events`` in the folder of a sorting, or ``NAME.events`` beside a file."""

SENT = (*ENDINGS, ".txt")
"""Of a file that a browser sends; a text has one time a line, as those of CatGT and TPrime."""

MAX_COLUMNS = 100
MAX_EVENTS = 1_000_000
MAX_UPLOAD_BYTES = 10_000_000
"""Of a file that a browser sends: 100,000 events with ten conditions have 5 MB."""

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


def read_events(path: Path, name: str = "") -> Trials:
    """Read a table of events, or TTL pulses.

    Parameters
    ----------
    path : Path
        CSV, TSV or parquet with named columns; ``.npy``: times alone, or an array with fields; or what
        `dashboard.sources.pulses.read_pulses` reads.
    name : str
        Of the file, where the path is a copy of it.

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
    if is_pulses(path):
        return read_pulses(path, name)
    if path.suffix not in ENDINGS:
        raise _of_another_kind(path)
    if path.suffix == ".npy":
        array = map_array(path)
        if array.ndim and len(array) > MAX_EVENTS:
            raise DatasetInvalid(
                f"Has {counted(len(array), 'row')}, more than {MAX_EVENTS:,}", [path], "Leave some out"
            )
        array = np.array(array)
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
    if len(table) > MAX_EVENTS:
        raise DatasetInvalid(f"Has {counted(len(table), 'row')}, more than {MAX_EVENTS:,}", [path], "Leave some out")
    if len(table.columns) > MAX_COLUMNS:
        raise DatasetInvalid(f"Has {counted(len(table.columns), 'column')}, more than {MAX_COLUMNS}", [path], _REMEDY)
    table.columns = pd.Index([" ".join(str(name).replace(",", " ").split()) or "unnamed" for name in table.columns])
    table = table.loc[:, ~table.columns.duplicated()].reset_index(drop=True)
    times = [column for column in table if is_time_name(str(column)) and pd.api.types.is_numeric_dtype(table[column])]
    if not times or not any(np.isfinite(table[column].to_numpy(np.float64)).any() for column in times):
        raise DatasetInvalid("No column of times", [path], _REMEDY)
    for column in times:
        values = table[column].to_numpy(np.float64, na_value=np.nan)
        known = values[np.isfinite(values)]
        if known.size and np.ptp(known) > MAX_S:
            days = f"{column} spans {np.ptp(known) / 86_400:,.0f} days, so it cannot be in seconds"
            raise DatasetInvalid(days, [path], "Give times in seconds, not in samples or milliseconds")
        table[column] = values
    said = f"the {counted(len(table), 'row')} of {name or path.name}, taken to be on the clock of the spikes"
    return Trials(table, origin=said)


def with_events(
    sorting: SpikeSorting, path: Path | None, beside: Path | None = None, roots: Sequence[Path] = ()
) -> SpikeSorting:
    """Return a sorting with the events of a file in place of its trials, or with the TTL pulses that lie around it.

    Parameters
    ----------
    sorting : SpikeSorting
    path : Path or None
    beside : Path or None
        Where the sorting lies: where there is no file and there are no trials, pulses on the probe's clock are looked
        for there.
    roots : sequence of Path
        Folders of data, which are not left.
    """
    if path is not None:
        return with_trials(sorting, read_events(path))
    if beside is None or sorting.trials is not None or sorting.clock is not Clock.PROBE:
        return sorting
    trials, said = pulses_around(beside, roots)
    sorting = sorting if trials is None else with_trials(sorting, trials)
    return replace(sorting, notes=(*sorting.notes, said)) if said else sorting


def read_uploaded(name: str, content: bytes) -> Trials:
    """Read a table of events that a browser sent; nothing of it stays on the disk.

    Parameters
    ----------
    name : str
        Of the file there; its ending says the format.
    content : bytes

    Raises
    ------
    BadRequest, DatasetInvalid
        As `read_events`.
    """
    with uploaded_file(name, content) as path:
        if path.suffix not in SENT:
            raise _of_another_kind(path)
        return read_events(path, name)


def _of_another_kind(path: Path) -> BadRequest:
    return BadRequest(f"Events are not read from '{path.suffix}' files", path, f"Use one of {', '.join(SENT)}")


def with_trials(sorting: SpikeSorting, trials: Trials | None, missing: tuple[Missing, ...] = ()) -> SpikeSorting:
    """Return a sorting with other trials, or events of one's own, and the note that goes with them.

    Parameters
    ----------
    sorting : SpikeSorting
    trials : Trials or None
    missing : tuple of Missing
        What is said of the trials' datasets, in place of what was.
    """
    others = tuple(item for item in sorting.missing if not _is_of_trials(item))
    before = sorting.trials.note if sorting.trials is not None else ""
    notes = [note for note in sorting.notes if note != before]
    notes += [trials.note] if trials is not None and trials.note else []
    return replace(sorting, trials=trials, missing=(*others, *filter(_is_of_trials, missing)), notes=tuple(notes))


def _is_of_trials(item: Missing) -> bool:
    return item.dataset.startswith("trials")

"""The trials of the session, as one table or as single columns, and its passive period."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from dashboard.model.errors import DatasetInvalid
from dashboard.model.references import DatasetRef
from dashboard.model.sorting import Missing, Trials
from dashboard.model.texts import counted
from dashboard.sources.alf.arrays import read_array, read_table
from dashboard.sources.alf.choose import latest

_PASSIVE = "passivePeriods.intervalsTable"


def trials_datasets(datasets: Sequence[DatasetRef]) -> list[DatasetRef]:
    """Return the datasets of the session's trials and passive periods, each in its default revision.

    Parameters
    ----------
    datasets : sequence of DatasetRef
        All that the source has of the session.

    Returns
    -------
    list of DatasetRef
        Of one collection: the first with a table (``alf``, else ``alf/task_00``), else the first with
        single columns.
    """
    groups: dict[tuple[str, str], list[DatasetRef]] = {}
    for dataset in datasets:
        if dataset.object == "trials" or dataset.name == _PASSIVE:
            groups.setdefault((dataset.collection, dataset.name), []).append(dataset)
    chosen = [found for group in groups.values() if (found := latest(group, None)) is not None]
    passive = [d for d in chosen if d.name == _PASSIVE][:1]
    trials = [d for d in chosen if d.object == "trials"]
    if not trials:
        return passive
    tables = [d.collection for d in trials if d.attribute == "table"]
    home = min(tables or [d.collection for d in trials], key=lambda name: (len(name), name))
    return [d for d in trials if d.collection == home] + passive


def trials_notes(datasets: Sequence[DatasetRef]) -> list[str]:
    """Say which folder's trials are shown where a session has several, one per task.

    Parameters
    ----------
    datasets : sequence of DatasetRef
        All that the source has of the session.
    """
    folders = sorted({d.collection for d in datasets if d.object == "trials"}, key=lambda name: (len(name), name))
    shown = next((d.collection for d in trials_datasets(datasets) if d.object == "trials"), "")
    others = [name for name in folders if name != shown]
    return [f"Trials are those of {shown}; there are others in {', '.join(others)}"] if others else []


def load_trials(datasets: Sequence[DatasetRef]) -> tuple[Trials | None, tuple[Missing, ...]]:
    """Return the trials, or why there are none.

    Parameters
    ----------
    datasets : sequence of DatasetRef
        As `trials_datasets` gives them, with paths.

    Returns
    -------
    trials : Trials or None
        Columns of ``_ibl_trials.table`` and of the single files beside it that have its length, without a table those
        of the length that most have; ``intervals`` as ``intervals_0`` and ``intervals_1``. A session with a passive
        period and no trials gives an empty table.
    missing : tuple of Missing
        A damaged file is reported here: the sorting opens without it.
    """
    missing: list[Missing] = []
    read: dict[str, np.ndarray] = {}
    columns: dict[str, np.ndarray] = {}
    n: int | None = None
    passive: tuple[float, float] | None = None
    ordered = sorted(datasets, key=lambda d: d.attribute != "table")
    for dataset in ordered:
        if dataset.path is None:
            missing.append(Missing(dataset.name, f"{dataset.file_name} could not be fetched"))
            continue
        try:
            if dataset.name == _PASSIVE:
                passive = _passive(dataset)
                continue
            found = _columns(dataset)
        except DatasetInvalid as error:
            missing.append(Missing(dataset.name, str(error)))
            continue
        if dataset.attribute == "table":
            n = next((len(values) for values in found.values()), n)
        for name, values in found.items():
            read.setdefault(name, values)
    if n is None and read:
        n = Counter(len(values) for values in read.values()).most_common(1)[0][0]
    for name, values in read.items():
        if len(values) == n:
            columns[name] = values
        else:
            missing.append(Missing(f"trials.{name}", f"{counted(len(values), 'row')} for {counted(n or 0, 'trial')}"))
    if n is None and passive is None:
        return None, (*missing, Missing("trials", "no trials file in the session"))
    if n is None:
        missing.append(Missing("trials", "no trials file in the session"))
    return Trials(pd.DataFrame(columns), passive), tuple(missing)


def _columns(dataset: DatasetRef) -> dict[str, np.ndarray]:
    assert dataset.path is not None
    if dataset.attribute == "table":
        table = read_table(dataset.path)
        return {str(name): table[name].to_numpy() for name in table.columns}
    values = np.asarray(read_array(dataset.path))
    if values.ndim == 2 and values.shape[1] <= 3:
        return {f"{dataset.attribute}_{i}": values[:, i] for i in range(values.shape[1])}
    return {dataset.attribute: values} if values.ndim == 1 else {}


def _passive(dataset: DatasetRef) -> tuple[float, float] | None:
    """Return start and end of the passive protocol from a table of starts and stops by stimulus."""
    assert dataset.path is not None
    table = read_table(dataset.path)
    column = "passiveProtocol" if "passiveProtocol" in table else None
    values = table[column] if column else table.select_dtypes("number")
    numbers = values.to_numpy(np.float64)
    numbers = numbers[np.isfinite(numbers)]
    return (float(numbers.min()), float(numbers.max())) if numbers.size else None

"""Units of a folder: those that have spikes, the template of each, and what the tables of curation say of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model.errors import Cancelled, DatasetInvalid
from dashboard.model.sorting import Missing
from dashboard.sources.alf.names import scan
from dashboard.sources.readers import DAMAGED, read_text_table

_SNAPSHOT = "cluster_info"
_BLOCK = 1 << 22
# Ids up to which units are counted in a table; beyond it they are sorted.
_MAX_TABLE = 1 << 24
# Of the product (units, templates) that is counted at once.
_MAX_PAIRS = 1 << 26


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Units that have spikes.

    Attributes
    ----------
    ids : ndarray, shape (n_units,), int64, ascending
    templates : ndarray, shape (n_units,), int64
        The template that most spikes of a unit were found with, the lowest of equals; -1 where none is told.
    """

    ids: npt.NDArray[np.int64]
    templates: npt.NDArray[np.int64]


def row_finder(ids: npt.NDArray[np.int64]) -> Callable[[npt.NDArray[Any]], npt.NDArray[np.int64]]:
    """Return a function from ids, each of which is in `ids`, to their rows there; `ids` ascend."""
    low = int(ids[0]) if len(ids) else 0
    if not len(ids) or int(ids[-1]) - low >= _MAX_TABLE:
        return lambda block: np.searchsorted(ids, block).astype(np.int64)
    table = np.zeros(int(ids[-1]) - low + 1, np.int64)
    table[ids - low] = np.arange(len(ids))
    return lambda block: table[block.astype(np.int64) - low]


def count_units(
    clusters: npt.NDArray[Any], templates: npt.NDArray[Any] | None, cancel: threading.Event | None = None
) -> Counts:
    """Return the units that spikes belong to, and the main template of each.

    Parameters
    ----------
    clusters, templates : ndarray, shape (n_spikes,), integer
        Templates count from 0.
    cancel : threading.Event or None

    Raises
    ------
    Cancelled
        `cancel` was set.
    """
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(clusters), _BLOCK)]
    ids = np.empty(0, np.int64)
    for rows in blocks:
        _check(cancel)
        block = np.asarray(clusters[rows])
        low, high = int(block.min()), int(block.max())
        if high - low < _MAX_TABLE:
            block = block.astype(np.int64)
            low = 0 if 0 <= high < _MAX_TABLE and low >= 0 else low
            found = np.flatnonzero(np.bincount(block - low if low else block)) + low
        else:
            found = np.unique(block)
        ids = np.union1d(ids, found)
    main = np.full(len(ids), -1, np.int64)
    if templates is None or not len(ids):
        return Counts(ids, main)
    if all(np.array_equal(clusters[rows], templates[rows]) for rows in blocks):
        return Counts(ids, ids)  # nobody has curated
    n_templates = max((int(np.asarray(templates[rows]).max()) for rows in blocks), default=-1) + 1
    if len(ids) * n_templates > _MAX_PAIRS:
        return Counts(ids, main)
    pairs, find = np.zeros(len(ids) * n_templates, np.int64), row_finder(ids)
    for rows in blocks:
        _check(cancel)
        units = find(np.asarray(clusters[rows]))
        units *= n_templates
        units += np.asarray(templates[rows]).astype(np.int64, copy=False)
        pairs += np.bincount(units, minlength=len(pairs))
    return Counts(ids, pairs.reshape(len(ids), n_templates).argmax(axis=1))


def read_tables(folder: Path, ids: npt.NDArray[np.int64]) -> tuple[dict[str, npt.NDArray[Any]], list[Missing]]:
    """Return what the tables ``cluster_*.tsv`` of a folder say of units.

    Parameters
    ----------
    folder : Path
    ids : ndarray, shape (n_units,), int64

    Returns
    -------
    columns : dict of str to ndarray, shape (n_units,)
        By the files' names of columns. ``cluster_info.tsv``, phy's copy of all others, is read where there is no other.
    missing : list of Missing
        Tables that cannot be read.
    """
    files = [Path(e.path) for e in scan(folder) if e.name.startswith("cluster_") and e.name.endswith((".tsv", ".csv"))]
    tables = [path for path in files if path.stem != _SNAPSHOT] or files
    found: dict[str, npt.NDArray[Any]] = {}
    missing = []
    for path in tables:
        try:
            table = _by_id(path)
        except DatasetInvalid as error:
            missing.append(Missing(path.name, error.what))
            continue
        for name in table.columns:
            found.setdefault(str(name), table[name].reindex(ids).to_numpy())
    return found, missing


def _by_id(path: Path) -> pd.DataFrame:
    try:
        table = read_text_table(path, "\t")
        if len(table.columns) == 1 and "," in str(table.columns[0]):  # phy reads either, whatever the ending
            table = read_text_table(path, ",")
    except (*DAMAGED, OSError) as error:
        raise DatasetInvalid("Not a readable table", [path]) from error
    name = next((name for name in ("cluster_id", "id") if name in table), None)
    if name is None:
        raise DatasetInvalid("Has no column cluster_id", [path])
    ids = pd.to_numeric(table[name], errors="coerce")
    table = table[ids.notna() & (ids == np.floor(ids))]
    table.index = ids[table.index].astype(np.int64)
    table = table[~table.index.duplicated(keep="last")]
    found: pd.DataFrame = table.drop(columns=name)
    return found


def _check(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled("Counting units was cancelled")

"""What other programs say of units as columns of the table of units, and whose opinion of them that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model.conventions import LabelKind
from dashboard.model.sorting import QUALITY

GROUP, KSLABEL = "group", "KSLabel"
UNDECIDED = ("unsorted", "")
"""Groups that are no decision."""

TAKEN = frozenset({
    "cluster", "channels", "depths", "label", "uuids", "x", "y", "z", "atlas_id", "acronym", "axial_um", "lateral_um",
    "rawInd", "amps", "amp_median", "amp_max", "amp_min", "shank", "beryl", "cosmos", "bitwise_fail",
})  # fmt: skip
"""Columns with a meaning of their own here: what a file calls so means something else."""

KSLABELS = (KSLABEL, "ks2_label", "kilosort2_label")


def with_columns(table: pd.DataFrame, columns: Mapping[str, npt.NDArray[Any]]) -> tuple[pd.DataFrame, LabelKind]:
    """Return a table with more columns, and what kind of labels it then has.

    ``quality`` is what is called so, else the group of a curation where one was decided, else Kilosort's label.

    Parameters
    ----------
    table : DataFrame, one row per unit
    columns : mapping of str to ndarray, shape (n_units,)
        Those of `TAKEN` names are called ``NAME_in_file``.
    """
    found = {}
    for name, values in columns.items():
        known = f"{name}_in_file" if name in TAKEN else name
        if known not in table:
            found[known] = _words(values) if values.dtype.kind in "OUST" else values
    more = pd.concat([table, pd.DataFrame(found, index=table.index)], axis=1)
    ks_name = next((name for name in KSLABELS if name in more), None)
    if GROUP in more and not _are_words(more[GROUP]):  # of channels, in SpikeInterface
        more = more.drop(columns=GROUP)
    decided = more[GROUP].notna() & ~more[GROUP].isin(UNDECIDED) if GROUP in more else pd.Series(False, more.index)
    if QUALITY not in more and (GROUP in more or ks_name):
        group = more[GROUP] if GROUP in more else pd.Series(None, more.index, dtype=object)
        more[QUALITY] = group.where(decided, more[ks_name] if ks_name else None)
    if decided.any() or (QUALITY in columns and _are_words(more[QUALITY])):
        return more, LabelKind.CURATED
    return more, LabelKind.KILOSORT if ks_name and more[ks_name].notna().any() else LabelKind.NONE


def _words(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return texts without spaces around them, None for what is absent."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    texts = [None if pd.isna(value) else str(value).strip() for value in values.tolist()]
    return np.array(texts, dtype=object)


def _are_words(column: pd.Series[Any]) -> bool:
    known = column.dropna()
    return bool(len(known)) and all(isinstance(value, str) for value in known)

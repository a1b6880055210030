"""The widget of the cluster table: Panel's Tabulator with searches of our own in its header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import panel as pn
import param
from panel.io.model import JSCode

from dashboard.analysis.filters.searches import find_rows
from dashboard.model.errors import BadRequest

IDS = "cluster_id"
"""A single number finds this id; in other columns it is the least value."""

_FINDS_ALL = {"separator": JSCode("/[^]*/")}
"""Has Tabulator keep the rows that it is sent: it would search them again, its own way. Every text cut up by this is
empty, and the empty word is in every cell."""


HINT = "Numbers: >2, <0.5, 1..3, =4, !=4 or 3, 5, 8. Text: a part of it. Shift + click on titles: sort by several."


class ClusterRows(pn.widgets.Tabulator):
    """A table whose columns are searched by `dashboard.analysis.filters.searches`.

    It is sorted by the server: by several columns where the browser asks for them, and equal rows keep their order.
    """

    refused = param.List([], doc="Column, and why its search cannot be read; table_grid.js says it under the field.")

    _rename: ClassVar[Mapping[str, str | None]] = {"refused": "tags"}

    def _get_properties(self, doc: Any = None) -> dict[str, Any]:
        """Have a browser that is given the table told which of the rows it sees are selected.

        Panel tells the places that they have in the table as it is not sorted.
        """
        properties: dict[str, Any] = super()._get_properties(doc)
        start = (self.page - 1) * self.page_size
        shown = self._processed.index[start : start + self.page_size]
        places = shown.get_indexer(self.value.index[self.selection])
        properties["source"].selected.indices = [int(place) for place in places if place >= 0]
        return properties

    def take_cells(self, table: pd.DataFrame) -> bool:
        """Take other values of the same rows and columns: the cells that differ leave, and no other.

        Parameters
        ----------
        table : DataFrame
            With the index, the columns and the types of `value`.

        Returns
        -------
        bool
            False where rows are sorted or searched by what differs: nothing was taken.
        """
        differing = {str(name): _differing(self.value[name], table[name]) for name in table}
        changed = {name: rows for name, rows in differing.items() if len(rows)}
        if changed.keys() & {*(one["field"] for one in self.sorters), *(name for name, _ in searches(self.filters))}:
            return False
        start = (self.page - 1) * self.page_size
        places = {unit: place for place, unit in enumerate(self._processed.index[start : start + self.page_size])}
        patch = {}
        for name, rows in changed.items():
            self.value[name] = table[name]
            self._processed[name] = table[name]
            new = table[name].iloc[rows]
            on_page = [(places[unit], value) for unit, value in new.items() if unit in places]
            for place, value in on_page:
                self._data[name][place] = value
            if on_page:
                patch[name] = on_page
        if patch:
            super(pn.widgets.Tabulator, self)._patch(
                patch
            )  # Panel's own sends the whole page of a table that is sorted
        return True

    def _sort_df(self, df: pd.DataFrame) -> pd.DataFrame:
        wanted = {one["field"]: one["dir"] == "asc" for one in self.sorters if one["field"] in df}
        if not wanted:
            return df
        return df.sort_values(list(wanted), ascending=list(wanted.values()), kind="stable", key=_sort_key)

    def _get_header_filters(self, df: pd.DataFrame) -> list[npt.NDArray[np.bool_]]:
        masks = []
        for name, text in searches(self.filters):
            if name in df:
                try:
                    mask = find_rows(df[name], text, _plain(name))
                except BadRequest:  # said by `refusals`
                    continue
                if mask is not None:
                    masks.append(mask)
        return masks


def _differing(before: pd.Series, after: pd.Series) -> npt.NDArray[np.int64]:
    """Return the places of values that are not the same; what is missing in both is."""
    mine, others = (column.astype(object).where(column.notna(), None).to_numpy() for column in (before, after))
    return np.flatnonzero(mine != others)


def searches(filters: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return column and text of each search, as the browser sent them."""
    return [(str(one.get("field")), str(one.get("value", ""))) for one in filters if isinstance(one, dict)]


def refusals(table: pd.DataFrame, filters: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the column of each search that cannot be read, which hides nothing, and why."""
    found = []
    for name, text in searches(filters):
        if name in table:
            try:
                find_rows(table[name].iloc[:0], text, _plain(name))
            except BadRequest as error:
                found.append((name, str(error)))
    return found


def header_fields(table: pd.DataFrame) -> dict[str, Any]:
    """Return a field below each title, with an example of what can be written in it."""
    fields: dict[str, Any] = {}
    for name in map(str, table.columns):
        if name == "activity":
            continue
        is_number = pd.api.types.is_numeric_dtype(table[name]) and not pd.api.types.is_bool_dtype(table[name])
        hint = "3,5" if name == IDS else ">2" if is_number else "contains"
        fields[name] = {"type": "input", "func": "keywords", "placeholder": hint}
    return fields


def header_configuration(table: pd.DataFrame, filters: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what Panel has no word for: texts that stand in the fields, and that the browser searches nothing."""
    return {
        "initialHeaderFilter": [{"field": name, "value": text} for name, text in searches(filters)],
        "columns": [{"field": name, "headerFilterFuncParams": _FINDS_ALL} for name in header_fields(table)],
    }


def _sort_key(column: pd.Series) -> pd.Series:
    """Return what a column is sorted by: text without regard to case."""
    is_number = pd.api.types.is_numeric_dtype(column)
    return column if is_number else column.astype(str).where(column.notna()).str.lower()


def _plain(name: str) -> str:
    return "=" if name == IDS else ">="

"""What a person has set at the cluster table, as links hold it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import param

MAX_COLUMNS = 16
"""By which a table is sorted, or which are searched: more is no link that a person made."""


class TableState(param.Parameterized):
    """Own state of the cluster table."""

    table_sort = param.String("", doc="Columns by which it is sorted, `-` before one of which the largest stand first.")
    table_search = param.String("", doc="What is searched for in columns, as a query string: ``amp_uv=%3E60``.")


def read_sort(text: str) -> str:
    """Return columns by which a table is sorted as the state has them.

    Raises
    ------
    ValueError
        They are no list of names.
    """
    names = text.split(",") if text else []
    if len(names) > MAX_COLUMNS or not all(name.lstrip("-") for name in names):
        raise ValueError(f"must be 1 to {MAX_COLUMNS} columns, such as -rate,label")
    return text


def read_search(text: str) -> str:
    """Return what is searched for as the state has it.

    Raises
    ------
    ValueError
        It is no list of columns and what they are searched for.
    """
    try:
        pairs = parse_qsl(text, strict_parsing=True, max_num_fields=MAX_COLUMNS) if text else []
    except ValueError as error:
        raise ValueError(f"must be 1 to {MAX_COLUMNS} searches, such as amp_uv=>60") from error
    return urlencode(pairs)


def sorters(text: str) -> list[dict[str, Any]]:
    """Return the order of a table as Tabulator has it."""
    names = text.split(",") if text else []
    return [{"field": name.removeprefix("-"), "dir": "desc" if name.startswith("-") else "asc"} for name in names]


def write_sort(order: Sequence[dict[str, Any]]) -> str:
    """Return the order of a table for the state."""
    return ",".join(("-" if one["dir"] == "desc" else "") + str(one["field"]) for one in order[:MAX_COLUMNS])


def filters(text: str) -> list[dict[str, Any]]:
    """Return the searches of a table as Tabulator has them."""
    return [{"field": name, "type": "keywords", "value": value} for name, value in parse_qsl(text)]


def write_search(found: Sequence[tuple[str, str]]) -> str:
    """Return searches, as pairs of a column and a text, for the state."""
    return urlencode([(name, text) for name, text in found if text][:MAX_COLUMNS])

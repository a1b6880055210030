"""What is asked of one column of a table in a few signs: ``>2``, ``<0.5``, ``1..3``, ``3, 5, 8``, part of a word."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model.errors import BadRequest

BoolArray = npt.NDArray[np.bool_]

HOW = "Write >2, <0.5, 1..3, =4, !=4, or 3, 5, 8"
MAX_LENGTH = 200

_COMPARISONS: dict[str, Callable[[npt.NDArray[np.float64], float], BoolArray]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
_SIGNS = {"≥": ">=", "≤": "<=", "≠": "!=", "−": "-", "…": ".."}
_UNFINISHED = re.compile(r"(>=?|<=?|!=?|==?)?[+-]?\.{0,2}")
"""What stands in a field while a search is being written, and asks for nothing yet."""


def find_numbers(values: npt.NDArray[np.float64], text: str, plain: str = ">=") -> BoolArray | None:
    """Return which numbers a search finds.

    Parameters
    ----------
    values : ndarray, shape (n,), float64
        NaN is never found.
    text : str
        A comparison, a range with both ends inside of which one may be left out, or numbers between commas.
    plain : {'>=', '='}
        What a single number asks for.

    Returns
    -------
    ndarray, shape (n,), bool, or None
        None where the text asks for nothing.

    Raises
    ------
    BadRequest
        The text is none of these.
    """
    written = text.strip()[: MAX_LENGTH + 1]
    for sign, plainly in _SIGNS.items():
        written = written.replace(sign, plainly)
    written = written.replace(" ", "")
    if not written or _UNFINISHED.fullmatch(written):
        return None
    known = np.isfinite(values)
    sign = next((sign for sign in _COMPARISONS if written.startswith(sign)), "")
    if sign:
        return known & _COMPARISONS[sign](values, _number(written.removeprefix(sign), text))
    if ".." in written:
        low, _, high = written.partition("..")
        start, end = _number(low or "-1e300", text), _number(high or "1e300", text)
        if start > end:
            raise BadRequest("The range ends before it starts", text[:40], HOW)
        return known & (values >= start) & (values <= end)
    if "," in written:
        return known & np.isin(values, [_number(part, text) for part in written.split(",") if part])
    return known & _COMPARISONS[plain](values, _number(written, text))


def _number(part: str, text: str) -> float:
    try:
        value = float(part)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in part or len(text) > MAX_LENGTH:
        raise BadRequest("This is not a search among numbers", text[:40], HOW)
    return value


def find_rows(column: pd.Series, text: str, plain: str = ">=") -> BoolArray | None:
    """Return which rows of a column a search finds: numbers as `find_numbers`, text by a part of it, in any case.

    Raises
    ------
    BadRequest
        A column of numbers is asked for something else.
    """
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return find_numbers(column.to_numpy(dtype=np.float64, na_value=np.nan), text, plain)
    part = text.strip().lower()
    if not part:
        return None
    there = column.notna().to_numpy()
    return there & column.astype(str).str.lower().str.contains(part, regex=False).to_numpy(dtype=np.bool_)

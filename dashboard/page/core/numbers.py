"""Numbers and fields of numbers, as links and pages write them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Fields = Mapping[str, tuple[str, float]]
"""Name in the link -> words on the page and default of each field."""

Check = Callable[[Mapping[str, float]], dict[str, str]]
"""Values of fields by name -> why those that cannot be are not taken."""


def wrong_ends(values: Mapping[Any, float], *windows: tuple[Any, Any]) -> dict[Any, str]:
    """Return what is wrong with windows that do not end after they start, for both of their ends."""
    wrong: dict[Any, str] = {}
    for first, last in windows:
        if not values[first] < values[last]:
            wrong |= {first: f"Below {values[last]:g}", last: f"Above {values[first]:g}"}
    return wrong


def wrong_bins(
    values: Mapping[str, float], names: Iterable[str], width: float = 0.0, most: float = math.inf
) -> dict[str, str]:
    """Return what is wrong with bins: not above zero, or more than `most` of them in a width."""
    wrong = {}
    for name in names:
        if not values[name] > 0:
            wrong[name] = "Above 0"
        elif width / values[name] > most:
            wrong[name] = f"At least {width / most:.3g}"
    return wrong


def defaults(fields: Fields) -> dict[str, float]:
    """Return the default of each field, in the units of the page."""
    return {name: default for name, (_, default) in fields.items()}


MAX_ID = 2**31 - 1
"""Greatest id of a cluster and number of a trial in a link: columns hold ids as int32."""


def whole_number(text: str) -> int:
    """Return a number of plain digits: Python takes seconds for the value of very many, and refuses more.

    Raises
    ------
    ValueError
        It is no such number, or above `MAX_ID`.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_ID)) and int(text) <= MAX_ID):
        raise ValueError(f"wants whole numbers from 0 to {MAX_ID}")
    return int(text)


def number_text(value: float) -> str:
    """Return the shortest text that reads back as the same float."""
    return repr(float(value)).removesuffix(".0")

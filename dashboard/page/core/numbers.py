"""Numbers and fields of numbers, as links and pages write them."""

from __future__ import annotations

from collections.abc import Mapping

Fields = Mapping[str, tuple[str, float]]
"""Name in the link -> words on the page and default of each field."""


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

"""Numbers and fields of numbers, as links and pages write them."""

from __future__ import annotations

from collections.abc import Mapping

Fields = Mapping[str, tuple[str, float]]
"""Name in the link -> words on the page and default of each field."""


def defaults(fields: Fields) -> dict[str, float]:
    """Return the default of each field, in the units of the page."""
    return {name: default for name, (_, default) in fields.items()}


def number_text(value: float) -> str:
    """Return the shortest text that reads back as the same float."""
    return repr(float(value)).removesuffix(".0")

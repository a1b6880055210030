"""Reading what a browser sends: a crafted message, or an axis without length, brings anything."""

from __future__ import annotations

LARGEST = 1e12
"""No time in s, depth in µm or row of a recording is larger; what is loses its fraction."""


def finite(*values: object) -> tuple[float, ...] | None:
    """Return values as floats to `LARGEST`; None where one of them is something else.

    Parameters
    ----------
    *values : object

    Returns
    -------
    tuple of float or None
    """
    if not all(isinstance(value, int | float) for value in values):
        return None
    try:
        floats = tuple(map(float, values))  # type: ignore[arg-type]
    except OverflowError:
        return None
    return floats if all(abs(value) <= LARGEST for value in floats) else None  # of NaN it is false

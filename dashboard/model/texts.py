"""Numbers as people read them: sizes, durations, counts with their noun."""

from __future__ import annotations


def bytes_text(n_bytes: float) -> str:
    """Return a number of bytes with three digits and a fitting unit: ``1.25 GB``."""
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} GB"


def duration_text(seconds: float) -> str:
    """Return a duration with three digits and a fitting unit: ``2.5 ms``."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def counted(n: int, noun: str, plural: str = "") -> str:
    """Return ``1 dataset`` or ``1,234 datasets``.

    Parameters
    ----------
    n : int
    noun : str
        For one; with a verb where that changes with the number, ``spike is``.
    plural : str
        For any other number; the noun with an s where it is empty.
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


MAX_PLACE = 1e12
"""Seconds or um beyond which no window lies: clocks of the wall are far below."""


def place_text(value: float) -> str:
    """Return seconds or um to a millionth, as people type them: ``1700000060.25``."""
    return f"{round(value, 6):.16g}"


def span_text(span: tuple[float, float]) -> str:
    """Return a span for people, to a tenth of a second: ``0–600 s``."""
    return "–".join(f"{end:,.1f}".removesuffix(".0") for end in span) + " s"

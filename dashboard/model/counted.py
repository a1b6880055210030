"""A number with its noun, for sentences that people read."""

from __future__ import annotations


def counted(n: int, noun: str) -> str:
    """Return ``1 dataset`` or ``1,234 datasets``: the noun takes an s but for one."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"

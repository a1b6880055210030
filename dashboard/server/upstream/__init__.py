"""What is mended in Bokeh and Panel."""

from __future__ import annotations

from typing import Any


def mend(owner: Any, name: str, made: Any) -> None:
    """Put something of ours in place of what a library has of a name.

    Raises
    ------
    TypeError
        The library has nothing of that name any more: a mend that acts on nothing would be missed by whoever sees the
        fault again.
    """
    if name not in vars(owner):
        raise TypeError(f"{owner.__name__} has no {name} to mend: docs/decisions/0007")
    setattr(owner, name, made)

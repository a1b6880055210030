"""What is mended in Bokeh and Panel."""

from __future__ import annotations

from typing import Any

from bokeh.server import urls


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


def serve_by(theirs: type, ours: type) -> None:
    """Have Bokeh's servers that are made from now on serve by a handler of ours what one of theirs served.

    Raises
    ------
    TypeError
        Nothing is served by theirs any more.
    """
    found = [k for k, (_, handler) in enumerate(urls.per_app_patterns) if handler in (theirs, ours)]
    if not found:
        raise TypeError(f"Nothing is served by {theirs.__name__}: docs/decisions/0007")
    for k in found:
        urls.per_app_patterns[k] = (urls.per_app_patterns[k][0], ours)

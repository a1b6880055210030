"""Readers of settings: from what people write to values; each raises ValueError with a clause that says why not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dashboard.model.curation import read_category

PANELS = ("open", "filters", "colour", "view")
"""The panels of the rail, from the top."""

MAX_DOCK_PX = 4_000

SIZE_UNITS = MappingProxyType({"": 0, "K": 10, "M": 20, "G": 30, "T": 40})


def folder(text: str) -> Path:
    """Read a path, with ``~`` for the home folder."""
    if not text.strip():
        raise ValueError("an empty path")
    return Path(text).expanduser()


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a reader of whole numbers within bounds; underscores and commas may group digits."""

    def read(text: str) -> int:
        try:
            number = int(text.replace(",", "").replace("_", ""))
        except ValueError:
            raise ValueError(f"'{text}' is not a whole number") from None
        if number < least or (most is not None and number > most):
            bounds = f"at least {least:,}" if most is None else f"from {least:,} to {most:,}"
            raise ValueError(f"{number:,} is not {bounds}")
        return number

    return read


def label_category(text: str) -> str:
    """Read a category of labels, which is kept as it was written; `dashboard.model.curation.read_category` reads it."""
    read_category(text)
    return text.strip()


def page_layout(text: str) -> dict[str, Any]:
    """Read a layout of the page: ``dock=closed, width=600, pinned=filters``; what is not named is as by default."""
    layout: dict[str, Any] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, value = map(str.strip, part.partition("="))
        if name == "dock" and value in ("open", "closed"):
            layout["dock"] = value == "open"
        elif name == "width" and value.isdecimal() and int(value) <= MAX_DOCK_PX:
            layout["width"] = int(value)
        elif name == "pinned" and value in PANELS:
            layout["pinned"] = value
        else:
            panels = ", ".join(PANELS)
            raise ValueError(
                f"'{part}' is none of dock=open, dock=closed, width=N (pixels, to {MAX_DOCK_PX:,}) and pinned= {panels}"
            )
    return layout


def layout_text(text: str) -> str:
    """Read a layout of the page, which is kept as it was written; `page_layout` reads it."""
    page_layout(text)
    return text.strip()


def positive(text: str) -> float:
    """Read a number above zero."""
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"'{text}' is not a number") from None
    if not 0 < number < float("inf"):
        raise ValueError(f"{text} is not above zero")
    return number


def size(text: str) -> int:
    """Read a number of bytes: ``8G``, ``512 MiB``, ``1000000``."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    if not match or not float(match[1]):
        raise ValueError(f"'{text}' is not a size such as 8G or 512M")
    return int(float(match[1]) * 2 ** SIZE_UNITS[match[2].upper()])


def switch(text: str) -> bool:
    """Read yes or no, as written in an environment variable."""
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    try:
        return words[text.strip().lower()]
    except KeyError:
        raise ValueError(f"'{text}' is neither yes nor no") from None


def one_of(*words: str) -> Callable[[str], str]:
    """Return a reader of one of some words, whatever their case."""

    def read(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"'{text}' is none of {', '.join(words)}")
        return text.lower()

    return read


def web_address(text: str) -> str:
    """Read the address of a server, without a user or password in it."""
    if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", text):
        raise ValueError("not a web address such as https://openalyx.internationalbrainlab.org")
    return text.rstrip("/")


def web_file(text: str) -> str:
    """Read the address of a file on a server, without a user or password in it."""
    if not re.fullmatch(r"https?://[^\s/@?#]+/[^\s@#]+", text):
        raise ValueError(f"'{text}' is not the address of a file such as https://data.example.org/M4.nwb")
    return text


def web_site(text: str) -> str:
    """Read the origin of a site, ``https://wiki.example.org``."""
    if not re.fullmatch(r"https?://([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?", text):
        raise ValueError(f"'{text}' is not a site such as https://wiki.example.org")
    return text.lower()


def web_origin(text: str) -> str:
    """Read ``host`` or ``host:port``; a wildcard would let every site in."""
    if not re.fullmatch(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9a-fA-F:]+\](:\d{1,5})?", text):
        raise ValueError(f"'{text}' is not a host such as lab.example.org or 10.0.0.5:5006")
    return text.lower()


def web_prefix(text: str) -> str:
    """Read the path that URLs begin with."""
    path = text.strip("/")
    if not re.fullmatch(r"[A-Za-z0-9._~/-]*", path) or ".." in path or "//" in path:
        raise ValueError(f"'{text}' is not a path such as /spikes")
    return f"/{path}" if path else ""

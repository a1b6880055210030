"""JSON that others have written, read within bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MAX_JSON_BYTES = 64 << 20
"""Far above any file that is kept, and far below what fills the memory of a server."""


def read_json(path: Path) -> Any:
    """Return what a JSON file in UTF-8 holds.

    Raises
    ------
    ValueError
        It is none, or larger or deeper than any that is written here.
    OSError
    """
    with path.open("rb") as file:
        content = file.read(MAX_JSON_BYTES + 1)
    if len(content) > MAX_JSON_BYTES:
        raise ValueError(f"larger than {MAX_JSON_BYTES:,} bytes")
    try:
        return json.loads(content.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deep") from None

"""What changed of an insertion since it was opened: files replaced, added or gone, another state of histology."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from dashboard.model.sorting import HISTOLOGY
from dashboard.sources.base import SORTINGS

MAX_NAMED = 4


def kept_state(state: Mapping[str, object]) -> dict[str, str]:
    """Return a state as plain texts that can be written down and compared with a later one by `said_of_changes`."""
    return {
        name: str(value) if name == HISTOLOGY else hashlib.sha256(repr(value).encode()).hexdigest()[:12]
        for name, value in state.items()
    }


def said_of_changes(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """Return what differs between two states, in words; empty where nothing does."""
    said = []
    if before.get(HISTOLOGY) != after.get(HISTOLOGY):
        said.append(f"histology is {after.get(HISTOLOGY)} in the database, and was {before.get(HISTOLOGY)}")
    if before.get(SORTINGS) != after.get(SORTINGS):
        said.append("the probe has other sortings or revisions")
    names = sorted((before.keys() | after.keys()) - {HISTOLOGY, SORTINGS})
    kinds = {
        "replaced": [n for n in names if n in before and n in after and before[n] != after[n]],
        "new": [n for n in names if n not in before],
        "gone": [n for n in names if n not in after],
    }
    for kind, found in kinds.items():
        if found:
            more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
            said.append(f"{kind}: {', '.join(found[:MAX_NAMED])}{more}")
    return "; ".join(said)

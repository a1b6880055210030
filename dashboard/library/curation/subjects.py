"""The sorting that decisions are about, with the hash of its spikes kept in the cache: all of them are read for it."""

from __future__ import annotations

from pathlib import Path

from dashboard.analysis.curation.subject import Subject, spikes_identity
from dashboard.model.sidecars import kept, sidecar_key
from dashboard.model.sorting import SpikeSorting

FOLDER = "identities"


def subject_of(sorting: SpikeSorting, cache: Path) -> Subject:
    """Return what `Subject.of` does; the spikes of files of the same size and time of change are hashed once.

    Parameters
    ----------
    sorting : SpikeSorting
    cache : Path
        Folder for everything that is written.
    """
    key = sidecar_key(sorting)
    if key is None:
        return Subject.of(sorting)
    facts = kept(cache / FOLDER, key, lambda draft: {"spikes": spikes_identity(sorting)})[1]
    return Subject.of(sorting, facts.get("spikes"))

"""Sentences about what was decided while opening, for whoever reads the plot."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.model.references import DatasetRef, SortingRef
from dashboard.sources.alf.spikes import Validation


def revision_notes(ref: SortingRef) -> list[str]:
    """Say which datasets are of another revision than the spikes."""
    main = ref.revision.value
    others = {name: value for name, value in ref.revisions.items() if value != main}
    if not others:
        return []
    listed = ", ".join(f"{name} is of {value or 'the original'}" for name, value in sorted(others.items()))
    return [f"Revisions are mixed: {listed}; the other files are of {main or 'the original'}"]


def other_locations(ref: SortingRef, datasets: Sequence[DatasetRef]) -> list[str]:
    """Say where another sorting of the probe has brain locations in its files: ibllib looks in its own only."""
    base = f"alf/{ref.insertion.probe}"
    others = {
        d.collection.removeprefix(base).strip("/") or "base"
        for d in datasets
        if d.name == "channels.brainLocationIds_ccf_2017"
        and d.collection != ref.collection
        and f"{d.collection}/".startswith(f"{base}/")
    }
    return [f"Final brain locations are in the files of another sorting: {', '.join(sorted(others))}"] if others else []


def dropped_note(found: Validation) -> str:
    """Say how many spikes no view shows, and why."""
    spikes = "1 spike is" if found.n_dropped == 1 else f"{found.n_dropped:,} spikes are"
    return f"{spikes} in no view: {found.drop_reason}"

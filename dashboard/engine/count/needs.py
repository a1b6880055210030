"""What an aggregate needs of a sorting, and why it is not there."""

from __future__ import annotations

from dashboard.model.curation import CURATED
from dashboard.model.sorting import SpikeSorting


def no_amplitudes(sorting: SpikeSorting) -> str:
    """Return why there are no amplitudes of spikes."""
    if sorting.spikes.amps_v is not None:
        return ""
    return sorting.missing_reason("spikes.amps") or "there are no amplitudes"


def no_locations(sorting: SpikeSorting) -> str:
    """Return why units have no region of the brain."""
    return "" if "atlas_id" in sorting.clusters else "there are no brain locations"


def no_curation(sorting: SpikeSorting) -> str:
    """Return why units have no curated label."""
    return "" if CURATED in sorting.clusters else "nobody has decided about a unit here"


def no_labels(sorting: SpikeSorting) -> str:
    """Return why units have no IBL label; the page says more under its choice of units."""
    return f"there are no IBL labels: {why}" if (why := sorting.why_no_labels) else ""

"""Sentences about what was decided while opening, for whoever reads the plot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dashboard.model.references import DatasetRef, SortingRef
from dashboard.model.sorting import Spikes
from dashboard.model.texts import counted
from dashboard.sources.alf.spikes import Validation

#: Times that step back by less are a sorter's rounding, and sorting them is enough said.
MIN_STEP_BACK_S = 1.0
#: Rates at which probes are sampled, and how near a step has to be to 2 ** 32 samples.
RATES_HZ = (20_000, 25_000, 30_000, 32_000, 40_000)
OVERFLOW_SHARE = 0.001
#: A spike lies so far beyond the outermost channel at most; further out its depth is of another probe.
BEYOND_UM = 100.0
#: The depth of a unit and that of its largest channel differ by less: some sorters take a centre of mass.
APART_UM = 50.0
BLOCK = 1 << 20


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
    return f"{counted(found.n_dropped, 'spike is', 'spikes are')} in no view: {found.drop_reason}"


def times_notes(found: Validation) -> list[str]:
    """Say what is odd about the times of spikes: what, how many, where. All of them are shown."""
    notes = []
    if found.n_minus_one:
        spikes = counted(found.n_minus_one, "spike is", "spikes are")
        notes.append(f"{spikes} at exactly -1 s, which some exporters write for no time")
    others = found.n_before_zero - found.n_minus_one
    if 0 < others < found.n_spikes / 2:
        notes.append(f"{counted(others, 'spike is', 'spikes are')} before 0 s")
    if found.largest_step_back_s >= MIN_STEP_BACK_S:
        times = "once" if found.n_steps_back == 1 else counted(found.n_steps_back, "time")
        note = (
            f"spikes.times steps back {times}, by up to {found.largest_step_back_s:,.6g} s, "
            f"first at row {found.first_step_back:,}"
        )
        rates = [rate for rate in RATES_HZ if abs(found.largest_step_back_s * rate / 2**32 - 1) < OVERFLOW_SHARE]
        if rates:
            note += f": as 32-bit sample numbers that overflow at {rates[0]:,} Hz do"
        elif found.largest_step_back_s > found.span_s / 100:
            note += "; spikes from before and after lie over each other"
        notes.append(note)
    return notes


def unit_depth_notes(clusters: pd.DataFrame, channels: pd.DataFrame) -> list[str]:
    """Say how many clusters have a depth in the file that is not that of their channel; not yet merged."""
    if not {"channels", "depths"} <= set(clusters) or "axial_um" not in channels:
        return []
    own = clusters["depths"].to_numpy(dtype=np.float64)
    of_channels = channels["axial_um"].to_numpy(dtype=np.float64)[clusters["channels"].to_numpy()]
    apart = np.abs(own - of_channels)
    n = int(np.count_nonzero(apart > APART_UM))
    if not n:
        return []
    return [
        f"{n:,} of {counted(len(own), 'cluster')} have a depth in clusters.depths that is more than {APART_UM:g} µm "
        f"from their channel's (up to {np.nanmax(apart):,.0f} µm)"
    ]


def depth_notes(spikes: Spikes, channels: pd.DataFrame, range_um: tuple[float, float]) -> list[str]:
    """Say how many spikes lie beyond the channels of the probe; `range_um` holds all depths of the file."""
    if spikes.depths_um is None or "axial_um" not in channels or not len(channels):
        return []
    axial = channels["axial_um"].to_numpy(dtype=np.float64)
    axial = axial[np.isfinite(axial)]
    if not len(axial):
        return []
    low, high = float(axial.min()) - BEYOND_UM, float(axial.max()) + BEYOND_UM
    if low <= range_um[0] and range_um[1] <= high:
        return []
    above = below = 0
    for start in range(0, len(spikes), BLOCK):
        depths = spikes.depths_um[start : start + BLOCK]
        above += int(np.count_nonzero(depths > high))
        below += int(np.count_nonzero(depths < low))
    return [
        f"{n:,} of {counted(len(spikes), 'spike')} lie more than {BEYOND_UM:g} µm {where} all channels "
        f"({axial.min():,.0f} to {axial.max():,.0f} µm)"
        for n, where in ((above, "above"), (below, "below"))
        if n
    ]

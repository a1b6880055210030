"""Spikes around the events of trials: what is asked for, and what comes of it, computed away from the page."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import param

from dashboard.analysis.alignment import DEFAULT_BINS, EventBins, align
from dashboard.analysis.anatomy.regions import at_level
from dashboard.analysis.events.align import MAX_BINS, Selection
from dashboard.analysis.events.picture import EventPicture
from dashboard.analysis.events.trials import available_events, available_splits, has_mask
from dashboard.analysis.filters.clusters import ClusterFilter, filter_clusters
from dashboard.analysis.filters.words import say_spike_amp
from dashboard.analysis.inputs import select_spikes, unit_spikes, within
from dashboard.model.errors import BadRequest
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import counted
from dashboard.page.core.numbers import Fields, defaults, wrong_bins, wrong_ends
from dashboard.page.core.scene import Scene

MAX_NAME = 60
"""Characters of the name of an event or condition in a link."""

UNIT, DEPTHS, REGION, FILTER = "unit", "depths", "region", "filter"
SUBJECTS = {"Selected units": UNIT, "Depths in view": DEPTHS, "Region": REGION, "All units that pass": FILTER}
"""Words of the page -> whose spikes are aligned."""


class AlignmentState(param.Parameterized):
    """What spikes are aligned to, whose, and in which trials."""

    event = param.String("stimOn", doc="Event that spikes are aligned to: one of IBL's, or a column of times.")
    split = param.String("none", doc="What trials are split by: one of IBL's splits, or a column of conditions.")
    spikes_of = param.String(UNIT, doc="Whose spikes are aligned: unit, depths, filter, or region:ACRONYM.")
    masked = param.Boolean(default=True, doc="Whether only trials of the brain-wide map are used.")


EVENT_FIELDS: Fields = {
    "start": ("Window (s)", DEFAULT_BINS.window_s[0]),
    "end": ("to (s)", DEFAULT_BINS.window_s[1]),
    "psth_bin": ("PSTH bin (ms)", 1e3 * DEFAULT_BINS.psth_bin_s),
    "raster_bin": ("Raster bin (ms)", 1e3 * DEFAULT_BINS.raster_bin_s),
    "quiet_start": ("z baseline (s)", DEFAULT_BINS.baseline_s[0]),
    "quiet_end": ("to (s)", DEFAULT_BINS.baseline_s[1]),
    "map_bin": ("Map bin (ms)", 1e3 * DEFAULT_BINS.map_bin_s),
    "map_um": ("Map bin (µm)", DEFAULT_BINS.map_bin_um),
}
"""Name in the link -> words on the page and default of each field of Events; windows are relative to the event."""


def wrong_event_fields(values: Mapping[str, float]) -> dict[str, str]:
    """Return why fields of Events that cannot be are not taken, by name."""
    width_ms = 1e3 * max(values["end"] - values["start"], 0.0)
    return {
        **wrong_ends(values, ("start", "end"), ("quiet_start", "quiet_end")),
        **wrong_bins(values, ("psth_bin", "raster_bin", "map_bin"), width_ms, MAX_BINS),
        **wrong_bins(values, ("map_um",)),
    }


@dataclass(frozen=True, slots=True)
class EventRequest:
    """One view of an event.

    Attributes
    ----------
    scene : Scene
        With trials.
    subject : str
        One of the values of `SUBJECTS`.
    units : tuple of int
        Indexes.
    depth_range_um : (float, float)
    region : str
        Acronym at the scene's level, its descendants included.
    event, split : str
    is_masked : bool
        Whether only trials of the brain-wide map are used.
    bins : EventBins
    before : EventPicture or None
        The last picture: its map is used again where it would be the same.
    """

    scene: Scene
    subject: str
    units: tuple[int, ...]
    depth_range_um: tuple[float, float]
    region: str
    event: str
    split: str
    is_masked: bool
    bins: EventBins = DEFAULT_BINS
    before: EventPicture | None = None

    @property
    def map_key(self) -> tuple[object, ...]:
        """What the population's map depends on."""
        bins = self.bins
        return (
            self.scene, self.event, self.is_masked, bins.window_s, bins.baseline_s, bins.map_bin_s, bins.map_bin_um
        )  # fmt: skip


def render_events(request: EventRequest, cancel: threading.Event) -> EventPicture:
    """Align the subject's spikes, and the whole population's, to an event.

    Raises
    ------
    BadRequest
        There are no trials, the table lacks a column, or bins make no sense.
    Cancelled
        `cancel` was set.
    """
    scene = request.scene
    if scene.sorting.trials is None:
        raise BadRequest("There are no trials to align to")
    selection, words = choose(request)
    if scene.amp_range_uv is not None:
        words += f", {say_spike_amp(scene.amp_range_uv, scene.sorting.amp_unit)}"
    return align(
        scene.sorting, scene.columns, selection, words, request.event, request.split, bins=request.bins,
        is_masked=request.is_masked, is_single=request.subject == UNIT and len(request.units) == 1,
        passing=scene.mask, amp_range_uv=scene.amp_range_uv, map_key=request.map_key, before=request.before,
        cancel=cancel,
    )  # fmt: skip


def choose(request: EventRequest) -> tuple[Selection, str]:
    """Return the spikes to align, and whose they are in words.

    Raises
    ------
    BadRequest
        No unit is selected, or the region is not known.
    """
    scene = request.scene
    columns, passing, amps = scene.columns, scene.mask, scene.amp_range_uv
    among = "" if passing is None else " among those that pass the filters"
    if request.subject == UNIT:
        if not request.units:
            raise BadRequest(
                "No unit is selected", "", "Click a unit in the raster, or choose something else at Spikes of"
            )
        if len(request.units) == 1:
            whole = unit_spikes(columns, request.units[0])
            unit = within(whole, amps)
            of = "" if amps is None else f" of {len(whole):,}"
            return Selection.of(unit.times_s), f"unit {scene.units.of(unit.unit)}, {len(unit):,}{of} spikes"
        keep = np.zeros(columns.n_clusters, dtype=np.bool_)
        keep[list(request.units)] = True
        units = counted(len(request.units), "selected unit")
        return select_spikes(columns, keep, amp_range_uv=amps), f"{units} together"
    if request.subject == DEPTHS:
        low, high = request.depth_range_um
        return (
            select_spikes(columns, passing, request.depth_range_um, amps),
            f"spikes between {low:,.0f} and {high:,.0f} µm{among}",
        )
    if request.subject == REGION:
        wanted = ClusterFilter(regions=(request.region,), level=scene.level)
        inside = filter_clusters(wanted, scene.sorting.clusters).by_index(columns.n_clusters)
        keep = inside if passing is None else inside & passing
        units = counted(int(keep.sum()), "unit")
        return select_spikes(columns, keep, amp_range_uv=amps), f"{units} in {request.region}{among}"
    words = "all units" if passing is None else f"the {counted(scene.n_clusters_passing, 'unit')} that pass the filters"
    return select_spikes(columns, passing, amp_range_uv=amps), words


def event_bins(bins: Mapping[str, float]) -> EventBins:
    """Return the bins of Events: `bins` holds those that are not as by default, in the units of the page."""
    value = {**defaults(EVENT_FIELDS), **bins}
    return EventBins(
        (value["start"], value["end"]),
        value["psth_bin"] / 1e3,
        value["raster_bin"] / 1e3,
        (value["quiet_start"], value["quiet_end"]),
        value["map_bin"] / 1e3,
        value["map_um"],
    )


def event_request(scene: Scene, values: Mapping[str, Any], before: EventPicture | None = None) -> EventRequest:
    """Return what Events shows of a scene; without a selected unit, all that pass stand in for it.

    Parameters
    ----------
    scene : Scene
    values : mapping
        Of the parameters of `ViewState` and `AlignmentState`.
    before : EventPicture or None
        The picture before.
    """
    units, trials = scene.indexes(values["selected"]), scene.sorting.trials
    subject, _, region = values["spikes_of"].partition(":")
    return EventRequest(
        scene,
        FILTER if subject == UNIT and not units else subject,
        units,
        values["depth_range"] or scene.columns.depth_range_um,
        region,
        values["event"],
        values["split"],
        values["masked"] and (trials is None or has_mask(trials.table)),
        event_bins(values["bins"]),
        before,
    )


def read_subject(text: str) -> str:
    """Return whose spikes a link asks for: ``unit``, ``depths``, ``filter``, or ``region:CA1``.

    Raises
    ------
    ValueError
        None of these.
    """
    subject, _, region = text.partition(":")
    if subject not in SUBJECTS.values() or (subject == REGION) != bool(region):
        raise ValueError("is none of unit, depths, filter, region:ACRONYM")
    return text


def is_name(text: str) -> bool:
    """Return whether a text can be the name of an event or condition; it is looked up when trials are there."""
    return 0 < len(text) <= MAX_NAME and text.isprintable() and "," not in text


def read_name(text: str) -> str:
    """Return the event or split that a link names.

    Raises
    ------
    ValueError
        No name is like it.
    """
    if not is_name(text):
        raise ValueError("is no name of an event or of a condition")
    return text


def gone_event(event: str, sorting: SpikeSorting, level: str) -> str:
    """Return that the trials of a sorting have no such event; ``''`` where they have, or there are none."""
    return _gone("event", event, available_events(sorting.trials.table) if sorting.trials is not None else ())


def gone_split(split: str, sorting: SpikeSorting, level: str) -> str:
    """Return that the trials of a sorting cannot be split so; ``''`` where they can, or there are none."""
    return _gone("condition", split, available_splits(sorting.trials.table) if sorting.trials is not None else ())


def _gone(kind: str, name: str, known: tuple[str, ...]) -> str:
    default = {"event": AlignmentState.param.event.default, "condition": AlignmentState.param.split.default}[kind]
    if not known or name in known or name == default:
        return ""
    return f"There is no {kind} {name[:20]} in this session; it has {', '.join(known[:8])}."


def gone_region(subject: str, sorting: SpikeSorting, level: str) -> str:
    """Return that no unit of a sorting is in the region whose spikes are asked for; ``''`` where some are."""
    region = subject.partition(":")[2]
    acronyms = sorting.clusters["acronym"].dropna().to_list() if region and "acronym" in sorting.clusters else []
    is_there = not region or region in set(map(str, at_level(acronyms, level)))
    return "" if is_there else f"No unit is in region {region[:20]} at the level {level}."

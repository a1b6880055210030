"""What tabs were asked for, as words of the link: whose spikes, bins, the test of responses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.analysis.events.picture import EventPicture
from dashboard.analysis.events.trials import EVENTS, SPLITS
from dashboard.model.errors import BadRequest
from dashboard.page.core.numbers import Fields, defaults, number_text
from dashboard.page.core.scene import Scene
from dashboard.page.tabs.events.picture import FILTER, REGION, SUBJECTS, UNIT, EventBins, EventRequest

EVENT_FIELDS: Fields = {
    "start": ("Window (s)", EventBins().window_s[0]),
    "end": ("to (s)", EventBins().window_s[1]),
    "psth_bin": ("PSTH bin (ms)", 1e3 * EventBins().psth_bin_s),
    "raster_bin": ("Raster bin (ms)", 1e3 * EventBins().raster_bin_s),
    "quiet_start": ("z-score on (s)", EventBins().baseline_s[0]),
    "quiet_end": ("to (s)", EventBins().baseline_s[1]),
    "map_bin": ("Map bin (ms)", 1e3 * EventBins().map_bin_s),
    "map_um": ("Map bin (µm)", EventBins().map_bin_um),
}
"""Name in the link -> words on the page and default of each field of Events; windows are relative to the event."""


_MASKS = {"mask": True, "all": False}


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
        Of the parameters of `ViewState`.
    before : EventPicture or None
        The picture before.
    """
    known = set(scene.sorting.clusters.index)
    units = tuple(cluster for cluster in values["selected"] if cluster in known)
    subject, _, region = values["spikes_of"].partition(":")
    return EventRequest(
        scene,
        FILTER if subject == UNIT and not units else subject,
        units,
        values["depth_range"] or scene.columns.depth_range_um,
        region,
        values["event"],
        values["split"],
        values["masked"],
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


@dataclass(frozen=True, slots=True)
class ResponseTestRequest:
    """Parameters of the test of responses, from which its columns can be had again.

    Attributes
    ----------
    event, split : str
        Of `dashboard.analysis.events.trials`.
    is_masked : bool
        Whether only trials of the brain-wide map are used.
    baseline_s, response_s : (float, float)
        Windows around the event, in s.
    """

    event: str
    split: str
    is_masked: bool
    baseline_s: tuple[float, float]
    response_s: tuple[float, float]

    def write(self) -> str:
        """Return it as `read_test` takes it: ``stimOn,none,mask,-0.5,0,0,0.5``."""
        mask = next(word for word, is_masked in _MASKS.items() if is_masked == self.is_masked)
        return ",".join([self.event, self.split, mask, *map(number_text, (*self.baseline_s, *self.response_s))])

    @property
    def words(self) -> str:
        """The test in words, for the origin of an export."""
        (b0, b1), (r0, r1) = self.baseline_s, self.response_s
        split = f", split by {self.split}" if self.split != "none" else ""
        trials = "trials of the brain-wide map" if self.is_masked else "all trials"
        return f"{self.event}{split}, {trials}, baseline {b0:g} to {b1:g} s, response {r0:g} to {r1:g} s"


def read_test(text: str) -> ResponseTestRequest:
    """Return the test of responses that a word of the link names.

    Raises
    ------
    BadRequest
        It cannot be read.
    """
    example = "stimOn,none,mask,-0.5,0,0,0.5"
    parts = text.split(",")
    if len(parts) != 7 or parts[0] not in EVENTS or parts[1] not in SPLITS or parts[2] not in _MASKS:
        raise BadRequest("test wants event, split, mask or all, baseline, response", text[:60], example)
    try:
        b0, b1, r0, r1 = map(float, parts[3:])
    except ValueError as error:
        raise BadRequest("test has windows that are no numbers", text[:60], example) from error
    if not all(map(math.isfinite, (b0, b1, r0, r1))):
        raise BadRequest("test has windows that are no numbers", text[:60], example)
    return ResponseTestRequest(parts[0], parts[1], _MASKS[parts[2]], (b0, b1), (r0, r1))

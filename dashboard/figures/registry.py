"""Figures: an entry each, of plain values; what they name is imported when it is first drawn.

Tabs, sheets and `sorting.plot` draw what is registered for what they show. Another package adds a figure through an
entry point of the group ``spike_dashboard.figures``, which names a `FigureEntry`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dashboard.model.errors import Cancelled
from dashboard.model.registry import Registry, load

if TYPE_CHECKING:
    from dashboard.figures.figure import Figure

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FigureEntry:
    """A figure.

    Attributes
    ----------
    name : str
        ``"unit-acg"``.
    title : str
        Over it on the page, where the tab has no caption of its own.
    of : str
        What it shows: ``"unit"`` for a `dashboard.analysis.unit_picture.UnitPicture`, ``"event"`` for a
        `dashboard.analysis.events.picture.EventPicture`.
    declare : str
        ``"module:function"`` of that, which returns a `dashboard.figures.figure.Figure` of the entry's name.
    """

    name: str
    title: str
    of: str
    declare: str


_UNIT, _EVENTS = "dashboard.figures.unit", "dashboard.figures.events"

OWN = (
    FigureEntry("unit-acg", "Autocorrelogram", "unit", f"{_UNIT}:autocorrelogram"),
    FigureEntry("unit-close", "Close-up", "unit", f"{_UNIT}:close_up"),
    FigureEntry("unit-isi", "Intervals", "unit", f"{_UNIT}:intervals"),
    FigureEntry("unit-refractory", "Refractory test", "unit", f"{_UNIT}:refractory"),
    FigureEntry("unit-amplitude", "Amplitude over time", "unit", f"{_UNIT}:amplitude_over_time"),
    FigureEntry("unit-amplitudes", "Amplitudes", "unit", f"{_UNIT}:amplitudes"),
    FigureEntry("unit-depth", "Depth over time", "unit", f"{_UNIT}:depth_over_time"),
    FigureEntry("unit-rate", "Firing rate", "unit", f"{_UNIT}:rate"),
    FigureEntry("unit-template", "Template", "unit", f"{_UNIT}:template"),
    FigureEntry("event-psth", "PSTH", "event", f"{_EVENTS}:psth"),
    FigureEntry("event-raster", "Trials", "event", f"{_EVENTS}:trials"),
    FigureEntry("event-map", "Population", "event", f"{_EVENTS}:population"),
)


NO_MORE: Mapping[str, Callable[[Any], Figure]] = MappingProxyType({})

FIGURES: Registry[FigureEntry] = Registry("figure", "spike_dashboard.figures", OWN)


class Declared(Mapping[str, "Figure"]):
    """Figures of one look by name; one whose declaration failed raises what it failed with when it is asked for.

    Parameters
    ----------
    of : str
    found : Any
        What the functions of the entries are given.
    more : mapping of str to callable (found) -> Figure
        Figures of this look alone.

    Raises
    ------
    Cancelled
        The look is no longer wanted.
    """

    def __init__(self, of: str, found: Any, more: Mapping[str, Callable[[Any], Figure]] = NO_MORE) -> None:
        self._made: dict[str, Figure | Exception] = {}
        entries = {entry.name: entry for entry in FIGURES if entry.of == of}
        for name in (*entries, *more):
            try:
                declare = more[name] if name in more else load(entries[name].declare)
                self._made[name] = declare(found)
            except Cancelled:
                raise
            except Exception as error:  # noqa: BLE001 - one figure that fails leaves the others
                self._made[name] = error

    def __getitem__(self, name: str) -> Figure:
        made = self._made[name]
        if isinstance(made, Exception):
            raise made
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

"""What one browser session looks at: plain values that every view derives from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any, TypeVar, cast

import param
from param.parameterized import batch_call_watchers

from dashboard.analysis.raw.heat import KINDS
from dashboard.engine.count.registry import AGGREGATES

SHOW = ("both", "raster", "heatmap", "clusters")
SCALES = ("linear", "log", "eq")
HEATS = ("rate", *KINDS)
PALETTES = ("binary", "viridis", "magma", "cividis", "hot")
TIME_BINS_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
DEPTH_BINS_UM = (5.0, 10.0, 20.0, 40.0)


class AggregateName(param.String):
    """Name of an aggregate that there is; those of plug-ins come after this class is made."""

    def _validate_value(self, val: Any, allow_None: bool) -> None:  # noqa: N803 - param's name
        super()._validate_value(val, allow_None)
        if val not in AGGREGATES:
            raise ValueError(f"{val!r} is none of {', '.join(AGGREGATES.names)}")


class ViewState(param.Parameterized):
    """What several views of one session share; a tab has a state of its own beside it.

    Callbacks of widgets only set these; views watch them and draw. No view calls another.
    """

    insertion = param.String("", doc="Key of the open insertion, subject/date/number/probe; empty while none is.")
    sorter = param.String(None, allow_None=True, doc="Sorter that was asked for; None takes ibllib's choice.")
    revision = param.String(None, allow_None=True, doc="Revision that was asked for; None takes the default.")
    time_range = param.Range(default=None, allow_None=True, doc="Window in time, in s.")
    depth_range = param.Range(default=None, allow_None=True, doc="Window in depth, in um along the probe.")
    show = param.Selector(default="both", objects=list(SHOW), doc="Raster, heatmap or both; or a row for each unit.")
    rows = param.Range(default=None, allow_None=True, doc="Window in rows of the units, in order of depth; None: all.")
    color = AggregateName(default="count", doc="What the raster's colour means.")
    scale = param.Selector(default="linear", objects=list(SCALES), doc="How values map to colour.")
    limits = param.Range(
        default=None, allow_None=True, doc="Colour limits, spikes per s and um for counts; None means the default."
    )
    cmap = param.Selector(default="binary", objects=list(PALETTES), doc="Palette of scalar pictures.")
    time_bin_s = param.Selector(default=0.05, objects=list(TIME_BINS_S), doc="Heatmap bin width, in s.")
    depth_bin_um = param.Selector(default=10.0, objects=list(DEPTH_BINS_UM), doc="Heatmap bin height, in um.")
    heat_of = param.Selector(
        default="rate", objects=list(HEATS), doc="What the heatmap shows: rate, RMS of AP or LF, or power of LF."
    )
    quality = param.Selector(default="all", objects=["all", "good"], doc="All units, or those with label == 1.")
    filters = param.Dict(default={}, doc="Further filters, by the words of dashboard.analysis.filters.words.")
    level = param.Selector(
        default="allen", objects=["allen", "beryl", "cosmos"], doc="Level of the region names in strip and colours."
    )
    selected = param.List(default=[], item_type=(int, str), doc="Ids of the selected units, in the order of selection.")
    tab = param.String("Clusters", doc="Title of the open tab of the dock.")
    ranked_by = param.String("", doc="Column that the table of units was asked to be sorted by, the largest first.")
    bins = param.Dict(default={}, doc="Bins and windows of the tabs that are not as by default, as shown.")
    triage = param.String("", doc="List that a triage goes through, as dashboard.model.facets reads it; empty: none.")
    place = param.String("", doc="Key of the insertion whose turn it is in the triage, while the page shows another.")
    mode = param.Selector(default="pan", objects=["pan", "select", "zoom"], doc="What a drag on the raster does.")
    dark = param.Boolean(default=False, doc="Dark theme.")

    def shows(self, name: str) -> bool:
        """Whether ``raster``, ``heatmap`` or ``clusters`` is on the page."""
        return self.show == name or (self.show == "both" and name != "clusters")


def parameters(kinds: Iterable[Any]) -> dict[str, Any]:
    """Return the parameters of `ViewState` and of other states by name, with their kinds and defaults."""
    return {name: kind.param[name] for kind in [ViewState, *kinds] for name in kind.param if name != "name"}


SpikeSubset = TypeVar("SpikeSubset", bound=param.Parameterized)


class PageState:
    """The state of one session: what views share, and what single tabs and services have of their own.

    Parameters
    ----------
    kinds : iterable of type
        States beside `ViewState`; no two have a parameter of one name.
    view : ViewState, optional
        The shared state; a new one where absent.
    **values
        Of any of them.

    Attributes
    ----------
    view : ViewState
    """

    def __init__(
        self, kinds: Iterable[type[param.Parameterized]], view: ViewState | None = None, **values: Any
    ) -> None:
        self.view = view if view is not None else ViewState()
        self._parts: dict[type, param.Parameterized] = {kind: kind() for kind in kinds}
        self._parts[ViewState] = self.view
        self._owners = {name: part for part in self._parts.values() for name in part.param if name != "name"}
        self.update(**values)

    def __getitem__(self, kind: type[SpikeSubset]) -> SpikeSubset:
        """Return the state of a kind."""
        return cast(SpikeSubset, self._parts[kind])

    def get(self, name: str) -> Any:
        """Return the value of a parameter."""
        return getattr(self._owners[name], name)

    def values(self) -> dict[str, Any]:
        """Return the values of all parameters."""
        return {name: self.get(name) for name in self._owners}

    def update(self, **values: Any) -> None:
        """Set parameters of any state; who watches them finds all of them set.

        Raises
        ------
        ValueError
            A value cannot be taken, or no state has such a parameter.
        """
        if unknown := [name for name in values if name not in self._owners]:
            raise ValueError(f"No state has {', '.join(unknown)}")
        with ExitStack() as waiting:
            for part in reversed(self._parts.values()):
                waiting.enter_context(batch_call_watchers(part))
            for name, value in values.items():
                setattr(self._owners[name], name, value)

    def watch(self, changed: Callable[..., object]) -> None:
        """Call `changed` for every change of any state."""
        for part in self._parts.values():
            part.param.watch(changed, list(part.param))


def toggle_region(state: ViewState, acronym: str, shank: int | None = None) -> None:
    """Show only the units of a region that was clicked; a second click shows all again.

    Parameters
    ----------
    state : ViewState
    acronym : str
        Empty for a shank whose regions are not known.
    shank : int or None
        Shank that was clicked, where the probe has several: the region of that one is meant. None: of all.
    """
    asked = {"regions": acronym, "shanks": "" if shank is None else str(shank)}
    asked = {word: text for word, text in asked.items() if text}
    filters = {word: text for word, text in state.filters.items() if word not in ("regions", "shanks")}
    is_second = asked == {word: text for word, text in state.filters.items() if word in ("regions", "shanks")}
    state.filters = filters if is_second else {**filters, **asked}


def shown_shanks(state: ViewState) -> tuple[int, ...]:
    """Return the shanks that a filter leaves; none where it leaves all."""
    return tuple(int(part) for part in state.filters.get("shanks", "").split(",") if part.strip().isdecimal())

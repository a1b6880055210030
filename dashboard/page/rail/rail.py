"""The rail: panels for what is open, which spikes are shown, and how; they fly out from icons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from dashboard.analysis.raw.heat import LFP
from dashboard.engine.count.registry import AGGREGATES
from dashboard.model.references import BASE_SORTER, ORIGINAL_REVISION
from dashboard.model.sorting import SpikeSorting
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.panes import html_pane
from dashboard.page.core.sizes import PANEL_PX
from dashboard.page.core.state import PALETTES, ViewState
from dashboard.page.core.theme import apply_theme
from dashboard.page.rail.colours import colours_off, colours_off_words
from dashboard.page.widgets.fields import refuse
from dashboard.page.widgets.panels import PanelIcons

SCALE_WORDS = {"Linear": "linear", "Logarithmic": "log", "Equalised (not quantitative)": "eq"}

WIDEST_PCT = 200
"""How far the limits can be pulled, in per cent of the default range."""

PALETTE_WORDS = {name: name for name in PALETTES if name != "hot"} | {"hot (uneven steps of brightness)": "hot"}
"""Palettes by the words of the page: all but one are perceptually even."""

HEAT_WORDS = {
    "Firing rate": "rate",
    "AP noise (RMS)": "rms_ap",
    "LF noise (RMS)": "rms_lf",
    **{f"LFP power, {band}": kind for kind, band in LFP.items()},
}

CLOSED = "open an insertion first"

_FIELD = {"size": "small", "variant": "outlined", "sizing_mode": "stretch_width", "margin": (6, 12)}


class Rail:
    """Icons and panels of the rail; callbacks only set the state or ask to open something.

    A panel is given its widgets when it is first opened: a page that is only looked at does without them.

    Parameters
    ----------
    state : ViewState
    theme : param.Parameter
        Of the theme that was chosen: ``system``, ``light`` or ``dark``.
    open_insertion : callable (text, sorter, revision) -> None
    fit_limits : callable () -> None
        Fits the colour limits to what is in view.
    queue : DocumentQueue
    find : sequence of Viewable
        First in the panel of what is open.
    filters : sequence of Viewable
        Shown under the choice of units.

    Attributes
    ----------
    icons : PanelIcons
    panels : dict of str to Column
    """

    def __init__(
        self,
        state: ViewState,
        theme: param.Parameter,
        open_insertion: Callable[[str, str | None, str | None], None],
        fit_limits: Callable[[], None],
        queue: DocumentQueue,
        find: Sequence[Any] = (),
        filters: Sequence[Any] = (),
    ) -> None:
        self._filters, self._find = filters, find
        self._state = state
        self._open = open_insertion
        self._is_moving = self._is_missing = False
        self.search = pmui.AutocompleteInput(
            label="Insertion",
            options=[],
            placeholder="Paste or search: pid, eid/probe, subject/…",
            restrict=False,
            case_sensitive=False,
            search_strategy="includes",
            min_characters=0,
            **_FIELD,
        )
        self.sorter = pmui.Select(label="Sorter", options=[CLOSED], value=CLOSED, disabled=True, **_FIELD)
        self.revision = pmui.Select(label="Revision", options=[CLOSED], value=CLOSED, disabled=True, **_FIELD)
        self.quality = pmui.RadioButtonGroup.from_param(
            state.param.quality, options={"All units": "all", "Good units": "good"}, label="", **_group()
        )
        self.no_labels = html_pane(margin=(0, 12), visible=False)
        titles = {entry.title: entry.name for entry in AGGREGATES}
        self.color = pmui.Select.from_param(state.param.color, options=titles, label="Colour", **_FIELD)
        self.colours_off = html_pane(margin=(0, 12), visible=False)
        self.scale = pmui.Select.from_param(state.param.scale, options=SCALE_WORDS, label="Scale", **_FIELD)
        self.cmap = pmui.Select.from_param(state.param.cmap, options=PALETTE_WORDS, label="Palette", **_FIELD)
        self.fit = pmui.Button(
            label="Fit limits to view", variant="outlined", size="small", sizing_mode="stretch_width", margin=(6, 12)
        )
        self.default_limits = pmui.Button(
            label="Default limits", variant="text", size="small", sizing_mode="stretch_width", margin=(0, 12)
        )
        self.pull = pmui.RangeSlider(
            label="Limits (% of the default range)",
            start=0,
            end=WIDEST_PCT,
            step=1,
            value=(0, 100),
            size="small",
            sizing_mode="stretch_width",
            margin=(10, 22, 0, 22),
        )
        self._default_limits: tuple[float, float] | None = None
        self._pulled_to: tuple[float, float] | None = None
        self.time_bin = pmui.Select.from_param(state.param.time_bin_s, label="Heatmap bin (s)", **_FIELD)
        self.depth_bin = pmui.Select.from_param(state.param.depth_bin_um, label="Heatmap bin (µm)", **_FIELD)
        self.heat_of = pmui.Select.from_param(
            state.param.heat_of, options=HEAT_WORDS, label="Heatmap shows", **_FIELD
        )  # fmt: skip
        self.level = pmui.Select.from_param(
            state.param.level,
            options={"Allen": "allen", "Beryl": "beryl", "Cosmos": "cosmos"},
            label="Region names",
            **_FIELD,
        )
        self.notes = html_pane(margin=(4, 12))
        self.search.param.watch(self._searched, "value")
        self.sorter.param.watch(self._picked, "value")
        self.revision.param.watch(self._picked, "value")
        self.fit.on_click(lambda event: fit_limits())
        self.pull.param.watch(self._pulled, "value")
        self.default_limits.on_click(lambda event: state.param.update(limits=None))
        state.param.watch(self._recoloured, ["color", "limits"])
        state.param.watch(self._mark, ["quality", "filters"])
        self.reset = pmui.Button(
            label="Reset the layout", variant="outlined", size="small", sizing_mode="stretch_width", margin=(6, 12)
        )
        self.theme = pmui.RadioButtonGroup.from_param(
            theme,
            options={"As the system": "system", "Light": "light", "Dark": "dark"},
            label="",
            **_group(),
        )
        self.icons = PanelIcons(lambda name: queue.later(lambda: self.fill(name)))
        self.reset.on_click(lambda event: self.icons.param.update(resets=self.icons.resets + 1))
        self.panels = {
            name: pn.Column(
                width=PANEL_PX, sizing_mode="stretch_height", margin=0, css_classes=["flyout", f"panel-{name}"]
            )
            for name in self._objects
        }

    def fill(self, name: str) -> None:
        """Put the widgets of a panel on the page: the first time that somebody opens it."""
        if name in self.panels and not self.panels[name].objects:
            self.panels[name][:] = self._objects[name]
            apply_theme(self.panels[name], dark=self._state.dark)

    def _mark(self, *events: object) -> None:
        """Mark the panel of filters while one is in force, and that of what is open where something is missing."""
        state = self._state
        marked = {"open": self._is_missing, "filters": bool(state.filters or state.quality != "all")}
        self.icons.marks = [name for name, is_marked in marked.items() if is_marked]

    def offer(self, keys: Sequence[str]) -> None:
        """Have the picker offer these insertions; `name` has to follow in a turn of its own."""
        self._is_moving = True
        try:
            self.search.param.update(options=list(keys), value="")
        finally:
            self._is_moving = False

    def name(self) -> None:
        """Write what is open into the picker: it forgets its text when it is given other options."""
        self._is_moving = True
        try:
            self.search.value = self._state.insertion
        finally:
            self._is_moving = False

    def show(self, sorting: SpikeSorting) -> None:
        """Let the pickers follow what was opened: the sorters and revisions that exist."""
        sorter, revision = sorting.ref.sorter, sorting.ref.revision
        self._is_moving = True
        try:
            self.search.value = sorting.ref.insertion.key
            self.sorter.param.update(
                options=[name or BASE_SORTER for name in sorter.alternatives or (sorter.value,)],
                value=sorter.value or BASE_SORTER,
                disabled=len(sorter.alternatives) < 2,
            )
            self.revision.param.update(
                options=[name or ORIGINAL_REVISION for name in revision.alternatives or (revision.value,)],
                value=revision.value or ORIGINAL_REVISION,
                disabled=len(revision.alternatives) < 2,
            )
        finally:
            self._is_moving = False
        self._is_missing = bool(sorting.missing)
        self._mark()
        reason = sorting.why_no_labels
        self.quality.disabled = bool(reason)
        words = f"Good units are not known: {escape(reason)}. All units are shown."
        self.no_labels.param.update(object=f'<div class="notes">{words}</div>', visible=bool(reason))
        off = colours_off(sorting)
        self.color.disabled_options = list(off)
        self.colours_off.param.update(object=colours_off_words(off), visible=bool(off))

    def show_limits(self, default: tuple[float, float] | None, limits: tuple[float, float]) -> None:
        """Let the slider stand where the picture's limits are; without a default they mean nothing."""
        self._default_limits = default
        self.pull.disabled = default is None
        if default is None or default[1] <= default[0]:
            return
        if self._state.limits is not None and self._state.limits == self._pulled_to:
            return  # the hand is ahead of the picture
        percent = [round(100 * (limit - default[0]) / (default[1] - default[0])) for limit in limits]
        self._is_moving = True
        try:
            self.pull.value = tuple(min(max(value, 0), WIDEST_PCT) for value in percent)
        finally:
            self._is_moving = False

    def _pulled(self, event: Any) -> None:
        if self._is_moving or self._default_limits is None:
            return
        low, high = self._default_limits
        start, end = event.new
        if end > start:
            self._pulled_to = (low + (high - low) * start / 100, low + (high - low) * end / 100)
            self._state.limits = self._pulled_to

    def _recoloured(self, *events: Any) -> None:
        """Limits are those of one colour: they are let go with it, unless new ones come along, as in a link."""
        if self._state.limits is not None and [event.name for event in events] == ["color"]:
            self._state.limits = None

    def _searched(self, event: Any) -> None:
        refuse(self.search, "")
        if not self._is_moving and event.new:
            self._open(event.new, None, None)

    def refuse(self, why: str) -> None:
        """Say under the field why the insertion that was typed there was not opened."""
        if self.search.value not in ("", self._state.insertion):
            refuse(self.search, why)

    def _picked(self, event: Any) -> None:
        if self._is_moving or not self._state.insertion:
            return
        # Another sorter has its own revisions, so its default is taken.
        revision = unnamed(self.revision.value, ORIGINAL_REVISION) if event.obj is self.revision else None
        self._open(self._state.insertion, unnamed(self.sorter.value, BASE_SORTER), revision)

    @property
    def _objects(self) -> dict[str, list[Any]]:
        """Widgets of each panel in reading order."""
        limits = [self.pull, self.fit, self.default_limits]
        bins = pn.Row(self.time_bin, self.depth_bin, sizing_mode="stretch_width", margin=0)
        return {
            "open": [_heading("Recording"), *self._find, self.search, self.sorter, self.revision, self.notes],
            "filters": [_heading("Units"), self.quality, self.no_labels, *self._filters],
            "colour": [_heading("Raster"), self.color, self.colours_off, self.scale, self.cmap, *limits],
            "view": [
                _heading("Heatmap and regions"),
                self.heat_of,
                bins,
                self.level,
                _heading("Theme"),
                self.theme,
                _heading("Layout"),
                self.reset,
            ],
        }


def unnamed(word: str, stands_for_none: str) -> str:
    """Return the name that a word of the page stands for: ``base`` and ``original`` have none."""
    return "" if word == stands_for_none else word


def _group() -> dict[str, Any]:
    return {"size": "small", "sizing_mode": "stretch_width", "margin": (4, 12), "variant": "outlined"}


def _heading(text: str) -> pmui.Typography:
    return pmui.Typography(text, variant="overline", margin=(10, 12, 0, 12), sizing_mode="stretch_width")

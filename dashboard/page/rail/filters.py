"""The filters of the rail: what clusters have to be like, how many pass, and one click to clear each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui

from dashboard.analysis.anatomy.regions import at_level
from dashboard.analysis.filters.clusters import ClusterFilter, FilterResult, filter_clusters, filtered_table
from dashboard.analysis.filters.words import SPIKE_WORDS, read_words, tidy_ids, why_unusable, write_words
from dashboard.model.errors import BadRequest
from dashboard.model.shanks import shank_numbers
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import counted
from dashboard.page.core.panes import html_pane
from dashboard.page.core.state import ViewState
from dashboard.page.widgets.chips import Chips

LABELS = {"0": "0", "1/3": "0.33", "2/3": "0.66", "3/3": "1"}
_SMALL = {"size": "small", "variant": "outlined", "sizing_mode": "stretch_width"}
NO_METRIC = "choose a column"
ALL_SHANKS = "All shanks"
AMP_WORDS, SPIKE_AMP_WORDS = "Amplitude of the unit (µV)", "Amplitude of single spikes (µV)"
NO_SPIKE_AMPS = "Amplitude of single spikes: not in this sorting"


def wanted(state: ViewState) -> ClusterFilter:
    """Return the filter that the state asks for.

    Raises
    ------
    BadRequest
        A word cannot be read.
    """
    return read_words({"quality": state.quality, "level": state.level, **state.filters})


def apply(state: ViewState, sorting: SpikeSorting, spikes_per_cluster: np.ndarray[Any, Any]) -> FilterResult:
    """Return what passes.

    Raises
    ------
    BadRequest
        A word cannot be read, or the expression asks for a column that is not there.
    """
    return filter_clusters(
        wanted(state), filtered_table(sorting), spikes_per_cluster, amps_are_volts=sorting.amps_are_volts
    )


class LimitsRow:
    """Two fields, from and up to, for one word of the filter."""

    def __init__(self, label: str, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._is_moving = False
        self.low = pmui.TextInput(label="from", margin=(2, 4, 4, 4), **_SMALL)
        self.high = pmui.TextInput(label="to", margin=(2, 4, 4, 4), **_SMALL)
        for field in (self.low, self.high):
            field.param.watch(self._typed, "value")
        self.heading = pmui.Typography(label, variant="caption", margin=(4, 4, 0, 4), sizing_mode="stretch_width")
        fields = pn.Row(self.low, self.high, sizing_mode="stretch_width", margin=0)
        self.error = html_pane(margin=(0, 4), visible=False)
        self.panel = pn.Column(self.heading, fields, self.error, sizing_mode="stretch_width", margin=0)

    def refuse(self, why: str) -> None:
        """Say under the fields why what they hold is not applied; nothing where it is."""
        for field in (self.low, self.high):
            field.error_state = bool(why)
        self.error.param.update(object=_refused(why), visible=bool(why))

    def show(self, text: str) -> None:
        """Take the limits of the state, ``low,high``."""
        low, _, high = text.partition(",")
        self._is_moving = True
        try:
            self.low.value, self.high.value = low, high
        finally:
            self._is_moving = False

    def _typed(self, event: Any) -> None:
        if not self._is_moving:
            low, high = self.low.value.strip(), self.high.value.strip()
            self._changed(f"{low},{high}" if low or high else "")


class FiltersView:
    """Widgets that write ``filters`` of the state, and the line of what they do.

    Parameters
    ----------
    state : ViewState
    """

    def __init__(self, state: ViewState) -> None:
        self._state = state
        self._is_moving = False
        self._sorting: SpikeSorting | None = None
        self._shown: tuple[FilterResult, int] | None = None
        self._unfinished: dict[str, str] = {}  # word -> why what its field holds is not applied
        self.labels = pmui.CheckButtonGroup(
            options=LABELS, label="Label (tests passed)", size="small", sizing_mode="stretch_width", margin=4
        )
        self.shanks = pmui.CheckButtonGroup(
            options={}, label="Shank, from the left", size="small", sizing_mode="stretch_width", margin=4, visible=False
        )
        self.shank = pmui.RadioButtonGroup(
            options={ALL_SHANKS: ""}, value="", label="", description="Which shank is shown", size="small",
            variant="outlined", margin=0, visible=False, css_classes=["choice"],
            sx={"& .MuiToggleButton-root": {"padding": "1px 7px", "fontSize": "12px", "whiteSpace": "nowrap"}},
        )  # fmt: skip
        """All shanks or one of several, over the pictures."""
        self.regions = pmui.MultiChoice(
            label="Regions",
            options=[],
            variant="outlined",
            sizing_mode="stretch_width",
            margin=(6, 4),
        )
        self._limits = {
            "rate": LimitsRow("Firing rate (Hz)", partial(self._set, "rate")),
            "amp": LimitsRow(AMP_WORDS, partial(self._set, "amp")),
            "band": LimitsRow("Depth (µm)", partial(self._set, "band")),
            "spike_amp": LimitsRow(SPIKE_AMP_WORDS, partial(self._set, "spike_amp")),
        }
        self.metric = pmui.Select(label="Any metric", options=[NO_METRIC], value=NO_METRIC, margin=(6, 4), **_SMALL)
        self._metric_limits = LimitsRow("Limits of the metric", self._set_metric)
        self.where = pmui.TextInput(
            label="Expression", placeholder="firing_rate > 2 and within('CA1')", margin=(6, 4), **_SMALL
        )
        self.ids = pmui.TextInput(label="Unit ids", placeholder="1,2,3", margin=(6, 4), **_SMALL)
        rows = [row.panel for row in self._limits.values()]
        self.fields = pn.Column(
            self.labels, self.shanks, self.regions, *rows, self.metric, self._metric_limits.panel, self.where, self.ids,
            sizing_mode="stretch_width", margin=(2, 8),
        )  # fmt: skip
        self.line = html_pane(margin=(0, 8), sizing_mode="fixed", width=None)
        self.chips = Chips(self.clear, margin=0)
        self.said = pn.FlexBox(
            self.line,
            self.chips,
            align_items="center",
            sizing_mode=None,
            margin=0,
            visible=False,
            css_classes=["choice"],
        )
        """What the filters do, and a chip to clear each: over the pictures while there is one."""
        self.labels.param.watch(lambda event: self._set("label", ",".join(event.new)), "value")
        self.shanks.param.watch(lambda event: self._set("shanks", ",".join(event.new)), "value")
        self.shank.param.watch(self._show_shank, "value")
        self.regions.param.watch(lambda event: self._set("regions", ",".join(event.new)), "value")
        self.metric.param.watch(self._show_metric, "value")
        self.where.param.watch(lambda event: self._set("where", event.new.strip()), "value")
        self.ids.param.watch(lambda event: self._set("ids", tidy_ids(event.new)), "value")
        state.param.watch(self._follow, ["filters", "quality"])
        self._follow()

    def offer(self, sorting: SpikeSorting) -> None:
        """Offer the regions and the numeric columns of an insertion."""
        self._sorting = sorting
        table = sorting.clusters
        numeric = [str(name) for name in table if pd.api.types.is_numeric_dtype(table[name].dtype)]
        self._is_moving = True
        try:
            self.regions.param.update(
                options=_regions(table) + [r for r in self.regions.value if r not in _regions(table)],
                disabled="acronym" not in table,
            )
            numbers = [str(shank) for shank in shank_numbers(sorting.channels)]
            shown = [shank for shank in self.shanks.value if shank in numbers]
            self.shanks.param.update(options=numbers, value=shown, visible=len(numbers) > 1)
            words = {ALL_SHANKS: "", **{f"Shank {number}": number for number in numbers}}
            self.shank.param.update(options=words, value=_only(shown), visible=len(numbers) > 1)
            self.metric.options = [NO_METRIC, *numeric]
            self.labels.disabled = bool(sorting.why_no_labels)
            unit = sorting.amp_unit
            self._limits["amp"].heading.object = AMP_WORDS.replace("µV", unit)
            spikes, has_amps = self._limits["spike_amp"], sorting.spikes.amps_v is not None
            spikes.heading.object = SPIKE_AMP_WORDS.replace("µV", unit) if has_amps else NO_SPIKE_AMPS
            spikes.low.disabled = spikes.high.disabled = not has_amps
        finally:
            self._is_moving = False

    def show(self, result: FilterResult, n_clusters: int) -> None:
        """Say what passes, and by which criterion; and what of the fields is not applied."""
        self._shown = result, n_clusters
        asks = result.criteria
        spikes = ""
        if result.n_spikes is not None and result.n_spikes_total is not None:
            spikes = f" · {result.n_spikes:,} of {counted(result.n_spikes_total, 'spike')}"
        words = f"{result.n_pass:,} of {counted(n_clusters, 'unit')}{spikes} pass" if asks else ""
        reasons = "".join(
            f"<div>{escape(criterion.text)}: {escape(criterion.reason)}; it hides nothing</div>"
            for criterion in asks
            if criterion.reason
        )
        said = f'<div class="notes filtered">{escape(words)}{reasons}</div>' if asks else ""
        self.line.object = said + "".join(map(_refused, self._unfinished.values()))
        chips = [(criterion.name, f"{criterion.text} ✕") for criterion in asks]
        self.chips.chips = [*chips, ("", "Clear all")] if len(chips) > 1 else chips
        self.said.visible = bool(chips or self._unfinished)

    def refuse(self, sorting: SpikeSorting) -> None:
        """Take out of the state what cannot act on a sorting: it stays in its field, with the reason."""
        words = self._state.filters
        unusable = {word: why for word, text in words.items() if (why := why_unusable(word, text, sorting))}
        for word, why in unusable.items():
            self._show_word(word, words[word])
            self._leave(word, why)
        self._state.filters = {word: text for word, text in words.items() if word not in unusable}

    def _leave(self, word: str, why: str) -> None:
        """Leave what a field holds in it, not applied, with the reason under it; without one, it is applied."""
        if why:
            self._unfinished[word] = why
        elif self._unfinished.pop(word, None) is None:
            return
        row = self._metric_limits if word == "metrics" else self._limits.get(word)
        field = {"where": self.where, "ids": self.ids}.get(word)
        if row is not None:
            row.refuse(why)
        elif field is not None:
            field.param.update(error_state=bool(why), helper_text=why)
        if self._shown is not None:
            self.show(*self._shown)

    def clear(self, criterion: str = "") -> None:
        """Clear one criterion, or all of them."""
        state = self._state
        if not criterion:
            for word in tuple(self._unfinished):
                self._leave(word, "")
            self._follow()
            state.param.update(filters={}, quality="all")
            return
        try:
            asked = wanted(state)
            rest = write_words(asked if criterion in SPIKE_WORDS else asked.without(criterion))
        except BadRequest:
            state.filters = {}
            return
        rest |= {word: state.filters[word] for word in SPIKE_WORDS if word in state.filters and word != criterion}
        quality = rest.pop("quality", "all")
        rest.pop("level", None)
        state.param.update(filters=rest, quality=quality)

    def _set(self, word: str, text: str) -> None:
        if self._is_moving:
            return
        why = why_unusable(word, text, self._sorting)
        self._leave(word, why)
        if why:
            return
        rest = {name: value for name, value in self._state.filters.items() if name != word}
        if word == "label" and text == "1":
            # The one word for good units, so that a link has it in one place.
            self._state.param.update(filters=rest, quality="good")
        elif word == "label":
            self._state.param.update(filters={**rest, **({word: text} if text else {})}, quality="all")
        else:
            self._state.filters = {**rest, word: text} if text else rest

    def _set_metric(self, text: str) -> None:
        name = self.metric.value
        if self._is_moving or name == NO_METRIC:
            return
        others = [part for part in self._state.filters.get("metrics", "").split(",") if part]
        kept = [part for part in others if part.partition(":")[0] != name]
        if text:
            kept.append(f"{name}:{text.replace(',', ':')}")
        self._set("metrics", ",".join(kept))

    def _show_shank(self, event: Any) -> None:
        if event.new is not None:
            self._set("shanks", event.new)

    def _show_metric(self, *events: object) -> None:
        if events:
            self._leave("metrics", "")
        elif "metrics" in self._unfinished:
            return
        parts = dict(part.partition(":")[::2] for part in self._state.filters.get("metrics", "").split(",") if part)
        self._metric_limits.show(parts.get(self.metric.value, "").replace(":", ","))

    def _follow(self, *events: object) -> None:
        words = self._state.filters
        self._is_moving = True
        try:
            regions = [part for part in words.get("regions", "").split(",") if part]
            self.regions.param.update(options=list(dict.fromkeys([*self.regions.options, *regions])), value=regions)
            labels = "1" if self._state.quality == "good" else words.get("label", "")
            self.labels.value = [part for part in labels.split(",") if part in LABELS.values()]
            shanks = [part for part in words.get("shanks", "").split(",") if part]
            self.shanks.value = [shank for shank in self.shanks.options if shank in shanks]
            self.shank.value = _only(self.shanks.value)
            for word in ("where", "ids", *self._limits):
                if word not in self._unfinished:
                    self._show_word(word, words.get(word, ""))
            self._show_metric()
        finally:
            self._is_moving = False

    def _show_word(self, word: str, text: str) -> None:
        """Write the text of a word into its field."""
        before, self._is_moving = self._is_moving, True
        try:
            if word in self._limits:
                self._limits[word].show(text)
            elif word in ("where", "ids"):
                (self.where if word == "where" else self.ids).value = text
        finally:
            self._is_moving = before


def _refused(why: str) -> str:
    return f'<div class="notes refused" role="alert">Not applied: {escape(why)}</div>' if why else ""


def _only(shanks: list[str]) -> str | None:
    """Return the one shank that is shown, ``''`` for all, None for some."""
    return (shanks[0] if shanks else "") if len(shanks) < 2 else None


def _regions(table: pd.DataFrame) -> list[str]:
    """Return the acronyms that clusters lie in, at every level, in alphabetical order."""
    if "acronym" not in table:
        return []
    own = table["acronym"].dropna().to_numpy(dtype=object)
    names = {str(name) for level in ("allen", "beryl", "cosmos") for name in np.unique(at_level(own, level))}
    return sorted(names - {"", "void", "root"})

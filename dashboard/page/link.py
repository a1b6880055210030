"""The view as a query string: parsed before the page is built, written when it changes.

The words are those of the command line; docs/urls.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from dashboard.analysis.anatomy.regions import at_level
from dashboard.analysis.filters.words import MAX_IDS, SPIKE_WORDS, WORDS, read_spike_amp, read_words
from dashboard.model.errors import BadRequest
from dashboard.model.facets import read_query, write_query
from dashboard.model.references import BASE_SORTER, ORIGINAL_REVISION
from dashboard.model.sorting import SpikeSorting
from dashboard.page.bins import read_bins, write_bins
from dashboard.page.core.numbers import number_text
from dashboard.page.core.state import (
    BESIDE,
    COLOURS,
    DEPTH_BINS_UM,
    MARKS,
    PALETTES,
    SCALES,
    SHOW,
    TABS,
    TIME_BINS_S,
    ViewState,
)
from dashboard.page.tabs.compare import words
from dashboard.page.tabs.events.words import read_subject, read_test

FILTER_KEYS = (*(word for word in WORDS if word not in ("quality", "level")), *SPIKE_WORDS)
"""Words of the filter; the state holds them as they are written."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a query string asks for.

    Attributes
    ----------
    values : dict
        Parameters of `ViewState`, parsed and valid.
    problems : tuple of str
        One line for every part that could not be used; the rest still opens.
    """

    values: dict[str, Any]
    problems: tuple[str, ...]


NO_LINK = Link({}, ())
"""Asks for nothing."""


MAX_REASON = 300
"""Characters of why a part of a link cannot be used: reasons repeat what was written."""

MAX_ID = 2**31 - 1
"""Greatest id of a cluster and number of a trial in a link: columns hold ids as int32."""


def _pair(text: str) -> tuple[float, float]:
    first, second = (float(part) for part in text.split(","))
    if not (abs(first) < 1e9 and abs(second) < 1e9):
        raise ValueError("not finite")
    if not first < second:
        raise ValueError("start must be below end")
    return first, second


def _one_of(options: tuple[Any, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in options:
            raise ValueError(f"is none of {', '.join(map(str, options))}")
        return text

    return parse


def _ids(text: str) -> list[int]:
    ids = [_whole(part) for part in text.split(",") if part]
    if len(ids) > MAX_IDS:
        raise ValueError(f"at most {MAX_IDS:,} clusters are selected")
    return list(dict.fromkeys(ids))


def _whole(text: str) -> int:
    """Return a number of plain digits: Python takes seconds for the value of very many, and refuses more."""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_ID)) and int(text) <= MAX_ID):
        raise ValueError(f"wants whole numbers from 0 to {MAX_ID}")
    return int(text)


def _heat(text: str) -> tuple[float, float]:
    seconds, microns = (float(part) for part in text.split(","))
    if seconds not in TIME_BINS_S or microns not in DEPTH_BINS_UM:
        raise ValueError(f"bins are {TIME_BINS_S} s and {DEPTH_BINS_UM} um")
    return seconds, microns


def _compare(text: str) -> str:
    try:
        return words.read(text).write() if text else ""
    except BadRequest as error:
        raise ValueError(str(error)) from error


def _test(text: str) -> str:
    try:
        return read_test(text).write()
    except BadRequest as error:
        raise ValueError(str(error)) from error


def _triage(text: str) -> str:
    try:
        return write_query(read_query(text)) if text else ""
    except BadRequest as error:
        raise ValueError(str(error)) from error


def _trial(text: str) -> int:
    number = _whole(text)
    if number < 1:
        raise ValueError("trials count from 1")
    return number - 1


PARSERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "insertion": ("insertion", str),
    "sorter": ("sorter", lambda text: "" if text == BASE_SORTER else text),
    "revision": ("revision", lambda text: "" if text == ORIGINAL_REVISION else text),
    "t": ("time_range", _pair),
    "depth": ("depth_range", _pair),
    "rows": ("rows", _pair),
    "before": ("before", _pair),
    "after": ("after", _pair),
    "quality": ("quality", _one_of(("all", "good"))),
    "level": ("level", _one_of(("allen", "beryl", "cosmos"))),
    "selected": ("selected", _ids),
    "color": ("color", _one_of(COLOURS)),
    "scale": ("scale", _one_of(SCALES)),
    "limits": ("limits", _pair),
    "cmap": ("cmap", _one_of(PALETTES)),
    "heat": ("heat", _heat),
    "show": ("show", _one_of(SHOW)),
    "compare": ("compare", _compare),
    "tab": ("tab", lambda text: _one_of(TABS)(text.capitalize())),
    "marks": ("marks", _one_of(MARKS)),
    "beside": ("beside", _one_of(BESIDE)),
    "event": ("event", _one_of(tuple(ViewState.param.event.objects))),
    "split": ("split", _one_of(tuple(ViewState.param.split.objects))),
    "of": ("spikes_of", read_subject),
    "mask": ("masked", lambda text: _one_of(("on", "off"))(text) == "on"),
    "bins": ("bins", read_bins),
    "test": ("test", _test),
    "trial": ("trial", _trial),
    "triage": ("triage", _triage),
    "place": ("place", str),
}
"""Key of the query -> parameter of the state, and how its text is read."""


def parse(query: str) -> Link:
    """Return what a query string asks for; never raises.

    Parameters
    ----------
    query : str
        Without the question mark, percent-encoded.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for key, text in parse_qsl(query, keep_blank_values=True, max_num_fields=None):
        if key in FILTER_KEYS:
            try:
                read_words({key: text})
                read_spike_amp({key: text})
            except BadRequest as error:
                problems.append(
                    f"The link's {key}={_short(text)} cannot be used ({_short(error, MAX_REASON)}); it was left out."
                )
            else:
                values.setdefault("filters", {})[key] = text
            continue
        if key not in PARSERS:
            problems.append(f"The link has an unknown part '{_short(key)}'; it was left out.")
            continue
        name, parse_value = PARSERS[key]
        try:
            value = parse_value(text)
        except ValueError as error:
            problems.append(
                f"The link's {key}={_short(text)} cannot be used ({_short(error, MAX_REASON)}); the default is shown."
            )
            continue
        if name == "heat":
            values["time_bin_s"], values["depth_bin_um"] = value
        else:
            values[name] = value
    return Link(values, tuple(problems))


def _short(text: object, most: int = 40) -> str:
    """Return the beginning of a text, for a line that people read."""
    return "".join(character if character.isprintable() else " " for character in str(text)[:most])


def at_place(link: Link) -> Link:
    """Return the link of a page that was left while the next insertion of its triage was on its way: it opens that."""
    values = link.values
    if not (values.get("triage") and values.get("place")):
        return link
    kept: dict[str, Any] = {name: values[name] for name in ("triage", "tab") if name in values}
    return Link({"insertion": values["place"], **kept}, link.problems)


def defaults() -> dict[str, Any]:
    """Return what a link means by the words that it leaves out."""
    names = {name for name, _ in PARSERS.values() if name != "heat"} | {"time_bin_s", "depth_bin_um", "filters"}
    return {name: copy(ViewState.param[name].default) for name in names}


def of_session(state: ViewState, sorting: SpikeSorting) -> dict[str, Any]:
    """Return what an insertion that opens does not take over from the one before: limits; times of another session."""
    names = ["limits", "rows", "trial"]
    if sorting.ref.insertion.key != state.insertion:
        names += ["before", "after"]
    return {**dict.fromkeys(names), "test": ""}


def drop_gone(values: dict[str, Any], sorting: SpikeSorting) -> tuple[str, ...]:
    """Leave out of `values` the clusters, region and trial that a sorting does not have; return what to say of it."""
    said = []
    known = set(sorting.clusters.index)
    selected = values.get("selected", [])
    values["selected"] = [cluster for cluster in selected if cluster in known]
    if gone := [str(cluster) for cluster in selected if cluster not in known]:
        said.append(f"There is no cluster {', '.join(gone[:8])} in this sorting; the rest is shown.")
    _, _, region = values.get("spikes_of", "").partition(":")
    if region:
        clusters, level = sorting.clusters, values.get("level", ViewState.param.level.default)
        acronyms = clusters["acronym"].dropna().to_list() if "acronym" in clusters else []
        if region not in set(map(str, at_level(acronyms, level))):
            values["spikes_of"] = ViewState.param.spikes_of.default
            said.append(f"No unit is in region {region[:20]} at the level {level}.")
    n_trials = 0 if sorting.trials is None else len(sorting.trials)
    if (row := values.get("trial")) is not None and row >= n_trials:
        values["trial"] = None
        said.append(f"There is no trial {row + 1} in this session.")
    return tuple(said)


def write(state: ViewState) -> str:
    """Return the query string of a state: every identity key, and what differs from the defaults."""
    place = {"place": state.place} if state.triage and state.place else {}
    if not state.insertion:
        begun = {"tab": state.tab, "triage": state.triage, **place} if state.triage else {}
        return urlencode(begun, safe=",/:", quote_via=quote)
    parts: dict[str, str] = {"insertion": state.insertion}
    if state.sorter is not None:
        parts["sorter"] = state.sorter or BASE_SORTER
    if state.revision is not None:
        parts["revision"] = state.revision or ORIGINAL_REVISION
    for key in ("t", "depth", "rows", "before", "after", "limits"):
        pair = getattr(state, PARSERS[key][0])
        if pair is not None:
            parts[key] = ",".join(map(number_text, pair))
    if state.selected:
        parts["selected"] = ",".join(map(str, state.selected))
    if (state.time_bin_s, state.depth_bin_um) != (0.05, 10.0):
        parts["heat"] = f"{number_text(state.time_bin_s)},{number_text(state.depth_bin_um)}"
    for key in (
        "quality",
        "level",
        "color",
        "scale",
        "cmap",
        "show",
        "tab",
        "compare",
        "marks",
        "beside",
        "event",
        "split",
    ):
        value = getattr(state, key)
        if value != ViewState.param[key].default:
            parts[key] = value
    if state.spikes_of != ViewState.param.spikes_of.default:
        parts["of"] = state.spikes_of
    if not state.masked:
        parts["mask"] = "off"
    if state.bins:
        parts["bins"] = write_bins(state.bins)
    if state.test:
        parts["test"] = state.test
    if state.trial is not None:
        parts["trial"] = str(state.trial + 1)
    if state.triage:
        parts |= {"triage": state.triage, **place}
    parts |= {key: state.filters[key] for key in FILTER_KEYS if key in state.filters}
    return urlencode(parts, safe=",/:", quote_via=quote)

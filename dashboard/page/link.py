"""The view as a query string: parsed before the page is built, written when it changes.

The words are those of the command line; docs/links.md lists them. Tabs bring words of their own, as their entries say.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import param

from dashboard.analysis.filters.words import MAX_IDS, SPIKE_WORDS, WORDS, read_spike_amp, read_words
from dashboard.engine.count.registry import AGGREGATES
from dashboard.model.errors import BadRequest
from dashboard.model.facets import read_query, write_query
from dashboard.model.references import BASE_SORTER, ORIGINAL_REVISION
from dashboard.model.registry import load
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import MAX_PLACE
from dashboard.model.unit_ids import UnitId, read_ids, write_ids
from dashboard.page.bins import read_bins, write_bins
from dashboard.page.core.numbers import number_text, whole_number
from dashboard.page.core.state import DEPTH_BINS_UM, TIME_BINS_S, PageState, ViewState, parameters
from dashboard.page.tabs import registry
from dashboard.page.tabs.registry import TABS, LinkWord, state_kinds

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


def _pair(text: str) -> tuple[float, float]:
    first, second = (float(part) for part in text.split(","))
    if not (abs(first) < MAX_PLACE and abs(second) < MAX_PLACE):
        raise ValueError(f"is not within {MAX_PLACE:g}")
    if not first < second:
        raise ValueError("the start must be below the end")
    return first, second


def _one_of(options: tuple[Any, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in options:
            raise ValueError(f"is none of {', '.join(map(str, options))}")
        return text

    return parse


def _ids(text: str) -> list[UnitId]:
    ids = read_ids(text)
    if len(ids) > MAX_IDS:
        raise ValueError(f"at most {MAX_IDS:,} units can be selected")
    return ids


def _heat(text: str) -> tuple[float, float]:
    seconds, microns = (float(part) for part in text.split(","))
    if seconds not in TIME_BINS_S or microns not in DEPTH_BINS_UM:
        raise ValueError(f"bins are {TIME_BINS_S} s and {DEPTH_BINS_UM} um")
    return seconds, microns


def _triage(text: str) -> str:
    try:
        return write_query(read_query(text)) if text else ""
    except BadRequest as error:
        raise ValueError(str(error)) from error


def _tab(text: str) -> str:
    titles = {title.casefold(): title for title in TABS.titles}
    return _one_of(TABS.titles)(titles.get(text.casefold(), text))


def _write_pair(pair: tuple[float, float]) -> str:
    return ",".join(map(number_text, pair))


_PAGE = (
    LinkWord(
        "insertion", example="demo", help="The insertion to open: demo, a pid, eid/probe, or subject/date/number/probe."
    ),
    LinkWord(
        "sorter",
        read=lambda text: "" if text == BASE_SORTER else text,
        write=lambda name: name or BASE_SORTER,
        example="base",
        help="Spike sorter; base is the collection alf/<probe> itself. Without it the choice is ibllib's.",
    ),
    LinkWord(
        "revision",
        read=lambda text: "" if text == ORIGINAL_REVISION else text,
        write=lambda name: name or ORIGINAL_REVISION,
        example="original",
        help="Revision; original is the unrevised one. Without it the newest is taken.",
    ),
    LinkWord("t", "time_range", example="0,60"),
    LinkWord("depth", "depth_range", example="0,2000"),
    LinkWord(
        "rows",
        lasts="insertion",
        example="0,100",
        help="Which rows of units are in view, from the tip upwards; show=clusters.",
    ),
    LinkWord(
        "limits",
        lasts="insertion",
        example="0,0.5",
        help="Limits of the colours, in the unit of the colour bar; for counts, in spikes per s and um.",
    ),
    LinkWord(
        "selected",
        read=_ids,
        write=write_ids,
        example="12,40",
        help="Ids of the units that are selected, in the order of their colours.",
    ),
    LinkWord("heat", read=_heat, example="0.05,10", help="Bins of the heatmap, in s and um."),
    LinkWord(
        "heatof",
        "heat_of",
        example="rms_ap",
        help="What the heatmap shows: rate, noise (RMS) of AP or LF by the recording's quality files, or power of LF "
        "in a band.",
    ),
    LinkWord("quality", example="good"),
    LinkWord("level", example="beryl"),
    LinkWord(
        "color",
        read=lambda text: _one_of(AGGREGATES.names)(text),
        example="amp_mean",
        help="What the raster's colour means.",
    ),  # those of plug-ins come later
    LinkWord("scale", example="log"),
    LinkWord("cmap", example="viridis"),
    LinkWord("show", example="raster"),
    LinkWord(
        "drag",
        "mode",
        example="zoom",
        help="What a drag on the raster does: it moves the view, selects units, or zooms into a box.",
    ),
    LinkWord("tab", read=_tab, example="Events", help="Open tab of the dock."),
    LinkWord(
        "bins",
        read=read_bins,
        write=write_bins,
        example="psth_bin:20",
        help="Bins and windows of the tabs where they are not the default; see below.",
    ),
    LinkWord(
        "triage",
        read=_triage,
        example="lab=cortexlab region=CA1",
        help="The list that a triage goes through, in the words of the search page; * is everything.",
    ),
    LinkWord("place", example="SWC_043/2020-09-21/001/probe00"),
)
"""Words of the page itself."""

PAGE_WORDS = (*FILTER_KEYS, *(word.word for word in _PAGE))
"""Words that no tab may have."""

ORDER = (
    "insertion", "sorter", "revision", "t", "depth", "rows", "before", "after", "limits", "selected", "heat", "quality",
    "level", "color", "scale", "cmap", "show", "tab", "compare", "marks", "beside", "event", "split", "of", "mask",
    "bins", "test", "trial",
)  # fmt: skip
"""Words in the order in which links have always had them; other words of tabs follow."""


def words() -> dict[str, LinkWord]:
    """Return every word of the page and of the tabs."""
    return {word.word: word for word in (*_PAGE, *registry.words())}


def _on_off(text: str) -> bool:
    return _one_of(("on", "off"))(text) == "on"


_KINDS: tuple[tuple[type, Callable[[str], Any], Callable[[Any], str]], ...] = (
    (param.Range, _pair, _write_pair),
    (param.Boolean, _on_off, lambda is_on: "on" if is_on else "off"),
    (param.Integer, whole_number, str),
    (param.Number, float, number_text),
    (param.String, str, str),
)
"""Kind of a parameter -> how its text is read and written, where the word does not say."""


def _reader(word: LinkWord, parameter: Any) -> Callable[[str], Any]:
    if word.read is not None:
        return load(word.read) if isinstance(word.read, str) else word.read
    if isinstance(parameter, param.Selector):
        return _one_of(tuple(parameter.objects))
    read = next(read for kind, read, _ in _KINDS if isinstance(parameter, kind))
    return partial(_within, parameter.bounds, read) if isinstance(parameter, param.Number) else read


def _within(bounds: tuple[Any, Any] | None, read: Callable[[str], Any], text: str) -> Any:
    value = read(text)
    low, high = bounds or (None, None)
    if not (low is None or value >= low) or not (high is None or value <= high):
        raise ValueError(f"is not between {low} and {high}")
    return value


def _writer(word: LinkWord, parameter: Any) -> Callable[[Any], str]:
    if word.write is not None:
        return load(word.write) if isinstance(word.write, str) else word.write
    return next((write for kind, _, write in _KINDS if isinstance(parameter, kind)), str)


def parse(query: str) -> Link:
    """Return what a query string asks for; never raises.

    Parameters
    ----------
    query : str
        Without the question mark, percent-encoded.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    known, kinds = words(), parameters(state_kinds())
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
        if key not in known:
            problems.append(f"The link has an unknown part '{_short(key)}'; it was left out.")
            continue
        try:
            value = _reader(known[key], kinds.get(known[key].name))(text)
        except (ValueError, BadRequest) as error:
            problems.append(
                f"The link's {key}={_short(text)} cannot be used ({_short(error, MAX_REASON)}); the default is shown."
            )
            continue
        if key == "heat":
            values["time_bin_s"], values["depth_bin_um"] = value
        else:
            values[known[key].name] = value
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
    names = {word.name for word in words().values() if word.word != "heat"}
    kinds = parameters(state_kinds())
    return {name: copy(kinds[name].default) for name in (*names, "time_bin_s", "depth_bin_um", "filters")}


def kept_names() -> tuple[str, ...]:
    """Return the parameters that an insertion that is opened once more keeps, beside those that any opening keeps."""
    return ("time_range", "depth_range", "selected", *_lasting("insertion"))


def _lasting(*spans: str) -> tuple[str, ...]:
    return tuple(word.name for word in words().values() if word.lasts in spans)


def of_session(state: PageState, sorting: SpikeSorting) -> dict[str, Any]:
    """Return what an insertion that opens does not take over from the one before: limits; times of another session."""
    is_other = sorting.ref.insertion.key != state.view.insertion
    names = _lasting("insertion", "session") if is_other else _lasting("insertion")
    kinds = parameters(state_kinds())
    return {name: copy(kinds[name].default) for name in names}


def drop_gone(values: dict[str, Any], sorting: SpikeSorting) -> tuple[str, ...]:
    """Leave out of `values` what a sorting does not have: clusters, a region, a trial; return what to say of it."""
    said = []
    units, selected = sorting.units, values.get("selected", [])
    values["selected"] = units.at(units.find(selected)).tolist()
    if gone := [" ".join(str(unit).split())[:20] for unit in selected if unit not in units]:
        said.append(f"There is no unit {', '.join(gone[:8])} in this sorting; the rest is shown.")
    level = values.get("level", ViewState.param.level.default)
    for word in words().values():
        value = values.get(word.name)
        if word.gone and value is not None and (why := load(word.gone)(value, sorting, level)):
            values[word.name] = copy(parameters(state_kinds())[word.name].default)
            said.append(why)
    return tuple(said)


def write(state: PageState) -> str:
    """Return the query string of a state: every identity key, and what differs from the defaults."""
    view = state.view
    place = {"place": view.place} if view.triage and view.place else {}
    encode = partial(urlencode, safe=",/:", quote_via=quote)
    if not view.insertion:
        return encode({"tab": view.tab, "triage": view.triage, **place} if view.triage else {})
    known, kinds = words(), parameters(state_kinds())
    last = [name for name in known if name not in (*ORDER, "triage", "place")]
    parts: dict[str, str] = {}
    for name in (*ORDER, *last):
        if name == "heat":
            if (view.time_bin_s, view.depth_bin_um) != (
                ViewState.param.time_bin_s.default,
                ViewState.param.depth_bin_um.default,
            ):
                parts[name] = f"{number_text(view.time_bin_s)},{number_text(view.depth_bin_um)}"
        elif name in known:
            parameter = kinds[known[name].name]
            if (value := state.get(known[name].name)) != parameter.default:
                parts[name] = _writer(known[name], parameter)(value)
    if view.triage:
        parts |= {"triage": view.triage, **place}
    parts |= {key: view.filters[key] for key in FILTER_KEYS if key in view.filters}
    return encode(parts)

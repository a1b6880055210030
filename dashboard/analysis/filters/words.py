"""Filters of clusters and of spikes as words: the same in links and on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from types import MappingProxyType

from dashboard.analysis.filters.clusters import ClusterFilter, Limits, filter_clusters, filtered_table
from dashboard.model.errors import BadRequest
from dashboard.model.shanks import MAX_SHANKS
from dashboard.model.sorting import SpikeSorting
from dashboard.model.unit_ids import UnitId, read_ids, write_ids

#: What can be written, and how.
WORDS = {
    "quality": "good, or all",
    "label": "values of label: 0.66,1",
    "regions": "acronyms, descendants included: CA1,DG",
    "level": "allen, beryl or cosmos",
    "shanks": "numbers of shanks, from 0 at the left: 0,2",
    "band": "depth of the units, µm: 0,1500",
    "amp": "amplitude, µV: 50, (from 50) or ,200 (up to 200) or 50,200",
    "rate": "firing rate, Hz: 0.5,",
    "metrics": "limits of any column: presence_ratio:0.9:,drift::100",
    "ids": 'ids of units: 1,2,3, or texts: a,"b, c"',
    "where": "an expression: firing_rate > 2 and within('CA1')",
}
#: What can be written of single spikes; a batch has none of them.
SPIKE_WORDS = {"spike_amp": "amplitude of single spikes, µV, the upper limit not included: 50, or ,200 or 50,200"}
#: More ids than this make a link that servers refuse.
MAX_IDS = 5000
#: Two digits, as people write them, for the labels that there are.
_LABELS = {0.0: "0", 1 / 3: "0.33", 2 / 3: "0.66", 1.0: "1"}


def _help(word: str) -> str:
    return WORDS.get(word) or SPIKE_WORDS[word]


def _number(text: str, word: str) -> float | None:
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        raise BadRequest(f"{word} wants numbers", text[:40], _help(word)) from None
    if value != value:
        raise BadRequest(f"{word} wants numbers", text[:40], _help(word))
    return value


def _limits(text: str, word: str, separator: str = ",") -> Limits:
    parts = text.split(separator)
    if len(parts) != 2:
        raise BadRequest(f"{word} wants a lower and an upper limit", text[:40], _help(word))
    return _number(parts[0], word), _number(parts[1], word)


def _labels(text: str) -> tuple[float, ...]:
    values = tuple(_number(part, "label") for part in text.split(","))
    found = []
    for value in values:
        if value is None:
            raise BadRequest("label wants numbers", text[:40], WORDS["label"])
        found.append(min(_LABELS, key=lambda label: abs(label - value)) if 0 <= value <= 1 else value)
    return tuple(found)


def _shanks(text: str) -> tuple[int, ...]:
    try:
        shanks = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise BadRequest("shanks wants numbers of shanks", text[:40], WORDS["shanks"]) from None
    if min(shanks) < 0 or max(shanks) >= MAX_SHANKS:
        raise BadRequest("shanks are numbered from 0", text[:40], WORDS["shanks"])
    return tuple(sorted(set(shanks)))


def _ids(text: str) -> tuple[UnitId, ...]:
    try:
        ids = read_ids(text)
    except ValueError as error:
        raise BadRequest("ids wants ids of units", text[:40], WORDS["ids"]) from error
    if len(ids) > MAX_IDS:
        raise BadRequest("ids wants fewer ids of units", f"{len(ids):,}", f"At most {MAX_IDS:,}")
    return tuple(ids)


def tidy_ids(text: str) -> str:
    """Return a list of ids as links have it; as it is, where it cannot be read."""
    try:
        return write_ids(read_ids(text))
    except ValueError:
        return text.strip()


def _metrics(text: str) -> dict[str, Limits]:
    metrics: dict[str, Limits] = {}
    for part in text.split(","):
        name, _, limits = part.partition(":")
        if not name.strip():
            raise BadRequest("metrics wants columns and limits", part[:40], WORDS["metrics"])
        metrics[name.strip()] = _limits(limits, "metrics", ":")
    return metrics


def read_words(words: Mapping[str, str]) -> ClusterFilter:
    """Return the filter that words ask for; words of other things are left alone.

    Parameters
    ----------
    words : mapping of str to str
        Keys of `WORDS`; an empty value asks for nothing, but for ``ids``, where it passes none.

    Raises
    ------
    BadRequest
        A word that cannot be read, limits the wrong way round, an unknown region, a bad expression.
    """
    given = {name: text for name, text in words.items() if name in WORDS and (text.strip() or name == "ids")}
    quality = given.get("quality", "all")
    if quality not in ("good", "all"):
        raise BadRequest("quality is good or all", quality[:40])
    level = given.get("level", "allen")
    if level not in ("allen", "beryl", "cosmos"):
        raise BadRequest("level is allen, beryl or cosmos", level[:40])
    labels = _labels(given["label"]) if "label" in given else ()
    return ClusterFilter(
        labels=labels or ((1.0,) if quality == "good" else ()),
        regions=tuple(part.strip() for part in given.get("regions", "").split(",") if part.strip()),
        level=level,
        shanks=_shanks(given["shanks"]) if "shanks" in given else (),
        depth_um=_limits(given["band"], "band") if "band" in given else None,
        rate_hz=_limits(given["rate"], "rate") if "rate" in given else None,
        amplitude_uv=_limits(given["amp"], "amp") if "amp" in given else None,
        metrics=MappingProxyType(_metrics(given["metrics"]) if "metrics" in given else {}),
        ids=_ids(given["ids"]) if "ids" in given else None,
        where=given.get("where", ""),
    )


def read_spike_amp(words: Mapping[str, str]) -> tuple[float, float] | None:
    """Return the limits of single spikes that words ask for; words of other things are left alone.

    Parameters
    ----------
    words : mapping of str to str
        ``spike_amp``, if it is there.

    Returns
    -------
    (float, float) or None
        Lower limit, inside, and upper limit, outside, in uV, or in the file's own unit where its amplitudes
        are not volts; infinite where an end is open. None: no limit.

    Raises
    ------
    BadRequest
        No numbers, or the wrong way round.
    """
    text = words.get("spike_amp", "").strip()
    if not text.strip(", "):
        return None
    low, high = _limits(text, "spike_amp")
    limits = (-inf if low is None else low, inf if high is None else high)
    if not limits[0] < limits[1]:
        raise BadRequest("The limits of spike amplitudes are the wrong way round", text[:40])
    return limits


def why_unusable(word: str, text: str, sorting: SpikeSorting | None) -> str:
    """Return why a word cannot be used on a sorting, or cannot be read where it is None; empty where it can.

    A criterion whose column a sorting lacks can be used: it hides nothing.
    """
    words = {word: text}
    try:
        read_spike_amp(words)
        wanted = read_words(words)
        if wanted.where and sorting is not None:
            filter_clusters(wanted, filtered_table(sorting))
    except BadRequest as error:
        return str(error)
    return ""


def acting(words: Mapping[str, str], sorting: SpikeSorting) -> dict[str, str]:
    """Return the words that act on a sorting: what it has no column for hides nothing, and is left out.

    Parameters
    ----------
    words : mapping of str to str
        Words that can be read.
    sorting : SpikeSorting
    """
    table, has_amps = filtered_table(sorting), sorting.spikes.amps_v is not None
    kept = {}
    for word, text in words.items():
        asked = filter_clusters(read_words({word: text}), table).criteria
        is_idle = bool(asked) and all(criterion.mask is None for criterion in asked)
        if not (is_idle or (word in SPIKE_WORDS and not has_amps)):
            kept[word] = text
    return kept


def say_spike_amp(limits: tuple[float, float], unit: str) -> str:
    """Return limits of single spikes in words, as the page has them."""
    low, high = limits
    if low == -inf:
        return f"spike amplitude < {high:g} {unit}"
    if high == inf:
        return f"spike amplitude ≥ {low:g} {unit}"
    return f"{low:g} ≤ spike amplitude < {high:g} {unit}"


def _say_number(value: float | None) -> str:
    return "" if value is None else repr(float(value)).removesuffix(".0")


def _say_limits(limits: Limits, separator: str = ",") -> str:
    return separator.join(_say_number(limit) for limit in limits)


def write_words(wanted: ClusterFilter) -> dict[str, str]:
    """Return the words of a filter: `read_words` of them gives it back."""
    words: dict[str, str] = {}
    if wanted.labels == (1.0,):
        words["quality"] = "good"
    elif wanted.labels:
        words["label"] = ",".join(_LABELS.get(label, _say_number(label)) for label in wanted.labels)
    if wanted.regions:
        words["regions"] = ",".join(wanted.regions)
    if wanted.level != "allen":
        words["level"] = wanted.level
    if wanted.shanks:
        words["shanks"] = ",".join(map(str, wanted.shanks))
    for word, limits in (("band", wanted.depth_um), ("amp", wanted.amplitude_uv), ("rate", wanted.rate_hz)):
        if limits is not None:
            words[word] = _say_limits(limits)
    if wanted.metrics:
        words["metrics"] = ",".join(f"{name}:{_say_limits(limits, ':')}" for name, limits in wanted.metrics.items())
    if wanted.ids is not None:
        words["ids"] = write_ids(wanted.ids)
    if wanted.where:
        words["where"] = wanted.where
    return words

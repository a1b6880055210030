"""What an insertion is compared with, as one word of the link: a sorting, a probe, or kept filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qsl, quote, urlencode

from dashboard.analysis.filters.words import read_words
from dashboard.model.errors import BadRequest
from dashboard.model.sorting import SpikeSorting

KINDS = ("sorting", "probe", "filter")
MAX_CHARACTERS = 2_000
"""A link that is longer is refused by servers; so is what it compares with."""
_BASE, _ORIGINAL = "base", "original"


@dataclass(frozen=True)
class CompareTarget:
    """The other side, B, of a comparison; A is what is open.

    Attributes
    ----------
    kind : {'sorting', 'probe', 'filter'}
    sorter, revision : str
        Of the same probe, for ``sorting``; ``''`` is the base collection, and the original.
    probe : str
        Of the same session, for ``probe``.
    words : mapping of str to str
        Filters of the same sorting, for ``filter``; see `dashboard.analysis.filters.words`.
    """

    kind: str
    sorter: str = ""
    revision: str = ""
    probe: str = ""
    words: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def has_other_units(self) -> bool:
        """Whether its cluster ids mean other units than those of A."""
        return self.kind != "filter"

    def write(self) -> str:
        """Return it as `read` takes it."""
        match self.kind:
            case "sorting":
                return f"sorting:{self.sorter or _BASE},{self.revision or _ORIGINAL}"
            case "probe":
                return f"probe:{self.probe}"
            case _:
                return f"filter:{urlencode(dict(self.words), safe=',', quote_via=quote)}"

    @property
    def title(self) -> str:
        """In words, for the page."""
        match self.kind:
            case "sorting":
                return f"{self.sorter or _BASE} · {self.revision or _ORIGINAL}"
            case "probe":
                return self.probe
            case _:
                words = ", ".join(f"{name} {text}" for name, text in self.words.items())
                return f"filters: {words}" if words else "all units, no filter"


def read(text: str) -> CompareTarget:
    """Return what a word of the link names.

    Raises
    ------
    BadRequest
        It cannot be read.
    """
    kind, _, rest = text.partition(":")
    if len(text) > MAX_CHARACTERS or kind not in KINDS:
        raise BadRequest("compare wants sorting:, probe: or filter:", text[:40], "sorting:pykilosort,original")
    if kind == "filter":
        words = dict(parse_qsl(rest))
        read_words(words)
        return CompareTarget(kind, words=MappingProxyType(words))
    if not rest:
        raise BadRequest(f"compare has no {kind}", text[:40], "sorting:pykilosort,original")
    if kind == "probe":
        return CompareTarget(kind, probe=rest)
    sorter, _, revision = rest.rpartition(",")
    if not sorter:
        raise BadRequest("compare wants a sorter and a revision", text[:40], "sorting:pykilosort,original")
    return CompareTarget(kind, "" if sorter == _BASE else sorter, "" if revision == _ORIGINAL else revision)


def normalise(text: str) -> str:
    """Return a word of the link as it is written; empty stays empty.

    Raises
    ------
    BadRequest
        It cannot be read.
    """
    return read(text).write() if text else ""


def choices(sorting: SpikeSorting, probes: Iterable[str]) -> dict[str, str]:
    """Return what a sorting can be compared with: words for the page, and what `read` takes.

    Parameters
    ----------
    sorting : SpikeSorting
        The one that is open.
    probes : iterable of str
        Names of the other probes of its session.
    """
    sorter, revision = sorting.ref.sorter.value, sorting.ref.revision.value
    found: dict[str, str] = {}
    for offer in sorting.offers:
        if (offer.sorter, offer.revision) != (sorter, revision):
            other = CompareTarget("sorting", offer.sorter, offer.revision)
            what = "another revision" if offer.sorter == sorter else "another sorter"
            found[f"{other.title} ({what})"] = other.write()
    for probe in probes:
        found[f"{probe} (another probe)"] = CompareTarget("probe", probe=probe).write()
    return found


def impossible(wanted: CompareTarget, sorting: SpikeSorting) -> str:
    """Return why a sorting cannot be compared with this, as far as it is known before opening it; else ``''``."""
    own = sorting.ref
    is_itself = {
        "sorting": (wanted.sorter, wanted.revision) == (own.sorter.value, own.revision.value),
        "probe": wanted.probe == own.insertion.probe,
    }
    if is_itself.get(wanted.kind):
        return f"{wanted.title} is what is open: choose another to compare with."
    offered = {(offer.sorter, offer.revision) for offer in sorting.offers}
    if wanted.kind == "sorting" and (wanted.sorter, wanted.revision) not in offered:
        return f"{own.insertion.probe} has no sorting {wanted.title}: choose another to compare with."
    return ""

"""What a search for insertions asks for."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields
from typing import Any

from dashboard.model.errors import BadRequest
from dashboard.model.references import Histology

VERDICTS = ("none", "pass", "fail", "mixed")
"""What people may say of an insertion, all together."""

LEVELS = ("allen", "beryl")
"""By what names regions are compared."""

SEPARATOR = "; "
"""Between the projects of an insertion, in a row of a list."""


@dataclass(frozen=True, slots=True)
class Facets:
    """Conditions that an insertion meets all of; an empty one lets everything pass.

    Attributes
    ----------
    text : str
        Words that each occur in pid, eid, subject, lab, date, probe or session path, whatever their case.
    lab, probe, model : str
        Exact names.
    subject, project, task : str
        Parts of names, whatever their case.
    first, last : str
        ISO dates, both included.
    region : str
        Allen acronym; its descendants count too.
    level : {'allen', 'beryl'}
        At ``'beryl'``, regions are compared by their Beryl names.
    histology : str
        A value of `Histology`, or ``''``.
    tag : str
        Name of a tag of the database, exact.
    favourites : bool
        Only those that the user has starred.
    opens : str
        What they open from: the kind of files (``'NWB'``), ``'files here'``, ``'a server'`` or ``'only listed'``.
    verdict : {'', 'none', 'pass', 'fail', 'mixed'}
        What people say of them now; ``'none'``: nobody has judged, ``'mixed'``: they differ.
    """

    text: str = ""
    lab: str = ""
    subject: str = ""
    first: str = ""
    last: str = ""
    project: str = ""
    task: str = ""
    region: str = ""
    level: str = "allen"
    probe: str = ""
    model: str = ""
    histology: str = ""
    tag: str = ""
    favourites: bool = False
    verdict: str = ""
    opens: str = ""

    def __post_init__(self) -> None:
        if self.histology and self.histology not in set(Histology):
            object.__setattr__(self, "histology", "")
        if self.verdict and self.verdict not in VERDICTS:
            object.__setattr__(self, "verdict", "")


EVERYTHING = "*"
"""The query of who asks for nothing."""
_STARRED = "on"
_WORDS = tuple(item.name for item in fields(Facets) if item.name != "text")


def read_query(text: str) -> Facets:
    """Read ``lab=cortexlab subject=KM_0 region=CA1``: words of `Facets`; what has no ``=`` is searched for as text.

    Raises
    ------
    BadRequest
        A word or a value is unknown, or a quotation mark is left open.
    """
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise BadRequest("The query cannot be read", text[:80], f"{error}") from None
    words: dict[str, Any] = {}
    texts: list[str] = []
    for part in parts:
        word, equals, value = part.partition("=")
        if not equals:
            texts += [part] if part != EVERYTHING else []
        elif word not in _WORDS or not value or (word == "favourites" and value != _STARRED):
            raise BadRequest("The query cannot be read", part[:80], f"Use WORD=VALUE with {', '.join(_WORDS)}")
        else:
            words[word] = value == _STARRED if word == "favourites" else value
    facets = Facets(text=" ".join(texts), **words)
    for word, known in (("histology", tuple(Histology)), ("verdict", VERDICTS), ("level", LEVELS)):
        if word in words and words[word] not in known:  # left out, it would let everything pass
            raise BadRequest("The query cannot be read", f"{word}={words[word]}"[:80], f"Use one of {', '.join(known)}")
    return facets


def write_query(facets: Facets) -> str:
    """Return the query that `read_query` reads as these facets; words with an ``=`` in the text are left out."""
    words = [shlex.quote(part) for part in facets.text.split() if "=" not in part]
    for word in _WORDS:
        value = getattr(facets, word)
        if value and (word != "level" or (facets.region and value != Facets().level)):
            words.append(f"{word}={_STARRED}" if word == "favourites" else f"{word}={shlex.quote(value)}")
    return " ".join(words) or EVERYTHING

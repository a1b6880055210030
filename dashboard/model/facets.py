"""What a search for insertions asks for."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.model.references import Histology

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

    def __post_init__(self) -> None:
        if self.histology and self.histology not in set(Histology):
            object.__setattr__(self, "histology", "")

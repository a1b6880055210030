"""The formats that a curation leaves and comes in: an entry each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dashboard.analysis.curation.subject import Subject
from dashboard.library.curation import spikeinterface, tables
from dashboard.library.curation.file import CurationFile, decisions_of, first_category
from dashboard.model.curation import CurationRules, Decision
from dashboard.model.errors import BadRequest
from dashboard.model.files import uploaded_file
from dashboard.model.sorting import SpikeSorting


@dataclass(frozen=True, slots=True)
class CurationFormat:
    """A format.

    Attributes
    ----------
    name, title : str
    endings : tuple of str
        Of files that are taken for it; ``''`` for a folder.
    write : callable (Path, CurationFile, SpikeSorting, CurationRules) -> list of str
        Returns a sentence for each thing that it cannot hold.
    read : callable (Path) -> CurationFile
    """

    name: str
    title: str
    endings: tuple[str, ...]
    write: Callable[[Path, CurationFile, SpikeSorting, CurationRules], list[str]]
    read: Callable[[Path], CurationFile]


MAX_UPLOAD_BYTES = 16_000_000
"""Of a file that a browser sends: a curation of 10,000 units has 2 MB."""

FORMATS = (
    CurationFormat(
        "spikeinterface", "SpikeInterface's curation, version 2", (".json",),
        lambda path, file, sorting, rules: spikeinterface.write(path, file), spikeinterface.read,
    ),
    CurationFormat(
        "phy", f"phy's {tables.GROUPS} and {tables.NOTES} in a folder", ("", ".tsv"),
        lambda path, file, sorting, rules: tables.write_phy(path, file, first_category(rules)), tables.read_phy,
    ),
    CurationFormat(
        "alf", "ALF's table of a namespace, _NAME_clusters.metrics.pqt", (".pqt",),
        lambda path, file, sorting, rules: tables.write_alf(path, file, sorting, first_category(rules)),
        tables.read_alf,
    ),
    CurationFormat(
        "csv", "a row for each unit", (".csv",),
        lambda path, file, sorting, rules: tables.write_csv(path, file), tables.read_csv,
    ),
)  # fmt: skip


def read_uploaded(name: str, content: bytes, subject: Subject, author: str) -> tuple[list[Decision], list[str]]:
    """Return the decisions of a file that a browser sent, and a sentence for each thing that did not match.

    Parameters
    ----------
    name : str
        Of the file there: only its ending counts.
    content : bytes
    subject : Subject
    author : str

    Raises
    ------
    BadRequest
        It cannot be read.
    """
    with uploaded_file(name, content) as path:
        file = format_of(path).read(path)
    return decisions_of(file, subject, author)


def format_of(path: Path, name: str | None = None) -> CurationFormat:
    """Return the format that is named, else that of a path's ending.

    Raises
    ------
    BadRequest
        There is no such format.
    """
    ending = "" if path.is_dir() else path.suffix.lower()
    for one in FORMATS:
        if one.name == name or (name is None and ending in one.endings):
            return one
    raise BadRequest("No format has this ending", path, "Name one: " + ", ".join(one.name for one in FORMATS))

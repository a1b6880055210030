"""Names of things that can be opened: insertions, datasets, and the sorting chosen among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

UUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-f])", re.IGNORECASE)
"""A UUID anywhere in a text."""

BASE_SORTER = "base"
"""What people write for the sorting in ``alf/<probe>`` itself, whose name is empty."""

ORIGINAL_REVISION = "original"
"""What people write for the unrevised data, whose revision is empty."""


class Histology(StrEnum):
    """How far the brain locations of an insertion have come, most advanced first.

    The order and the rules are those of ibllib's ``SpikeSortingLoader``.
    """

    ALF = "alf"
    RESOLVED = "resolved"
    ALIGNED = "aligned"
    TRACED = "traced"
    NONE = "none"
    UNKNOWN = "unknown"
    """The database did not answer, or there is none to ask."""

    @property
    def is_final(self) -> bool:
        """Whether the locations are agreed on; those of other states may still move."""
        return self in (Histology.ALF, Histology.RESOLVED)

    @property
    def reason(self) -> str:
        """What makes an insertion be in this state; empty for none and unknown, which have several causes."""
        return _HISTOLOGY_REASONS[self]


_HISTOLOGY_REASONS = MappingProxyType(
    {
        Histology.ALF: "brain locations are in the files",
        Histology.RESOLVED: "brain locations are not in the files; the record has an alignment that is resolved",
        Histology.ALIGNED: "brain locations are not in the files; the record has alignments, none of them resolved",
        Histology.TRACED: "brain locations are not in the files; the record has a tracing and no alignment",
        Histology.NONE: "",
        Histology.UNKNOWN: "",
    }
)


@dataclass(frozen=True, slots=True)
class InsertionRef:
    """One probe in one session.

    Attributes
    ----------
    subject, date, probe : str
        ``date`` is ISO, ``YYYY-MM-DD``, or ``''`` for a loose folder that has none; ``probe`` is
        the probe name, ``probe00``.
    number : int
        Session number of the day, from 1; 0 for a loose folder.
    source : str
        Name of the source that knows it.
    lab : str or None
    pid, eid : str or None
        Alyx ids of insertion and session; None where the source has no database.
    """

    subject: str
    date: str
    number: int
    probe: str
    source: str = ""
    lab: str | None = None
    pid: str | None = None
    eid: str | None = None

    @property
    def session(self) -> str:
        """``subject/date/number`` with the number in three digits; ``subject`` for a loose folder."""
        return f"{self.subject}/{self.date}/{self.number:03d}" if self.date else self.subject

    @property
    def key(self) -> str:
        """``subject/date/number/probe``, which every source understands."""
        return f"{self.session}/{self.probe}"

    def __str__(self) -> str:
        return self.key


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """One file of a session, on disk or on a data server.

    Attributes
    ----------
    object, attribute, extension : str
        Parts of the ALF name, ``spikes``, ``times``, ``npy``.
    collection : str
        Folder below the session, ``alf/probe00/pykilosort``.
    revision : str
        ``''`` for the original, else without the number signs, ``2024-05-06``.
    namespace : str
        ``''`` or for instance ``av`` in ``_av_clusters.metrics.pqt``.
    is_default : bool or None
        Alyx's default flag; None where nothing says so (folders on disk).
    path : Path or None
        Where the file is on disk, when it is.
    url : str or None
        Where it can be fetched, percent-encoded, when it can.
    size : int or None
        Bytes.
    md5 : str or None
    version : str or None
        Version of the software that wrote it.
    id : str or None
        Dataset UUID.
    """

    object: str
    attribute: str
    extension: str
    collection: str
    revision: str = ""
    namespace: str = ""
    is_default: bool | None = None
    path: Path | None = None
    url: str | None = None
    size: int | None = None
    md5: str | None = None
    version: str | None = None
    id: str | None = None

    @property
    def name(self) -> str:
        """``spikes.times``: object and attribute, as people say it."""
        return f"{self.object}.{self.attribute}"

    @property
    def file_name(self) -> str:
        """File name without the dataset UUID."""
        prefix = f"_{self.namespace}_" if self.namespace else ""
        return f"{prefix}{self.object}.{self.attribute}.{self.extension}"

    @property
    def relative_path(self) -> str:
        """``collection[/#revision#]/file``, below the session."""
        revision = f"#{self.revision}#/" if self.revision else ""
        return f"{self.collection}/{revision}{self.file_name}"


@dataclass(frozen=True, slots=True)
class Offer:
    """One sorting that an insertion has.

    Attributes
    ----------
    sorter, revision : str
        ``''`` for the collection ``alf/<probe>`` itself, and for the original.
    version : str
        Of the software that wrote the spikes; empty where nothing says so.
    n_bytes : int
        Of the files of this revision.
    is_default : bool
        Whether it is taken when nothing is asked for.
    """

    sorter: str
    revision: str
    version: str = ""
    n_bytes: int = 0
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen and why, in words the page can show.

    Attributes
    ----------
    value : str
    reason : str
    alternatives : tuple of str
        What else could have been chosen, ``value`` included.
    """

    value: str
    reason: str
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SortingRef:
    """One sorting of one insertion, resolved to the datasets that make it up.

    Attributes
    ----------
    insertion : InsertionRef
    collection : str
        ``alf/probe00/pykilosort``.
    sorter, revision : Choice
        ``revision.value`` is that of ``spikes.times``; datasets may differ (see `revisions`).
    datasets : mapping of str to DatasetRef
        By ``object.attribute``; for the namespaces the name is without it.
    namespace : str
    """

    insertion: InsertionRef
    collection: str
    sorter: Choice
    revision: Choice
    datasets: Mapping[str, DatasetRef] = field(default_factory=lambda: MappingProxyType({}))
    namespace: str = ""

    @property
    def revisions(self) -> dict[str, str]:
        """Revision of each dataset, by name; more than one value means they are mixed."""
        return {name: dataset.revision for name, dataset in self.datasets.items()}


@dataclass(frozen=True, slots=True)
class SortingRequest:
    """Which sorting of an insertion is wanted, and how.

    Attributes
    ----------
    sorter, revision : str or None
        None takes the default; ``''`` is the unnamed sorter (`BASE_SORTER`), the original revision.
    namespace : str or None
        Manual curation to prefer, ``av``.
    good_units : bool
        Only the smaller table of good units' spikes.
    attributes : tuple of str
        Further datasets by name, ``clusters.amps``.
    """

    sorter: str | None = None
    revision: str | None = None
    namespace: str | None = None
    good_units: bool = False
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InsertionRecord:
    """What a database says of an insertion besides its files.

    Attributes
    ----------
    histology : Histology
        From ``json.extended_qc``: tracing_exists, alignment_count, alignment_resolved.
    extended_qc : mapping
        As recorded; empty where the record's json is null.
    resolved_by : str or None
    model : str or None
        Probe model, ``3B2``.
    task_protocol, qc : str or None
    projects : tuple of str
    """

    histology: Histology = Histology.NONE
    extended_qc: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    resolved_by: str | None = None
    model: str | None = None
    task_protocol: str | None = None
    qc: str | None = None
    projects: tuple[str, ...] = ()

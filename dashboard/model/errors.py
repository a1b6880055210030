"""What can go wrong, as exceptions that carry the data a caller needs to say it well.

Every message answers three questions on one line: what happened, where, and what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dashboard.model.texts import counted


class DashboardError(Exception):
    """Base of every error that this package raises on purpose.

    Parameters
    ----------
    what : str
        What went wrong, as one clause.
    where : str
        The file, insertion, dataset or setting concerned; may be empty.
    remedy : str
        What the reader can do next; may be empty.
    """

    def __init__(self, what: str, where: str | Path = "", remedy: str = "") -> None:
        self.what = what
        self.where = str(where)
        self.remedy = remedy
        super().__init__(what, str(where), remedy)

    def __str__(self) -> str:
        line = self.what if not self.where else f"{self.what}: {self.where}"
        line = f"{line}. {self.remedy}" if self.remedy else line
        return " ".join(line.split())


class BadRequest(DashboardError):
    """An argument, flag or URL value that cannot be used as it is."""


class InsertionNotFound(DashboardError):
    """No configured source knows the insertion that was asked for."""


MAX_CANDIDATES = 20
"""Insertions that a message names: a session has fewer."""


class InsertionAmbiguous(DashboardError):
    """More than one insertion answers to what was asked for.

    Attributes
    ----------
    candidates : tuple of str
        What to write instead, one per insertion.
    """

    def __init__(self, text: str, candidates: Sequence[str]) -> None:
        self.candidates = tuple(candidates)
        more = len(self.candidates) - MAX_CANDIDATES
        named = ", ".join(self.candidates[:MAX_CANDIDATES]) + (f" and {more:,} more" if more > 0 else "")
        super().__init__(
            counted(len(self.candidates), "insertion matches", "insertions match"), text, f"Name one of: {named}"
        )


class NoSpikeSorting(DashboardError):
    """The insertion exists and holds no spike sorting."""


class SorterMissing(DashboardError):
    """The sorter that was asked for does not exist for this insertion.

    Attributes
    ----------
    sorter : str
    available : tuple of str
        Sorters that do exist; ``''`` is the collection ``alf/<probe>`` itself.
    """

    def __init__(self, sorter: str, where: str, available: Sequence[str]) -> None:
        self.sorter = sorter
        self.available = tuple(available)
        names = ", ".join(name or "base" for name in self.available) or "none"
        super().__init__(f"No sorting by '{sorter or 'base'}'", where, f"Available sorters: {names}")


class RevisionMissing(DashboardError):
    """No dataset of the sorting is as old as the revision that was asked for.

    Attributes
    ----------
    revision : str
    available : tuple of str
        Revisions that do exist; ``''`` is the original, unrevised one.
    """

    def __init__(self, revision: str, where: str, available: Sequence[str]) -> None:
        self.revision = revision
        self.available = tuple(available)
        names = ", ".join(name or "original" for name in self.available) or "none"
        super().__init__(f"No revision '{revision}'", where, f"Available revisions: {names}")


class DatasetMissing(DashboardError):
    """A dataset without which nothing can be shown is not there.

    Attributes
    ----------
    dataset : str
        Name as in ALF, ``spikes.times``.
    """

    def __init__(self, dataset: str, where: str | Path, remedy: str = "") -> None:
        self.dataset = dataset
        super().__init__(f"{dataset} is missing", where, remedy)


class DatasetInvalid(DashboardError):
    """A file is there and cannot be right: truncated, corrupt, or at odds with another one.

    Attributes
    ----------
    paths : tuple of Path
        Every file concerned; all of them are named in the message.
    """

    def __init__(self, what: str, paths: Sequence[Path], remedy: str = "") -> None:
        self.paths = tuple(paths)
        super().__init__(what, " and ".join(str(p) for p in self.paths), remedy)


class CacheUnusable(DashboardError):
    """The cache folder cannot be written: read-only, full, or not a folder."""


class SourceUnavailable(DashboardError):
    """A server did not answer, or refused; what was fetched before still opens."""


class DownloadFailed(DashboardError):
    """One dataset could not be fetched whole.

    Attributes
    ----------
    dataset : str
    may_pass : bool
        Whether it may come when it is asked for again; False where the server says that there is no such file.
    """

    def __init__(self, dataset: str, why: str, remedy: str = "Try again", *, may_pass: bool = True) -> None:
        self.dataset = dataset
        self.may_pass = may_pass
        super().__init__(f"Could not fetch {dataset}: {why}", "", remedy)


class Incomplete(DashboardError):
    """A sorting opened without something that exists and could not be had now.

    Attributes
    ----------
    missing : tuple of str
        Names of the datasets and records.
    """

    def __init__(self, where: str, missing: Mapping[str, str]) -> None:
        self.missing = tuple(missing)
        said = "; ".join(f"{name} ({why})" for name, why in missing.items())
        super().__init__(f"Not everything could be fetched: {said}", where, "Try again")


class Cancelled(DashboardError):
    """The user, or a newer request, stopped the work."""

    def __init__(self, what: str = "Cancelled") -> None:
        super().__init__(what)

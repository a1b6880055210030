"""The report of a batch: what became of each insertion, kept so that a second run tries only what is missing."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dashboard.cli.batch.run import DONE, Result
from dashboard.model.errors import CacheUnusable
from dashboard.model.files import write_file
from dashboard.model.json_files import read_json
from dashboard.model.tables import rows_csv
from dashboard.version import __version__

logger = logging.getLogger(__name__)

COLUMNS = (
    "insertion", "status", "why", "file", "pid", "key", "title", "histology", "records_of", "n_spikes",
    "n_clusters", "n_good", "seconds",
)  # fmt: skip
"""Of report.csv; report.json has all that is known."""

MAX_NAME = 80


def write_output(path: Path, content: bytes) -> None:
    """Write a file of a batch, which appears only when it is complete.

    Raises
    ------
    CacheUnusable
        It cannot be written.
    """
    try:
        write_file(path, content)
    except OSError as error:
        raise CacheUnusable("Cannot write", path, error.strerror or "") from error


@dataclass(slots=True)
class Entry:
    """One insertion of a report.

    Attributes
    ----------
    insertion : str
        As it was named.
    status : {'done', 'failed', 'incomplete'}
    why : str
    seconds : float
    request : str
        Digest of what was asked for: another request has to be done anew.
    file : str
        Name in the folder of the report; empty where nothing was made.
    facts : dict
    """

    insertion: str
    status: str
    why: str = ""
    seconds: float = 0.0
    request: str = ""
    file: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


class Report:
    """The files report.json and report.csv of a folder, and the files that they speak of.

    Parameters
    ----------
    folder : Path
        Made where it is not there.
    request : object
        What is asked for of every insertion; its text has to tell requests apart.
    ending : str
        Of the files, ``.png``.

    Raises
    ------
    CacheUnusable
        The folder cannot be made.
    """

    def __init__(self, folder: Path, request: object, ending: str) -> None:
        self.folder = folder
        self.request = hashlib.sha256(f"{__version__} {request!r}".encode()).hexdigest()[:16]
        self._ending = ending
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CacheUnusable("Cannot make the folder", folder, error.strerror or "") from error
        self.entries: dict[str, Entry] = {entry.insertion: entry for entry in self._read()}

    def _read(self) -> list[Entry]:
        path = self.folder / "report.json"
        try:
            content = read_json(path)
            return [Entry(**entry) for entry in content["insertions"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s cannot be read (%s); all is done anew", path, error)
            return []

    def is_done(self, insertion: str) -> bool:
        """Whether the same was made of the insertion before, and is still there."""
        entry = self.entries.get(insertion)
        return (
            entry is not None
            and entry.status == DONE
            and entry.request == self.request
            and bool(entry.file)
            and (self.folder / entry.file).is_file()
        )

    def take(self, result: Result, content: bytes | None) -> Entry:
        """Write what was made of an insertion, and the report; a failure leaves the file of an earlier run alone.

        Raises
        ------
        CacheUnusable
            A file cannot be written.
        """
        before = self.entries.get(result.insertion)
        entry = Entry(
            result.insertion, result.status, result.why, result.seconds, self.request, facts=dict(result.facts)
        )
        if result.status == DONE and content is not None:
            entry.file = self._name(entry)
            write_output(self.folder / entry.file, content)
            if before is not None and before.file and before.file != entry.file:
                (self.folder / before.file).unlink(missing_ok=True)
        elif before is not None:
            entry.file, entry.facts = before.file, before.facts
        self.entries[result.insertion] = entry
        self.write()
        return entry

    def _name(self, entry: Entry) -> str:
        """Return a name for the file that no other insertion has."""
        words = re.sub(r"[^A-Za-z0-9._-]+", "_", str(entry.facts.get("key") or entry.insertion)).strip("._")
        name = f"{words[-MAX_NAME:] or 'insertion'}{self._ending}"
        others = {other.file for other in self.entries.values() if other.insertion != entry.insertion}
        if name in others:
            name = f"{words[-MAX_NAME:]}_{hashlib.sha256(entry.insertion.encode()).hexdigest()[:8]}{self._ending}"
        return name

    def write(self) -> None:
        """Write report.json and report.csv.

        Raises
        ------
        CacheUnusable
            They cannot be written.
        """
        entries = list(self.entries.values())
        content = {"version": __version__, "insertions": [asdict(entry) for entry in entries]}
        write_output(self.folder / "report.json", (json.dumps(content, indent=1) + "\n").encode())
        write_output(self.folder / "report.csv", table_text(entries).encode())


def table_text(entries: Iterable[Entry]) -> str:
    """Return the entries as CSV, those that failed first."""
    ordered = sorted(entries, key=lambda entry: entry.status == DONE)
    return rows_csv(COLUMNS, ({**entry.facts, **asdict(entry)} for entry in ordered))

"""What leaves the tab Curation: what is shown as curated, and every decision."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from dashboard.analysis.curation.subject import Subject
from dashboard.library.curation.decisions import COLUMNS
from dashboard.library.curation.file import CurationFile, shown_to
from dashboard.library.curation.formats import format_of
from dashboard.model.curation import CurationRules, Decision
from dashboard.model.errors import BadRequest
from dashboard.model.files import write_file
from dashboard.model.progress import ProgressCallback
from dashboard.model.tables import rows_csv
from dashboard.model.texts import counted
from dashboard.page.services.export_view import ExportView

NOTHING = "nothing is decided, or the tab Curation was not opened"

Note = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class DecisionsAtHand:
    """Decisions as they were when an export began.

    Attributes
    ----------
    rows : tuple of Decision
    subject : Subject
    author : str
        Whose decisions go first.
    rules : CurationRules
    """

    rows: tuple[Decision, ...]
    subject: Subject
    author: str
    rules: CurationRules


def _shown(view: ExportView) -> CurationFile | None:
    held = view.of_tabs.get("curation")
    return shown_to(held.author, held.rows, held.subject, held.rules) if isinstance(held, DecisionsAtHand) else None


def write_curation(
    view: ExportView, path: Path, kind: str, report: ProgressCallback, cancel: threading.Event
) -> tuple[int, str]:
    """Write what is shown as curated."""
    file = view.once(_shown)
    if file is None:
        raise BadRequest(NOTHING, "", "Label a unit first")
    format_of(path, {"json": "spikeinterface"}.get(kind, kind)).write(
        path, file, view.scene.sorting, view.of_tabs["curation"].rules
    )
    return len(file.labels), "labelled units"


def note_curation(view: ExportView) -> Note:
    """Say what it holds."""
    file = view.once(_shown)
    if file is None:
        return NOTHING, ()
    counts = ("note", file.notes), ("merge", file.merges), ("split", file.splits)
    words = [f"{counted(len(file.labels), 'unit')} with labels", *(counted(len(held), name) for name, held in counts)]
    return ", ".join(words), ("json", "csv")


def write_decisions(
    view: ExportView, path: Path, kind: str, report: ProgressCallback, cancel: threading.Event
) -> tuple[int, str]:
    """Write every decision, those that were withdrawn, too."""
    held = view.of_tabs.get("curation")
    if not isinstance(held, DecisionsAtHand):
        raise BadRequest(NOTHING, "", "Label a unit first")
    write_file(path, rows_csv(COLUMNS, map(asdict, held.rows)).encode())
    return len(held.rows), "decisions"


def note_decisions(view: ExportView) -> Note:
    """Say how many there are."""
    held = view.of_tabs.get("curation")
    return (counted(len(held.rows), "decision"), ("csv",)) if isinstance(held, DecisionsAtHand) else (NOTHING, ())

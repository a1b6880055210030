"""Commands for decisions about units: export, import, apply, log."""

from __future__ import annotations

import argparse
import getpass
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard.cli.batch.commands import add_sorting, sorting_of
from dashboard.cli.progress import TerminalProgress
from dashboard.config.settings import Settings, curation_rules
from dashboard.model.errors import BadRequest
from dashboard.model.texts import counted

if TYPE_CHECKING:
    from dashboard.library.userdata import UserData
    from dashboard.model.sorting import SpikeSorting

FORMAT_NAMES = ("spikeinterface", "phy", "alf", "csv")


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the command line."""
    command = commands.add_parser(
        "curation", help="export, import or list decisions about units: labels, notes, merges"
    )
    add = command.add_argument
    add(
        "act",
        choices=tuple(ACTS),
        help="export: write the decisions that are shown to FILE; import: take those of FILE over; apply: write a new "
        "sorting with them applied; backup: copy the database; log: list every decision as CSV",
    )
    add(
        "insertion",
        metavar="INSERTION",
        nargs="?",
        help="folder or file of a sorting, or an insertion in the --data folders; log: its key, or nothing for all",
    )
    files = ".json (SpikeInterface), .csv, _NAME_clusters.metrics.pqt (ALF), or a folder (phy)"
    add("file", metavar="FILE", type=Path, nargs="?", help=f"file to write or to read: {files}")
    add("--format", choices=FORMAT_NAMES, help="format of FILE where its ending does not tell")
    add("--author", metavar="NAME", help="import: who made the decisions; export, apply: whose decisions go first")
    add("--to", metavar="PATH", type=Path, help="apply: new folder to write; backup: new file to write")
    add(
        "--kind",
        choices=("alf", "phy", "analyzer"),
        help="apply: layout to write; by default that of the source, else phy's",
    )
    add("--by", metavar="NAME", help="import: who imports them; by default whoever runs this")
    add_sorting(command)
    command.set_defaults(run=curation)


def curation(options: argparse.Namespace, settings: Settings) -> None:
    """Do one of the acts."""
    if options.act in ("export", "import") and (options.insertion is None or options.file is None):
        raise BadRequest(f"{options.act} wants an insertion and a file", "", "See spike-dashboard curation --help")
    if options.act == "apply" and (options.insertion is None or options.to is None or options.file is not None):
        raise BadRequest("apply wants an insertion and --to FOLDER", "", "See spike-dashboard curation --help")
    if options.act == "backup" and (options.to is None or options.insertion is not None):
        raise BadRequest("backup wants --to FILE", "", "See spike-dashboard curation --help")
    if options.act == "import" and not options.author:
        raise BadRequest("Whose decisions are they?", options.file, "Name them with --author")
    if options.act == "log" and options.file is not None:
        raise BadRequest("log writes to standard output, not to a file", options.file, "Leave it out")
    ACTS[options.act](options, settings)


def _write(options: argparse.Namespace, settings: Settings) -> None:
    """Write what is shown as curated, and say what the format cannot hold."""
    from dashboard.analysis.curation.subject import Subject
    from dashboard.library.curation.file import shown_to
    from dashboard.library.curation.formats import format_of

    kind, sorting = format_of(options.file, options.format), _sorting(options, settings)
    user_data, subject, rules = _user_data(settings), Subject.of(sorting), curation_rules(settings)
    rows = user_data.decisions.read(subject.insertion)
    file = shown_to(options.author or "", rows, subject, rules)
    said = kind.write(options.file.expanduser(), file, sorting, rules)
    n_labelled, n_notes = counted(len(file.labels), "unit"), counted(len(file.notes), "note")
    merged, split = counted(len(file.merges), "merge"), counted(len(file.splits), "split")
    sys.stdout.write(f"{options.file}: labels of {n_labelled}, {n_notes}, {merged}, {split}\n")
    if behind := len(subject.left_behind(rows)):
        decisions = counted(behind, "decision is", "decisions are")
        said.append(f"{decisions} about units of another revision or sorter, and left out")
    for sentence in said:
        sys.stdout.write(f"{'note':<12}{sentence}\n")


def _apply(options: argparse.Namespace, settings: Settings) -> None:
    """Write a new sorting with labels, merges and splits applied, and without removed units and bad spans."""
    from dashboard.library.apply import MAP, write_applied

    sorting = _sorting(options, settings, attributes=("spikes.samples", "spikes.templates"))
    sorting.check_complete()
    rows = _user_data(settings).decisions.read(sorting.ref.insertion.key)
    names = _files_of(sorting)
    is_alf = any(name.endswith("spikes.times.npy") for name in names)
    kind = "alf" if is_alf else "analyzer" if "numpysorting_info.json" in names else "phy"
    with TerminalProgress() as progress:
        found = write_applied(
            sorting, rows, options.author or "", curation_rules(settings), options.to.expanduser(),
            options.kind or kind, progress,
        )  # fmt: skip
    after = found.applied.sorting
    n_spikes, n_units = counted(after.n_spikes, "spike"), counted(after.n_clusters, "unit")
    sys.stdout.write(f"{found.folder}: {n_spikes}, {n_units}; read back and the same; ids of before in {MAP}\n")
    for sentence in found.said:
        sys.stdout.write(f"{'note':<12}{sentence}\n")


def _files_of(sorting: SpikeSorting) -> list[str]:
    return [Path(file.path).name for file in sorting.identity.files] if sorting.identity is not None else []


def _bring(options: argparse.Namespace, settings: Settings) -> None:
    """Take the decisions of a file over, and say what did not match."""
    from dashboard.analysis.curation.subject import Subject
    from dashboard.library.curation.file import decisions_of
    from dashboard.library.curation.formats import format_of

    path = options.file.expanduser()
    file = format_of(path, options.format).read(path)
    sorting = _sorting(options, settings)
    found, report = decisions_of(file, Subject.of(sorting), options.author)
    by = options.by or getpass.getuser()
    kept = _user_data(settings).decisions.add(replace(one, imported_by=by, reason=f"from {path.name}") for one in found)
    sys.stdout.write(f"{sorting.title}: {counted(len(kept), 'decision')} of {options.author}, brought in by {by}\n")
    for sentence in report:
        sys.stdout.write(f"{'note':<12}{sentence}\n")


def _log(options: argparse.Namespace, settings: Settings) -> None:
    """List decisions as they are kept: withdrawn ones and withdrawals, too."""
    from dashboard.library.curation.decisions import COLUMNS
    from dashboard.model.tables import rows_csv

    rows = _user_data(settings).decisions.read(options.insertion)
    sys.stdout.write(rows_csv(COLUMNS, map(asdict, rows)))


def _backup(options: argparse.Namespace, settings: Settings) -> None:
    """Copy the database of all that users keep, while a server uses it."""
    copy = options.to.expanduser()
    _user_data(settings).database.backup(copy)
    sys.stdout.write(f"{copy}: a copy of all that users keep, as it was now\n")


def _user_data(settings: Settings) -> UserData:
    from dashboard.library.userdata import UserData

    return UserData.of(settings.database, settings.cache)


def _sorting(options: argparse.Namespace, settings: Settings, attributes: tuple[str, ...] = ()) -> SpikeSorting:
    """Open a sorting, with those of some attributes that its source has."""
    from dashboard.library.open import open_insertion
    from dashboard.sources.locate import locate

    source, insertion = locate(options.insertion, settings=settings)
    sorter, revision = sorting_of(options)
    with TerminalProgress() as progress:
        chosen: dict[str, Any] = {"source": source, "sorter": sorter, "revision": revision, "cache": settings.cache}
        try:
            return open_insertion(insertion, **chosen, attributes=attributes, progress=progress)
        except BadRequest:  # further datasets are there in ALF only
            if not attributes:
                raise
            return open_insertion(insertion, **chosen, progress=progress)


ACTS = {"export": _write, "import": _bring, "apply": _apply, "log": _log, "backup": _backup}
"""What can be done, by the word on the command line."""

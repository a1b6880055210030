"""Commands for decisions about units: export, import, log."""

from __future__ import annotations

import argparse
import getpass
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard.cli.batch.commands import add_sorting, sorting_of
from dashboard.cli.progress import TerminalProgress
from dashboard.config.settings import Settings, add_flags
from dashboard.model.texts import counted

if TYPE_CHECKING:
    from dashboard.library.userdata import UserData
    from dashboard.model.sorting import SpikeSorting

FORMAT_NAMES = ("spikeinterface", "phy", "alf", "csv")


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the commands to the command line."""
    command = commands.add_parser("curation", help="decisions about units: write them, bring some in, list them")
    acts = command.add_subparsers(dest="act", metavar="ACT", required=True)
    act = acts.add_parser("export", help="write the labels, notes and merges of an insertion")
    _add_insertion(act)
    files = ".json (SpikeInterface), .csv, _NAME_clusters.metrics.pqt (ALF), or a folder (phy)"
    act.add_argument("out", metavar="OUT", type=Path, help=files)
    act.add_argument("--author", metavar="NAME", default="", help="whose decisions go first; else the last of anybody")
    act.set_defaults(run=write)
    act = acts.add_parser("import", help="take the decisions of a file over, as those of its author")
    _add_insertion(act)
    act.add_argument("file", metavar="FILE", type=Path, help="file of any of the formats, or a folder of phy")
    act.add_argument("--author", metavar="NAME", required=True, help="who has decided")
    act.add_argument("--by", metavar="NAME", default=None, help="who brings them in; by default who runs this")
    act.set_defaults(run=bring)
    act = acts.add_parser("log", help="list every decision, oldest first, as CSV")
    act.add_argument("insertion", metavar="KEY", nargs="?", help="subject/date/number/probe; of all by default")
    act.set_defaults(run=log)
    for act in acts.choices.values():
        add_flags(act, "curation")


def _add_insertion(act: argparse.ArgumentParser) -> None:
    act.add_argument("insertion", metavar="INSERTION", help="a folder or file, or what --data lists")
    act.add_argument("--format", choices=FORMAT_NAMES, default=None, help="where the ending does not say")
    add_sorting(act)


def write(options: argparse.Namespace, settings: Settings) -> None:
    """Write what is shown as curated, and say what the format cannot hold."""
    from dashboard.analysis.curation.subject import Subject
    from dashboard.library.curation.file import shown_to
    from dashboard.library.curation.formats import format_of

    kind, sorting = format_of(options.out, options.format), _sorting(options, settings)
    user_data, subject = _user_data(settings), Subject.of(sorting)
    rows = user_data.decisions.read(subject.insertion)
    file = shown_to(options.author, rows, subject, replace(user_data.rules, precedence="mine"))
    said = kind.write(options.out.expanduser(), file, sorting, user_data.rules)
    n_labelled, n_notes = counted(len(file.labels), "unit"), counted(len(file.notes), "note")
    merged = counted(len(file.merges), "merge")
    sys.stdout.write(f"{options.out}: labels of {n_labelled}, {n_notes}, {merged}\n")
    if behind := len(subject.left_behind(rows)):
        said.append(f"{behind:,} decisions are about units of another revision or sorter, and are left out")
    for sentence in said:
        sys.stdout.write(f"{'note':<12}{sentence}\n")


def bring(options: argparse.Namespace, settings: Settings) -> None:
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


def log(options: argparse.Namespace, settings: Settings) -> None:
    """List decisions as they are kept: withdrawn ones and withdrawals, too."""
    from dashboard.library.curation.decisions import COLUMNS
    from dashboard.model.tables import rows_csv

    rows = _user_data(settings).decisions.read(options.insertion)
    sys.stdout.write(rows_csv(COLUMNS, map(asdict, rows)))


def _user_data(settings: Settings) -> UserData:
    from dashboard.library.userdata import UserData

    return UserData(settings.database) if settings.database else UserData.in_folder(settings.cache)


def _sorting(options: argparse.Namespace, settings: Settings) -> SpikeSorting:
    from dashboard.library.open import open_insertion
    from dashboard.sources.locate import locate

    source, insertion = locate(options.insertion, settings=settings)
    sorter, revision = sorting_of(options)
    with TerminalProgress() as progress:
        return open_insertion(
            insertion, source=source, sorter=sorter, revision=revision, cache=settings.cache, progress=progress
        )

"""The command that writes a sorting in another layout."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from dashboard.cli.batch.commands import add_sorting, sorting_of
from dashboard.cli.progress import TerminalProgress, tell_age
from dashboard.config.settings import Settings
from dashboard.model.texts import counted


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the command line."""
    command = commands.add_parser("convert", help="write a sorting of any kind in IBL's layout, and read it back")
    command.add_argument(
        "insertion", metavar="INSERTION", help="folder or file of a sorting, or an insertion in the --data folders"
    )
    command.add_argument(
        "out", metavar="OUT", type=Path, help="folder to write below; a sorting that is there is not overwritten"
    )
    command.add_argument("--to", choices=("alf",), required=True, help="layout to write: IBL's (ALF)")
    add_sorting(command)
    command.set_defaults(run=convert)


def convert(options: argparse.Namespace, settings: Settings) -> None:
    """Write a sorting below a folder, and say what the layout cannot hold."""
    from dashboard.library.convert import convert_to_alf
    from dashboard.library.open import open_insertion
    from dashboard.model.progress import telling
    from dashboard.sources.locate import locate

    sorter, revision = sorting_of(options)
    with TerminalProgress() as progress:
        with telling(progress):
            source, insertion = locate(options.insertion, settings=settings)
        sorting = open_insertion(
            insertion, source=source, sorter=sorter, revision=revision, cache=settings.cache, progress=progress
        )
        sorting.check_complete()
        found = convert_to_alf(sorting, options.out.expanduser(), progress)
    tell_age(sorting)
    n_spikes, n_units = counted(found.n_spikes, "spike"), counted(found.n_units, "unit")
    sys.stdout.write(f"{found.folder}: {n_spikes}, {n_units}; read back and the same\n")
    for sentence in found.left_out:
        sys.stdout.write(f"{'note':<12}{sentence}\n")

"""Commands for many insertions: render into a folder, units, prefetch."""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dashboard.config.settings import Settings, curation_rules
from dashboard.model.errors import BadRequest, SourceUnavailable
from dashboard.model.references import BASE_SORTER, ORIGINAL_REVISION
from dashboard.model.texts import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dashboard.cli.batch.report import Report
    from dashboard.cli.batch.run import Result, Task
    from dashboard.cli.batch.tasks import Curation, RenderTask, UnitsTask
    from dashboard.export.figure import FigureRequest

logger = logging.getLogger(__name__)

EXIT_SOME_FAILED = 1
TOKEN = "SPIKE_DASHBOARD_ALYX_TOKEN"
MANY = (
    "insertions (demo, a folder or file, subject/date/number/probe, eid/probe, a pid), or files that list them: "
    ".txt (one per line), .csv or .parquet (a column pid or insertion)"
)
QUERY = (
    "take also every insertion of the configured sources that meets all of WORD=VALUE; the words are lab, subject, "
    "first, last, project, task, region, level, probe, model, histology, tag; other texts are searched; '' takes all"
)
TABLES = (".parquet", ".pqt", ".csv")


def add_parsers(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the commands to the command line."""
    command = commands.add_parser("units", help="write the units of many insertions to one table")
    add_targets(command)
    add_sorting(command)
    add, window = command.add_argument, span("-0.5,0", 1e4)
    add(
        "--where",
        metavar="EXPR",
        default="",
        help="take only these units: \"label == 1 and within('CA1')\"",
    )
    add(
        "--event",
        metavar="NAME",
        help="add how units respond to stimOn, goCue, firstMovement, response, feedback, or a column of the trials",
    )
    add(
        "--baseline",
        metavar="T0,T1",
        type=window,
        help="window of the baseline relative to stimOn of the same trial, in s (by default as long as --response)",
    )
    add(
        "--response",
        metavar="T0,T1",
        type=window,
        help="window of the response relative to the event, in s (by default that of the brain-wide map)",
    )
    add(
        "--curation",
        metavar="NAME",
        help="add columns with what people decided about units; NAME's decisions go first ('me': whoever runs this); "
        "--where can use them: \"curated == 'good'\"",
    )
    add(
        "--applied",
        action="store_true",
        help="with --curation: units merged and split, without removed units and spikes in bad spans",
    )
    add("--out", metavar="FILE", type=Path, required=True, help=f"table to write: {', '.join(TABLES)}")
    add(
        "--header-units",
        action="store_true",
        help="write the unit of measure of each column into the header of a CSV table, as in 'amp_max [V]'; "
        "the fields of parquet always have it",
    )
    command.set_defaults(run=units)
    command = commands.add_parser(
        "prefetch", help="download many insertions into the cache, and prepare them to be shown"
    )
    add_targets(command)
    add_sorting(command)
    command.set_defaults(run=prefetch)


def add_targets(command: argparse.ArgumentParser) -> None:
    """Add the arguments that say which insertions are meant."""
    command.add_argument("insertion", metavar="INSERTION", nargs="*", help=MANY)
    command.add_argument("--query", metavar="WORDS", help=QUERY)


def add_sorting(command: argparse.ArgumentParser) -> None:
    """Add the arguments that say which sorting of them."""
    command.add_argument(
        "--sorter",
        metavar="NAME",
        help=f"spike sorter; '{BASE_SORTER}' is the folder alf/<probe> itself (without this option: ibllib's choice)",
    )
    command.add_argument(
        "--revision",
        metavar="NAME",
        help=f"revision of the datasets; '{ORIGINAL_REVISION}' is the unrevised one "
        "(without this option: ibllib's choice)",
    )


def sorting_of(options: argparse.Namespace) -> tuple[str | None, str | None]:
    """Return sorter and revision as the engine names them."""
    sorter, revision = options.sorter, options.revision
    return "" if sorter == BASE_SORTER else sorter, "" if revision == ORIGINAL_REVISION else revision


def span(example: str, most: float) -> Callable[[str], tuple[float, float]]:
    """Return what reads two rising numbers, below `most`, from the command line."""

    def read(text: str) -> tuple[float, float]:
        try:
            low, high = (float(part) for part in text.split(","))
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is not two numbers such as {example}") from None
        if not -most < low < high < most:
            raise argparse.ArgumentTypeError(f"'{text}' has to go from a lower to a higher number")
        return low, high

    return read


def is_several(options: argparse.Namespace) -> bool:
    """Tell whether `render` is to fill a folder rather than write one file."""
    from dashboard.library.targets import is_list

    named: list[str] = options.insertion
    return options.query is not None or len(named) != 1 or is_list(named[0]) or options.out.is_dir()


def render(options: argparse.Namespace, settings: Settings, request: FigureRequest) -> int:
    """Draw the figures of many insertions into a folder; those that a run before has drawn are left as they are."""
    from dashboard.cli.batch.gallery import write_gallery
    from dashboard.cli.batch.report import Report
    from dashboard.cli.batch.tasks import RenderTask
    from dashboard.library.targets import named

    folder: Path = options.out
    if folder.suffix and not folder.is_dir():
        raise BadRequest("Several insertions need a folder", folder, "Name one with --out; --format says which files")
    insertions = named(options.insertion, options.query, settings)
    curation = curation_of(options.curation, settings, is_applied=True)
    task = RenderTask(_opening(options, settings), request, options.format, curation)
    asked = (request, options.format, options.sorter, options.revision, *_offline(settings), *_decided(curation))
    report = Report(folder, asked, f".{options.format}")
    try:
        failed = _run(task, insertions, report, settings)
    finally:
        shown = [report.entries[name] for name in insertions if name in report.entries]
        write_gallery(folder, folder.resolve().name, shown, settings.dashboard_url, _link_words(options))
    return _ended(len(insertions), failed, f"{folder / 'index.html'}, report in {folder / 'report.csv'}")


def _link_words(options: argparse.Namespace) -> dict[str, str]:
    """Return what a link of the dashboard says of the figures."""
    words = {}
    for word, value in (("t", options.t), ("depth", options.depth)):
        if value is not None:
            words[word] = ",".join(f"{number:g}" for number in value)
    for word, value, default in (
        ("quality", options.quality, "all"), ("level", options.level, "allen"), ("sorter", options.sorter, None),
        ("revision", options.revision, None), ("shanks", options.shank, None),
    ):  # fmt: skip
        if value != default:
            words[word] = str(value)
    return words


def units(options: argparse.Namespace, settings: Settings) -> int:
    """Gather units; the tables of single insertions are kept until all are there, so that a second run goes on."""
    import pandas as pd

    from dashboard.analysis.filters.clusters import ClusterFilter
    from dashboard.cli.batch.report import Report, write_output
    from dashboard.cli.batch.tasks import OTHER_P, TEST, UnitsTask, adjust_over_all
    from dashboard.library.targets import named

    out: Path = options.out
    if out.suffix.lower() not in TABLES:
        raise BadRequest(f"Cannot write '{out.suffix}' files", out, f"Use one of {', '.join(TABLES)}")
    if not out.absolute().parent.is_dir():
        raise BadRequest("No such folder", out.absolute().parent, "Make it first")
    ClusterFilter(where=options.where)  # a mistake in it is said before anything is opened
    insertions = named(options.insertion, options.query, settings)
    if options.applied and options.curation is None:
        raise BadRequest("Whose decisions are to be applied?", "--applied", "Name them with --curation")
    opening = _opening(options, settings)
    curation = curation_of(options.curation, settings, is_applied=options.applied)
    task = UnitsTask(opening, options.where, options.event, options.baseline, options.response, curation)
    asked = (options.where, options.event, options.baseline, options.response, options.sorter, options.revision)
    # Parts without the last two are of an earlier version.
    request = (*asked, *_offline(settings), OTHER_P, TEST, *_decided(curation))
    report = Report(out.with_name(f"{out.name}.parts"), request, ".parquet")
    failed = _run(task, insertions, report, settings)
    parts = [report.folder / report.entries[name].file for name in insertions if report.is_done(name)]
    tables = adjust_over_all([pd.read_parquet(part) for part in parts])
    # An empty table has no types of its own: beside others it would only take theirs away.
    tables = [table for table in tables if len(table)] or tables[:1]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    write_output(out, _table_bytes(table, out.suffix.lower(), header_units=options.header_units))
    return _ended(
        len(insertions), failed, f"{counted(len(table), 'unit')} in {out}, report in {report.folder / 'report.csv'}"
    )


def curation_of(author: str | None, settings: Settings, *, is_applied: bool) -> Curation | None:
    """Return every decision, for somebody ('me': whoever runs this); None where nobody is named."""
    from dashboard.cli.batch.tasks import Curation
    from dashboard.library.userdata import UserData

    if author is None:
        return None
    rows = UserData.of(settings.database, settings.cache).decisions.read()
    return Curation(getpass.getuser() if author == "me" else author, curation_rules(settings), tuple(rows), is_applied)


def _decided(curation: Curation | None) -> tuple[Any, ...]:
    """Return what tells results of other decisions apart: they are made anew after the next one."""
    if curation is None:
        return ()
    return curation.author, repr(curation.rules), len(curation.rows), curation.is_applied


def _table_bytes(table: Any, suffix: str, *, header_units: bool) -> bytes:
    from dashboard.export.tables import parquet_bytes
    from dashboard.model.column_units import headers
    from dashboard.model.tables import csv_text

    if suffix == ".csv":
        return csv_text(table.set_axis(headers(table), axis=1) if header_units else table).encode()
    return parquet_bytes(table)


def prefetch(options: argparse.Namespace, settings: Settings) -> int:
    """Fill the cache; what is there is only looked at."""
    from dashboard.cli.batch import run
    from dashboard.cli.batch.tasks import PrefetchTask
    from dashboard.library.targets import named

    insertions = named(options.insertion, options.query, settings)
    failed = 0
    task = PrefetchTask(_opening(options, settings))
    for result in _results(task, insertions, settings):
        failed += result.status != run.DONE
        _say(result.insertion, result.why or f"{result.facts['title']}: {counted(result.facts['n_spikes'], 'spike')}")
    return _ended(len(insertions), failed, f"in {settings.cache}")


def _offline(settings: Settings) -> tuple[str, ...]:
    """Return what tells results of remembered records from others: they are made anew once the database is asked."""
    return ("offline",) if settings.offline else ()


def _opening(options: argparse.Namespace, settings: Settings) -> Any:
    from dashboard.cli.batch.tasks import Opening

    return Opening.of(settings, *sorting_of(options))


def _run(task: RenderTask | UnitsTask, insertions: Sequence[str], report: Report, settings: Settings) -> int:
    """Do what was not done before, or was done of other data than those on record now; return how many failed."""
    from dashboard.cli.batch import run

    left, changed, failed = _not_done(task, insertions, report, settings)
    for result in _results(task, left, settings):
        failed += result.status != run.DONE
        if result.status == run.DONE and result.insertion in changed:
            result = replace(result, why=f"made anew: {changed[result.insertion]}")
        entry = report.take(result, _content(result.payload))
        _say(entry.insertion, entry.why or str(entry.facts["title"]))
    return failed


def _not_done(
    task: RenderTask | UnitsTask, insertions: Sequence[str], report: Report, settings: Settings
) -> tuple[list[str], dict[str, str], int]:
    """Return what is left to do, what has changed of it, and of how many it could not be told."""
    from dashboard.cli.batch.comparison import compared
    from dashboard.cli.batch.tasks import STATE

    states = {name: report.entries[name].facts.get(STATE) for name in insertions if report.is_done(name)}
    changed: dict[str, str] = {}
    n_unknown = 0
    for one in compared(states, task.opening.request, settings):
        if one.changed:
            changed[one.insertion] = one.changed
        elif one.unknown:
            n_unknown += 1
            _say(one.insertion, f"kept as it is, and not compared with the data on record now: {one.unknown}")
    left = [name for name in insertions if name not in states or name in changed]
    if len(left) < len(insertions):
        _say(f"{len(insertions) - len(left)} of {len(insertions)}", "done before")
    return left, changed, n_unknown


def _results(task: Task, insertions: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Yield what becomes of insertions; the processes of this machine that work on them share one login to Alyx."""
    from dashboard.cli.batch import run
    from dashboard.sources.alyx.source import shared_client

    if settings.alyx_url and not settings.alyx_token and not settings.offline and len(insertions) > 1:
        client = shared_client(settings.alyx_url, settings.alyx_user, settings.alyx_password, settings.alyx_token)
        try:
            os.environ[TOKEN] = client.token()
        except SourceUnavailable as error:
            logger.warning("%s", error)  # each insertion says it, and what is in the cache needs no login
    try:
        yield from run.run(task, insertions, scheduler=settings.scheduler, workers=settings.workers)
    finally:
        if not settings.alyx_token:
            os.environ.pop(TOKEN, None)


def _content(payload: Any) -> bytes | None:
    if payload is None or isinstance(payload, bytes):
        return payload
    content: bytes = payload.to_parquet(index=False)  # with its attrs, which other parts are adjusted by
    return content


def _say(insertion: str, text: str) -> None:
    sys.stderr.write(f"{insertion}: {text}\n")


def _ended(n: int, failed: int, where: str) -> int:
    sys.stdout.write(f"{n - failed:,} of {counted(n, 'insertion')} done: {where}\n")
    return EXIT_SOME_FAILED if failed else 0

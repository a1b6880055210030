"""The command ``spike-dashboard``: demo, serve, render, check, fetch; the others are in `cli.batch`, `cli.admin`.

Heavy libraries are imported inside the commands, so that ``--help`` and errors come at once.
"""

from __future__ import annotations

import argparse
import gc
import ipaddress
import json
import logging
import os
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from dashboard.cli import admin, convert, curation
from dashboard.cli.batch import commands as cli_batch
from dashboard.cli.progress import TerminalProgress, say, tell_age
from dashboard.config import settings as settings_table
from dashboard.config.logs import SESSION, JsonFormatter, configure_logging, log_what_is_raised
from dashboard.config.plugins import add_plugins
from dashboard.config.settings import Settings
from dashboard.config.throttling import waiting_as_asked
from dashboard.engine.count.registry import AGGREGATES
from dashboard.model.errors import BadRequest, Cancelled, DashboardError, Incomplete
from dashboard.model.references import BASE_SORTER, ORIGINAL_REVISION
from dashboard.model.texts import MAX_PLACE, bytes_text, counted, place_text
from dashboard.version import __version__

if TYPE_CHECKING:
    from dashboard.model.sorting import SpikeSorting
    from dashboard.sources.base import Source

logger = logging.getLogger(__name__)

EXIT_BAD_INPUT = 2
EXIT_INCOMPLETE = 1
EXIT_INTERRUPTED = 130
EXIT_NOT_READ = 141
"""As a shell says of a program that wrote to a pipe of which nobody reads any more."""

FIGURE_TYPES = (".png", ".svg", ".pdf")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other error of the program."""

    def error(self, message: str) -> NoReturn:
        """End the program with the reason."""
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: {message}. See {self.prog} --help\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help; argparse's own says nothing of a reader that has left in the middle."""
        (file or sys.stderr).write(message)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = Parser(prog="spike-dashboard", description="Every spike of a Neuropixels insertion in the browser.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    command = commands.add_parser("demo", help="open a synthetic insertion in the browser")
    command.set_defaults(run=demo)
    command = commands.add_parser("serve", help="open your own data in the browser")
    command.add_argument(
        "--show-settings",
        action="store_true",
        help="print every setting, its value and where that came from, as TOML, and stop",
    )
    command.set_defaults(run=serve)
    command = commands.add_parser("render", help="draw the raster of one insertion to a file, or of many into a folder")
    cli_batch.add_targets(command)
    cli_batch.add_sorting(command)
    _add_figure_options(command)
    command.set_defaults(run=render)
    command = commands.add_parser("check", help="say what an insertion has, and what is missing")
    _add_insertion(command)
    command.add_argument("--json", action="store_true", help="print the answer as JSON")
    command.set_defaults(run=check)
    command = commands.add_parser("fetch", help="download insertions into the cache")
    _add_insertion(command, nargs="+")
    command.set_defaults(run=fetch)
    cli_batch.add_parsers(commands)
    convert.add_parser(commands)
    curation.add_parser(commands)
    admin.add_parsers(commands)
    for name, command in commands.choices.items():
        settings_table.add_flags(command, name)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0: all is done; 1: some of it could not be fetched, or some of many insertions failed, and trying again may help;
    2: bad input, or a server that does not answer; 130: interrupted; 141: who read the answer left before its end.
    """
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()  # of --help, too, which ends in an exception
    except BrokenPipeError:
        # What is still held back would fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_NOT_READ


def _run(arguments: Sequence[str] | None) -> int:
    options = build_parser().parse_args(arguments)
    tell: Callable[[str], object] = say
    try:
        settings = settings_table.load(options)
        configure_logging(settings.log_level, JsonFormatter(SESSION.get) if settings.log_json else None)
        if settings.log_json:
            tell = logger.error
        add_plugins(settings.plugins)
        with waiting_as_asked() if options.command in settings_table.READING else nullcontext():
            return int(options.run(options, settings) or 0)
    except (KeyboardInterrupt, Cancelled):
        tell("interrupted")
        return EXIT_INTERRUPTED
    except Incomplete as error:
        say(str(error))
        return EXIT_INCOMPLETE
    except DashboardError as error:
        tell(str(error))
        return EXIT_BAD_INPUT


def _add_insertion(parser: argparse.ArgumentParser, nargs: str | None = None) -> None:
    parser.add_argument(
        "insertion",
        metavar="INSERTION",
        nargs=nargs,
        help="an insertion: demo, a folder or file, subject/date/number/probe in the --data folders, eid/probe, a pid",
    )
    cli_batch.add_sorting(parser)


def _add_figure_options(parser: argparse.ArgumentParser) -> None:
    add, span = parser.add_argument, cli_batch.span("0,60", MAX_PLACE)
    add(
        "--out",
        metavar="PATH",
        type=Path,
        required=True,
        help="file to write (.png, .svg, .pdf); for several insertions, a folder",
    )
    add(
        "--format",
        choices=("png", "svg", "pdf"),
        default="png",
        help="kind of file where --out is a folder (%(default)s)",
    )
    add(
        "--curation",
        metavar="NAME",
        help="draw with what people decided about units applied: merges, splits, removed units and bad spans; NAME's "
        "decisions go first ('me': whoever runs this); the figure says so",
    )
    add("--width", metavar="PIXELS", type=_pixels, default=1600, help="width of the figure (%(default)s)")
    add("--height", metavar="PIXELS", type=_pixels, default=1000, help="height of the figure (%(default)s)")
    add("--t", metavar="T0,T1", type=span, help="time window in s; the whole session by default")
    add("--depth", metavar="D0,D1", type=span, help="depth window in um; the whole probe by default")
    # What a plug-in adds is known once the settings are: the name is looked up after they are read.
    scalar = ",".join(entry.name for entry in AGGREGATES if not entry.categories)
    add("--aggregate", metavar=f"{{{scalar}}}", default="count", help="what the colour of a pixel means (%(default)s)")
    add("--quality", choices=("all", "good"), default="all", help="units to draw: all, or the good ones (%(default)s)")
    add(
        "--level",
        choices=("allen", "beryl", "cosmos"),
        default="allen",
        help="names of brain regions: Allen's, or the coarser Beryl or Cosmos (%(default)s)",
    )
    add("--shank", metavar="NUMBER", type=int, help="draw only the units on this shank; 0 is the leftmost")
    add("--cmap", metavar="NAME", help="matplotlib colour map; binary for counts by default")
    add(
        "--limits",
        metavar="LOW,HIGH",
        type=span,
        help="values at the ends of the colour scale; 0 and 4 standard deviations by default",
    )


def _pixels(text: str) -> int:
    if not text.isdecimal() or not 200 <= int(text) <= 20_000:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of pixels from 200 to 20000")
    return int(text)


def demo(options: argparse.Namespace, settings: Settings) -> None:
    """Write the demo where it is not there yet, and serve it."""
    from dashboard.model.registry import load
    from dashboard.sources.locate import DEMO, find
    from dashboard.sources.registry import SOURCES

    source, insertion = find(DEMO, load(SOURCES[DEMO].configured)(settings, False))
    with TerminalProgress() as progress:
        source.fetch(insertion, progress=progress)
    _serve([source], settings, address="127.0.0.1", query="?insertion=demo")


def serve(options: argparse.Namespace, settings: Settings) -> None:
    """Serve the insertions of the data folders, the Alyx server and the demo."""
    if options.show_settings:
        from dashboard.config.reference import shown

        sys.stdout.write(shown(*settings_table.load_with_origins(options)))
        return
    if not (_is_loopback(settings.address) or settings.users or settings.oauth or settings.allow_open_access):
        raise BadRequest(
            "Anyone who reaches this address could see the data", settings.address,
            "Have people log in: --users FILE or --oauth PROVIDER; or add --allow-open-access if anyone may",
        )  # fmt: skip
    if settings.processes > 1:
        from dashboard.server.workers import run_processes

        run_processes(_serve_one, settings)
        return
    _serve_one(settings)


def _serve_one(settings: Settings) -> None:
    from dashboard.sources.locate import configured_sources

    _serve(configured_sources(settings, default=not settings.data), settings, address=settings.address)


def _serve(sources: Sequence[Source], settings: Settings, *, address: str, query: str = "") -> None:
    gc.disable()  # what is imported stays, and to look through it for garbage takes a fifth of the time
    from dashboard.server.server import make_server, run, session_name

    gc.enable()
    if settings.log_json:
        configure_logging(settings.log_level, JsonFormatter(session_name))
    try:
        server = make_server(sources, cache=settings.cache, address=address, port=settings.port, settings=settings)
    except OSError as error:
        raise BadRequest(
            "Cannot listen there",
            f"{address}:{settings.port} ({error.strerror})",
            "Choose another --port, or 0 for a free one",
        ) from error
    url = f"http://{f'[{address}]' if ':' in address else address}:{server.port}{settings.prefix}/{query}"
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
    if not settings.no_browser and _has_screen():
        threading.Thread(target=webbrowser.open, args=(url,), name="browser", daemon=True).start()
    log_what_is_raised()
    run(server)


def render(options: argparse.Namespace, settings: Settings) -> int:
    """Draw the figure of one insertion, or of many into a folder."""
    from dashboard.export.figure import FigureRequest

    request = FigureRequest(
        time_range=options.t, depth_range=options.depth, width=options.width, height=options.height,
        aggregate=options.aggregate, good_units=options.quality == "good", level=options.level,
        shank=options.shank,
        cmap=options.cmap, limits=options.limits,
    )  # fmt: skip
    if cli_batch.is_several(options):
        return cli_batch.render(options, settings, request)
    out: Path = options.out
    if out.suffix.lower() not in FIGURE_TYPES:
        raise BadRequest(f"Cannot write '{out.suffix}' files", out, f"Use one of {', '.join(FIGURE_TYPES)}")
    if not out.absolute().parent.is_dir():
        raise BadRequest("No such folder", out.absolute().parent, "Make it first")
    from dashboard.engine.build import build_columns
    from dashboard.export.save import write_figure

    with TerminalProgress() as progress:
        sorting = _open(options.insertion[0], options, settings, progress)
        sorting.check_complete()
        if (curation := cli_batch.curation_of(options.curation, settings, is_applied=True)) is not None:
            sorting = curation.apply(sorting)
        columns = build_columns(sorting, None if sorting.curation else settings.cache, progress)
    tell_age(sorting)
    write_figure(out, sorting, columns, request)
    window = " to ".join(map(place_text, request.time_range)) + " s" if request.time_range else "the whole session"
    size = f"{request.width} x {request.height} px, {bytes_text(out.stat().st_size)}"
    sys.stdout.write(f"wrote {out}: {request.aggregate} of {sorting.title}, {window}; {size}\n")
    if sorting.curation:
        sys.stdout.write(f"{'note':<12}{sorting.curation}\n")
    return 0


def check(options: argparse.Namespace, settings: Settings) -> int:
    """Say what there is of an insertion; return 1 where something could not be fetched."""
    from dashboard.analysis.raw.by_depth import quality_lines

    with TerminalProgress() as progress:
        sorting = _open(options.insertion, options, settings, progress)
    report = describe(sorting)
    if options.json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
        return _told(sorting)
    reasons = {name: f" ({reason})" for name, _, reason in sorting.choices if reason}
    for name, value in report.items():
        if name not in ("missing", "notes", "differences", "quality"):
            sys.stdout.write(f"{name:<12}{'unknown' if value is None else value}{reasons.get(name, '')}\n")
    for name, line in quality_lines(report["quality"]).items():
        sys.stdout.write(f"{name:<12}{line}\n")
    for name, (_, sentence) in sorting.differences.items():
        sys.stdout.write(f"{name:<12}{sentence}\n")
    for note in (note for note in sorting.notes if note not in sorting.histology_reason):
        sys.stdout.write(f"{'note':<12}{note}\n")
    for item in report["missing"]:
        sys.stdout.write(f"{'missing':<12}{item['dataset']}: {item['reason']}\n")
    return _told(sorting)


def _told(sorting: SpikeSorting) -> int:
    """Say what could not be fetched, and return the exit code."""
    tell_age(sorting)
    try:
        sorting.check_complete()
    except Incomplete as error:
        say(str(error))
        return EXIT_INCOMPLETE
    return 0


def describe(sorting: SpikeSorting) -> dict[str, Any]:
    """Return what ``check --json`` answers.

    Returns
    -------
    dict
        ``n_spikes`` are the rows of the file, those dropped included; ``n_good`` is None where no
        cluster has an IBL label, and ``missing`` says why; ``notes`` are what the page says of
        the files (revisions mixed, metrics computed anew, stand-ins); ``differences`` are there where numbers
        do not mean what IBL's do; ``records_of`` is the date of remembered records, where the database did not
        answer; ``duration_s`` is the time of the last spike less that of the first; ``quality`` is that of the raw
        recording by depth, by its small files, see `dashboard.analysis.raw.by_depth.quality_report`: empty where there
        are none.
    """
    import numpy as np

    from dashboard.analysis.raw.by_depth import quality_report
    from dashboard.model.noise import Noise

    insertion, times_s, differences = sorting.ref.insertion, sorting.spikes.times_s, sorting.differences
    missing = [{"dataset": item.dataset, "reason": item.reason, "can_come": item.can_come} for item in sorting.missing]
    if sorting.why_no_snr:
        missing.append({"dataset": "snr", "reason": sorting.why_no_snr, "can_come": False})
    if sorting.why_no_labels:
        missing.append({"dataset": "label", "reason": sorting.why_no_labels, "can_come": False})
    try:
        quality = quality_report(sorting.noise or Noise(), sorting.channels)
    except DashboardError as error:
        quality = {}
        missing.append({"dataset": "quality of the recording", "reason": str(error), "can_come": True})
    # Infinite times are dropped as NaN is; a copy only where there are any.
    first, last = float(np.nanmin(times_s)), float(np.nanmax(times_s))
    if not np.isfinite(last - first):
        finite = times_s[np.isfinite(times_s)]
        first, last = float(finite.min()), float(finite.max())
    return {
        "pid": insertion.pid,
        "eid": insertion.eid,
        "probe": insertion.probe,
        "collection": sorting.ref.collection,
        "sorter": sorting.ref.sorter.value or BASE_SORTER,
        "revision": sorting.ref.revision.value or ORIGINAL_REVISION,
        "histology": str(sorting.histology),
        "n_spikes": sorting.n_spikes,
        "n_dropped": sorting.n_dropped,
        "n_clusters": sorting.n_clusters,
        "n_good": None if sorting.why_no_labels else int((sorting.labels == 1).sum()),
        "duration_s": round(last - first, 3) if np.isfinite(last - first) else None,
        "quality": quality,
        "missing": missing,
        "notes": list(sorting.notes),
        **({"records_of": sorting.records_of} if sorting.records_of else {}),
        **({"differences": {name: sentence for name, (_, sentence) in differences.items()}} if differences else {}),
    }


def fetch(options: argparse.Namespace, settings: Settings) -> int:
    """Bring the datasets of the sortings into the cache, one insertion after the other; return 1 where some failed."""
    code = 0
    for text in options.insertion:
        with TerminalProgress() as progress:
            sorting = _open(text, options, settings, progress, lazy=True)
        sys.stdout.write(f"{sorting.title}: {counted(sorting.n_spikes, 'spike')}\n")
        code = _told(sorting) or code
    return code


def _open(
    text: str, options: argparse.Namespace, settings: Settings, progress: TerminalProgress, *, lazy: bool = False
) -> SpikeSorting:
    from dashboard.library.open import open_insertion
    from dashboard.model.progress import telling
    from dashboard.sources.locate import locate

    with telling(progress):
        source, insertion = locate(text, settings=settings)
    sorter, revision = cli_batch.sorting_of(options)
    return open_insertion(
        insertion, source=source, cache=settings.cache, progress=progress, lazy=lazy, sorter=sorter, revision=revision
    )


def _has_screen() -> bool:
    """Tell whether a browser would have a window; without one, text browsers take the terminal over."""
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"

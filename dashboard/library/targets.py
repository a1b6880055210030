"""Which insertions a command is for: named one by one, listed in files, or asked for by a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dashboard.config.settings import Settings
from dashboard.library.insertion_table import asked_region, check_facets, insertion_table, narrow
from dashboard.model.errors import BadRequest
from dashboard.model.facets import Facets, read_query
from dashboard.sources.lists import read_insertions, read_names, read_regions
from dashboard.sources.locate import DEMO, configured_sources

LISTS = (".txt", ".csv", ".pqt", ".parquet")
"""Endings of files that list insertions."""


def is_list(text: str) -> bool:
    """Tell whether an argument is a file that lists insertions."""
    return Path(text).suffix.lower() in LISTS


def named(targets: Sequence[str], query: str | None, settings: Settings) -> list[str]:
    """Return the name of every insertion that is meant, each once, in order.

    Parameters
    ----------
    targets : sequence of str
        Insertions, and files that list some (`LISTS`).
    query : str or None
        As for `dashboard.model.facets.read_query`; looked up in the configured sources. An empty one means all of them.
    settings : Settings

    Returns
    -------
    list of str
        Folders by their absolute path, since who works on them may run in another folder.

    Raises
    ------
    BadRequest
        Nothing is named, a list cannot be read, or nothing meets the query.
    SourceUnavailable
        The server that is asked does not answer.
    """
    names: list[str] = []
    for target in targets:
        names += read_names(Path(target).expanduser()) if is_list(target) else [target]
    if query is not None:
        names += found(read_query(query), settings)
    elif not names:
        raise BadRequest("No insertion is named", "", "Give insertions, a list (.txt, .csv, .parquet), or --query")
    return list(dict.fromkeys(_settled(name) for name in names))


def _settled(name: str) -> str:
    path = Path(name).expanduser()
    return str(path.resolve()) if name != DEMO and path.exists() else name


def found(facets: Facets, settings: Settings) -> list[str]:
    """Return the pid, or else the path, of every insertion of the configured sources that meets the facets.

    Those are the ``--insertions`` list, the data folders and the Alyx server; the default server is asked where neither
    a list nor a folder is configured.

    Raises
    ------
    BadRequest
        Nothing meets them, there is no such region, or favourites or verdicts are asked for.
    SourceUnavailable
        The server does not answer.
    """
    if facets.favourites or facets.verdict:
        raise BadRequest("Favourites and verdicts are known to the page only", "", "Ask for something else")
    check_facets(facets)
    region = asked_region(facets) if facets.region else ""
    rows = read_insertions(settings.insertions) if settings.insertions is not None else []
    regions = read_regions(settings.regions) if settings.regions is not None else None
    asked: set[str] = set()
    for source in configured_sources(settings, default=not settings.data and settings.insertions is None):
        if source.name == DEMO:
            continue
        for page in source.search(replace(facets, region=region)):
            rows += page
            if source.asked(facets) != Facets():
                asked |= {str(row["pid"]) for row in page}
    tags = {facets.tag: asked} if facets.tag else {}
    known = {region: asked} if region else {}
    table = narrow(insertion_table(rows), facets, regions, tags, known)
    if table.empty:
        raise BadRequest("No insertion meets the query", "", f"{len(rows):,} were looked at")
    return [str(pid or key) for pid, key in zip(table["pid"], table["key"], strict=True)]

"""Searches as Alyx understands them, and its answers as rows of the search page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from dashboard.model.facets import SEPARATOR, Facets
from dashboard.model.references import Histology
from dashboard.sources.alyx.cache import CachedRecords
from dashboard.sources.alyx.client import Record
from dashboard.sources.alyx.records import insertion_from_record, record_from_insertion
from dashboard.sources.base import Row

PAGE = "250"
"""Rows of a page; a list is looked at from its first one on, which should come soon."""


def query(facets: Facets) -> dict[str, str]:
    """Return the parameters of ``/insertions`` for what a search asks of the server.

    ``subject=`` is exact there and ``tag=`` is not, so both go through ``django=``, and so do days and the probe's
    model. What Alyx cannot say (states of histology other than resolved, words that are no id, a comma within
    ``django=``) is left to narrowing what came.
    """
    params: dict[str, str] = {}
    for name, value in (("lab", facets.lab), ("name", facets.probe), ("project", facets.project.strip()),
                        ("task_protocol", facets.task.strip()), ("atlas_acronym", facets.region)):  # fmt: skip
        if value:
            params[name] = value
    # ``model=`` is the model's name, which is not what records show
    lookups = (
        ("model__probe_model", facets.model),
        ("session__start_time__date__gte", facets.first),
        ("session__start_time__date__lte", facets.last),
        ("session__subject__nickname__icontains", facets.subject.strip()),
        ("datasets__tags__name", facets.tag),
        ("json__extended_qc__alignment_resolved", "True" if facets.histology == Histology.RESOLVED else ""),
    )
    django = [f"{name},{value}" for name, value in lookups if value and "," not in value]
    if "," in facets.tag:  # nothing but the server knows tags
        params["tag"] = facets.tag
    if django:
        params["django"] = ",".join(django)
    return params


def rows(records: CachedRecords, facets: Facets, source: str) -> Iterator[list[Row]]:
    """Yield the insertions that the server lists for a search, page by page, each insertion once.

    Parameters
    ----------
    records : CachedRecords
    facets : Facets
    source : str
        Name of the source.

    Raises
    ------
    SourceUnavailable
        The server does not answer, and this list was never read from it.
    """
    seen: set[str] = set()
    for page in records.pages("/insertions", {"limit": PAGE, **query(facets)}):
        yield rows_of(page, source, seen)


def rows_of(page: Iterable[Record], source: str, seen: set[str]) -> list[Row]:
    """Return records of ``/insertions`` as rows, without those whose pid is among `seen`, which they join."""
    found = []
    for record in page:
        pid = str(record.get("id"))
        if pid not in seen and (row := row_from_record(record, source)) is not None:
            seen.add(pid)
            found.append(row)
    return found


def row_from_record(record: Mapping[str, object], source: str) -> Row | None:
    """Return a record of ``/insertions`` as a row of the search page; None where it names no session."""
    insertion = insertion_from_record(record, source)
    if insertion is None:
        return None
    more = record_from_insertion(record)
    return {
        "key": insertion.key,
        "pid": insertion.pid or "",
        "eid": insertion.eid or "",
        "subject": insertion.subject,
        "date": insertion.date,
        "number": insertion.number,
        "probe": insertion.probe,
        "lab": insertion.lab or "",
        "projects": SEPARATOR.join(more.projects),
        "task": more.task_protocol or "",
        "model": more.model or "",
        "histology": str(more.histology),
        "qc": more.qc or "",
        "source": source,
    }

"""Which insertions that are done have other data on record now: those are made anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dashboard.config.plugins import add_plugins
from dashboard.config.settings import Settings
from dashboard.config.throttling import waiting_as_asked
from dashboard.library.changes import kept_state, said_of_changes
from dashboard.model.errors import DashboardError, InsertionNotFound, NoSpikeSorting
from dashboard.model.references import InsertionRef, SortingRequest
from dashboard.model.remembered import noting_remembered
from dashboard.sources.base import Source
from dashboard.sources.locate import DEMO, configured_sources, find, locate

MAX_QUESTIONS = 8
"""At once: records are small, and servers take their time."""


@dataclass(frozen=True, slots=True)
class Compared:
    """An insertion that is done, beside what is on record now.

    Attributes
    ----------
    insertion : str
        As it was named.
    changed : str
        What is other than it was, in words; empty where nothing is.
    unknown : str
        Why it could not be told.
    """

    insertion: str
    changed: str = ""
    unknown: str = ""


def compared(
    states: Mapping[str, Mapping[str, object] | None], request: SortingRequest, settings: Settings
) -> Iterator[Compared]:
    """Yield each insertion with what has changed of it; no file is read.

    Parameters
    ----------
    states : mapping of str to mapping or None
        By the name of an insertion the state of its data when it was made, from `kept_state`; None: not known.
    request : SortingRequest
    settings : Settings
    """
    if not states:
        return
    add_plugins(settings.plugins)
    sources = configured_sources(settings)

    def compare(name: str) -> Compared:
        before = states[name]
        if before is None:
            return Compared(name, changed="it is not known of which data it was made")
        with noting_remembered() as dates:
            try:
                source, insertion = _found(name, sources, settings)
                now = kept_state(source.state(insertion, request))
            except (InsertionNotFound, NoSpikeSorting) as error:
                return Compared(name, changed=str(error))
            except DashboardError as error:
                return Compared(name, unknown=str(error))
        if dates and not settings.offline:
            return Compared(name, unknown=f"the database did not answer, and what is known is of {min(dates)}")
        return Compared(name, changed=said_of_changes(before, now))

    with waiting_as_asked(), ThreadPoolExecutor(MAX_QUESTIONS, "compare") as pool:
        asked = [pool.submit(copy_context().run, partial(compare, name)) for name in states]
        yield from (answer.result() for answer in asked)


def _found(name: str, sources: Sequence[Source], settings: Settings) -> tuple[Source, InsertionRef]:
    """Return what `locate` returns, from sources that remember for all names what one of them has cost."""
    if name == DEMO or not Path(name).expanduser().exists():
        try:
            return find(name, sources)
        except InsertionNotFound:  # the default server may have it
            pass
    return locate(name, settings=settings)

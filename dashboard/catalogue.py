"""Every insertion that the process knows of: from lists on disk, folders, and servers as their pages arrive."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from dashboard.compute.insertion_lists import COLUMNS, insertion_table, narrow
from dashboard.compute.region_tree import check_region
from dashboard.model.errors import DashboardError
from dashboard.model.facets import Facets
from dashboard.sources.alyx import AlyxSource
from dashboard.sources.alyx_lists import remembered_rows
from dashboard.sources.alyx_lists import rows as alyx_rows
from dashboard.sources.insertion_files import read_insertions, read_regions
from dashboard.sources.protocol import Source

logger = logging.getLogger(__name__)


class Catalogue:
    """The list of insertions, shared by the sessions of the process.

    Parameters
    ----------
    sources : sequence of Source
    insertions : Path or None
        A lab's own list; read at once, so that a mistake in it stops the start of the program.
    regions : Path or None
        How many clusters each insertion has in each region.

    Raises
    ------
    BadRequest
        One of the files cannot be used.
    """

    def __init__(self, sources: Sequence[Source], insertions: Path | None = None, regions: Path | None = None) -> None:
        self._sources = tuple(sources)
        self._lock = threading.Lock()
        self._rows: list[dict[str, object]] = read_insertions(insertions) if insertions is not None else []
        self.regions = read_regions(regions) if regions is not None else None
        self._notes: dict[str, str] = {}
        self._tags: dict[str, set[str]] = {}
        self._regions_known: dict[str, set[str]] = {}
        self._reading: set[str] = set()
        self._listeners: list[Callable[[], None]] = []
        self._table = insertion_table(self._rows)
        self._is_started = False

    @property
    def table(self) -> pd.DataFrame:
        """The list as it is now; never changed in place."""
        return self._table

    @property
    def note(self) -> str:
        """What is being read, and what could not be; empty when all is there."""
        with self._lock:
            reading = f"reading {', '.join(sorted(self._reading))} …" if self._reading else ""
            notes = [note for note in self._notes.values() if note]
        return " · ".join([*notes, reading] if reading else notes)

    @property
    def has_failed(self) -> bool:
        """Whether something could not be read, and may be when it is tried again."""
        with self._lock:
            return any(self._notes.values())

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, from any thread, whenever the list or its note has changed."""
        with self._lock:
            self._listeners.append(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """Call it no longer."""
        with self._lock:
            self._listeners = [known for known in self._listeners if known != listener]

    def start(self, *, again: bool = False) -> None:
        """Read the sources in the background, once; `again` reads those anew that failed."""
        with self._lock:
            if self._is_started and not again:
                return
            is_first, self._is_started = not self._is_started, True
            chosen = [s for s in self._sources if is_first or self._notes.get(s.name)]
            chosen = [s for s in chosen if s.name not in self._reading]
            self._reading |= {source.name for source in chosen}
        for source in chosen:
            name = f"list {source.name}"
            threading.Thread(target=partial(self._read, source), name=name, daemon=True).start()

    def _read(self, source: Source) -> None:
        note = ""
        try:
            if isinstance(source, AlyxSource):
                for page in alyx_rows(source, Facets()):
                    self._add(page)
                note = source.notice
            else:
                self._add([_row(insertion) for insertion in source.insertions()])
        except DashboardError as error:
            logger.warning("%s", error)
            note = f"{source.name}: {error}"
            if isinstance(source, AlyxSource):
                self._add(remembered_rows(source))
        finally:
            with self._lock:
                self._notes[source.name] = note
                self._reading.discard(source.name)
            self._tell()

    def ask(self, facets: Facets) -> None:
        """Ask the servers, in the background and once, what only they know: tags, and regions without a list."""
        wanted: list[tuple[dict[str, set[str]], str, Facets]] = []
        if facets.tag and facets.tag not in self._tags:
            wanted.append((self._tags, facets.tag, Facets(tag=facets.tag)))
        if facets.region:
            region = check_region(facets.region)
            if region not in self._regions_known:
                wanted.append((self._regions_known, region, Facets(region=region)))
        for source in self._sources:
            if not isinstance(source, AlyxSource):
                continue
            for known, value, asked in wanted:
                label = f"{value} on {source.name}"
                with self._lock:
                    if label in self._reading:
                        continue
                    self._reading.add(label)
                threading.Thread(target=self._ask, args=(source, known, value, asked, label), daemon=True).start()

    def _ask(self, source: AlyxSource, known: dict[str, set[str]], value: str, asked: Facets, label: str) -> None:
        note = ""
        try:
            found: set[str] = set()
            for page in alyx_rows(source, asked):
                self._add(page)
                found |= {str(row["pid"]) for row in page}
            with self._lock:
                known[value] = known.get(value, set()) | found
        except DashboardError as error:
            note = f"{label}: {error}"
        finally:
            with self._lock:
                self._notes[label] = note
                self._reading.discard(label)
            self._tell()

    def narrow(self, facets: Facets, favourites: Collection[str] = ()) -> pd.DataFrame:
        """Return the insertions that meet the facets; see `dashboard.compute.insertion_lists.narrow`."""
        with self._lock:
            tags, known = dict(self._tags), dict(self._regions_known)
        return narrow(self._table, facets, self.regions, tags, known, favourites)

    def matching(self, text: str) -> list[str]:
        """Return the keys of the insertions whose pid or eid `text` is."""
        table = self._table
        word = text.strip().lower()
        return [str(key) for key in table.loc[(table["pid"] == word) | (table["eid"] == word), "key"]]

    def _add(self, rows: list[dict[str, object]]) -> None:
        if not rows:
            return
        with self._lock:
            self._rows.extend(rows)
            table = insertion_table(self._rows)
            self._rows = [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
            self._table = table
        self._tell()

    def _tell(self) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()


def _row(insertion: object) -> dict[str, object]:
    row = {name: getattr(insertion, name, "") or "" for name in COLUMNS}
    return {**row, "histology": ""}

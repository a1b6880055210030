"""Every insertion that the process knows of: from lists on disk, folders, and servers as their pages arrive."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from dashboard.analysis.anatomy.regions import acronyms, at_level, check_region, within
from dashboard.library.insertion_table import (
    COLUMNS,
    FACETS,
    NOTHING_SAID,
    asked_region,
    facet_counts,
    insertion_table,
    narrow,
    region_counts,
)
from dashboard.model.errors import BadRequest, DashboardError
from dashboard.model.facets import Facets
from dashboard.model.references import UUID
from dashboard.sources.base import Source
from dashboard.sources.lists import read_insertions, read_regions

logger = logging.getLogger(__name__)

STILL_S = 0.4
"""A search that is still being typed is not worth a question to a server; one that stood this long is."""

SEARCHED = "what is searched for"

Row = dict[str, object]

_SESSION = re.compile(r"([^/\s]+)/(\d{4}-\d{2}-\d{2})/(\d{1,3})(?:/(?:alf/)?([^/\s]+))?")


FILES, SERVER = "files here", "a server"
"""What an insertion opens from whose source does not say its kind."""


class Catalogue:
    """The list of insertions, shared by the sessions of the process.

    Parameters
    ----------
    sources : sequence of Source
    insertions : Path or None
        A lab's own list; read at once, so that a mistake in it stops the start of the program.
    regions : Path or None
        How many clusters each insertion has in each region.
    refresh_s : float
        The sources are read again when the list is so old and somebody looks at it, in s; 0: only when asked to.

    Raises
    ------
    BadRequest
        One of the files cannot be used.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        insertions: Path | None = None,
        regions: Path | None = None,
        *,
        refresh_s: float = 0.0,
    ) -> None:
        self._sources = tuple(sources)
        self._lock = threading.Lock()
        listed = read_insertions(insertions) if insertions is not None else []
        # by source, in the order in which they are believed, and by key
        self._rows: dict[int, dict[str, Row]] = {0: {str(number): row for number, row in enumerate(listed)}}
        self._rows |= {id(source): {} for source in sources}  # two folders may have one name
        self._opens = {id(one): getattr(one, "kind", "") or (SERVER if _is_asked(one) else FILES) for one in sources}
        self._refresh_s = refresh_s
        self._closed = threading.Event()
        self._ended: dict[str, tuple[float, float]] = {}
        self.regions = read_regions(regions) if regions is not None else None
        self._notes: dict[str, str] = {}
        self._left_out: dict[int, str] = {}
        self._refusals: dict[tuple[str, str], str] = {}
        self._tags: dict[str, set[str]] = {}
        self._regions_known: dict[str, set[str]] = {}
        self._reading: set[str] = set()
        self._wanted_again: set[str] = set()
        self._wanted: dict[str, Facets] = {}
        self._asked: set[tuple[str, Facets]] = set()
        self._listeners: list[Callable[[], None]] = []
        self._tag_names: set[str] = set()
        self._region_names: tuple[str, ...] = ()
        self._table = insertion_table(self._every_row())
        self._known: tuple[pd.DataFrame, frozenset[str]] | None = None
        self._options: tuple[pd.DataFrame, dict[str, dict[str, int]]] | None = None
        self._is_started = False

    @property
    def table(self) -> pd.DataFrame:
        """The list as it is now; never changed in place."""
        return self._table

    @property
    def options(self) -> dict[str, dict[str, int]]:
        """What a search may offer, by facet: values, and how many insertions have each, 0 where nobody has counted."""
        table, held = self._table, self._options
        if held is None or held[0] is not table:
            counts = {name: facet_counts(table, name) for name in FACETS}
            if self.regions is not None:
                counts["region"] = region_counts(table, self.regions)
            self._options = held = (table, counts)
        with self._lock:
            named = {"region": dict.fromkeys(self._region_names, 0), "tag": dict.fromkeys(sorted(self._tag_names), 0)}
        return {**named, **held[1]}

    @property
    def known_columns(self) -> frozenset[str]:
        """Columns of the list that say something of any insertion."""
        table, held = self._table, self._known
        if held is None or held[0] is not table:
            names = frozenset(name for name in COLUMNS if name != "number" and (table[name] != "").any())
            self._known = held = (table, names)
        return held[1]

    @property
    def _has_server(self) -> bool:
        return any(_is_asked(source) for source in self._sources)

    @property
    def note(self) -> str:
        """What is being read, and what could not be, of the lists and all questions; empty when all is there."""
        with self._lock:
            problems = [*self._notes.values(), *self._refusals.values()]
            return _said([*problems, *self._remarks()], self._reading)

    def note_of(self, facets: Facets) -> tuple[str, bool]:
        """Return what a page says that searches for `facets`, and whether trying again may help."""
        mine = _values(facets)
        with self._lock:
            problems = [*self._notes.values(), *(why for (value, _), why in self._refusals.items() if value in mine)]
            return _said([*problems, *self._remarks()], self._reading & self._labels(mine)), any(problems)

    def _remarks(self) -> list[str]:
        """Return what was not looked at, each once: a folder is a source for each kind of sortings in it."""
        return list(dict.fromkeys(self._left_out.values()))

    @property
    def is_whole(self) -> bool:
        """Whether each source was read to its end and none is being read: what is not in the list is not there."""
        with self._lock:
            is_read = all(source.name in self._ended and not self._notes.get(source.name) for source in self._sources)
            return is_read and not self._reading

    def is_reading(self, facets: Facets) -> bool:
        """Tell whether insertions that meet `facets` may still come; none do for a region that does not exist."""
        try:
            values = _values(facets)
        except BadRequest:
            return False
        with self._lock:
            return bool(self._reading & self._labels(values))

    def _labels(self, values: set[str]) -> set[str]:
        labels = {_label(value, source.name) for value in values for source in self._sources}
        return labels | {source.name for source in self._sources} | {_label(SEARCHED, s.name) for s in self._sources}

    @property
    def has_failed(self) -> bool:
        """Whether something could not be read, and may be when it is tried again."""
        with self._lock:
            return any(self._notes.values()) or any(self._refusals.values())

    @property
    def off(self) -> Mapping[str, str]:
        """What cannot be asked for here, by facet, and why."""
        if self._has_server:
            return MappingProxyType({})
        off = {"tag": "tags are known to an Alyx server only, and none is among the sources"}
        for facet, name in (("project", "projects"), ("task", "task")):
            if name not in self.known_columns:
                off[facet] = f"{'task protocol' if facet == 'task' else facet}: not in these lists"
        if self.regions is None:
            off["region"] = "the regions of these insertions are not known: start with --regions FILE"
        return MappingProxyType(off)

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
        self._start_reading(chosen)
        if is_first and self._refresh_s:
            threading.Thread(target=self._go_on_looking, name="refresh lists", daemon=True).start()

    def look_again(self, *, now: bool = True) -> None:
        """Read the sources again in the background: all of them, or those whose list is old.

        A folder that takes long to look through is looked through less often: a twentieth of the time at most. A list
        that is being read now is read once more at its end: what is new may have come behind what was read.
        """
        clock = time.monotonic()
        with self._lock:
            chosen = []
            for source in self._sources:
                ended, took = self._ended.get(source.name, (clock, 0.0))
                is_old = clock - ended >= max(self._refresh_s, 20 * took) or bool(self._notes.get(source.name))
                if source.name in self._reading:
                    self._wanted_again |= {source.name} if now else set()
                elif source.name in self._ended and (now or is_old):
                    chosen.append(source)
            self._reading |= {source.name for source in chosen}
        if now:
            for source in chosen:
                source.look_again()
        self._start_reading(chosen)

    def close(self) -> None:
        """Look at nothing any more by itself."""
        self._closed.set()

    def _go_on_looking(self) -> None:
        while not self._closed.wait(self._refresh_s):
            with self._lock:
                is_looked_at = bool(self._listeners)
            if is_looked_at:
                self.look_again(now=False)

    def _start_reading(self, chosen: Sequence[Source]) -> None:
        for source in chosen:
            name = f"list {source.name}"
            threading.Thread(target=partial(self._read, source), name=name, daemon=True).start()

    def _read(self, source: Source) -> None:
        """Read the list of a source; what it no longer lists goes once it was read to its end."""
        note, found, started = "", dict[str, Row](), time.monotonic()
        with self._lock:
            is_first = source.name not in self._ended
        try:
            for page in source.search(Facets()):
                found |= _by_key(page)
                if is_first:
                    self._add(source, page)
            note = source.notice
            if _is_asked(source):
                self._read_names(source)
            self._take(source, found, is_whole=not note)
        except DashboardError as error:
            logger.warning("%s", error)
            note = f"{source.name}: {error}"
        finally:
            now = time.monotonic()
            with self._lock:
                self._notes[source.name] = note
                self._left_out[id(source)] = source.left_out
                self._reading.discard(source.name)
                self._ended[source.name] = (now, now - started)
                is_wanted = source.name in self._wanted_again
                self._wanted_again.discard(source.name)
                self._reading |= {source.name} if is_wanted else set()
            if is_wanted:
                source.look_again()
                self._start_reading([source])
            self._tell()

    def _read_names(self, source: Source) -> None:
        """Learn what may be asked for; whatever is not offered can still be typed."""
        regions, tags = acronyms("beryl"), set[str]()
        try:
            tags = source.tags()
        except DashboardError as error:
            logger.info("tags of %s are not offered: %s", source.name, error)
        with self._lock:
            self._tag_names |= tags
            self._region_names = regions

    def ask(self, facets: Facets) -> None:
        """Ask the servers, in the background and once, what only they know: tags, and regions without a list.

        While the list of a server is still on its way, what is searched for is asked for first.
        """
        wanted: list[tuple[dict[str, set[str]], str, Facets]] = []
        if facets.tag and facets.tag not in self._tags:
            wanted.append((self._tags, facets.tag, Facets(tag=facets.tag)))
        if facets.region:
            region = asked_region(facets)
            if region not in self._regions_known:
                wanted.append((self._regions_known, region, Facets(region=region)))
        for source in self._sources:
            if not _is_asked(source):
                continue
            for known, value, asked in wanted:
                label = _label(value, source.name)
                with self._lock:
                    if label in self._reading:
                        continue
                    self._reading.add(label)
                threading.Thread(target=self._ask, args=(source, known, value, asked), daemon=True).start()
            self._ask_first(source, replace(facets, tag="", region=""))

    def _ask_first(self, source: Source, facets: Facets) -> None:
        question = (source.name, source.asked(facets))
        with self._lock:
            if question[1] == Facets() or source.name not in self._reading or question in self._asked:
                self._wanted.pop(source.name, None)
                return
            is_waiting = source.name in self._wanted
            self._wanted[source.name] = facets
        if not is_waiting:
            self._soon(source, facets)

    def _soon(self, source: Source, facets: Facets) -> None:
        timer = threading.Timer(STILL_S, self._ask_wanted, args=(source, facets))
        timer.daemon = True
        timer.start()

    def _ask_wanted(self, source: Source, seen: Facets) -> None:
        """Ask what was wanted last, once it stood still."""
        with self._lock:
            facets = self._wanted.get(source.name)
            if facets == seen:
                del self._wanted[source.name]
                self._asked.add((source.name, source.asked(facets)))
                self._reading.add(_label(SEARCHED, source.name))
        if facets is None:
            return
        if facets != seen:
            self._soon(source, facets)
            return
        self._ask(source, {}, SEARCHED, facets)

    def _ask(self, source: Source, known: dict[str, set[str]], value: str, asked: Facets) -> None:
        note, label = "", _label(value, source.name)
        try:
            found: set[str] = set()
            for page in source.search(asked):
                self._add(source, page)
                found |= {str(row["pid"]) for row in page}
            with self._lock:
                known[value] = known.get(value, set()) | found
        except DashboardError as error:
            note = f"{label}: {error}"
        finally:
            with self._lock:
                # what is searched for comes with the list, which says why it does not
                self._refusals[value, source.name] = note if value != SEARCHED else ""
                self._reading.discard(label)
            self._tell()

    def finer_note(self, facets: Facets) -> str:
        """Return which region to ask for where the list of regions has none as fine as the one asked for."""
        if not facets.region or self.regions is None or asked_region(facets) in self._regions_known:
            return ""
        beryl = str(at_level([check_region(facets.region)], "beryl")[0])
        names = self.regions["region"].unique()
        if within(names, facets.region, facets.level).any() or beryl not in names:
            return ""
        return f"The list of regions is not as fine as {check_region(facets.region)}: ask for {beryl}"

    def narrow(
        self, facets: Facets, favourites: Collection[str] = (), said: Mapping[str, str] = NOTHING_SAID
    ) -> pd.DataFrame:
        """Return the insertions that meet the facets; see `dashboard.library.insertion_table.narrow`."""
        with self._lock:
            tags, known = dict(self._tags), dict(self._regions_known)
        return narrow(self._table, facets, self.regions, tags, known, favourites, said)

    def matching(self, text: str) -> list[str]:
        """Return the keys of the insertions that `text` names: a pid, an eid, a session path, or an address with one.

        A probe after an eid or a session chooses among the session's insertions.
        """
        table = self._table
        if (found := UUID.search(text)) is not None:
            word, probe = found[0].lower(), text[found.end() :].strip("/ ")
            is_meant = (table["pid"] == word) | (table["eid"] == word)
        elif (path := _SESSION.search(text)) is not None:
            is_meant = table["key"].str.startswith(f"{path[1]}/{path[2]}/{int(path[3]):03d}/")
            probe = path[4] or ""
        else:
            return []
        if (is_meant & (table["probe"] == probe)).any():
            is_meant &= table["probe"] == probe
        return [str(key) for key in table.loc[is_meant, "key"]]

    def _add(self, source: Source, rows: Sequence[Row]) -> None:
        if rows:
            self._take(source, _by_key(rows), is_whole=False)
            self._tell()

    def _take(self, source: Source, found: dict[str, Row], *, is_whole: bool) -> None:
        """Take rows of a source in place of those it gave before; of a whole list, also what it no longer has."""
        opens = self._opens.get(id(source), FILES)
        found = {key: {**row, "opens": opens} for key, row in found.items()}
        with self._lock:
            before = self._rows.get(id(source), {})
            after = found if is_whole else {**before, **found}
            if after != before:
                self._rows[id(source)] = after
                self._table = insertion_table(self._every_row())

    def _every_row(self) -> Iterator[Row]:
        return (row for rows in self._rows.values() for row in rows.values())

    def _tell(self) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()


def _values(facets: Facets) -> set[str]:
    """Return what of the facets only a server may know."""
    return {facets.tag, asked_region(facets) if facets.region else ""} - {""}


def _label(value: str, source: str) -> str:
    return f"{value} on {source}"


def _said(problems: Collection[str], reading: Collection[str]) -> str:
    notes = [problem for problem in problems if problem]
    return " · ".join([*notes, f"reading {', '.join(sorted(reading))} …"] if reading else notes)


def _is_asked(source: Source) -> bool:
    """Tell whether a source has a database that a search can be put to."""
    return source.asked(Facets(tag="any")) != Facets()


def _by_key(rows: Iterable[Row]) -> dict[str, Row]:
    """Return rows by the key of their insertion; the last of a key is kept."""
    return {str(row["key"]): row for row in rows}

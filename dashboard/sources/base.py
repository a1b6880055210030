"""What every source of insertions can do: a folder, the demo, an Alyx server, another lab's files."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from dashboard.model.arrival import ArrivedCallback, ignore_arrived
from dashboard.model.errors import BadRequest, DatasetMissing, NoSpikeSorting, RevisionMissing, SorterMissing
from dashboard.model.facets import Facets
from dashboard.model.noise import Noise
from dashboard.model.progress import ProgressCallback, ignore_progress
from dashboard.model.raw import RawRecording
from dashboard.model.references import InsertionRecord, InsertionRef, Offer, SortingRef, SortingRequest
from dashboard.model.sorting import SpikeSorting

Row = dict[str, object]
"""An insertion in a list: its key, and what is known of `dashboard.library.insertion_table.COLUMNS`."""

DEFAULT = SortingRequest()

SORTINGS = "sortings"
"""Name of the sortings that an insertion has, in what `Source.state` returns."""


class Source(Protocol):
    """A place that insertions come from; it gives the model. Methods are safe to call from several threads.

    A class that derives from this one writes `name`, `insertions`, `find`, `sortings` and `open`; the rest has
    answers for a source without a server and without a database.

    Attributes
    ----------
    name : str
        Shown to users: ``demo``, the folder's name, the server's host.
    kind : str
        What its insertions are made of, for lists: ``NWB``. Empty where that is no one thing.
    """

    name: str
    kind: str = ""

    @property
    def notice(self) -> str:
        """A sentence for the page, such as that answers come from the disk (offline); empty where there is none."""
        return ""

    @property
    def left_out(self) -> str:
        """A sentence on what of the place was not looked at when it was listed last, and why; empty without any."""
        return ""

    def insertions(self) -> Iterator[InsertionRef]:
        """Yield every insertion known without asking a server for more than one list."""
        ...

    def find(self, text: str) -> InsertionRef | None:
        """Return the insertion that `text` names, or None where this source does not know it.

        `text` is a pid, ``eid/probe``, ``subject/date/number/probe``, or what the source calls
        its own (a folder, ``demo``). It comes from web pages too: it only picks from what is listed.

        Raises
        ------
        InsertionAmbiguous
            More than one insertion answers (a session with two probes).
        SourceUnavailable
            A server is needed and does not answer.
        """
        ...

    def place(self, insertion: InsertionRef) -> str:
        """Return what a person writes on the command line for a listed insertion: its folder, or its key."""
        return insertion.key

    def look_again(self) -> None:
        """Ask anew at the next question, whatever was answered, or failed, a moment ago."""
        return

    def sortings(self, insertion: InsertionRef) -> tuple[Offer, ...]:
        """Return every sorting of an insertion, the one that is opened by default first."""
        ...

    def open(
        self,
        insertion: InsertionRef,
        request: SortingRequest = DEFAULT,
        *,
        cache: Path | None = None,
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
        arrived: ArrivedCallback = ignore_arrived,
    ) -> SpikeSorting:
        """Open a sorting: find it, bring its files, read them, and check them.

        Parameters
        ----------
        insertion : InsertionRef
            One that this source listed.
        request : SortingRequest
        cache : Path or None
            Folder for what is computed; None: nothing is kept.
        progress : callable
        cancel : threading.Event or None
        arrived : callable
            Told of spikes that come over a network, before the last one has.

        Returns
        -------
        SpikeSorting
            With its `SpikeSorting.identity`, without which nothing derived from it is kept.

        Raises
        ------
        NoSpikeSorting, SorterMissing, RevisionMissing, BadRequest
            There is no such sorting.
        DatasetMissing, DatasetInvalid, DownloadFailed, SourceUnavailable
            A file is absent, damaged or at odds with another one; the message names it.
        Cancelled
            `cancel` was set.
        """
        ...

    def fetch(
        self,
        insertion: InsertionRef,
        request: SortingRequest = DEFAULT,
        *,
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
    ) -> SortingRef | None:
        """Bring the files of a sorting to this machine, and open none; return which sorting that is.

        The answer is None where the files are where they are read.

        Raises
        ------
        DashboardError
            As `open`.
        """
        return None

    def record(self, insertion: InsertionRef) -> InsertionRecord | None:
        """Return what the database says of the insertion; None where there is no database."""
        return None

    def ask_anatomy(self, insertion: InsertionRef) -> None:
        """Ask the database for what the histology of an insertion is read from.

        Raises
        ------
        SourceUnavailable, InsertionNotFound
            It does not answer, or no longer has the insertion.
        """
        self.record(insertion)

    def state(self, insertion: InsertionRef, request: SortingRequest = DEFAULT) -> Mapping[str, object]:
        """Return what tells one state of a sorting's files and record from another; no file is read.

        Returns
        -------
        mapping of str to object
            By the name of each file what identifies it; `SORTINGS`: those that the insertion has; ``histology``: state
            by the record. Empty where a source cannot tell: nothing is then taken to have changed.

        Raises
        ------
        DashboardError
            The source does not answer, or has no such sorting any more.
        """
        return {}

    def noise(self, insertion: InsertionRef) -> Noise:
        """Return what is known of the noise of the raw recording."""
        return Noise()

    def raw(self, insertion: InsertionRef) -> RawRecording:
        """Return the raw recording of an insertion; nothing of its samples is read.

        Raises
        ------
        DatasetMissing
            There is none where this source looks.
        DatasetInvalid
            Its files are damaged, or do not belong together.
        """
        raise DatasetMissing("Raw data", insertion.key, "This source has none; open the session's folder in ALF layout")

    def asked(self, facets: Facets) -> Facets:
        """Return that part of a search which the source's database looks up; empty where the list is all there is."""
        return Facets()

    def search(self, facets: Facets) -> Iterator[list[Row]]:
        """Yield the insertions that meet `asked` of the facets, as pages of rows, each insertion once.

        Raises
        ------
        SourceUnavailable
            A server does not answer; what is remembered of it has been yielded where everything was asked for.
        """
        yield [row_of(insertion) for insertion in self.insertions()]

    def tags(self) -> set[str]:
        """Return the tags that can be searched for."""
        return set()


def chosen(insertion: InsertionRef, request: SortingRequest, offers: Sequence[Offer]) -> Offer:
    """Return the offered sorting that a request means, for sources whose sortings are not made of datasets.

    Raises
    ------
    NoSpikeSorting, SorterMissing, RevisionMissing
        There is none such.
    BadRequest
        The request has words that only ALF's datasets have a meaning for.
    """
    if request.namespace or request.good_units or request.attributes:
        what = "A namespace, a table of good units and further datasets are there in ALF only"
        raise BadRequest(what, insertion.key, "Open it without them")
    if not offers:
        raise NoSpikeSorting("No spike sorting", insertion.key)
    by_sorter = [offer for offer in offers if request.sorter in (None, offer.sorter)]
    if not by_sorter:
        raise SorterMissing(request.sorter or "", insertion.key, list(dict.fromkeys(offer.sorter for offer in offers)))
    found = [offer for offer in by_sorter if request.revision in (None, offer.revision)]
    if not found:
        raise RevisionMissing(request.revision or "", insertion.key, [offer.revision for offer in by_sorter])
    return found[0]


def row_of(insertion: InsertionRef) -> Row:
    """Return an insertion as a row of a list."""
    names = ("key", "pid", "eid", "subject", "date", "number", "probe", "lab", "source")
    return {name: getattr(insertion, name) or "" for name in names}


def normal_key(text: str) -> str:
    """Return ``subject/date/number[/probe]`` with the number in three digits, other text as it is."""
    text = text.strip().strip("/")
    match = re.fullmatch(r"([^/]+)/(\d{4}-\d{2}-\d{2})/(\d{1,3})(/[^/]+)?", text)
    return f"{match[1]}/{match[2]}/{int(match[3]):03d}{match[4] or ''}" if match else text

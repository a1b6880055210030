"""From what a person writes to an insertion of a source.

Two doors, kept apart: `locate` is for arguments of scripts and of the command line, where text may be a path;
`find` is for text from a web page, which only ever picks from what the configured sources list.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from dashboard.config.plugins import add_plugins
from dashboard.config.settings import Settings
from dashboard.config.settings import load as load_settings
from dashboard.model.errors import InsertionAmbiguous, InsertionNotFound, NoSpikeSorting, SourceUnavailable
from dashboard.model.references import UUID, InsertionRef
from dashboard.model.registry import load
from dashboard.sources.base import Source
from dashboard.sources.registry import SOURCES

logger = logging.getLogger(__name__)

#: What opens the synthetic insertion.
DEMO = "demo"

# Enough to say how many there are; a huge data folder is not listed to its end for a message.
_MAX_NAMED = 1000
# Kinds of data that people point at, by files that tell them: what a source reads is not looked at here.
_KINDS = (
    ("part of a Kilosort or phy folder, without spike_times.npy", ("params.py", "spike_clusters.npy", "*/params.py")),
    (
        "part of a SpikeInterface folder",
        ("si_folder.json", "spikeinterface_info.json", "*/spikeinterface_info.json", "sorting/provenance.json"),
    ),
    ("a zarr store", (".zattrs", ".zgroup", "*/.zgroup", "zarr.json")),
    ("a raw recording of SpikeGLX", ("*.ap.bin", "*.ap.cbin", "*.ap.meta", "*/*.ap.meta")),
    ("a recording of Open Ephys", ("structure.oebin", "settings.xml", "*/structure.oebin")),
)
OF_ADDRESSES = (
    "Of servers, NWB files are read (addresses that end in .nwb or /download/), and what an Alyx database names; "
    "copy other kinds, such as an analyzer in zarr, to this machine"
)
_WEB = re.compile(r"https?://", re.IGNORECASE)
# What people paste by accident is longer than any address of a database.
MAX_PASTED = 500
_UUID = re.compile(rf"{UUID.pattern}(?:/[\w.-]+)?", re.IGNORECASE)
_KEY = re.compile(r"(?:^|/)[^/\s]+/\d{4}-\d{2}-\d{2}/\d{1,3}(?:/|$)")


def configured_sources(settings: Settings, *, default: bool = False) -> list[Source]:
    """Return the sources that the settings name: data folders in their order, the Alyx server, the demo, others.

    Parameters
    ----------
    settings : Settings
    default : bool
        Take the default Alyx server where the settings name none.

    Raises
    ------
    InsertionNotFound, BadRequest
        A data folder does not exist, or is none.
    """
    sources = [source for folder in settings.data for source in _of_data_folder(folder, settings)]
    for entry in SOURCES:
        if entry.configured:
            sources += load(entry.configured)(settings, default)
    return sources


def sources_at(path: Path, settings: Settings) -> list[Source]:
    """Return a source for each kind of insertions that a folder or file holds; nothing where it holds none."""
    return [load(entry.at)(path, settings) for entry in SOURCES if entry.recognises and load(entry.recognises)(path)]


def source_at_address(text: str, settings: Settings) -> Source | None:
    """Return the source of a web address that a person typed; None where no kind of source reads such an address."""
    entries = (entry for entry in SOURCES if entry.at_address)
    return next((found for entry in entries if (found := load(entry.at_address)(text, settings)) is not None), None)


def _of_data_folder(folder: Path, settings: Settings) -> list[Source]:
    """Return the sources of a folder of the settings; insertions may come into an empty one later."""
    found = sources_at(folder, settings)
    if not found:
        found = [load(SOURCES["folder"].at)(folder, settings)]
        logger.warning("%s", _nothing_at(folder))
    return found


def _nothing_at(path: Path) -> NoSpikeSorting:
    """Return what is said of a path of no known kind: what it looks like, and what is supported."""
    looks = next((title for title, patterns in _KINDS if any(_has(path, name) for name in patterns)), "")
    reads = "; ".join(entry.reads for entry in SOURCES if entry.recognises)
    seen = f"It looks like {looks}, which is not supported. " if looks else ""
    kind = "folder" if path.is_dir() else "file"
    if path.is_dir():
        folder = load(SOURCES["folder"].at)(path, Settings())
        list(folder.insertions())
        seen += f"{folder.left_out}. " if folder.left_out else ""
    return NoSpikeSorting(f"No spike sorting in the {kind}", path, f"{seen}Supported are {reads}")


def _has(path: Path, pattern: str) -> bool:
    if not path.is_dir():
        return fnmatch(path.name, pattern)
    try:
        return next(path.glob(pattern), None) is not None
    except OSError:
        return False


def recognise(text: str) -> str | None:
    """Return what of some pasted text names an insertion or session, None where nothing does.

    Parameters
    ----------
    text : str
        A pid, an eid, ``eid/probe``, a session path, or an address that holds one of these.

    Returns
    -------
    str or None
        An address as it is, since the words in it tell a session from an insertion; else the id or path alone.
    """
    text = text.strip()
    if len(text) > MAX_PASTED or "\n" in text:
        return None
    if _UUID.fullmatch(text) or _KEY.search(text):
        return text.lower() if _UUID.fullmatch(text) and "/" not in text else text
    return text if _WEB.match(text) and _UUID.search(text) else None


def find(text: str, sources: Sequence[Source]) -> tuple[Source, InsertionRef]:
    """Return the first source that lists what `text` names, with the insertion; never takes text for a path.

    Parameters
    ----------
    text : str
        A pid, ``eid/probe``, ``subject/date/number/probe``, ``demo``.
    sources : sequence of Source

    Raises
    ------
    InsertionNotFound
        None of them does.
    InsertionAmbiguous
        The first that knows it has several.
    SourceUnavailable
        None of those that answer knows it, and one does not answer.
    """
    unavailable: list[SourceUnavailable] = []
    for source in sources:
        try:
            insertion = source.find(text.strip())
        except SourceUnavailable as error:
            # Another source may know it; only where none does is this what went wrong.
            unavailable.append(error)
            continue
        if insertion is not None:
            return source, insertion
    if len(unavailable) > 1:
        first, *others = unavailable
        remedy = ". ".join([f"{other.what}: {other.where}" for other in others] + [first.remedy])
        raise SourceUnavailable(first.what, first.where, remedy)
    if unavailable:
        raise unavailable[0]
    names = ", ".join(source.name for source in sources) or "no source"
    left_out = dict.fromkeys(source.left_out for source in sources if source.left_out)
    looked = ". ".join([f"Looked in {names}", *left_out])
    raise InsertionNotFound("No insertion is found for", repr(text.strip()[:80]), looked)


def locate(
    insertion: str | Path | InsertionRef,
    *,
    source: Source | None = None,
    cache: Path | None = None,
    settings: Settings | None = None,
) -> tuple[Source, InsertionRef]:
    """Return the source and the insertion that an argument of a script or command line stands for.

    Parameters
    ----------
    insertion : str, Path or InsertionRef
        Without `source`, an existing folder is taken first, then what the configured sources list;
        a pid or eid that none of them has is looked up on the default Alyx server.
    source : Source or None
        Look here only; text is then never a path.
    cache : Path or None
        In place of that of the settings.
    settings : Settings or None
        By default those of the environment.

    Raises
    ------
    InsertionNotFound
        There is no such folder or insertion.
    SourceUnavailable
        A server that might know it does not answer.
    InsertionAmbiguous
        There are several.
    NoSpikeSorting
        The folder holds none.
    """
    if source is not None:
        if isinstance(insertion, InsertionRef):
            return source, insertion
        return find(str(insertion), [source])
    settings = settings if settings is not None else load_settings()
    if cache is not None:
        settings = replace(settings, cache=cache)
    add_plugins(settings.plugins)
    if isinstance(insertion, InsertionRef):
        sources = configured_sources(settings)
        named = [known for known in sources if known.name == insertion.source]
        return find(insertion.key, named or sources)
    path = Path(insertion).expanduser()
    if isinstance(insertion, Path) or (insertion != DEMO and path.exists()):
        return only_insertion(path, settings)
    if (by_address := source_at_address(insertion, settings)) is not None:
        return _only_of([by_address], insertion)
    sources = configured_sources(settings)
    try:
        return find(insertion, sources)
    except InsertionNotFound as error:
        known = {source.name for source in sources}
        by_default = configured_sources(settings, default=True) if UUID.search(insertion) else []
        if others := [source for source in by_default if source.name not in known]:
            try:
                return find(insertion, others)
            except SourceUnavailable as unavailable:
                remedy = f"{error.remedy}; {unavailable}"
                raise InsertionNotFound("No such folder or insertion", insertion, remedy) from error
        remedy = OF_ADDRESSES if _WEB.match(insertion) else error.remedy
        raise InsertionNotFound("No such folder or insertion", insertion, remedy) from error


def only_insertion(path: Path, settings: Settings) -> tuple[Source, InsertionRef]:
    """Return the source and the insertion of a folder or file that holds one.

    Raises
    ------
    InsertionNotFound
        There is no such path.
    InsertionAmbiguous
        It holds several; their folders, or else their keys, are named.
    NoSpikeSorting
        It holds none; the message says what it looks like, and what is supported.
    """
    if not path.exists():
        raise InsertionNotFound("No such folder", path, "Check the path")
    try:
        return _only_of(sources_at(path, settings), str(path.resolve()))
    except NoSpikeSorting:
        raise _nothing_at(path) from None


def _only_of(sources: Sequence[Source], text: str) -> tuple[Source, InsertionRef]:
    listed = ((source, insertion) for source in sources for insertion in source.insertions())
    found = list(islice(listed, _MAX_NAMED))
    if not found:
        raise NoSpikeSorting("No spike sorting", text)
    if len(found) > 1:
        places = [source.place(insertion) for source, insertion in found]
        is_told = len(set(places)) == len(places)  # a file with several probes is one place
        raise InsertionAmbiguous(text, places if is_told else [insertion.key for _, insertion in found])
    return found[0]

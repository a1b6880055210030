"""From what a person writes to an insertion of a source.

Two doors, kept apart: `locate` is for arguments of scripts and of the command line, where text may be a path;
`find` is for text from a web page, which only ever picks from what the configured sources list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dashboard.config.settings import Settings
from dashboard.config.settings import load as load_settings
from dashboard.model.errors import InsertionAmbiguous, InsertionNotFound, NoSpikeSorting, SourceUnavailable
from dashboard.model.references import UUID, InsertionRef
from dashboard.sources.base import Source
from dashboard.sources.folder import FolderSource

#: What opens the synthetic insertion.
DEMO = "demo"

# Enough to name some in a message; a large data folder is not listed to its end for that.
_MAX_NAMED = 8
# What people paste by accident is longer than any address of a database.
MAX_PASTED = 500
_UUID = re.compile(rf"{UUID.pattern}(?:/[\w.-]+)?", re.IGNORECASE)
_KEY = re.compile(r"(?:^|/)[^/\s]+/\d{4}-\d{2}-\d{2}/\d{1,3}(?:/|$)")


def alyx_source(settings: Settings) -> Source:
    """Return the Alyx server that the settings name, or the default one."""
    from dashboard.sources.alyx.client import default_address
    from dashboard.sources.alyx.source import AlyxSource

    return AlyxSource(
        settings.alyx_url or default_address(),
        cache=settings.cache,
        user=settings.alyx_user,
        password=settings.alyx_password,
        token=settings.alyx_token,
        data_user=settings.data_user,
        data_password=settings.data_password,
        one_cache=settings.one_cache,
        offline=settings.offline,
    )


def configured_sources(settings: Settings, *, default_alyx: bool = False) -> list[Source]:
    """Return the sources that the settings name: data folders in their order, the Alyx server, the demo.

    Parameters
    ----------
    settings : Settings
    default_alyx : bool
        Take the default Alyx server where the settings name none.

    Raises
    ------
    InsertionNotFound, BadRequest
        A data folder does not exist, or is none.
    """
    from dashboard.sources.demo.source import DemoSource

    sources: list[Source] = [FolderSource(folder) for folder in settings.data]
    if settings.alyx_url or default_alyx:
        sources.append(alyx_source(settings))
    return [*sources, DemoSource(settings.cache, n_spikes=settings.spikes)]


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
    return text if re.match(r"https?://", text) and _UUID.search(text) else None


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
    unavailable: SourceUnavailable | None = None
    for source in sources:
        try:
            insertion = source.find(text.strip())
        except SourceUnavailable as error:
            # Another source may know it; only where none does is this what went wrong.
            unavailable = unavailable or error
            continue
        if insertion is not None:
            return source, insertion
    if unavailable is not None:
        raise unavailable
    names = ", ".join(source.name for source in sources) or "no source"
    raise InsertionNotFound("No insertion answers to", repr(text.strip()[:80]), f"Looked in {names}")


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
    if isinstance(insertion, InsertionRef):
        sources = configured_sources(settings)
        named = [known for known in sources if known.name == insertion.source]
        return find(insertion.key, named or sources)
    path = Path(insertion).expanduser()
    if isinstance(insertion, Path) or (insertion != DEMO and path.exists()):
        folder = FolderSource(path)
        return folder, only_insertion(folder)
    sources = configured_sources(settings)
    try:
        return find(insertion, sources)
    except InsertionNotFound as error:
        if settings.alyx_url is None and UUID.search(insertion):
            try:
                return find(insertion, [alyx_source(settings)])
            except SourceUnavailable as unavailable:
                remedy = f"{error.remedy}; {unavailable}"
                raise InsertionNotFound("No such folder or insertion", insertion, remedy) from error
        raise InsertionNotFound("No such folder or insertion", insertion, error.remedy) from error


def only_insertion(folder: FolderSource) -> InsertionRef:
    """Return the insertion of a folder that holds one.

    Raises
    ------
    InsertionAmbiguous
        It holds several; their folders are named.
    NoSpikeSorting
        It holds none.
    """
    found: list[InsertionRef] = []
    for insertion in folder.insertions():
        found.append(insertion)
        if len(found) == _MAX_NAMED:
            break
    if not found:
        raise NoSpikeSorting("No spike sorting in the folder", folder.root, "It needs spikes.* files below alf/<probe>")
    if len(found) > 1:
        raise InsertionAmbiguous(str(folder.root), [str(folder.path(insertion)) for insertion in found])
    return found[0]

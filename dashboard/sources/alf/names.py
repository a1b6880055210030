"""ALF files in folders: what a name means, and which files a collection holds."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

from one.alf.path import filename_parts

from dashboard.model.references import UUID, DatasetRef

log = logging.getLogger(__name__)

#: Whether a folder may be entered.
Inside = Callable[[os.DirEntry[str]], bool]

REVISION = re.compile(r"#(?P<revision>[^#/]+)#$")
SPIKES = re.compile(r"(?:_[A-Za-z0-9]+_)?(?:spikes\.[^.]+\.|passingSpikes\.table)")
_UUID = re.compile(rf"(?:^|\.)(?P<id>{UUID.pattern})$", re.IGNORECASE)
# Collections below alf/<probe>: the sorter, and one level to spare.
_DEEPEST = 3
_BY_NAME = attrgetter("name")


def scan(folder: str | Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, sorted, hidden files left out; nothing where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted([e for e in entries if e.name[0] != "."], key=_BY_NAME)
    except OSError as error:
        log.warning("%s cannot be listed: %s", folder, error.strerror)
        return []


def holds_spikes(folder: Path) -> bool:
    """Return whether a folder itself holds spikes."""
    return any(SPIKES.match(entry.name) and entry.is_file() for entry in scan(folder))


def any_spikes(folder: Path, inside: Inside, depth: int = 0) -> bool:
    """Return whether a probe folder holds spikes: itself, in a revision, or in a folder per sorter."""
    entries = scan(folder)
    if any(SPIKES.match(e.name) and e.is_file() for e in entries):
        return True
    return depth < _DEEPEST and any(
        e.is_dir() and inside(e) and any_spikes(Path(e.path), inside, depth + 1) for e in entries
    )


def tree(folder: Path, collection: str, inside: Inside, depth: int = 0) -> Iterator[DatasetRef]:
    """Yield the ALF files of a collection and of those below it."""
    yield from files(folder, collection, inside)
    for entry in scan(folder):
        if entry.is_dir() and not REVISION.match(entry.name) and inside(entry) and depth < _DEEPEST:
            yield from tree(Path(entry.path), f"{collection}/{entry.name}", inside, depth + 1)


def files(folder: Path, collection: str, inside: Inside, revision: str = "") -> Iterator[DatasetRef]:
    """Yield the ALF files of a collection: its folder, and the revision folders in it."""
    for entry in scan(folder):
        if entry.is_dir():
            match = REVISION.match(entry.name)
            if match and not revision and inside(entry):
                yield from files(Path(entry.path), collection, inside, match["revision"])
            continue
        dataset = parse_file_name(entry.name, collection, revision)
        if dataset is None:
            continue
        try:
            size = entry.stat().st_size
        except OSError as error:  # a link to a file that is gone
            log.warning("%s is not readable: %s", entry.path, error.strerror)
            continue
        yield replace(dataset, path=Path(entry.path), size=size)


def parse_file_name(name: str, collection: str, revision: str = "") -> DatasetRef | None:
    """Return the dataset that an ALF file name stands for, None where it is not one.

    Parameters
    ----------
    name : str
        ``_av_clusters.metrics.<uuid>.pqt``; the UUID and the namespace may be absent.
    collection, revision : str

    Returns
    -------
    DatasetRef or None
        A timescale is part of the attribute, as in ``one.alf.io``
        (``channels.brainLocationIds_ccf_2017``), and so are extra parts that are not a UUID.
    """
    parts = filename_parts(name, as_dict=True, assert_valid=False)
    if not parts or not parts["object"]:
        return None
    attribute = "_".join(filter(None, (parts["attribute"], parts["timescale"])))
    extra = parts["extra"] or ""
    match = _UUID.search(extra)
    if match:
        extra = extra[: match.start()]
    if extra:
        attribute = f"{attribute}.{extra}"
    return DatasetRef(
        object=parts["object"],
        attribute=attribute,
        extension=parts["extension"],
        collection=collection,
        revision=revision,
        namespace=parts["namespace"] or "",
        id=match["id"].lower() if match else None,
    )


def without_twins(datasets: Sequence[DatasetRef]) -> list[DatasetRef]:
    """Keep one of the files that differ only in the UUID in their name: the one without."""
    kept: dict[str, DatasetRef] = {}
    for dataset in datasets:
        twin = kept.get(dataset.relative_path)
        if twin is None or (twin.id is not None and dataset.id is None):
            kept[dataset.relative_path] = dataset
    return list(kept.values())


def without_labels(datasets: Sequence[DatasetRef]) -> list[DatasetRef]:
    """Return datasets without the extra part that all of a collection's spikes have in their names.

    ``spikes.times.probe_00.npy`` is ``spikes.times`` where there is no such file without ``probe_00``: ALF allows
    further parts, and whoever exported the folder said of which probe it is.
    """
    places = {(d.collection, d.revision) for d in datasets}
    labels: dict[tuple[str, str], str] = {}
    for place in places:
        times = [d.attribute for d in datasets if (d.collection, d.revision) == place and d.object == "spikes"]
        found = {attribute.partition(".")[2] for attribute in times if attribute.startswith("times.")}
        if "times" not in times and len(found) == 1:
            labels[place] = f".{found.pop()}"
    return [
        replace(d, attribute=d.attribute.removesuffix(labels.get((d.collection, d.revision), ""))) for d in datasets
    ]

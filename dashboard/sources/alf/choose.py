"""Which datasets make up a sorting: the sorter, the revision of each dataset, the namespace.

The rules are those of ibllib's ``SpikeSortingLoader`` and of ``one.util.filter_revision_last_before``,
with two differences: a sorter, revision or namespace that was asked for and does not exist is an error
that lists what does (ibllib falls back silently), and ``alf/probe00a`` is never taken for ``probe00``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from dashboard.model.errors import BadRequest, NoSpikeSorting, RevisionMissing, SorterMissing
from dashboard.model.references import Choice, DatasetRef, InsertionRef, SortingRef

#: Sorters taken first when none is asked for, in ibllib's order.
PREFERRED_SORTERS = ("iblsorter", "pykilosort")

#: Why a revision is the original one where it was asked for by an empty name.
ASKED_FOR_ORIGINAL = "asked for; ibllib takes an empty revision for its default"

#: Objects of a sorting's collection that are read, and the attributes read of each; None: all of them.
ATTRIBUTES: Mapping[str, tuple[str, ...] | None] = MappingProxyType(
    {
        "spikes": ("times", "depths", "clusters", "amps"),
        "clusters": ("channels", "depths", "metrics", "uuids"),
        "channels": None,
        "drift": None,
        "drift_depths": None,
    }
)

#: Mean waveforms and their channels, by the layouts found in real insertions, the newest first.
TEMPLATES = (
    ("waveforms.templates", "waveforms.channels"),
    ("templates.waveforms", "templates.waveformsChannels"),
    ("clusters.waveforms", "clusters.waveformsChannels"),
)

#: Says of which unit each waveform is: needed where ``waveforms.channels`` has a row for each waveform.
WAVEFORM_TABLE = "waveforms.table"

#: Says which of ``templates.waveforms`` each spike was found with: after curation no longer that of its cluster.
SPIKE_TEMPLATES = "spikes.templates"

# Revisions are dates, with a letter where a day has several.
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d\w*)?)?$")

# Where one dataset exists in several file types, the first of these is read.
_EXTENSIONS = ("npy", "pqt", "parquet", "npz", "csv", "tsv", "htsv", "ssv")
# Objects that manual curation replaces; ibllib filters no others by namespace.
_CURATED = ("spikes", "clusters")


def sorters(datasets: Iterable[DatasetRef], probe: str) -> list[str]:
    """Return the sorters of a probe, the default one first.

    Parameters
    ----------
    datasets : iterable of DatasetRef
    probe : str
        ``probe00``; ``alf/probe00`` and ``alf/probe00/...`` are its collections, ``alf/probe00a`` is not.

    Returns
    -------
    list of str
        ``''`` is the collection ``alf/<probe>`` itself.
    """
    base = f"alf/{probe}"
    found = {
        d.collection[len(base) + 1 :]
        for d in datasets
        if d.object in ("spikes", "passingSpikes") and (d.collection == base or d.collection.startswith(f"{base}/"))
    }
    preferred = [name for name in PREFERRED_SORTERS if name in found]
    return preferred + sorted(found.difference(preferred), key=lambda name: (len(name), name))


def revisions(datasets: Iterable[DatasetRef], collection: str) -> list[str]:
    """Return the revisions of a collection's datasets, newest first; ``''`` is the original.

    Parameters
    ----------
    datasets : iterable of DatasetRef
    collection : str
        ``alf/probe00/pykilosort``.
    """
    return sorted({d.revision for d in datasets if d.collection == collection}, reverse=True)


def latest(candidates: Sequence[DatasetRef], revision: str | None) -> DatasetRef | None:
    """Return the one of several revisions of a dataset that `revision` stands for.

    Parameters
    ----------
    candidates : sequence of DatasetRef
        One dataset in its revisions.
    revision : str or None
        None: the one flagged as default, or where exactly one flag is not to be had, the greatest.
        A string: the greatest revision that is not greater, in the order of strings; ``''`` is only
        the original.

    Returns
    -------
    DatasetRef or None
        None where every candidate is newer.
    """
    if revision is None:
        defaults = [d for d in candidates if d.is_default]
        pool = defaults if len(defaults) == 1 else list(candidates)
    else:
        pool = [d for d in candidates if d.revision <= revision]
    return max(pool, key=lambda d: (d.revision, -_rank(d)), default=None)


def resolve(
    insertion: InsertionRef,
    datasets: Sequence[DatasetRef],
    sorter: str | None = None,
    revision: str | None = None,
    namespace: str | None = None,
    good_units: bool = False,
    attributes: Sequence[str] = (),
) -> SortingRef:
    """Choose the sorting of an insertion and the datasets that make it up.

    Parameters
    ----------
    insertion : InsertionRef
    datasets : sequence of DatasetRef
        All that the source has of the session.
    sorter : str or None
        None: ``iblsorter``, else ``pykilosort``, else the shortest collection. ``''`` is the base
        collection.
    revision : str or None
        See `latest`; decided for each dataset, so revisions can be mixed.
    namespace : str or None
        Manual curation to prefer, ``av`` for ``_av_clusters.metrics.pqt``.
    good_units : bool
        Take the smaller table ``passingSpikes.table`` instead of the spikes columns.
    attributes : sequence of str
        Further datasets of the collection by name, ``clusters.amps``, ``templates.*``.

    Returns
    -------
    SortingRef
        With the sorting's datasets, and ``electrodeSites`` and templates where they exist (with
        ``spikes.templates`` where those are the sorter's own). Which of them are indispensable is for
        the loader to say.

    Raises
    ------
    NoSpikeSorting
        The insertion has no spikes dataset in any collection.
    SorterMissing, RevisionMissing
        What was asked for does not exist.
    BadRequest
        The namespace does not exist, or is asked for together with `good_units`.
    """
    available = sorters(datasets, insertion.probe)
    if not available:
        raise NoSpikeSorting(
            "No spike sorting", insertion.key, f"No spikes.* file in alf/{insertion.probe} or in a folder below it"
        )
    if good_units and namespace:
        raise BadRequest(
            "Manual curation has no table of good units",
            f"{insertion.key}, namespace '{namespace}'",
            "Open it with good_units=False and filter by label",
        )
    chosen = _choose_sorter(available, sorter, insertion)
    collection = f"alf/{insertion.probe}/{chosen.value}".rstrip("/")
    inside = [d for d in datasets if d.collection == collection]
    known = revisions(inside, collection)
    if revision is not None and not _exists(revision, known):
        raise RevisionMissing(revision, f"{insertion.key} {chosen.value or 'base'}", known)
    if namespace:
        _check_namespace(inside, namespace, insertion)

    wanted = _wanted(good_units, attributes)
    picked: dict[str, DatasetRef] = {}
    for name, group in _by_name(inside).items():
        if not _is_wanted(name, wanted):
            continue
        dataset = _pick(group, revision, namespace)
        if dataset is not None:
            picked[name] = dataset
    _check_spikes(inside, picked, revision, f"{insertion.key} {chosen.value or 'base'}")
    _keep_one_layout(picked, attributes)
    if "templates.waveforms" in picked and SPIKE_TEMPLATES not in picked and not good_units:
        of_spikes = _pick([d for d in inside if d.name == SPIKE_TEMPLATES], revision, namespace)
        picked |= {} if of_spikes is None else {SPIKE_TEMPLATES: of_spikes}
    base = [d for d in datasets if d.collection == f"alf/{insertion.probe}" and d.object == "electrodeSites"]
    for name, group in _by_name(base).items():
        dataset = _pick(group, revision, None)
        if dataset is not None:
            picked[name] = dataset
    return SortingRef(
        insertion=insertion,
        collection=collection,
        sorter=chosen,
        revision=_describe_revision(picked, inside, known, revision),
        datasets=MappingProxyType(picked),
        namespace=namespace or "",
    )


def _exists(revision: str, known: Sequence[str]) -> bool:
    """Tell whether a revision is there or, for a date, an earlier one stands for it.

    ONE compares any two strings; a word that is no date and no revision is a mistake, not "the newest".
    """
    return revision in known or (bool(_DATE.match(revision)) and any(r <= revision for r in known))


def _choose_sorter(available: Sequence[str], sorter: str | None, insertion: InsertionRef) -> Choice:
    names = tuple(available)
    if sorter is not None:
        if sorter not in available:
            raise SorterMissing(sorter, insertion.key, names)
        return Choice(sorter, "asked for", names)
    first = available[0]
    if len(available) == 1:
        reason = "the only sorting"
    elif first in PREFERRED_SORTERS:
        reason = f"default order: {', '.join(PREFERRED_SORTERS)}, then the shortest collection"
    else:
        reason = "the shortest collection"
    return Choice(first, reason, names)


def _check_namespace(inside: Sequence[DatasetRef], namespace: str, insertion: InsertionRef) -> None:
    known = sorted({d.namespace for d in inside if d.object in _CURATED and d.namespace})
    if namespace not in known:
        raise BadRequest(
            f"No namespace '{namespace}'", insertion.key, f"Available namespaces: {', '.join(known) or 'none'}"
        )


def _check_spikes(
    inside: Sequence[DatasetRef], picked: Mapping[str, DatasetRef], revision: str | None, where: str
) -> None:
    """Refuse a revision in which there are clusters or channels but no spikes yet."""
    if revision is not None and "spikes.times" not in picked and "passingSpikes.table" not in picked:
        known = sorted({d.revision for d in inside if d.name == "spikes.times"}, reverse=True)
        if known:
            raise RevisionMissing(revision, where, known)


def _keep_one_layout(picked: dict[str, DatasetRef], attributes: Sequence[str]) -> None:
    alone = next((layout[:1] for layout in TEMPLATES if layout[0] in picked), ())  # may be on all channels
    whole = next((layout for layout in TEMPLATES if set(layout) <= set(picked)), alone)
    for name in (name for layout in TEMPLATES for name in layout):
        if name not in whole and name not in attributes and f"{name.partition('.')[0]}.*" not in attributes:
            picked.pop(name, None)
    if TEMPLATES[0][0] not in picked and not {WAVEFORM_TABLE, "waveforms.*"} & set(attributes):
        picked.pop(WAVEFORM_TABLE, None)


def _wanted(good_units: bool, attributes: Sequence[str]) -> set[str]:
    wanted = {f"{obj}.{name}" for obj, names in ATTRIBUTES.items() for name in (names or ("*",))}
    if good_units:
        wanted = {name for name in wanted if not name.startswith("spikes.")} | {"passingSpikes.table"}
    return wanted | {name for layout in TEMPLATES for name in layout} | {WAVEFORM_TABLE} | set(attributes)


def _is_wanted(name: str, wanted: set[str]) -> bool:
    return name in wanted or f"{name.partition('.')[0]}.*" in wanted


def _by_name(datasets: Iterable[DatasetRef]) -> dict[str, list[DatasetRef]]:
    groups: dict[str, list[DatasetRef]] = {}
    for dataset in datasets:
        groups.setdefault(dataset.name, []).append(dataset)
    return groups


def _pick(group: Sequence[DatasetRef], revision: str | None, namespace: str | None) -> DatasetRef | None:
    """Take the revision first and then the namespace, as ibllib does."""
    by_namespace: dict[str, list[DatasetRef]] = {}
    for dataset in group:
        by_namespace.setdefault(dataset.namespace, []).append(dataset)
    order = [namespace, ""] if namespace else [""]
    # _ibl_ is the prefix of the laboratory's own standard files, not a curation beside them
    for name in [*order, "ibl"]:
        if name is not None and name in by_namespace:
            found = latest(_one_extension(by_namespace[name]), revision)
            if found is not None:
                return found
    return None


def _one_extension(group: Sequence[DatasetRef]) -> list[DatasetRef]:
    best = min(_rank(d) for d in group)
    return [d for d in group if _rank(d) == best]


def _rank(dataset: DatasetRef) -> int:
    return _EXTENSIONS.index(dataset.extension) if dataset.extension in _EXTENSIONS else len(_EXTENSIONS)


def _is_only_flag(anchor: DatasetRef, inside: Sequence[DatasetRef]) -> bool:
    """Tell whether a dataset was taken for its flag: with two of them, the greatest revision is, see `latest`."""
    same = (d for d in inside if d.name == anchor.name and d.namespace == anchor.namespace)
    return sum(bool(d.is_default) for d in _one_extension(list(same))) == 1


def _describe_revision(
    picked: Mapping[str, DatasetRef], inside: Sequence[DatasetRef], known: Sequence[str], revision: str | None
) -> Choice:
    anchor = picked.get("spikes.times") or picked.get("passingSpikes.table")
    value = anchor.revision if anchor is not None else (known[0] if known else "")
    if revision is not None:
        exact = value == revision
        reason = (
            ASKED_FOR_ORIGINAL
            if exact and not value and len(known) > 1
            else "asked for"
            if exact
            else f"the greatest not after '{revision}' that was asked for"
        )
    elif len(known) <= 1:
        reason = "the only revision"
    elif anchor is not None and anchor.is_default and _is_only_flag(anchor, inside):
        reason = "flagged as default"
    else:
        reason = "the greatest revision"
    return Choice(value, reason, tuple(known))

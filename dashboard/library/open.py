"""From a name to a loaded sorting: resolve, fetch, load, compute what is missing; the one place that joins."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from dashboard.analysis.quality.metrics import recorded_or_recomputed, with_metrics
from dashboard.config.plugins import add_plugins
from dashboard.config.settings import load as load_settings
from dashboard.library.fetch import fetch
from dashboard.model.errors import Cancelled, DatasetMissing, SourceUnavailable
from dashboard.model.progress import (
    PartialCallback,
    Progress,
    ProgressCallback,
    ignore_partial,
    ignore_progress,
    telling,
)
from dashboard.model.references import Histology, InsertionRef, SortingRef
from dashboard.model.sorting import Missing, Spikes, SpikeSorting
from dashboard.sources.alf import clusters as clusters_object
from dashboard.sources.alf.channels import histology_of, load_channels, with_brain_locations
from dashboard.sources.alf.choose import resolve
from dashboard.sources.alf.drift import load_drift
from dashboard.sources.alf.notes import dropped_note, other_locations, revision_notes
from dashboard.sources.alf.offers import offers
from dashboard.sources.alf.optional import unless_damaged
from dashboard.sources.alf.spikes import (
    Validation,
    check_times,
    count_invalid,
    files_key,
    load_spikes,
    record_validation,
    recorded_validation,
    validate,
)
from dashboard.sources.alf.templates import load_templates
from dashboard.sources.alf.trials import load_trials, trials_datasets, trials_notes
from dashboard.sources.base import Source
from dashboard.sources.locate import locate

logger = logging.getLogger(__name__)

HISTOLOGY = "histology"
"""Name of what the database has to say, among what is missing."""

BRAIN_LOCATIONS = "channels.brainLocationIds_ccf_2017"

# Objects that are put together of several files, and how the names of those begin.
_FILES_OF = {
    "trials": ("trials.", "passivePeriods."),
    "drift": ("drift.",),
    "templates": ("templates.", "clusters.waveforms", "waveforms."),
}


def open_insertion(
    insertion: str | Path | InsertionRef,
    *,
    sorter: str | None = None,
    revision: str | None = None,
    namespace: str | None = None,
    good_units: bool = False,
    attributes: Sequence[str] = (),
    source: Source | None = None,
    cache: str | Path | None = None,
    lazy: bool = False,
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
    on_partial: PartialCallback = ignore_partial,
) -> SpikeSorting:
    """Open an insertion's spike sorting.

    Parameters
    ----------
    insertion : str, Path or InsertionRef
        A folder of ALF data with one insertion, ``"demo"``, ``"subject/date/number/probe"``, a pid or
        ``"eid/probe"``. With `source` given, text is looked up there and is never taken for a path.
    sorter : str or None
        None: ``iblsorter``, else ``pykilosort``, else the shortest collection; ``""`` is the base
        collection ``alf/<probe>``.
    revision : str or None
        None: the default of each dataset (in folders the greatest). A string: for each dataset the
        greatest revision that is not after it; ``""`` is the original.
    namespace : str or None
        Manual curation to prefer, ``"av"`` for ``_av_clusters.metrics.pqt``.
    good_units : bool
        Read the smaller ``passingSpikes.table``, which holds good units' spikes only.
    attributes : sequence of str
        Further datasets by name: ``clusters.amps``, ``spikes.samples``, ``templates.*``.
    source : Source or None
        Where to look; by default what `insertion` names.
    cache : str, Path or None
        Folder for what is computed; by default that of the settings.
    lazy : bool
        Leave metrics that are missing, or not as long as the clusters, for later
        (`dashboard.analysis.quality.metrics.recompute`); `SpikeSorting.metrics_stale` then says so.
    progress : callable
        Called with a `Progress`, from this thread or others.
    cancel : threading.Event or None
    on_partial : callable
        Told of bytes that come over a network; `dashboard.sources.download.arrived.ArrivingSpikes` makes spikes
        of them.

    Returns
    -------
    SpikeSorting

    Raises
    ------
    InsertionNotFound, InsertionAmbiguous
        `insertion` names none, or several.
    NoSpikeSorting, SorterMissing, RevisionMissing, BadRequest
        There is no such sorting; the message lists those that exist.
    DatasetMissing, DatasetInvalid, DownloadFailed, SourceUnavailable
        A file is absent, damaged or at odds with another one; the message names it.
    Cancelled
        `cancel` was set.

    Examples
    --------
    >>> sorting = open_insertion("demo")  # doctest: +SKIP
    >>> sorting.n_spikes, sorting.n_clusters  # doctest: +SKIP
    (17575242, 914)
    """
    settings = load_settings()
    add_plugins(settings.plugins)
    folder = Path(cache).expanduser() if cache is not None else settings.cache
    with telling(progress):
        where, ref = locate(insertion, source=source, cache=folder)
    started = time.perf_counter()
    sorting = open_found(
        where,
        ref,
        sorter=sorter,
        revision=revision,
        namespace=namespace,
        good_units=good_units,
        attributes=attributes,
        cache=folder,
        progress=progress,
        cancel=cancel,
        on_partial=on_partial,
    )
    if sorting.metrics_stale and not lazy:
        metrics = recorded_or_recomputed(sorting, folder, progress, cancel)
        sorting = with_metrics(sorting, metrics)
    logger.info("opened %s: %d spikes in %.3f s", sorting.title, sorting.n_spikes, time.perf_counter() - started)
    return sorting


def open_found(
    source: Source,
    insertion: InsertionRef,
    *,
    sorter: str | None = None,
    revision: str | None = None,
    namespace: str | None = None,
    good_units: bool = False,
    attributes: Sequence[str] = (),
    cache: Path | None = None,
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
    on_partial: PartialCallback = ignore_partial,
) -> SpikeSorting:
    """Open what a source listed, with metrics left as they are on disk; see `open_insertion`."""
    _check(cancel)
    progress(Progress("listing files"))
    with telling(progress):
        datasets = source.datasets(insertion)
    ref = resolve(insertion, datasets, sorter, revision, namespace, good_units, attributes)
    if good_units and "passingSpikes.table" not in ref.datasets:
        where = f"{insertion.key} {ref.collection}"
        raise DatasetMissing("passingSpikes.table", where, "Open all units and keep those with label 1")
    session = trials_datasets(datasets)
    ref, session, unfetched, of_files = fetch(source, ref, session, progress, cancel, on_partial)
    missing: list[Missing] = list(unfetched)
    notes: list[str] = [*of_files, *revision_notes(ref)]

    channels, histology, absent, said = load_channels(ref)
    missing += absent
    notes += said
    why = ""
    if histology is Histology.NONE:
        with telling(progress):
            channels, histology, found_out, unanswered = _from_database(source, insertion, channels)
        missing += unanswered
        notes += found_out
        if histology is Histology.NONE and any(item.dataset == BRAIN_LOCATIONS and item.is_passing for item in missing):
            histology, found_out = Histology.UNKNOWN, [f"{BRAIN_LOCATIONS} could not be fetched"]
        why = " ".join(found_out) if histology in (Histology.NONE, Histology.UNKNOWN) else ""
        notes += other_locations(ref, datasets)

    spikes, absent = load_spikes(ref, attributes)
    missing += absent
    table, metrics, absent = clusters_object.load_clusters(ref, attributes)
    missing += absent
    clusters_object.check_channels(ref, table, len(channels))
    are_all_here = not any(item.is_passing for item in unfetched)
    found, spikes, checked = _validated(
        ref, spikes, table, channels, cache if are_all_here else None, progress, cancel, missing
    )
    notes += checked
    table = clusters_object.fill_in(ref, table, spikes, found)
    metrics, joined = clusters_object.by_id(metrics, len(table))
    notes += joined
    merged = clusters_object.merge_clusters(table, metrics, channels)
    stale = clusters_object.metrics_are_stale(table, metrics)
    if stale and any(item.dataset == "clusters.metrics" and item.is_passing for item in unfetched):
        stale = False  # they exist: others in their place would pass for them
    if stale:
        had = "missing" if metrics is None else f"of {len(metrics)} rows for {len(table)} clusters"
        notes.append(f"clusters.metrics is {had}, so metrics are computed from the spikes")

    is_kilosorts = clusters_object.label_is_kilosorts(merged)
    if is_kilosorts:
        notes.append(clusters_object.KILOSORTS_LABEL)
    drift, absent = unless_damaged("drift", load_drift, ref)
    missing += absent
    templates, absent = unless_damaged("templates", load_templates, ref, len(table))
    missing += absent
    notes += trials_notes(datasets)
    trials, absent = load_trials(session)
    missing += absent
    return SpikeSorting(
        ref=ref,
        spikes=spikes,
        clusters=merged,
        channels=channels,
        histology=histology,
        n_dropped=found.n_dropped,
        drop_reason=found.drop_reason,
        amps_are_volts=found.amps_are_volts,
        trials=trials,
        drift=drift,
        templates=templates,
        missing=_each_once(missing),
        notes=tuple(notes),
        metrics_stale=stale,
        label_is_kilosorts=is_kilosorts,
        histology_reason=(why or histology.reason) + _resolved_by(source, insertion, histology),
        offers=offers(datasets, insertion.probe),
    )


def _validated(
    ref: SortingRef,
    spikes: Spikes,
    table: pd.DataFrame,
    channels: pd.DataFrame,
    cache: Path | None,
    progress: ProgressCallback,
    cancel: threading.Event | None,
    missing: Sequence[Missing],
) -> tuple[Validation, Spikes, list[str]]:
    """Check the spikes, once per state of their files, and give depths to those without."""
    key = files_key(ref.datasets)
    found = recorded_validation(cache, key) if cache is not None else None
    known = found is not None
    if found is None:

        def report(done: int) -> None:
            progress(Progress("checking spikes", done, len(spikes), "spikes"))

        found = validate(spikes, report, cancel)
    check_times(ref, found)
    clusters_object.check_ids(ref, found, len(table))
    notes = []
    if spikes.depths_um is None:
        depths = clusters_object.cluster_depths(table, channels)
        if depths is not None:
            spikes = replace(spikes, depths_um=clusters_object.depths_from_clusters(spikes, depths))
            unfetched = any(item.dataset == "spikes.depths" and item.can_come for item in missing)
            had = "spikes.depths could not be fetched" if unfetched else "There is no spikes.depths"
            notes.append(f"{had}: each spike is shown at the depth of its cluster's channel")
            if not known:
                n_lost = count_invalid(spikes.times_s, spikes.depths_um)
                found = replace(found, n_no_depth=n_lost - found.n_no_time, n_dropped=n_lost)
        else:
            notes.append("There are no depths of spikes or clusters: no spike can be placed")
            found = replace(found, n_no_depth=len(spikes), n_dropped=len(spikes))
    if not known and cache is not None:
        record_validation(cache, key, found)
    if found.n_dropped:
        notes.append(dropped_note(found))
    if not found.amps_are_volts:
        notes.append("Amplitudes cannot be volts (median above 10 mV) and are shown in arbitrary units")
    if not found.times_sorted:
        notes.append("spikes.times is not sorted; spikes are sorted once, in the cache")
    return found, spikes, notes


def _each_once(missing: Sequence[Missing]) -> tuple[Missing, ...]:
    """Return what is missing, each once; an object whose file could not be fetched is not one without a file."""
    come = [item for item in missing if item.can_come]
    found: dict[str, Missing] = {}
    for item in missing:
        of = _FILES_OF.get(item.dataset, ())
        source = next((file for file in come if file.dataset.startswith(of)), None) if of else None
        if source is not None and not item.can_come:
            item = Missing(item.dataset, f"{source.dataset} could not be fetched")
        found.setdefault(item.dataset, item)
    return tuple(found.values())


def _from_database(
    source: Source, insertion: InsertionRef, channels: pd.DataFrame
) -> tuple[pd.DataFrame, Histology, list[str], list[Missing]]:
    """Return channels with the database's brain locations, the state, and what is to be said and is missing."""
    try:
        record = source.record(insertion)
        histology = histology_of(record)
        locations = source.brain_locations(insertion, histology) if histology is not Histology.NONE else None
    except SourceUnavailable as error:
        note = f"Brain locations are not in the files, and the database: {error}"
        return channels, Histology.UNKNOWN, [note], [Missing(HISTOLOGY, str(error), can_come=True, is_passing=True)]
    if record is None:
        note = "Brain locations are not in the files; without a database it is not known whether they exist"
        return channels, Histology.NONE, [note], []
    if histology is Histology.NONE:
        return channels, histology, ["The probe has not been traced: there are no brain locations"], []
    if locations is None:
        note = f"The record says {histology}, and the database has no brain locations of the channels"
        return channels, Histology.NONE, [note], []
    try:
        channels, said = with_brain_locations(channels, locations)
    except ValueError as error:
        return channels, Histology.NONE, [f"The brain locations of the database cannot be used: {error}"], []
    return channels, histology, list(said), []


def _resolved_by(source: Source, insertion: InsertionRef, histology: Histology) -> str:
    """Return who resolved the alignment, as words to add; the record is asked for where it can say so."""
    if not histology.is_final:
        return ""
    try:
        record = source.record(insertion)
    except SourceUnavailable:
        return "; the database did not say who resolved it"
    return f"; resolved by {record.resolved_by}" if record is not None and record.resolved_by else ""


def _check(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled("Opening was cancelled")

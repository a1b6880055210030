"""A source whose files are ALF's: chooses the datasets of a sorting, brings them, and makes the model of them."""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model.arrival import ArrivedCallback, ignore_arrived
from dashboard.model.conventions import DepthKind
from dashboard.model.errors import Cancelled, DatasetMissing, SourceUnavailable
from dashboard.model.noise import Noise
from dashboard.model.progress import (
    PartialCallback,
    Progress,
    ProgressCallback,
    ignore_partial,
    ignore_progress,
    telling,
)
from dashboard.model.raw import SingleWaveforms
from dashboard.model.references import DatasetRef, Histology, InsertionRef, Offer, SortingRef, SortingRequest
from dashboard.model.sorting import HISTOLOGY, Missing, Spikes, SpikeSorting
from dashboard.model.texts import counted
from dashboard.model.unit_ids import UnitId
from dashboard.sources.alf import clusters as clusters_object
from dashboard.sources.alf import samples, traces
from dashboard.sources.alf.channels import histology_of, load_channels, with_brain_locations
from dashboard.sources.alf.choose import resolve
from dashboard.sources.alf.drift import load_drift
from dashboard.sources.alf.fetch import fetch
from dashboard.sources.alf.identity import identity_of
from dashboard.sources.alf.noise import load_noise, noise_datasets
from dashboard.sources.alf.notes import (
    depth_notes,
    dropped_note,
    other_locations,
    revision_notes,
    times_notes,
    unit_depth_notes,
)
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
    with_signs,
)
from dashboard.sources.alf.templates import load_templates
from dashboard.sources.alf.trials import load_trials, trials_datasets, trials_notes
from dashboard.sources.base import DEFAULT, SORTINGS, Source
from dashboard.sources.download.first_spikes import ArrivingSpikes
from dashboard.sources.download.ranges import RemoteFile

BRAIN_LOCATIONS = "channels.brainLocationIds_ccf_2017"

SAMPLE_RATE_HZ = 30_000.0
"""Of single waveforms: no file says it, and Neuropixels have no other."""

# Objects that are put together of several files, and how the names of those begin.
_FILES_OF = {
    "trials": ("trials.", "passivePeriods."),
    "drift": ("drift.",),
    "templates": ("templates.", "clusters.waveforms", "waveforms."),
}


class AlfSource(Source):
    """A source of ALF datasets: those that derive from it say which there are and bring their files.

    Attributes
    ----------
    data_root : Path or None
        Folder of the cache that files are fetched into; None where they are used in their place.
    """

    data_root: Path | None = None

    @abstractmethod
    def datasets(self, insertion: InsertionRef) -> Sequence[DatasetRef]:
        """Return every dataset of the session that concerns the insertion.

        That is the collections ``alf/<probe>`` and ``alf/<probe>/...``, and the session's own
        (trials, passive periods); every revision and namespace.
        """

    is_remote = False
    """Whether files that are not here come from a server."""

    @abstractmethod
    def fetch_files(
        self,
        insertion: InsertionRef,
        datasets: Sequence[DatasetRef],
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
        on_partial: PartialCallback = ignore_partial,
    ) -> Mapping[str, Path]:
        """Return a readable file for each dataset; see `dashboard.sources.alf.fetch.FileSource`."""

    def brain_locations(self, insertion: InsertionRef, histology: Histology) -> pd.DataFrame | None:
        """Return the channels' brain locations from the database.

        Returns
        -------
        DataFrame or None
            Columns ``axial_um``, ``lateral_um``, ``x``, ``y``, ``z`` (m), ``atlas_id``, one row
            per channel, sorted by depth; None where there is no database, or no tracing.
        """
        return None

    def ask_anatomy(self, insertion: InsertionRef) -> None:
        """Ask for the record and the brain locations; see `dashboard.sources.base.Source.ask_anatomy`."""
        self.brain_locations(insertion, histology_of(self.record(insertion)))

    def sortings(self, insertion: InsertionRef) -> tuple[Offer, ...]:
        """Return every sorter and revision, the default one first."""
        return offers(self.datasets(insertion), insertion.probe)

    def state(self, insertion: InsertionRef, request: SortingRequest = DEFAULT) -> Mapping[str, object]:
        """Return path and MD5 of each dataset, or size and time of change; see `Source.state`.

        Where the brain locations are the database's own, the alignment that they are of is one of them.
        """
        datasets = self.datasets(insertion)
        ref = self._resolve(insertion, datasets, request)
        own = (*ref.datasets.values(), *trials_datasets(datasets))
        record = self.record(insertion)
        qc = record.extended_qc if record is not None and BRAIN_LOCATIONS not in ref.datasets else {}
        alignment = [qc.get(name) for name in ("alignment_count", "alignment_stored")]
        return {
            **{dataset.name: _state(dataset) for dataset in own},
            **({"alignment": alignment} if any(alignment) else {}),
            SORTINGS: tuple(sorted((offer.sorter, offer.revision) for offer in offers(datasets, insertion.probe))),
            HISTOLOGY: str(histology_of(record)),
        }

    def noise(self, insertion: InsertionRef) -> Noise:
        """Return what the small files of the raw data's quality hold."""
        wanted = noise_datasets(self.datasets(insertion), insertion.probe)
        paths = self.fetch_files(insertion, wanted) if wanted else {}
        return load_noise([replace(d, path=paths[d.relative_path]) for d in wanted if d.relative_path in paths])

    def fetch(
        self,
        insertion: InsertionRef,
        request: SortingRequest = DEFAULT,
        *,
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
    ) -> SortingRef:
        """Bring the datasets of a sorting and of its session; see `dashboard.sources.base.Source.fetch`."""
        datasets = self.datasets(insertion)
        ref = self._resolve(insertion, datasets, request)
        return fetch(self, ref, trials_datasets(datasets), progress, cancel, ignore_partial)[0]

    def part_of(self, dataset: DatasetRef) -> Path | RemoteFile:
        """Return a large file of which parts are read.

        Raises
        ------
        DatasetMissing
            It is not there.
        """
        if dataset.path is None or not dataset.path.is_file():
            raise traces.missing(dataset.relative_path)
        return dataset.path

    def _waveforms(self, ref: SortingRef, datasets: Sequence[DatasetRef], unit: UnitId) -> SingleWaveforms:
        """Return single waveforms of a unit; see `SpikeSorting.waveforms`."""
        own = [d for d in datasets if d.collection == ref.collection and d.name in traces.NAMES]
        named = {d.name: d for d in sorted(own, key=lambda d: d.revision)}
        if len(named) < len(traces.NAMES) or not isinstance(unit, int):
            raise traces.missing(f"{ref.insertion.key} {ref.collection}")
        small = [named[name] for name in traces.NAMES[1:]]
        paths = self.fetch_files(ref.insertion, small)
        table, channels = (paths.get(d.relative_path) for d in small)
        if table is None or channels is None:
            raise traces.missing(f"{ref.insertion.key} {ref.collection}")
        return traces.read_traces(self.part_of(named[traces.TRACES]), table, channels, unit, SAMPLE_RATE_HZ)

    def _samples(
        self, ref: SortingRef, datasets: Sequence[DatasetRef], n_spikes: int, rows: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64] | None:
        """Return samples of spikes; see `SpikeSorting.samples`."""
        times = ref.datasets.get("spikes.times")
        own = [
            d for d in datasets
            if times is not None and d.name == samples.NAME
            and (d.collection, d.revision) == (ref.collection, times.revision)
        ]  # fmt: skip
        try:
            return samples.read_samples(self.part_of(own[0]), rows, n_spikes) if own else None
        except DatasetMissing:
            return None

    def _resolve(self, insertion: InsertionRef, datasets: Sequence[DatasetRef], request: SortingRequest) -> SortingRef:
        ref = resolve(
            insertion, datasets, request.sorter, request.revision, request.namespace, request.good_units,
            request.attributes,
        )  # fmt: skip
        if request.good_units and "passingSpikes.table" not in ref.datasets:
            where = f"{insertion.key} {ref.collection}"
            raise DatasetMissing("passingSpikes.table", where, "Open all units and keep those with label 1")
        return ref

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
        """Open a sorting, with metrics left as they are on disk; see `dashboard.sources.base.Source.open`."""
        if cancel is not None and cancel.is_set():
            raise Cancelled("Opening was cancelled")
        progress(Progress("listing files"))
        with telling(progress):
            datasets = self.datasets(insertion)
        ref = self._resolve(insertion, datasets, request)
        session = trials_datasets(datasets)
        ref, session, unfetched, of_files = fetch(self, ref, session, progress, cancel, ArrivingSpikes(arrived))
        missing: list[Missing] = list(unfetched)
        notes: list[str] = [*of_files, *revision_notes(ref)]

        channels, histology, absent, said = load_channels(ref)
        missing += absent
        notes += said
        why = ""
        if histology is Histology.NONE:
            with telling(progress):
                channels, histology, found_out, unanswered = _from_database(self, insertion, channels)
            missing += unanswered
            notes += found_out
            if histology is Histology.NONE and any(
                item.dataset == BRAIN_LOCATIONS and item.is_passing for item in missing
            ):
                histology, found_out = Histology.UNKNOWN, [f"{BRAIN_LOCATIONS} could not be fetched"]
            why = " ".join(found_out) if histology in (Histology.NONE, Histology.UNKNOWN) else ""
            notes += other_locations(ref, datasets)

        spikes, absent = load_spikes(ref, request.attributes)
        missing += absent
        table, metrics, absent = clusters_object.load_clusters(ref, request.attributes)
        missing += absent
        clusters_object.check_channels(ref, table, len(channels))
        depth_kind = DepthKind.UNIT if spikes.depths_um is None else DepthKind.SPIKE
        are_all_here = not any(item.is_passing for item in unfetched)
        found, spikes, table, checked, n_no_number = _validated(
            ref, spikes, table, metrics, channels, cache if are_all_here else None, progress, cancel, missing
        )
        notes += checked
        metrics, joined = clusters_object.by_id(metrics, table.index, spikes)
        notes += joined
        merged = clusters_object.merge_clusters(table, metrics, channels)
        notes += unit_depth_notes(table, channels)
        stale = clusters_object.metrics_are_stale(table, metrics)
        if stale and any(item.dataset == "clusters.metrics" and item.is_passing for item in unfetched):
            stale = False  # they exist: others in their place would pass for them
        if stale:
            rows = "" if metrics is None else counted(len(metrics), "row")
            had = f"of {rows} for {counted(len(table), 'cluster')}" if rows else "missing"
            notes.append(f"clusters.metrics is {had}, so metrics are computed from the spikes")

        label_kind = clusters_object.label_kind(merged)
        notes += clusters_object.LABEL_NOTES.get(label_kind, ())
        drift, absent = unless_damaged("drift", load_drift, ref)
        missing += absent
        templates, absent = unless_damaged("templates", load_templates, ref, len(table), channels, table.index.tolist())
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
            n_without_depth=n_no_number,
            drop_reason=found.drop_reason,
            amps_are_volts=found.amps_are_volts,
            n_negative_amps=max(found.n_negative_amps, 0),
            trials=trials,
            drift=drift,
            templates=templates,
            missing=_each_once(missing),
            notes=tuple(notes),
            metrics_stale=stale,
            label_kind=label_kind,
            depth_kind=depth_kind,
            histology_reason=(why or histology.reason) + _resolved_by(self, insertion, histology),
            offers=offers(datasets, insertion.probe),
            identity=identity_of(ref, self.data_root),
            open_raw=partial(self.raw, insertion),
            open_waveforms=partial(self._waveforms, ref, datasets),
            open_samples=partial(self._samples, ref, datasets, len(spikes)),
            open_noise=partial(self.noise, insertion),
            noise_is_remote=self.is_remote,
        )


def _state(dataset: DatasetRef) -> tuple[object, ...]:
    if dataset.md5 is not None:
        return dataset.relative_path, dataset.md5
    if dataset.url is not None:  # when its file came here says nothing of the one on record
        return dataset.relative_path, dataset.size
    try:
        changed = dataset.path.stat().st_mtime_ns if dataset.path is not None else None
    except OSError:
        changed = None
    is_readable = dataset.path is not None and os.access(dataset.path, os.R_OK)
    return dataset.relative_path, dataset.size, changed, is_readable


def _validated(
    ref: SortingRef,
    spikes: Spikes,
    table: pd.DataFrame,
    metrics: pd.DataFrame | None,
    channels: pd.DataFrame,
    cache: Path | None,
    progress: ProgressCallback,
    cancel: threading.Event | None,
    missing: Sequence[Missing],
) -> tuple[Validation, Spikes, pd.DataFrame, list[str], int]:
    """Check the spikes, once per state of their files, name the units, and give depths to spikes without.

    The last of what is returned counts the spikes of the file whose depth is no number.
    """
    key = files_key(ref.datasets)
    found = recorded_validation(cache, key) if cache is not None else None
    known = found is not None
    if found is None:

        def report(done: int) -> None:
            progress(Progress("checking spikes", done, len(spikes), "spikes"))

        found = validate(spikes, report, cancel)
    elif (signed := with_signs(found, spikes)) is not found:
        known, found = False, signed
    of_files = found
    check_times(ref, found)
    n_rows = len(table)
    table = clusters_object.fill_in(ref, table, metrics, spikes, found)
    clusters_object.check_ids(ref, found, table.index, spikes)
    notes = []
    if n_rows and not isinstance(table.index, pd.RangeIndex):
        notes.append(
            "spikes.clusters holds ids beyond the rows of the clusters; cluster_id of clusters.metrics names row by row"
        )
    n_without = found.n_no_depth if spikes.depths_um is not None else len(spikes)
    n_no_number = found.n_no_depth if spikes.depths_um is not None else 0
    depths = clusters_object.cluster_depths(table, channels) if n_without else None
    has_own = n_without < len(spikes)
    if depths is not None and np.isfinite(depths).any():
        of_clusters = clusters_object.depths_from_clusters(spikes, table.index, depths)
        n_lost = count_invalid(spikes.times_s, of_clusters)
        if spikes.depths_um is not None:
            notes.append(
                f"{n_without:,} of {counted(len(spikes), 'spike')} have no depth: "
                "each of them is shown at the depth of its cluster's channel"
            )
        else:
            spikes = replace(spikes, depths_um=of_clusters)
            unfetched = any(item.dataset == "spikes.depths" and item.can_come for item in missing)
            had = "spikes.depths could not be fetched" if unfetched else "There is no spikes.depths"
            notes.append(f"{had}: each spike is shown at the depth of its cluster's channel")
        has_own = n_lost < len(spikes)
        found = replace(found, n_no_depth=n_lost - found.n_no_time, n_dropped=n_lost)
    if not has_own:
        notes.append("There are no depths of spikes or clusters: no spike can be placed, and units have rows instead")
        found = replace(found, n_no_depth=0, n_dropped=found.n_no_time)
    if not known and cache is not None:  # as the files have it, whatever was made of it
        record_validation(cache, key, of_files)
    if found.n_dropped:
        notes.append(dropped_note(found))
    if not found.amps_are_volts:
        notes.append("Amplitudes cannot be volts (median above 10 mV) and are shown in arbitrary units")
    if found.n_negative_amps > 0:
        notes.append(
            f"{found.n_negative_amps:,} of {counted(found.n_amps, 'amplitude')} are negative: "
            "their magnitude is shown, "
            "and exported spikes keep the sign"
        )
    if not found.times_sorted:
        notes.append("spikes.times is not sorted; spikes are sorted once, in the cache")
    notes += times_notes(found)
    notes += depth_notes(spikes, channels, (of_files.lowest_um, of_files.highest_um))
    return found, spikes, table, notes, n_no_number


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
    source: AlfSource, insertion: InsertionRef, channels: pd.DataFrame
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
        return channels, Histology.UNKNOWN, [note], []
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


def _resolved_by(source: AlfSource, insertion: InsertionRef, histology: Histology) -> str:
    """Return who resolved the alignment, as words to add; the record is asked for where it can say so."""
    if not histology.is_final:
        return ""
    try:
        record = source.record(insertion)
    except SourceUnavailable:
        return "; the database did not say who resolved it"
    return f"; resolved by {record.resolved_by}" if record is not None and record.resolved_by else ""

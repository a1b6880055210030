"""A spike sorting in memory: what the loader returns and everything else reads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model.conventions import Clock, DepthKind, LabelKind
from dashboard.model.errors import BadRequest, DatasetMissing, Incomplete
from dashboard.model.identity import Identity
from dashboard.model.progress import ProgressCallback
from dashboard.model.raw import RawRecording, SingleWaveforms, SpikeFeatures
from dashboard.model.references import Histology, Offer, SortingRef
from dashboard.model.shanks import SHANK, number_shanks, shank_numbers
from dashboard.model.texts import counted
from dashboard.model.unit_ids import UnitId, UnitIds

if TYPE_CHECKING:
    from dashboard.model.noise import Noise

# Objects that depths, amplitudes, labels and regions of spikes and units are read from.
_UNITS_FROM = ("spikes", "passingSpikes", "clusters", "channels", "electrodeSites")

QUALITY = "quality"
"""Column of units with the group of a curation, else the sorter's label: ``good``, ``mua``, ``noise``, other words."""

SNR = "snr"
"""Column of units with their signal to noise; see `dashboard.analysis.quality.snr`."""

HISTOLOGY = "histology"
"""Name of what the database has to say, among what is missing."""

_viewers: list[Callable[..., Any]] = []
_plotters: list[Callable[[SpikeSorting], Any]] = []


def show_with(viewer: Callable[..., Any], plotter: Callable[[SpikeSorting], Any]) -> None:
    """Say what `SpikeSorting.view` and `SpikeSorting.plot` call: the model knows of no view and no figure."""
    _viewers[:], _plotters[:] = [viewer], [plotter]


@dataclass(frozen=True, slots=True)
class Missing:
    """A dataset that is not there, or not usable, and what that means for the views.

    Attributes
    ----------
    dataset : str
        ``spikes.amps``.
    reason : str
        One clause that a view can show.
    can_come : bool
        Whether trying again may bring it: it is on record, and a server did not give it.
    is_passing : bool
        Whether the server failed, rather than said that it has no such thing: nothing final is made without it.
    """

    dataset: str
    reason: str
    can_come: bool = False
    is_passing: bool = False


@dataclass(frozen=True, slots=True)
class Spikes:
    """Columns of the spikes object, memory-mapped, as on disk.

    Attributes
    ----------
    times_s : ndarray, shape (n_spikes,), float, sorted, in seconds
        May hold NaN; see `SpikeSorting.n_dropped`.
    clusters : ndarray, shape (n_spikes,), integer
        Id of the unit of each spike; or its row in `SpikeSorting.clusters`, where `clusters_are_rows`.
    depths_um : ndarray, shape (n_spikes,), float, in um, or None
        None where neither spikes.depths nor the depths of the clusters exist.
    amps_v : ndarray, shape (n_spikes,), float, in volts, or None
        None where spikes.amps does not exist. In arbitrary units where
        `SpikeSorting.amps_are_volts` is False.
    extra : mapping of str to ndarray
        Further attributes that were asked for by name (``samples``, ``templates``).
    clusters_are_rows : bool
        True where the source counts units, as SpikeInterface does, and ids stand elsewhere; always so for text ids.
    """

    times_s: npt.NDArray[Any]
    clusters: npt.NDArray[Any]
    depths_um: npt.NDArray[Any] | None
    amps_v: npt.NDArray[Any] | None
    extra: Mapping[str, npt.NDArray[Any]] = field(default_factory=lambda: MappingProxyType({}))
    clusters_are_rows: bool = False

    def __len__(self) -> int:
        return int(self.times_s.shape[0])


@dataclass(frozen=True, slots=True)
class Drift:
    """Motion that the sorter estimated and removed before detection.

    Attributes
    ----------
    times_s : ndarray, shape (n_times,), float64
        Batch starts, on the probe's clock (spikes.times are on the session's).
    um : ndarray, shape (n_times, n_depths), float64
    depths_um : ndarray, shape (n_depths,), float64, or None
    """

    times_s: npt.NDArray[np.float64]
    um: npt.NDArray[np.float64]
    depths_um: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Trials:
    """The trials table of the session.

    Attributes
    ----------
    table : DataFrame, one row per trial
        IBL columns: ``stimOn_times``, ``goCue_times``, ``firstMovement_times``,
        ``response_times``, ``feedback_times``, ``feedbackType``, ``choice``,
        ``contrastLeft``, ``contrastRight``, ``probabilityLeft``, ``intervals_0``, ``intervals_1``.
    passive_s : tuple of (float, float), or None
        Start and end of the passive period, in s, where it is known.
    origin : str
        What the table is of, and on which clock, in words, where it holds events of one's own; empty for trials.
    """

    table: pd.DataFrame
    passive_s: tuple[float, float] | None = None
    origin: str = ""

    @property
    def note(self) -> str:
        """What a reader of the plots should know of events of one's own; empty of trials."""
        return f"Events are {self.origin}" if self.origin else ""

    def __len__(self) -> int:
        return len(self.table)


@dataclass(frozen=True, slots=True)
class Templates:
    """Mean waveforms on the channels around each template's peak.

    Attributes
    ----------
    waveforms : ndarray, shape (n_templates, n_samples, n_channels), float32, in volts
    channels : ndarray, shape (n_templates, n_channels), int
        Channel index of each trace; -1 where there is none.
    dataset : str
        Which of the three real layouts it came from.
    """

    waveforms: npt.NDArray[Any]
    channels: npt.NDArray[Any]
    dataset: str


@dataclass(frozen=True, slots=True)
class LaterWork:
    """Work that an opened sorting does not wait for: depths from large files, for instance.

    Attributes
    ----------
    title : str
        What is done, in words for the page: ``computing depths``.
    make : callable (SpikeSorting, Path or None, progress, cancel) -> SpikeSorting
        Returns the sorting with more in it, and with another `SpikeSorting.identity` where its spikes are others;
        the path is the folder of the cache. Called in a thread; raises `Cancelled` where `cancel` is set.
    """

    title: str
    make: Callable[[SpikeSorting, Path | None, ProgressCallback, threading.Event | None], SpikeSorting]


@dataclass(frozen=True, slots=True, eq=False)
class SpikeSorting:
    """A loaded sorting, validated once, immutable, shared by every session of the process.

    Attributes
    ----------
    ref : SortingRef
        Where it came from: insertion, sorter, revision, files.
    spikes : Spikes
    clusters : DataFrame, one row per unit, index = id of the unit, integer or text
        With a row for every unit that has spikes. ibllib's merged columns
        (``SpikeSortingLoader.merge_clusters``): ``channels``, ``depths``,
        ``uuids``, the metrics, and the columns of the cluster's channel.
    channels : DataFrame, one row per channel
        ``axial_um``, ``lateral_um``, ``rawInd`` and, where brain locations are known, ``x``, ``y``,
        ``z`` (m), ``atlas_id``, ``acronym``. These and the clusters have a column ``shank``, from 0 at the left, where
        the probe has several.
    histology : Histology
    n_dropped : int
        Spikes of the file without a time, or with a depth neither of their own nor of their unit where others have
        one: in no view, and said so.
    n_without_depth : int
        Spikes whose own depth is no number; those that are shown lie at the depth of their unit.
    drop_reason : str
        ``'no depth'``, ``'no time'``, or both; empty when none was dropped.
    amps_are_volts : bool
        False where the median amplitude is above 10 mV, as in some Kilosort exports.
    n_negative_amps : int
        Spikes whose amplitude is below zero in the file; views show magnitudes.
    amps_at_peak : bool
        True where amplitudes are those at the peak, not peak-to-peak: the IBL tests are not made of them.
    trials, drift, templates : or None
        None where the dataset is missing; `missing` says why.
    missing : tuple of Missing
    notes : tuple of str
        What was decided on the way that a reader of the plot should know.
    metrics_stale : bool
        True where the metrics file is missing or of another length than the clusters and the
        metrics have to be recomputed.
    metrics_made : bool
        True where metrics of `clusters` were computed from the spikes here.
    offers : tuple of Offer
        Every sorting of the insertion, this one among them.
    label_kind : LabelKind
        Whose ``label`` of the clusters is.
    histology_reason : str
        Why `histology` is what it is.
    identity : Identity or None
        Which state of which files it was read from; None: nothing derived from it is kept.
    clock : Clock
        Of the spikes' times. Trials are on the session's.
    depth_kind : DepthKind
        Where it is `UNIT`, all spikes of a unit have one depth.
    later : tuple of LaterWork
        What the source can compute when the sorting is open already, in this order.
    records_of : str
        Date, ISO, of the oldest record of the database that was taken from the disk because the database did not give
        it; empty where it answered, or there is none.
    curation : str
        What decisions of people have changed of units and spikes, in words, and whose they are; empty where all is as
        it was sorted.
    segment_starts_s : tuple of float
        Where the second segment of a recording begins, and each after it, in s: they are laid one after the other.
    open_raw : callable () -> RawRecording, or None
        Finds the raw recording; see `raw`.
    open_waveforms : callable (unit id) -> SingleWaveforms, or None
        Reads single waveforms; see `waveforms`.
    open_features : callable (unit id) -> SpikeFeatures, or None
        Reads principal components of single spikes; see `features`.
    open_samples : callable (rows) -> ndarray or None, or None
        Reads samples of spikes; see `samples`.
    open_noise : callable () -> Noise, or None
        Reads the small files of the recording's quality; see `noise`.
    noise_is_remote : bool
        Whether `open_noise` asks a server.
    why_no_snr : str
        Why units have no column ``snr``; see `dashboard.analysis.quality.snr`.
    snr_definition : str
        What that column is, in words; empty where it is a file's own.
    units : UnitIds
        Ids of the units by index, which is the row in `clusters`: people, links, tables and files name a unit by its
        id, arrays and kernels by its index.
    """

    ref: SortingRef
    spikes: Spikes
    clusters: pd.DataFrame
    channels: pd.DataFrame
    histology: Histology
    n_dropped: int = 0
    n_without_depth: int = 0
    drop_reason: str = ""
    amps_are_volts: bool = True
    n_negative_amps: int = 0
    trials: Trials | None = None
    drift: Drift | None = None
    templates: Templates | None = None
    missing: tuple[Missing, ...] = ()
    notes: tuple[str, ...] = ()
    metrics_stale: bool = False
    metrics_made: bool = False
    label_kind: LabelKind = LabelKind.IBL
    histology_reason: str = ""
    offers: tuple[Offer, ...] = ()
    identity: Identity | None = None
    clock: Clock = Clock.SESSION
    depth_kind: DepthKind = DepthKind.SPIKE
    amps_at_peak: bool = False
    later: tuple[LaterWork, ...] = ()
    records_of: str = ""
    curation: str = ""
    segment_starts_s: tuple[float, ...] = ()
    open_raw: Callable[[], RawRecording] | None = field(default=None, repr=False)
    open_waveforms: Callable[[UnitId], SingleWaveforms] | None = field(default=None, repr=False)
    open_features: Callable[[UnitId], SpikeFeatures] | None = field(default=None, repr=False)
    open_samples: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64] | None] | None = field(
        default=None, repr=False
    )
    open_noise: Callable[[], Noise] | None = field(default=None, repr=False)
    noise_is_remote: bool = False
    why_no_snr: str = ""
    snr_definition: str = ""
    units: UnitIds = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", UnitIds(self.clusters.index.to_numpy()))
        channels, clusters = number_shanks(self.channels, self.clusters)
        object.__setattr__(self, "channels", channels)
        object.__setattr__(self, "clusters", clusters)

    @property
    def raw(self) -> RawRecording:
        """The raw recording beside the sorting, found when it is first asked for; no sample is read.

        Raises
        ------
        DatasetMissing
            There is none; the message says what would bring it.
        DatasetInvalid
            Its files are damaged, or do not belong together.
        """
        if self.open_raw is None:
            what = (
                "They are read beside sortings in ALF layout (raw_ephys_data) and by dat_path of Kilosort's params.py"
            )
            raise DatasetMissing("Raw data", self.title, what)
        return self.open_raw()

    @property
    def noise(self) -> Noise | None:
        """Quality of the raw recording by channel, from its small files; None where the source knows of none.

        Raises
        ------
        DashboardError
            A server that has the files does not give them.
        """
        return self.open_noise() if self.open_noise is not None else None

    def samples(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
        """Return the samples of the AP file that spikes were found at, by their rows: ``spikes.samples``.

        None where the sorting has none, or where they would have to be read from places far apart.

        Raises
        ------
        DatasetInvalid, DownloadFailed
            They cannot be read.
        """
        if (held := self.spikes.extra.get("samples")) is not None:
            return np.asarray(held[rows], np.int64).reshape(-1)
        if self.open_samples is None or not len(rows):
            return None
        return self.open_samples(rows)

    def waveforms(self, unit: UnitId) -> SingleWaveforms:
        """Return single waveforms of a unit, of ``waveforms.traces``: its rows are read, and nothing else.

        Raises
        ------
        DatasetMissing
            The sorting has none.
        BadRequest
            They hold none of this unit.
        DatasetInvalid, DownloadFailed
            They cannot be read.
        """
        if self.open_waveforms is None:
            raise DatasetMissing("waveforms.traces", self.title, "They are read of sortings in ALF layout")
        return self.open_waveforms(unit)

    def features(self, unit: UnitId) -> SpikeFeatures:
        """Return principal components of some spikes of a unit.

        Raises
        ------
        DatasetMissing
            The sorting has none.
        BadRequest
            They hold none of this unit.
        DatasetInvalid
            Their files do not belong together.
        """
        if self.open_features is None:
            raise DatasetMissing("pc_features.npy", self.title, "They are read of folders of Kilosort and phy")
        return self.open_features(unit)

    @property
    def unit_ids(self) -> npt.NDArray[Any]:
        """Ids of the units in the order of their indexes, shape (n_clusters,), int64 or str."""
        return self.units.values

    @property
    def unit_depths_um(self) -> npt.NDArray[np.float64]:
        """Depth of each unit, of its channel or where that is not known its own, shape (n_clusters,); NaN for none."""
        name = next((name for name in ("axial_um", "depths") if name in self.clusters), None)
        if name is None:
            return np.full(self.n_clusters, np.nan)
        values = pd.to_numeric(self.clusters[name], errors="coerce")
        return values.to_numpy(dtype=np.float64, na_value=np.nan)

    @property
    def spikes_have_indexes(self) -> bool:
        """Whether ``spikes.clusters`` holds indexes as it is, and nothing has to be looked up."""
        return self.units.are_indexes or self.spikes.clusters_are_rows

    def unit_indexes(self, rows: slice | npt.NDArray[np.int64] = slice(None)) -> npt.NDArray[Any]:
        """Return the index of the unit of some spikes, in the order of the file.

        Raises
        ------
        DatasetInvalid
            A spike has an id without a row in `clusters`.
        """
        ids = np.asarray(self.spikes.clusters[rows])
        return ids if self.spikes_have_indexes else self.units.in_spikes(ids)

    @property
    def incomplete(self) -> dict[str, str]:
        """What a server failed to give and may give when asked again, with the reason by name; empty where all came."""
        return {item.dataset: item.reason for item in self.missing if item.is_passing}

    @property
    def has_stand_ins(self) -> bool:
        """Whether spikes or units are without a file that exists: what is derived from them is not to be kept."""
        return any(name.partition(".")[0] in _UNITS_FROM for name in self.incomplete)

    def check_complete(self) -> None:
        """Refuse a sorting without something that exists, before a result is made of it.

        Raises
        ------
        Incomplete
            A server failed to give something that it may give when asked again.
        """
        if self.incomplete:
            raise Incomplete(self.title, self.incomplete)

    def check_recent(self) -> None:
        """Refuse a sorting that was opened with remembered records.

        Raises
        ------
        Incomplete
            The database did not answer.
        """
        if self.records_of:
            why = f"the database did not answer, and what is known is of {self.records_of}; --offline takes it as it is"
            raise Incomplete(self.title, {"records": why})

    @property
    def differences(self) -> dict[str, tuple[str, str]]:
        """What its numbers mean where that is not what IBL's mean: in a word, and in a sentence."""
        found: dict[str, tuple[str, str]] = {}
        if self.curation:
            found["curation"] = ("curation applied", self.curation)
        if self.clock is Clock.PROBE:
            found["clock"] = ("probe's clock", "times are on the probe's own clock, not on the session's")
        if not self.amps_are_volts and self.spikes.amps_v is not None:
            found["amplitude"] = ("amplitude a.u.", "amplitudes are in arbitrary units, not in volts")
        elif self.amps_at_peak and self.spikes.amps_v is not None:
            found["amplitude"] = ("amplitude at the peak", "amplitudes are those at the peak, not peak to peak")
        if self.depth_kind is DepthKind.UNIT:
            found["depth"] = ("depth per unit", "all spikes of a unit are shown at one depth")
        if (n := len(shank_numbers(self.channels))) > 1:
            shanks = counted(n, "shank")
            how = "buttons over the raster show one of them, colours tell them apart"
            found["shanks"] = (shanks, f"{shanks} are on one depth axis; {how}")
        if self.label_kind is LabelKind.CURATED:
            found["labels"] = ("curated groups", "units have groups of a curation, not the labels of IBL's tests")
        elif self.label_kind is LabelKind.KILOSORT:
            found["labels"] = ("Kilosort's labels", "labels are Kilosort's own opinion, not those of IBL's tests")
        elif self.label_kind is LabelKind.FILE:
            found["labels"] = ("labels of the file", "labels are 0 or 1 from the file; the IBL tests are not in it")
        elif self.label_kind is LabelKind.NONE:
            found["labels"] = ("no labels", "units have no labels")
        return found

    @property
    def labels(self) -> npt.NDArray[np.float64]:
        """The fraction of the three IBL tests passed, or the file's own 0 or 1, shape (n_clusters,); NaN for none.

        Where units have a `QUALITY` of a curation or of Kilosort: 1 for ``good``, 0 for another.
        """
        if self.label_kind in (LabelKind.CURATED, LabelKind.KILOSORT) and QUALITY in self.clusters:
            quality = self.clusters[QUALITY]
            return np.where(quality.isna(), np.nan, (quality == "good").astype(np.float64))
        if self.label_kind not in (LabelKind.IBL, LabelKind.FILE) or "label" not in self.clusters:
            return np.full(self.n_clusters, np.nan)
        values = pd.to_numeric(self.clusters["label"], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        # What is no fraction is no label either, and would be no colour of the views.
        return np.where((values >= 0) & (values <= 1), values, np.nan)

    @property
    def good_words(self) -> str:
        """Whose opinion makes a unit with label 1 a good one: ``IBL good``."""
        words = {LabelKind.FILE: "good by the file's label", LabelKind.CURATED: "good by its group"}
        return (words | {LabelKind.KILOSORT: "good by Kilosort"}).get(self.label_kind, "IBL good")

    @property
    def amp_unit(self) -> str:
        """Unit in which amplitudes are shown: ``µV``, or ``a.u.`` where the file's values are not volts."""
        return "µV" if self.amps_are_volts else "a.u."

    @property
    def amp_scale(self) -> float:
        """Factor from the file's amplitudes to those that are shown."""
        return 1e6 if self.amps_are_volts else 1.0

    @property
    def choices(self) -> tuple[tuple[str, str, str], ...]:
        """What was chosen and why: name, value and reason of the sorter, the revision and the histology."""
        sorter, revision = self.ref.sorter, self.ref.revision
        return (
            ("sorter", sorter.value or "base", sorter.reason),
            ("revision", revision.value or "original", revision.reason),
            ("histology", str(self.histology), self.histology_reason or self.histology.reason),
        )

    @property
    def _can_be_tested(self) -> bool:
        return self.amps_are_volts and not self.amps_at_peak and self.spikes.amps_v is not None

    @property
    def metrics_wanted(self) -> bool:
        """Whether metrics are to be computed from the spikes: they are stale, or the only labels are Kilosort's."""
        return self.metrics_stale or (self.label_kind is LabelKind.KILOSORT and self._can_be_tested)

    @property
    def tests_can_be_made(self) -> bool:
        """Whether the IBL tests are not in the files, and can be computed from the spikes."""
        is_without = self.label_kind in (LabelKind.FILE, LabelKind.NONE) and "clusters.metrics" not in self.incomplete
        return self.metrics_wanted or (is_without and self._can_be_tested)

    @property
    def why_no_labels(self) -> str:
        """Why no cluster has a label; empty where some have."""
        if np.isfinite(self.labels).any():
            return ""
        if "clusters.metrics" in self.incomplete:
            return "clusters.metrics could not be fetched"
        if self.metrics_stale:
            return "metrics are not computed yet"
        volts = "the IBL tests need " + ("peak-to-peak " if self.amps_at_peak else "") + "amplitudes in volts"
        if self.label_kind is LabelKind.KILOSORT:
            why = "the IBL tests were not made" if self._can_be_tested else volts
            return f"label in the files is Kilosort's own opinion, and {why}"
        if self.label_kind is LabelKind.CURATED:
            return "units have curated groups, and the IBL tests were not made"
        if "label" in self.clusters and self.clusters["label"].notna().any():
            return "label in the files is not a fraction of tests passed"
        return "clusters have no label; the IBL tests can be computed from the spikes" if self._can_be_tested else volts

    @property
    def n_spikes(self) -> int:
        """Rows of the spikes file, those that no view can show included."""
        return len(self.spikes)

    @property
    def n_clusters(self) -> int:
        """Rows of the clusters object."""
        return len(self.clusters)

    def __repr__(self) -> str:
        times, labels = self.spikes.times_s, np.asarray(self.labels, dtype=np.float64)
        span = f" from {float(times[0]):,.1f} to {float(times[-1]):,.1f} s" if len(times) else ""
        dropped = f", {self.n_dropped:,} in no view ({self.drop_reason})" if self.n_dropped else ""
        good = f"labels: {self.why_no_labels}" if self.why_no_labels else f"{int((labels == 1).sum()):,} good"
        trials = self.missing_reason("trials") or "none"
        lines = (
            f"<SpikeSorting {self.title}>",
            f"spikes    {self.n_spikes:,}{span}{dropped}; amplitudes in {self.amp_unit}",
            f"units     {self.n_clusters:,}; {good}",
            f"channels  {len(self.channels):,}; histology: {self.histology}",
            f"trials    {f'{len(self.trials):,}' if self.trials is not None else trials}",
        )
        return "\n  ".join(lines)

    @property
    def title(self) -> str:
        """``subject date/number probe · sorter · revision``, for headers and stamps."""
        insertion = self.ref.insertion
        sorter = self.ref.sorter.value or "base"
        revision = self.ref.revision.value or "original"
        session = (
            f"{insertion.subject} {insertion.date}/{insertion.number:03d}" if insertion.date else insertion.subject
        )
        return f"{session} {insertion.probe} · {sorter} · {revision}"

    def view(self, **options: Any) -> Any:
        """Return the linked views of this sorting, which a notebook shows; arguments are those of `dashboard.view`.

        Raises
        ------
        BadRequest
            An argument cannot be used; or nothing has said what shows sortings (`show_with`).
        """
        if not _viewers:
            raise BadRequest("Nothing is there to show a sorting", self.title, "Use dashboard.view(sorting)")
        return _viewers[-1](self, **options)

    @property
    def plot(self) -> Any:
        """Figures of this sorting for notebooks and scripts, a `dashboard.library.plots.Plots`: ``plot.unit(12)``.

        Raises
        ------
        BadRequest
            Nothing has said what draws sortings (`show_with`).
        """
        if not _plotters:
            raise BadRequest("Nothing is there to draw a sorting", self.title, "Import dashboard.open_insertion first")
        return _plotters[-1](self)

    def missing_reason(self, dataset: str) -> str | None:
        """Why `dataset` is not there, or None where it is."""
        return next((item.reason for item in self.missing if item.dataset == dataset), None)


def units_on_shank(sorting: SpikeSorting, shank: int) -> npt.NDArray[np.bool_]:
    """Return which units are on one shank of a probe that has several, shape (n_units,).

    Raises
    ------
    BadRequest
        The probe is not known to have such a shank.
    """
    there = shank_numbers(sorting.channels)
    if shank not in there or len(there) == 1:
        remedy = f"There are {', '.join(map(str, there))}" if len(there) > 1 else "Leave the shank out"
        raise BadRequest("The probe is not known to have such a shank", f"{shank}", remedy)
    on_shank: npt.NDArray[np.bool_] = (sorting.clusters[SHANK] == shank).to_numpy(np.bool_)
    return on_shank

"""From a name to a loaded sorting: find its source, have it opened, compute what is missing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dashboard.analysis.curation.applied import curated
from dashboard.analysis.quality.snr import with_snr
from dashboard.config.plugins import add_plugins
from dashboard.config.settings import curation_rules
from dashboard.config.settings import load as load_settings
from dashboard.library.completion import completed
from dashboard.model.arrival import ArrivedCallback, ignore_arrived
from dashboard.model.progress import ProgressCallback, ignore_progress, telling
from dashboard.model.references import InsertionRef, SortingRequest
from dashboard.model.remembered import noting_remembered
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.base import Source
from dashboard.sources.locate import locate

logger = logging.getLogger(__name__)


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
    curation: str | None = None,
    lazy: bool = False,
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
    arrived: ArrivedCallback = ignore_arrived,
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
    curation : str or None
        Apply what people have decided about units, this person's decisions first (``''``: the last of anybody): merged
        units are one, removed units and spikes in bad spans are left out, and the clusters have columns of labels.
    lazy : bool
        Leave what the source can compute later (`SpikeSorting.later`), and metrics that are missing, not as long as the
        clusters, or hold no label but Kilosort's (`SpikeSorting.metrics_wanted`), to
        `dashboard.library.completion.completed`, as the page does.
    progress : callable
        Called with a `Progress`, from this thread or others.
    cancel : threading.Event or None
    arrived : callable
        Told of spikes that come over a network, before the last one has.

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
    request = SortingRequest(sorter, revision, namespace, good_units, tuple(attributes))
    with noting_remembered() as dates:
        with telling(progress):
            where, ref = locate(insertion, source=source, cache=folder)
        started = time.perf_counter()
        sorting = where.open(ref, request, cache=folder, progress=progress, cancel=cancel, arrived=arrived)
    if dates:
        sorting = replace(sorting, records_of=min(dates))
    if not lazy:
        sorting = completed(sorting, folder, progress, cancel)
    sorting = with_snr(sorting)
    if curation is not None:
        from dashboard.library.userdata import UserData  # and SQLAlchemy, which no other sorting needs

        rows = UserData.of(settings.database, folder).decisions.read(ref.key)
        sorting = curated(sorting, rows, curation, curation_rules(settings))
    logger.info("opened %s: %d spikes in %.3f s", sorting.title, sorting.n_spikes, time.perf_counter() - started)
    return sorting

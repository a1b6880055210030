"""The built-in demo: a synthetic insertion, written as real ALF files the first time it is asked for."""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from dashboard.config.settings import Settings
from dashboard.model.errors import BadRequest, CacheUnusable, Cancelled
from dashboard.model.progress import PartialCallback, Progress, ProgressCallback, ignore_partial, ignore_progress
from dashboard.model.raw import RawRecording, SingleWaveforms
from dashboard.model.references import DatasetRef, InsertionRef, SortingRef
from dashboard.model.texts import counted
from dashboard.model.unit_ids import UnitId
from dashboard.sources.alf.arrays import why_not_whole
from dashboard.sources.alf.names import parse_file_name
from dashboard.sources.alf.source import AlfSource
from dashboard.sources.base import Source
from dashboard.sources.demo.behaviour import make_behaviour, make_events
from dashboard.sources.demo.channels import make_channels
from dashboard.sources.demo.motion import make_motion
from dashboard.sources.demo.raw import synthetic_recording, synthetic_waveforms
from dashboard.sources.demo.session import SESSION_FILES, write_session
from dashboard.sources.demo.sortings import default_sorting, resort, sorting_files, write_sorting
from dashboard.sources.demo.spikes import draw_trains, make_tracks
from dashboard.sources.demo.units import FULL_SPIKES, Size, plan_units, size_for
from dashboard.sources.download.locks import file_lock

log = logging.getLogger(__name__)

DEMO_SPIKES = FULL_SPIKES
DEMO_PID = "d3300000-5eed-4de0-8000-00000000a11f"
DEMO_EID = "d3300000-5eed-4de0-8000-0000005e5510"
LAB, SUBJECT, DATE, NUMBER, PROBE = "demolab", "DEMO_001", "2024-01-15", 1, "probe00"
DEMO_KEY = f"{SUBJECT}/{DATE}/{NUMBER:03d}/{PROBE}"
REVISION = "2024-05-06"
SESSION = Path(LAB) / "Subjects" / SUBJECT / DATE / f"{NUMBER:03d}"
FORMAT = 3
"""Counted up when the same seed makes other files: an older demo in a cache is then not taken for this one."""
MIN_SPIKES, MAX_SPIKES = 1_000, 100_000_000
BYTES_PER_SPIKE = 105
"""Disk space that all three sortings take per spike of the default one, rounded up."""
_STAMP = "demo.json"
_COLLECTIONS = (  # collection, revision, whether it has templates in ibl-sorter's layout too
    (f"alf/{PROBE}/iblsorter", "", False),
    (f"alf/{PROBE}/pykilosort", "", False),
    (f"alf/{PROBE}/pykilosort", REVISION, True),
)
_STEPS = 1000
# Shares of the time that writing takes, by stage, so that one bar runs evenly over all of it.
_DRAW, _WRITE, _AGAIN = 0.40, 0.18, 0.21


class DemoSource(AlfSource):
    """The synthetic insertion; nothing is written before its files are asked for.

    Parameters
    ----------
    cache : Path
        Its files go to ``<cache>/demo/<key>``, where the key tells spikes, seed and format apart.
    n_spikes : int
        Spikes of the default sorting, 1,000 to 100 million.
    seed : int
    progress, cancel
        Used by `fetch_files` where it is given none.

    Raises
    ------
    BadRequest
        `n_spikes` is out of range.
    """

    name = "demo"

    def __init__(
        self,
        cache: Path,
        n_spikes: int = DEMO_SPIKES,
        seed: int = 0,
        *,
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
    ) -> None:
        _check(n_spikes, seed)
        self.n_spikes = n_spikes
        self.seed = seed
        self.folder = Path(cache) / "demo" / f"{n_spikes}-{seed}-{FORMAT}"
        self._progress = progress
        self._cancel = cancel
        self._insertion = InsertionRef(
            SUBJECT, DATE, NUMBER, PROBE, source=self.name, lab=LAB, pid=DEMO_PID, eid=DEMO_EID
        )

    def __repr__(self) -> str:
        return f"DemoSource({str(self.folder)!r})"

    @property
    def session(self) -> Path:
        """Folder of the session; exists once it was written."""
        return self.folder / SESSION

    def insertions(self) -> Iterator[InsertionRef]:
        """Yield the one insertion."""
        yield self._insertion

    def find(self, text: str) -> InsertionRef | None:
        """Return the insertion for ``demo``, its pid, ``eid/probe`` or path, else None."""
        ref = self._insertion
        wanted = text.strip().strip("/").lower()
        names = {self.name, DEMO_PID, DEMO_EID, f"{DEMO_EID}/{PROBE}", ref.session.lower(), ref.key.lower()}
        names |= {f"{SUBJECT}/{DATE}/{NUMBER}".lower(), f"{SUBJECT}/{DATE}/{NUMBER}/{PROBE}".lower()}
        return ref if wanted in names else None

    def datasets(self, insertion: InsertionRef) -> Sequence[DatasetRef]:
        """Return every dataset; sizes are known once the files are written."""
        found = []
        for relative in demo_files():
            path = self.session / relative
            size = path.stat().st_size if path.is_file() else None
            folder, _, name = relative.rpartition("/")
            collection, _, revision = folder.partition("/#")
            parsed = parse_file_name(name, collection, revision.rstrip("#"))
            if parsed is not None:
                found.append(_located(parsed, path, size))
        return found

    def fetch_files(
        self,
        insertion: InsertionRef,
        datasets: Sequence[DatasetRef],
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
        on_partial: PartialCallback = ignore_partial,
    ) -> Mapping[str, Path]:
        """Write the demo where that was not done before, and return the paths of `datasets`.

        Raises
        ------
        Cancelled
            `cancel` was set; nothing is left behind.
        CacheUnusable
            The cache folder cannot be written, or is too small.
        """
        report = self._progress if progress is ignore_progress else progress
        session = write_demo(self.folder, self.n_spikes, self.seed, report, cancel or self._cancel)
        paths = {dataset.relative_path: session / dataset.relative_path for dataset in datasets}
        return {relative: path for relative, path in paths.items() if path.is_file()}

    def raw(self, insertion: InsertionRef) -> RawRecording:
        """Return a minute of synthetic voltage, made when it is read; the demo is written where it was not yet."""
        session = write_demo(self.folder, self.n_spikes, self.seed, self._progress, self._cancel)
        return synthetic_recording(session / _COLLECTIONS[0][0], self.seed)

    def _waveforms(self, ref: SortingRef, datasets: Sequence[DatasetRef], unit: UnitId) -> SingleWaveforms:
        """Return synthetic single spikes of a unit of the default sorting; the others have none."""
        if ref.collection != _COLLECTIONS[0][0] or not isinstance(unit, int):
            return super()._waveforms(ref, datasets, unit)
        return synthetic_waveforms(self.session / ref.collection, self.seed, unit)


def _located(dataset: DatasetRef, path: Path, size: int | None) -> DatasetRef:
    return replace(dataset, path=path, size=size)


def demo_files() -> tuple[str, ...]:
    """Return the path of every file of the demo, relative to its session."""
    files = []
    for collection, revision, long_templates in _COLLECTIONS:
        folder = f"{collection}/#{revision}#" if revision else collection
        files += [f"{folder}/{name}" for name in sorting_files(long_templates)]
    return (*files, *SESSION_FILES)


def write_demo(
    folder: Path,
    n_spikes: int = DEMO_SPIKES,
    seed: int = 0,
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> Path:
    """Write the demo below `folder`, a ONE cache root of its own, unless it is there already.

    Everything is written to a temporary folder beside it, which takes the name at the end: `folder`
    is whole or absent. Two processes that want the same demo write it once.

    Parameters
    ----------
    folder : Path
        New, empty, or written before with the same arguments.
    n_spikes : int
        Spikes of the default sorting, exactly; see `size_for` for what else depends on it.
    seed : int
        The same seed makes the same files.
    progress : callable
    cancel : threading.Event or None

    Returns
    -------
    Path
        The session, ``folder/demolab/Subjects/DEMO_001/2024-01-15/001``.

    Raises
    ------
    BadRequest
        `n_spikes` is out of range, or `folder` holds something else.
    Cancelled
        `cancel` was set; nothing is left behind.
    CacheUnusable
        The folder cannot be written, or the disk is too small.
    """
    _check(n_spikes, seed)
    folder = Path(folder).absolute()
    stamp = {"n_spikes": n_spikes, "seed": seed, "format": FORMAT}
    if _is_written(folder, stamp):
        return folder / SESSION
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        wait = partial(progress, Progress("waiting for another writer", 0, _STEPS))
        with file_lock(folder.with_name(f".{folder.name}.lock"), cancel, wait):
            if _is_written(folder, stamp):
                return folder / SESSION
            _clear_abandoned(folder)
            _check_space(folder, n_spikes)
            scratch = folder.with_name(f"{_prefix(folder)}{uuid.uuid4().hex}")
            try:
                scratch.mkdir()
                started = time.perf_counter()
                _write(scratch, size_for(n_spikes), seed, progress, cancel)
                (scratch / _STAMP).write_text(json.dumps(stamp))
                _check_cancel(cancel)
                _take_name(scratch, folder, stamp)
                log.info("demo of %d spikes written in %.1f s to %s", n_spikes, time.perf_counter() - started, folder)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise CacheUnusable(f"The demo cannot be written ({error.strerror or error})", folder, "Set --cache") from error
    return folder / SESSION


def _write(root: Path, size: Size, seed: int, progress: ProgressCallback, cancel: threading.Event | None) -> None:
    """Write every file of the demo below `root`."""
    session = root / SESSION
    base = 0.0

    def reporter(share: float) -> Callable[[str, float], None]:
        """Return a report of one stage, which takes `share` of the whole."""
        start = base
        return lambda stage, part: progress(Progress(stage, round(_STEPS * (start + share * part)), _STEPS))

    channels = make_channels()
    behaviour = make_behaviour(size.duration_s, np.random.default_rng([seed, 0]))
    events = make_events(behaviour, np.random.default_rng([seed, 1]))
    units = plan_units(size, np.random.default_rng([seed, 2]))
    motion = make_motion(size.duration_s, np.random.default_rng([seed, 5]))
    tracks = make_tracks(size.duration_s, behaviour, np.random.default_rng([seed, 3]))
    report = reporter(_DRAW)
    trains = draw_trains(
        units, size, tracks, events, motion, seed, lambda n: report("drawing spikes", n / len(units)), cancel
    )
    default = default_sorting(units, trains, np.random.default_rng([seed, 9]))
    write_session(session, behaviour, channels, size.duration_s, np.random.default_rng([seed, 10]))
    base += _DRAW
    uuids = np.random.default_rng([seed, 11])
    write_sorting(session / _COLLECTIONS[0][0], default, channels, motion, uuids, reporter(_WRITE), cancel)
    base += _WRITE

    n_own = max(3, round(0.045 * size.n_units))
    own_size = Size(round(0.035 * size.n_spikes), n_own, size.duration_s)
    own_units = plan_units(own_size, np.random.default_rng([seed, 12]))
    own_trains = draw_trains(own_units, own_size, tracks, events, motion, seed + 1_000_003, lambda n: None, cancel)
    own = default_sorting(own_units, own_trains, np.random.default_rng([seed, 13]))
    for collection, revision, long_templates in _COLLECTIONS[1:]:
        target = session / collection / f"#{revision}#" if revision else session / collection
        other = resort(default, own, channels, seed, bool(revision), reporter(_AGAIN * 0.4), cancel)
        base += _AGAIN * 0.4
        write_sorting(target, other, channels, motion, uuids, reporter(_AGAIN * 0.6), cancel, long_templates)
        base += _AGAIN * 0.6


def _check(n_spikes: int, seed: int) -> None:
    if not MIN_SPIKES <= n_spikes <= MAX_SPIKES:
        raise BadRequest(f"A demo of {counted(n_spikes, 'spike')}", "", f"Ask for {MIN_SPIKES:,} to {MAX_SPIKES:,}")
    if seed < 0:
        raise BadRequest(f"A demo with seed {seed}", "", "Seeds are 0 or above")


def _is_written(folder: Path, stamp: Mapping[str, int]) -> bool:
    """Whether the demo is there: its stamp says so, and it took its name with everything in it.

    Raises
    ------
    BadRequest
        The folder holds something else.
    """
    try:
        found = json.loads((folder / _STAMP).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        found = None
    if found == stamp and (folder / SESSION).is_dir():
        return True
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise BadRequest("The folder is in use for something else", folder, "Give a new one for the demo")
    return False


def _take_name(scratch: Path, folder: Path, stamp: Mapping[str, int]) -> None:
    """Rename the finished demo; where somebody was faster, theirs stays."""
    try:
        scratch.replace(folder)
    except OSError:
        if not _is_written(folder, stamp):
            raise


def _check_cancel(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled("The demo was not written")


def _prefix(folder: Path) -> str:
    return f".{folder.name}."


def _clear_abandoned(folder: Path) -> None:
    """Remove what writers left that were killed: whoever holds the lock knows that none is at work."""
    for path in folder.parent.iterdir():
        if path.name.startswith(_prefix(folder)) and path.is_dir():
            log.warning("removing an unfinished demo: %s", path)
            shutil.rmtree(path, ignore_errors=True)


def _check_space(folder: Path, n_spikes: int) -> None:
    free = shutil.disk_usage(folder.parent).free
    if free < n_spikes * BYTES_PER_SPIKE:
        need = f"{n_spikes * BYTES_PER_SPIKE / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
        raise CacheUnusable(f"The demo takes {need}", folder, "Make room, set --cache, or ask for fewer --spikes")


def configured(settings: Settings, default: bool) -> list[Source]:
    """Return the demo, which is always there."""
    return [DemoSource(settings.cache, n_spikes=settings.spikes)]


def problems(cache: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files of demos in a cache that are not whole, and why."""
    for path in sorted((cache / "demo").glob("**/*.npy")):
        if why := why_not_whole(path):
            yield path, why

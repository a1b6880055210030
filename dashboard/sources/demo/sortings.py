"""The demo's sortings: the default one, and what another sorter makes of the same recording."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dashboard.sources.demo.channels import Channels, nearest_channels
from dashboard.sources.demo.files import SPIKE_DTYPES, write_channels, write_clusters, write_drift, write_spikes
from dashboard.sources.demo.metrics import measure
from dashboard.sources.demo.motion import Motion
from dashboard.sources.demo.spikes import Trains, empty_trains, run_tasks
from dashboard.sources.demo.templates import Shape, draw_shape, draw_templates, write_long_templates, write_templates
from dashboard.sources.demo.units import Unit

JITTER_SAMPLES = 9
"""Largest difference between two sorters' times of one spike: 0.3 ms."""
N_WITHOUT_DEPTH = 42
"""Spikes of the original pykilosort sorting whose depth is NaN, as it happens in real ones."""
SHARES = {"absent": 0.27, "merged": 0.06, "split": 0.05}
"""What becomes of a unit of the default sorting in the other one; the rest are found again."""

_CLUSTER_FILES = (
    *(f"spikes.{name}.npy" for name in SPIKE_DTYPES),
    "passingSpikes.table.pqt",
    "clusters.channels.npy",
    "clusters.depths.npy",
    "clusters.amps.npy",
    "clusters.peakToTrough.npy",
    "clusters.uuids.csv",
    "clusters.metrics.pqt",
    "channels.localCoordinates.npy",
    "channels.rawInd.npy",
    "channels.mlapdv.npy",
    "channels.brainLocationIds_ccf_2017.npy",
    "channels.labels.npy",
    "drift.times.npy",
    "drift.um.npy",
    "drift_depths.um.npy",
)
_TEMPLATE_FILES = ("clusters.waveforms.npy", "clusters.waveformsChannels.npy")
_LONG_TEMPLATE_FILES = ("waveforms.templates.npy", "waveforms.channels.npz")

Report = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Sorting:
    """A sorting before it is written.

    Attributes
    ----------
    trains : Trains
    at_um : ndarray, shape (n_clusters, 2), float64
        Lateral and axial position of each unit.
    peaks : ndarray, shape (n_clusters,), int64
        Channel of the largest amplitude.
    shapes : tuple of Shape
    """

    trains: Trains
    at_um: npt.NDArray[np.float64]
    peaks: npt.NDArray[np.int64]
    shapes: tuple[Shape, ...]


def sorting_files(long_templates: bool) -> tuple[str, ...]:
    """Return the names of the files that `write_sorting` writes."""
    return (*_CLUSTER_FILES, *_TEMPLATE_FILES, *(_LONG_TEMPLATE_FILES if long_templates else ()))


def default_sorting(units: Sequence[Unit], trains: Trains, rng: np.random.Generator) -> Sorting:
    """Return the default sorting: one cluster per planned unit.

    Parameters
    ----------
    units : sequence of Unit
    trains : Trains
        What `draw_trains` made of them.
    rng : numpy.random.Generator
        Draws the waveform shapes.
    """
    return Sorting(
        trains,
        np.array([[unit.lateral_um, unit.depth_um] for unit in units]),
        np.array([unit.channel for unit in units], dtype=np.int64),
        tuple(draw_shape(rng) for _ in units),
    )


def write_sorting(
    folder: Path,
    sorting: Sorting,
    channels: Channels,
    motion: Motion,
    rng: np.random.Generator,
    report: Report,
    cancel: threading.Event | None = None,
    long_templates: bool = False,
) -> None:
    """Write every file of a sorting; its metrics are measured on its spikes.

    Parameters
    ----------
    folder : Path
        The collection or revision folder, made where it is missing.
    sorting : Sorting
    channels : Channels
    motion : Motion
    rng : numpy.random.Generator
        Draws the uuids.
    report : callable
        Called with what is being done and the share of it that is, 0 .. 1.
    cancel : threading.Event or None
    long_templates : bool
        Whether the templates are there in ibl-sorter's layout too.

    Raises
    ------
    Cancelled
        `cancel` was set.
    OSError
        The disk is full or not writable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trains = sorting.trains
    n = trains.n_clusters
    metrics = measure(trains, lambda done: report("measuring units", 0.4 * done / n), cancel)
    good = metrics["label"].to_numpy() == 1
    write_spikes(folder, trains, good, lambda done: report("writing spikes", 0.4 + 0.55 * done / len(trains)), cancel)
    amps = np.array([np.mean(trains.amps_v[trains.of(u)], dtype=np.float64) for u in range(n)])
    write_clusters(folder, metrics, sorting.peaks, amps, channels, rng)
    write_channels(folder, channels)
    write_drift(folder, motion)
    places = (sorting.shapes, sorting.at_um, sorting.peaks, amps, channels)
    write_templates(folder, *draw_templates(*places))
    if long_templates:
        write_long_templates(folder, *draw_templates(*places, long=True))
    report("writing spikes", 1.0)


def resort(
    default: Sorting,
    extra: Sorting,
    channels: Channels,
    seed: int,
    revised: bool,
    report: Report,
    cancel: threading.Event | None = None,
) -> Sorting:
    """Return what another sorter finds in the same recording.

    Most units are found again (most of their spikes, within 0.3 ms, with slightly other depths and
    amplitudes), some are missed, merged with a neighbour or split by amplitude; `extra` are units
    that only this sorter has.

    Parameters
    ----------
    default, extra : Sorting
    channels : Channels
    seed : int
    revised : bool
        The revision: one unit in twelve has another fate than in the original, every depth is known.
    report : callable
    cancel : threading.Event or None

    Returns
    -------
    Sorting
        Clusters ordered by channel.
    """
    rng = np.random.default_rng([seed, 6, int(revised)])
    parts = _fates(default, seed, revised) + [_Part((u,), extra=True) for u in range(extra.trains.n_clusters)]
    found: list[_Found | None] = [None] * len(parts)

    def work(i: int) -> None:
        own = np.random.default_rng([seed, 7, int(revised), i])
        found[i] = _find_again(extra if parts[i].extra else default, parts[i], own)

    run_tasks(
        [partial(work, i) for i in range(len(parts))], lambda done: report("sorting again", done / len(parts)), cancel
    )
    whole = [item for item in found if item is not None and item.samples.size]
    at_um = np.array([item.at_um for item in whole])
    peaks = nearest_channels(at_um, channels)
    order = np.lexsort((at_um[:, 1], peaks))
    ordered = [whole[i] for i in order]
    trains = empty_trains([item.samples.size for item in ordered])
    for row, item in enumerate(ordered):
        place = trains.of(row)
        trains.samples[place], trains.depths_um[place] = item.samples, item.depths_um
        trains.amps_v[place] = item.amps_v
    if not revised:
        trains.depths_um[rng.choice(len(trains), N_WITHOUT_DEPTH, replace=False)] = np.nan
    return Sorting(trains, at_um[order], peaks[order], tuple(item.shape for item in ordered))


@dataclass(frozen=True, slots=True)
class _Part:
    """A cluster of the other sorting: the units it came from, and which half of a split one."""

    units: tuple[int, ...]
    half: int | None = None
    extra: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    samples: npt.NDArray[np.int32]
    depths_um: npt.NDArray[np.float32]
    amps_v: npt.NDArray[np.float32]
    at_um: npt.NDArray[np.float64]
    shape: Shape


def _fates(default: Sorting, seed: int, revised: bool) -> list[_Part]:
    """Decide which clusters the other sorter makes of the units."""
    n = default.trains.n_clusters
    rng = np.random.default_rng([seed, 8])
    names, odds = list(SHARES), list(SHARES.values())
    fate, again = rng.choice([*names, "found"], (2, n), p=[*odds, 1 - sum(odds)])
    changes = rng.random(n) < 1 / 12
    if revised:
        fate = np.where(changes, again, fate)
    parts: list[_Part] = []
    taken = np.zeros(n, dtype=bool)
    for u in range(n):
        if taken[u] or fate[u] == "absent":
            continue
        if fate[u] == "merged" and u + 1 < n and not taken[u + 1]:
            taken[u + 1] = True
            parts.append(_Part((u, u + 1)))
        elif fate[u] == "split" and default.trains.offsets[u + 1] - default.trains.offsets[u] > 100:
            parts += [_Part((u,), half=0), _Part((u,), half=1)]
        else:
            parts.append(_Part((u,)))
    return parts


def _find_again(source: Sorting, part: _Part, rng: np.random.Generator) -> _Found:
    """Return one cluster of the other sorting."""
    trains = source.trains
    columns = [(trains.samples[s], trains.depths_um[s], trains.amps_v[s]) for s in map(trains.of, part.units)]
    samples, depths, amps = (np.concatenate(column) for column in zip(*columns, strict=True))
    keep = rng.random(samples.size, dtype=np.float32) < rng.uniform(0.88, 0.985)
    if part.half is not None:
        # Both halves draw the same noise about the border, so that no spike is in both.
        border = np.random.default_rng(part.units[0]).normal(1.0, 0.04, samples.size) * np.median(amps)
        keep &= (amps < border) if part.half == 0 else (amps >= border)
    samples, depths, amps = samples[keep], depths[keep], amps[keep]
    shift = np.rint(rng.normal(0.0, 2.0, samples.size)).astype(np.int32)
    samples = np.maximum(samples + np.clip(shift, -JITTER_SAMPLES, JITTER_SAMPLES), 0)
    order = np.argsort(samples, kind="stable")
    offset = np.array([rng.normal(0.0, 2.0), rng.normal(0.0, 3.0)])
    depths = depths + np.float32(offset[1]) + rng.standard_normal(depths.size, dtype=np.float32) * np.float32(2.0)
    gain = rng.normal(1.0, 0.04) * (1 + 0.006 * rng.standard_normal(amps.size, dtype=np.float32))
    weights = [size.stop - size.start for size in map(trains.of, part.units)]
    at = np.average(source.at_um[list(part.units)], axis=0, weights=weights) + offset
    at[1] = np.clip(at[1], 6.0, 3836.0)
    return _Found(
        samples[order],
        np.clip(depths, 0.5, 3859.5)[order].astype(np.float32),
        (amps * gain)[order].astype(np.float32),
        at,
        source.shapes[part.units[int(np.argmax(weights))]],
    )

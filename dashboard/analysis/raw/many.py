"""Single spikes of a unit laid over each other: out of ``waveforms.traces``, else cut out of the raw recording."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.analysis.raw.snippet import cut, file_columns, spike_samples
from dashboard.analysis.units.templates import unit_template
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.count.few_units import unit_rows
from dashboard.model.errors import BadRequest, Cancelled, DatasetMissing
from dashboard.model.raw import SingleWaveforms
from dashboard.model.sorting import SpikeSorting

BEFORE, N_SAMPLES = 42, 128
"""Samples before the spike's own, and in all: those of ``waveforms.traces``."""

MAX_CHANNELS = 10
N_SINGLES = 50
"""Single spikes that stand beside a template, chosen at random."""
REACH_UM = 100.0
"""Channels this far above and below the peak are cut out."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ManySpikes:
    """Spikes of a unit on the channels where it is largest, the lowest first.

    Attributes
    ----------
    uv : ndarray, shape (n_spikes, n_channels, n_samples), float32
        NaN where a spike has no such channel.
    mean_uv : ndarray, shape (n_channels, n_samples)
    template_uv : ndarray, shape (n_channels, n_samples), or None
        Of the sorting, its trough at that of the spikes; NaN where it has no such channel.
    times_ms : ndarray, shape (n_samples,)
        From the spike.
    columns : ndarray, shape (n_channels,), int64
        Of the file.
    depths_um : ndarray, shape (n_channels,)
    unit : UnitId
    unit_of_uv : str
        ``µV``, or ``bit`` where no file says what a bit is.
    source : str
        In words.
    n_all : int
        Spikes that there were to choose from.
    why_no_template : str
    """

    uv: Floats
    mean_uv: Floats
    template_uv: Floats | None
    times_ms: npt.NDArray[np.float64]
    columns: npt.NDArray[np.int64]
    depths_um: npt.NDArray[np.float64]
    unit: int | str
    unit_of_uv: str
    source: str
    n_all: int
    why_no_template: str


def many_spikes(
    sorting: SpikeSorting,
    columns: SpikeColumns,
    unit: int,
    n: int,
    step: str,
    cancel: threading.Event | None = None,
) -> ManySpikes:
    """Return up to `n` spikes of a unit, chosen at random, the same ones each time.

    Parameters
    ----------
    sorting : SpikeSorting
    columns : SpikeColumns
    unit : int
        Index.
    n : int
    step : str
        What is done to the raw voltage; ``waveforms.traces`` are as they were extracted. Empty: the raw voltage is not
        read.
    cancel : threading.Event or None

    Raises
    ------
    DashboardError
        Neither single waveforms nor raw data can be read, or the unit's channel is not known.
    Cancelled
        `cancel` was set.
    """
    unit_of_uv = "µV"
    try:
        found = sorting.waveforms(sorting.units.of(unit))
        n_all = len(found.samples)
        said = f"{found.source}, as they were extracted"
    except (DatasetMissing, BadRequest):
        if not step:
            raise
        found, n_all, said, unit_of_uv = _cut(sorting, columns, unit, n, step, cancel)
    rows = _chosen(len(found.samples), n)
    own, uv = _common(found.columns[rows], found.volts[rows] * np.float32(1e6))
    with np.errstate(invalid="ignore"):
        mean = np.nanmean(uv, axis=0)
    places = _places(sorting, own)
    largest = np.argsort(-np.ptp(mean, axis=1), kind="stable")[:MAX_CHANNELS]
    order = largest[np.lexsort((places[largest, 0], places[largest, 1]))]
    template, why = _template(sorting, columns, unit, places[order], found.trough, mean.shape[1])
    return ManySpikes(
        uv[:, order], mean[order], template, (np.arange(mean.shape[1]) - found.trough) / found.fs_hz * 1e3, own[order],
        places[order, 1], sorting.units.of(unit), unit_of_uv, said, n_all, why,
    )  # fmt: skip


def _chosen(n_all: int, n: int) -> npt.NDArray[np.int64]:
    if n_all <= n:
        return np.arange(n_all)
    return np.sort(np.random.default_rng(0).choice(n_all, n, replace=False))


def _cut(
    sorting: SpikeSorting, spikes: SpikeColumns, unit: int, n: int, step: str, cancel: threading.Event | None
) -> tuple[SingleWaveforms, int, str, str]:
    """Cut spikes out of the raw recording."""
    recording = sorting.raw
    band = recording.band("ap")
    named = sorting.units.of(unit)
    own = file_columns(sorting.channels)
    peak = sorting.clusters["channels"].iloc[unit] if "channels" in sorting.clusters else -1
    if not 0 <= peak < len(own) or not np.isfinite(own[int(peak)]):
        raise BadRequest(f"The channel of unit {named} is not known", "", "Choose another unit")
    column = int(own[int(peak)])
    sites = band.sites
    near = (np.abs(sites.y_um - sites.y_um[column]) <= REACH_UM) & (sites.shank == sites.shank[column])
    wanted = np.flatnonzero(near)
    rows = unit_rows(spikes, unit).astype(np.int64)
    samples = np.rint(spike_samples(sorting, spikes, recording, rows)[0]).astype(np.int64)
    samples = samples[(samples >= BEFORE) & (samples + N_SAMPLES - BEFORE <= band.n_samples)]
    if not len(samples):
        raise BadRequest(f"Unit {named} has no spike in the raw file", band.path, "Choose another unit")
    chosen = samples[_chosen(len(samples), n)]
    volts = np.empty((len(chosen), len(wanted), N_SAMPLES), np.float32)
    words = ""
    for k, sample in enumerate(chosen.tolist()):
        if cancel is not None and cancel.is_set():
            raise Cancelled
        ends = recording.times_at("ap", [sample - BEFORE, sample - BEFORE + N_SAMPLES - 1])
        snippet = cut(recording, float(ends[0]), float(ends[1]), "ap", step)
        volts[k], words = snippet.volts[wanted], snippet.filtered
    unit_of_uv = "µV" if band.unit == "V" else "bit"
    columns = np.broadcast_to(wanted, (len(chosen), len(wanted)))
    said = f"{band.path.name}, {words}{f'. {band.note}' if band.note else ''}"
    return SingleWaveforms(volts, columns, chosen, BEFORE, band.fs_hz, said), len(samples), said, unit_of_uv


def _common(columns: npt.NDArray[np.int64], uv: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the columns that at least half of the spikes have, and the spikes on them."""
    known, counts = np.unique(columns[columns >= 0], return_counts=True)
    kept = known[counts >= len(columns) / 2]
    placed = np.full((len(uv), len(kept), uv.shape[2]), np.nan, np.float32)
    for k, own in enumerate(columns):
        at = np.searchsorted(kept, own)
        inside = (at < len(kept)) & (kept[np.minimum(at, len(kept) - 1)] == own)
        placed[k, at[inside]] = uv[k, inside]
    return kept, placed


def _places(sorting: SpikeSorting, columns: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return lateral and axial position of columns of the file, in um; counted up where they are not known."""
    places = np.column_stack([np.zeros(len(columns)), columns.astype(np.float64)])
    if {"axial_um", "lateral_um"} <= set(sorting.channels):
        own = file_columns(sorting.channels)
        rows = {int(column): row for row, column in enumerate(own) if np.isfinite(column)}
        table = sorting.channels[["lateral_um", "axial_um"]].to_numpy(np.float64)
        for k, column in enumerate(columns.tolist()):
            if column in rows:
                places[k] = table[rows[column]]
    return places


def _template(
    sorting: SpikeSorting, columns: SpikeColumns, unit: int, places: npt.NDArray[np.float64], trough: int, n: int
) -> tuple[Floats | None, str]:
    """Return the sorting's template on the same channels, its trough at the spikes', or why there is none."""
    if not sorting.amps_are_volts:
        return None, "it is not in volts"
    picture, why = unit_template(sorting, columns, unit)
    if picture is None:
        return None, why
    found = np.full((len(places), n), np.nan, np.float32)
    peak: Any = picture.waveforms_uv[picture.is_peak][0]
    shift = trough - int(np.abs(peak).argmax())
    known = {place: row for row, place in enumerate(zip(picture.lateral_um, picture.axial_um, strict=True))}
    first, end = max(shift, 0), min(shift + picture.waveforms_uv.shape[1], n)
    for k, place in enumerate(map(tuple, places)):
        if (row := known.get(place)) is not None and end > first:
            found[k, first:end] = picture.waveforms_uv[row, first - shift : end - shift]
    return (found, "") if np.isfinite(found).any() else (None, "it is on other channels")

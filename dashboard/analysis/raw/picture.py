"""A snippet of raw voltage as it is drawn: channels in view by depth, and the spikes in it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.computed import Computed, compute_all
from dashboard.analysis.raw.lf_picture import SCALE_QUANTILE, LfPicture
from dashboard.analysis.raw.snippet import Snippet, cut, displayed_rows, file_columns, spike_samples
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.model.errors import Cancelled
from dashboard.model.raw import RawRecording
from dashboard.model.sorting import SpikeSorting

MIN_ROWS = 8
BEYOND_S = 0.05
"""Spikes this far outside by their session times are looked at: their samples may lie inside."""
MAX_COLUMNS = 3_000
"""Of a picture: of more samples the one farthest from zero in each column of pixels is shown."""


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Spikes in a snippet, of the units that pass the filters.

    Attributes
    ----------
    times_s : ndarray, shape (n,)
        Session times of the samples that they lie on.
    placed_by : str
        ``spikes.samples``, or ``session times`` where the sorting has none that could be read.
    rows : ndarray, shape (n,)
        Row of the picture of the unit's peak channel.
    units : ndarray, shape (n,), int64
        Indexes.
    n_elsewhere : int
        Spikes of these units whose channel is not in view, or not known.
    """

    times_s: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]
    units: npt.NDArray[np.int64]
    n_elsewhere: int
    placed_by: str


@dataclass(frozen=True, eq=False)
class SnippetPicture:
    """A snippet as it is drawn; marks, regions and what is made of LF fail where they are read.

    Attributes
    ----------
    snippet : Snippet
    uv : ndarray, shape (n_rows, n_columns), float32
        Channels in view, the lowest first.
    columns : ndarray, shape (n_rows,), int64
        Columns of the file.
    depths_um : ndarray, shape (n_rows,)
    scale_uv : float
        What the colours end at with a gain of 0 dB.
    n_pooled : int
        Samples in a column of the picture.
    recording : RawRecording
    sorting : SpikeSorting
    spikes : SpikeColumns
    keep : ndarray, shape (n_units,), bool, or None
        Units whose spikes are marked; None: all.
    selected : tuple of int
        Indexes of units that are marked in any case.
    """

    snippet: Snippet
    uv: npt.NDArray[np.float32]
    columns: npt.NDArray[np.int64]
    depths_um: npt.NDArray[np.float64]
    scale_uv: float
    n_pooled: int
    recording: RawRecording
    sorting: SpikeSorting = field(repr=False)
    spikes: SpikeColumns = field(repr=False)
    keep: npt.NDArray[np.bool_] | None = None
    selected: tuple[int, ...] = ()

    @Computed
    def regions(self) -> tuple[str, ...]:
        """Acronym of each row; empty where it is not known."""
        return _regions(self.sorting, self.columns)

    @Computed
    def marks(self) -> Marks:
        """Spikes in the snippet."""
        return _marks(
            self.sorting, self.spikes, self.recording, self.keep, self.selected, self.snippet, self.columns
        )  # fmt: skip

    @Computed
    def lf(self) -> LfPicture | None:
        """Current sources and power; of the band ``lf`` only."""
        if self.snippet.band.name != "lf":
            return None
        found = LfPicture(self.recording, self.snippet, self.columns, self.depths_um, float(self.depths_um.mean()))
        compute_all(found)
        return found


def snippet_picture(
    sorting: SpikeSorting,
    columns: SpikeColumns,
    at_s: float,
    width_s: float,
    band: str,
    step: str,
    depth_range: tuple[float, float],
    keep: npt.NDArray[np.bool_] | None = None,
    selected: tuple[int, ...] = (),
    cancel: threading.Event | None = None,
) -> SnippetPicture:
    """Cut a snippet around a time, filter it, and find the spikes in it.

    Parameters
    ----------
    sorting : SpikeSorting
    columns : SpikeColumns
    at_s, width_s : float
        Middle and length, in s of the session.
    band, step : str
        As of `dashboard.analysis.raw.snippet.cut`.
    depth_range : (float, float)
        In um; where it holds fewer than `MIN_ROWS` channels, those nearest to its middle are taken.
    keep : ndarray, shape (n_units,), bool, or None
        Units whose spikes are marked; None: all.
    selected : tuple of int
        Indexes of units that are marked in any case.
    cancel : threading.Event or None

    Raises
    ------
    DashboardError
        There are no raw data, or not there, or they are damaged.
    Cancelled
        `cancel` was set.
    """
    recording = sorting.raw
    snippet = cut(recording, at_s - width_s / 2, at_s + width_s / 2, band, step)
    if cancel is not None and cancel.is_set():
        raise Cancelled
    rows, depths = displayed_rows(recording, sorting.channels, snippet.band)
    low, high = depth_range
    inside = (depths >= low) & (depths <= high)
    if inside.sum() < MIN_ROWS:
        inside = np.zeros(len(rows), np.bool_)
        inside[np.argsort(np.abs(depths - (low + high) / 2), kind="stable")[:MIN_ROWS]] = True
    rows, depths = rows[inside], depths[inside]
    uv = snippet.volts[rows] * np.float32(1e6)
    scale = float(np.quantile(np.abs(uv), SCALE_QUANTILE)) or 1.0
    n_pooled = -(-uv.shape[1] // MAX_COLUMNS)
    picture = SnippetPicture(
        snippet, farthest(uv, n_pooled), rows, depths, scale, n_pooled, recording, sorting, columns, keep, selected
    )  # fmt: skip
    compute_all(picture)
    return picture


def farthest(uv: npt.NDArray[Any], n: int) -> npt.NDArray[Any]:
    """Return of each `n` samples the one farthest from zero."""
    if n == 1:
        return uv
    padded = np.pad(uv, ((0, 0), (0, -uv.shape[1] % n)), mode="edge").reshape(len(uv), -1, n)
    return np.take_along_axis(padded, np.abs(padded).argmax(axis=2)[..., np.newaxis], axis=2)[..., 0]


def _regions(sorting: SpikeSorting, rows: npt.NDArray[np.int64]) -> tuple[str, ...]:
    channels = sorting.channels
    if "acronym" not in channels:
        return ("",) * len(rows)
    named = dict(zip(file_columns(channels).tolist(), channels["acronym"].astype(str), strict=True))
    return tuple(named.get(float(row), "") for row in rows)


def _marks(
    sorting: SpikeSorting,
    columns: SpikeColumns,
    recording: RawRecording,
    keep: npt.NDArray[np.bool_] | None,
    selected: tuple[int, ...],
    snippet: Snippet,
    rows: npt.NDArray[np.int64],
) -> Marks:
    """Return the spikes in a snippet, on the unit's peak channel: at their samples, else at their session times."""
    first, end = np.searchsorted(columns.times_s, snippet.times_s[[0, -1]] + np.array([-BEYOND_S, BEYOND_S]))
    found = np.arange(first, end)
    units = np.asarray(columns.clusters[first:end], np.int64)
    if keep is not None:
        kept = keep[units] | np.isin(units, selected)
        units, found = units[kept], found[kept]
    samples, placed_by = spike_samples(sorting, columns, recording, found)
    samples = np.rint(recording.of_ap(snippet.band.name, samples))
    inside = (samples >= snippet.first) & (samples < snippet.first + snippet.volts.shape[1])
    units, samples = units[inside], samples[inside]
    at = _rows_of_units(sorting, columns, rows)[units] if len(units) else np.zeros(0, np.int64)
    seen = at >= 0
    placed = recording.times_at(snippet.band.name, samples[seen])
    return Marks(placed, at[seen], units[seen], int((~seen).sum()), placed_by)


def _rows_of_units(sorting: SpikeSorting, spikes: SpikeColumns, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the row of each unit's peak channel, -1 where it is not in view or not known."""
    clusters, columns = sorting.clusters, file_columns(sorting.channels)
    found = np.full(max(spikes.n_clusters, len(clusters)), -1, np.int64)
    if "channels" not in clusters:
        return found
    channels = pd.to_numeric(clusters["channels"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    known = np.isfinite(channels) & (channels >= 0) & (channels < len(columns))
    own = np.full(len(clusters), np.nan)
    own[known] = columns[channels[known].astype(np.int64)]
    row_of = {int(column): row for row, column in enumerate(rows)}
    found[: len(own)] = [row_of.get(int(column), -1) if np.isfinite(column) else -1 for column in own]
    return found

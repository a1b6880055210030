"""Mean waveforms, in any of the three layouts of real insertions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model.errors import DatasetInvalid
from dashboard.model.references import SortingRef
from dashboard.model.sorting import Missing, Templates
from dashboard.model.texts import counted
from dashboard.sources.alf.arrays import map_array, read_archive, read_table
from dashboard.sources.alf.choose import TEMPLATES, WAVEFORM_TABLE
from dashboard.sources.readers import FREE_BYTES, MAX_RATIO

MAX_TEMPLATE_V = 0.01
"""From peak to peak; see `_in_volts`."""
# The layout in which samples are the last axis on disk.
_SAMPLES_LAST = "waveforms.templates"


def load_templates(
    ref: SortingRef, n_clusters: int, channels_table: pd.DataFrame | None = None, ids: Sequence[Any] = ()
) -> tuple[Templates | None, tuple[Missing, ...]]:
    """Return the templates of a sorting, or why there are none.

    Parameters
    ----------
    ref : SortingRef
        Its datasets have paths.
    n_clusters : int
        Rows of the clusters object.
    channels_table : DataFrame or None
        The channels object: waveforms of as many channels need no file that says which; its ``rawInd`` names the
        columns of the raw file that a ``waveforms.channels`` with a row for each waveform holds.
    ids : sequence
        Of the units by their index, for such a file.

    Returns
    -------
    templates : Templates or None
        Memory-mapped where the file is a ``.npy``; ``waveforms.templates`` is (templates, channels,
        samples) on disk (``ibldsp.waveform_extraction``) and turned, without a copy.
    missing : tuple of Missing

    Raises
    ------
    DatasetInvalid
        A file is damaged, or its channels do not fit its waveforms.
    """
    n_channels = 0 if channels_table is None else len(channels_table)
    for name, channels_name in TEMPLATES:
        waves, chans = ref.datasets.get(name), ref.datasets.get(channels_name)
        if waves is None or waves.path is None:
            continue
        waveforms = _array(waves.path, name)
        is_whole = False
        if chans is not None and chans.path is not None:
            channels = _array(chans.path, channels_name)
        elif waveforms.ndim == 3 and n_channels and waveforms.shape[2] == n_channels:
            channels = np.broadcast_to(np.arange(n_channels), (len(waveforms), n_channels))  # on all channels
            is_whole = True
        else:
            return None, (Missing("templates", f"{name} without {channels_name}"),)
        paths = [d.path for d in (waves, chans) if d is not None and d.path is not None]
        if waveforms.ndim == 3 and name == _SAMPLES_LAST:
            waveforms = np.swapaxes(waveforms, 1, 2)
        if waveforms.dtype.kind not in "iuf" or channels.dtype.kind not in "iuf":
            what = f"{name} should hold numbers, and {channels_name} too"
            raise DatasetInvalid(what, paths, "Fetch them again")
        if is_whole:
            waveforms = _in_volts(waveforms)
        table = ref.datasets.get(WAVEFORM_TABLE)
        if name == _SAMPLES_LAST and waveforms.ndim == 3 and len(channels) != len(waveforms) and channels.ndim == 2:
            if table is None or table.path is None or channels_table is None:
                return None, (
                    Missing("templates", f"{channels_name} has a row for each waveform, without {WAVEFORM_TABLE}"),
                )
            waveforms, channels = _of_units(waveforms, channels, table.path, channels_table, ids)
        if waveforms.ndim != 3 or channels.shape != (waveforms.shape[0], waveforms.shape[2]):
            what = f"{channels_name} is of shape {channels.shape} for waveforms of shape {waveforms.shape}"
            raise DatasetInvalid(what, paths, "Fetch them again")
        if channels.dtype.kind not in "iu":
            # older files hold float channels with NaN where a template has fewer of them
            channels = np.where(np.isfinite(channels), channels, -1).astype(np.int64)
        if len(waveforms) < n_clusters and not name.startswith("templates."):
            reason = f"{name} has {counted(len(waveforms), 'row')} for {counted(n_clusters, 'cluster')}"
            return None, (Missing("templates", reason),)
        return Templates(waveforms, channels, name), ()
    return None, (Missing("templates", "no templates.waveforms, clusters.waveforms or waveforms.templates"),)


def _in_volts(waveforms: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return waveforms on all channels in volts: SpikeInterface's ``export_to_ibl_gui`` writes them in uV.

    Those whose largest channel goes over more than `MAX_TEMPLATE_V`, in the median over some units, cannot be volts.
    """
    some = np.asarray(waveforms[:64], np.float64)
    largest = np.ptp(some, axis=1).max(axis=1) if some.size else np.zeros(0)
    fired = largest[np.isfinite(largest) & (largest > 0)]
    return waveforms * np.float32(1e-6) if len(fired) and np.median(fired) > MAX_TEMPLATE_V else waveforms


def _of_units(
    waveforms: npt.NDArray[Any],
    channels: npt.NDArray[Any],
    table: Path,
    channels_table: pd.DataFrame,
    ids: Sequence[Any],
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return templates with a row for each unit, and the rows of the channels object that they are on.

    ``ibldsp.waveform_extraction`` writes a template for each unit that it cut waveforms of, in the order of their ids,
    and for each waveform the columns of the raw file that it is on; those of its first waveform are its template's.

    Raises
    ------
    DatasetInvalid
        The files do not belong together.
    """
    rows = read_table(table)
    if "cluster" not in rows or len(rows) != len(channels):
        raise DatasetInvalid(f"Is not the table of {counted(len(channels), 'waveform')}", [table], "Fetch it again")
    units, first = np.unique(rows["cluster"].to_numpy(), return_index=True)
    if len(waveforms) != len(units):
        what = f"Names {counted(len(units), 'unit')}, for {counted(len(waveforms), 'template')}"
        raise DatasetInvalid(what, [table], "Fetch waveforms.table, .channels and .templates again")
    columns = channels_table["rawInd"].to_numpy() if "rawInd" in channels_table else np.arange(len(channels_table))
    row_of = {int(column): row for row, column in enumerate(columns) if np.isfinite(column)}
    index_of = {unit: index for index, unit in enumerate(ids)}
    if 4 * len(ids) * math.prod(waveforms.shape[1:]) > max(FREE_BYTES, MAX_RATIO * waveforms.nbytes):
        what = f"Names {counted(len(units), 'unit')} of the {len(ids):,} of the sorting"
        raise DatasetInvalid(what, [table], "Fetch waveforms.table, .channels and .templates again")
    placed = np.full((len(ids), *waveforms.shape[1:]), np.nan, np.float32)
    on = np.full((len(ids), channels.shape[1]), -1, np.int64)
    for k, unit in enumerate(units.tolist()):
        if (index := index_of.get(unit)) is not None:
            placed[index] = waveforms[k]
            on[index] = [row_of.get(int(c), -1) if np.isfinite(c) else -1 for c in channels[first[k]]]
    return placed, on


def _array(path: Path, name: str) -> npt.NDArray[Any]:
    if path.suffix != ".npz":
        return map_array(path)
    arrays = read_archive(path)
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    wanted = name.partition(".")[2]
    if wanted in arrays:
        return arrays[wanted]
    raise DatasetInvalid(f"Holds arrays {', '.join(arrays)}, and none called {wanted}", [path], "Fetch it again")

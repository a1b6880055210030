"""A unit's mean waveforms on the channels around their peak, and where they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.analysis.units.isi import SAMPLE_RATE_HZ
from dashboard.engine.build import SpikeColumns
from dashboard.engine.count.few_units import unit_rows
from dashboard.model.errors import BadRequest
from dashboard.model.sorting import SpikeSorting

TEMPLATE_REACH_UM = 100.0
"""Channels this far above and below the peak are drawn."""

TEMPLATE_BARS = (1.0, 100.0, 40.0)
"""Scale bars: ms, uV, um."""


@dataclass(frozen=True, slots=True, eq=False)
class TemplatePicture:
    """Mean waveforms around the peak, in place.

    Attributes
    ----------
    waveforms_uv : ndarray, shape (n_channels, n_samples), float64
    lateral_um, axial_um : ndarray, shape (n_channels,), float64
    is_peak : ndarray, shape (n_channels,), bool
    name : str
        Where they come from.
    """

    waveforms_uv: npt.NDArray[np.float64]
    lateral_um: npt.NDArray[np.float64]
    axial_um: npt.NDArray[np.float64]
    is_peak: npt.NDArray[np.bool_]
    name: str


def unit_template(sorting: SpikeSorting, columns: SpikeColumns, unit: int) -> tuple[TemplatePicture | None, str]:
    """Return the mean waveforms of a unit on the channels around their peak, or why there are none.

    A sorter's own templates are no clusters' any more once somebody has merged and split: the unit's is then
    the one that most of its spikes were found with.
    """
    templates = sorting.templates
    if templates is None:
        return None, sorting.missing_reason("templates") or "the sorting has no templates"
    row, name, named = unit, templates.dataset, sorting.units.of(unit)
    if name.startswith("templates."):
        row, words = _own_template(sorting, columns, unit)
        name += f", {words}"
    if not 0 <= row < len(templates.waveforms):
        return None, f"{templates.dataset} has no row {row}, which cluster {named} needs"
    traces = np.asarray(templates.waveforms[row], dtype=np.float64).T
    channels = np.asarray(templates.channels[row], dtype=np.int64)
    known = (channels >= 0) & (channels < len(sorting.channels)) & np.isfinite(traces).all(axis=1)
    traces, channels = traces[known], channels[known]
    if not len(traces) or not np.ptp(traces, axis=1).any():
        return None, f"{templates.dataset} has no waveform for cluster {named}"
    if not {"axial_um", "lateral_um"} <= set(sorting.channels):
        return None, "the positions of the channels are not known"
    axial = sorting.channels["axial_um"].to_numpy(dtype=np.float64)[channels]
    lateral = sorting.channels["lateral_um"].to_numpy(dtype=np.float64)[channels]
    peak = int(np.ptp(traces, axis=1).argmax())
    near = np.abs(axial - axial[peak]) <= TEMPLATE_REACH_UM
    scale = sorting.amp_scale
    is_peak = np.arange(len(traces)) == peak
    return TemplatePicture(scale * traces[near], lateral[near], axial[near], is_peak[near], name), ""


def _own_template(sorting: SpikeSorting, columns: SpikeColumns, unit: int) -> tuple[int, str]:
    """Return the row of a unit's template among the sorter's, and how it was found."""
    of_spikes = sorting.spikes.extra.get("templates")
    named = sorting.units.of(unit)
    row = named if isinstance(named, int) else unit
    if of_spikes is None:
        why = sorting.missing_reason("spikes.templates") or "there is no spikes.templates to tell"
        return row, f"row {row} by its id, which curation may have moved to another cluster ({why})"
    found = main_template(columns, of_spikes, unit)
    if found is None:
        return row, f"row {row} by its id: no spike says which"
    row, share = found
    return row, f"row {row}: that of {100 * share:.3g} % of its spikes (spikes.templates)"


def together(pictures: Sequence[TemplatePicture]) -> TemplatePicture:
    """Return the traces of several units as those of one, unit by unit, to be laid over each other on one scale."""
    return TemplatePicture(
        np.concatenate([one.waveforms_uv for one in pictures]),
        np.concatenate([one.lateral_um for one in pictures]),
        np.concatenate([one.axial_um for one in pictures]),
        np.concatenate([one.is_peak for one in pictures]),
        pictures[0].name,
    )


def lay_template(
    template: TemplatePicture, unit: str
) -> tuple[dict[str, list[npt.NDArray[np.float64]]], dict[str, list[float]], list[str]]:
    """Return traces, scale bars and their words in the coordinates of the probe.

    Columns of channels keep their distance, so that 80 % of the least one between two of them is
    one trace wide; the largest trace is two rows of channels high.
    """
    lateral, axial = template.lateral_um, template.axial_um
    across, along = np.unique(lateral), np.unique(axial)
    column_um = float(np.diff(across).min()) if len(across) > 1 else 32.0
    row_um = float(np.diff(along).min()) if len(along) > 1 else 20.0
    n_samples = template.waveforms_uv.shape[1]
    um_per_ms = 0.9 * column_um / (1e3 * n_samples / SAMPLE_RATE_HZ)
    um_per_uv = 2.0 * row_um / max(float(np.ptp(template.waveforms_uv, axis=1).max()), 1e-9)
    lags_ms = 1e3 * (np.arange(n_samples) - n_samples / 2) / SAMPLE_RATE_HZ
    traces = {
        "x": [place + um_per_ms * lags_ms for place in lateral],
        "y": [place + um_per_uv * trace for place, trace in zip(axial, template.waveforms_uv, strict=True)],
    }
    ms, uv, um = TEMPLATE_BARS
    x = float(lateral.max()) + column_um
    y = float(axial.min())
    bars = {
        "x0": [x, x, x + 0.9 * column_um],
        "y0": [y, y, y],
        "x1": [x + ms * um_per_ms, x, x + 0.9 * column_um],
        "y1": [y, y + uv * um_per_uv, y + um],
    }
    words = [f"{ms:g} ms", f"{uv:g} {unit}", f"{um:g} µm"]
    return traces, bars, words


def _known(columns: SpikeColumns, unit: int) -> int:
    if not 0 <= unit < columns.n_clusters:
        raise BadRequest("There is no such cluster", str(unit), f"Ids go from 0 to {columns.n_clusters - 1}")
    return unit


def main_template(columns: SpikeColumns, templates: npt.NDArray[Any], unit: int) -> tuple[int, float] | None:
    """Return the template that most spikes of a unit were found with, and their share; None without any.

    Parameters
    ----------
    columns : SpikeColumns
    templates : ndarray, shape (n_rows_in_file,), numbers
        ``spikes.templates``, as in the file. What is negative or no number counts for nothing.
    unit : int
        Index.

    Raises
    ------
    BadRequest
        No unit has that index.
    """
    rows = unit_rows(columns, _known(columns, unit))
    in_file = rows if columns.spike_rows is None else columns.spike_rows[rows]
    found = np.asarray(templates[in_file], dtype=np.float64)
    found = found[np.isfinite(found) & (found >= 0)]
    if not found.size:
        return None
    ids, counts = np.unique(found, return_counts=True)
    most = int(counts.argmax())  # the lowest id of equals
    return int(ids[most]), float(counts[most] / rows.size)

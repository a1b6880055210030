"""Principal components of single spikes out of ``pc_features.npy``: rows of a unit, and nothing else of some GB."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import BadRequest, DatasetInvalid
from dashboard.model.raw import SpikeFeatures
from dashboard.model.texts import counted
from dashboard.model.unit_ids import UnitId
from dashboard.sources.alf.arrays import map_array

FEATURES, CHANNELS, SPIKES = "pc_features.npy", "pc_feature_ind.npy", "pc_feature_spike_ids.npy"
MAX_SPIKES = 2_000
"""Of a unit: more dots than its figure can tell apart."""

_COPY = "Copy the folder again"


def features_of(
    folder: Path, units: npt.NDArray[Any], templates: npt.NDArray[Any] | None
) -> Callable[[UnitId], SpikeFeatures] | None:
    """Return what reads the components of a unit's spikes; None where there are none, or no channels of them.

    Parameters
    ----------
    folder : Path
    units, templates : ndarray, shape (n_spikes,), integer
        As in ``spike_clusters.npy`` and ``spike_templates.npy``.
    """
    if templates is None or not all((folder / name).exists() for name in (FEATURES, CHANNELS)):
        return None
    return partial(read_features, folder, units, templates)


def read_features(folder: Path, units: npt.NDArray[Any], templates: npt.NDArray[Any], unit: UnitId) -> SpikeFeatures:
    """Return the first component of spikes of a unit on the channels of each; see `features_of` for the arguments.

    As phylib's ``TemplateModel.get_features`` finds them: a row for each spike, or for those that a third file names.

    Raises
    ------
    BadRequest
        The file has no spike of the unit.
    DatasetInvalid
        The files do not belong together.
    """
    features, near = map_array(folder / FEATURES), map_array(folder / CHANNELS)
    named = map_array(folder / SPIKES).reshape(-1) if (folder / SPIKES).exists() else None
    n_rows = len(units) if named is None else len(named)
    if features.ndim != 3 or near.ndim != 2 or near.shape[1] != features.shape[2] or len(features) != n_rows:
        what = f"Is of shape {features.shape}, for {counted(n_rows, 'spike')} and channels of shape {near.shape}"
        raise DatasetInvalid(what, [folder / FEATURES], _COPY)
    spikes = np.flatnonzero(np.asarray(units) == unit)
    rows = spikes
    if named is not None:
        order = np.argsort(named, kind="stable")
        places = np.searchsorted(named, spikes, sorter=order)
        rows = order[np.minimum(places, len(order) - 1)] if len(order) else np.empty(0, np.int64)
        is_there = np.asarray(named)[rows] == spikes[: len(rows)]
        spikes, rows = spikes[: len(rows)][is_there], rows[is_there]
    if not len(rows):
        raise BadRequest(f"{FEATURES} holds no spike of unit {unit}", folder)
    n_all = len(rows)
    if n_all > MAX_SPIKES:
        chosen = np.sort(np.random.default_rng(0).choice(n_all, MAX_SPIKES, replace=False))
        spikes, rows = spikes[chosen], rows[chosen]
    of = np.asarray(templates[spikes], np.int64)
    if of.min() < 0 or of.max() >= len(near):
        raise DatasetInvalid(f"Has no row for template {of.max()}", [folder / CHANNELS], _COPY)
    return SpikeFeatures(np.asarray(features[rows, 0, :], np.float32), near[of].astype(np.int64), n_all, FEATURES)

"""Principal components of the spikes of one unit or a few, on the two channels where the first of them is largest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import BadRequest
from dashboard.model.raw import SpikeFeatures
from dashboard.model.unit_ids import UnitId


@dataclass(frozen=True, slots=True, eq=False)
class FeaturePicture:
    """First components on two channels.

    Attributes
    ----------
    values : tuple of ndarray, shape (n_spikes, 2), float32
        Of each unit; spikes that one of the channels was not kept of are left out.
    names : tuple of UnitId
        Of the units.
    n_all : tuple of int
        Spikes of each unit that were to choose from.
    channels : (int, int)
        Rows of the channels.
    source : str
    """

    values: tuple[npt.NDArray[np.float32], ...]
    names: tuple[UnitId, ...]
    n_all: tuple[int, ...]
    channels: tuple[int, int]
    source: str


def feature_picture(found: Sequence[tuple[UnitId, SpikeFeatures]]) -> FeaturePicture:
    """Return the first components of the spikes of units, on the channels where those of the first unit are largest.

    Parameters
    ----------
    found : sequence of (UnitId, SpikeFeatures)

    Raises
    ------
    BadRequest
        The components of the first unit are of fewer than two channels.
    """
    name, first = found[0]
    known = np.unique(first.channels[first.channels >= 0])
    sizes = [float(np.abs(first.values[first.channels == channel]).sum()) for channel in known]
    if len(known) < 2:
        raise BadRequest("Components are of fewer than two channels", f"unit {name}")
    a, b = (int(known[place]) for place in np.argsort(sizes)[::-1][:2])
    values = []
    for _, one in found:
        on = np.column_stack([_on(one, channel) for channel in (a, b)])
        values.append(on[np.isfinite(on).all(axis=1)])
    names, n_all = tuple(name for name, _ in found), tuple(one.n_all for _, one in found)
    return FeaturePicture(tuple(values), names, n_all, (a, b), first.source)


def _on(found: SpikeFeatures, channel: int) -> npt.NDArray[np.float32]:
    """Return the component of each spike on a channel; NaN where it has none."""
    is_it = found.channels == channel
    values = found.values[np.arange(len(is_it)), is_it.argmax(axis=1)]
    return np.where(is_it.any(axis=1), values, np.float32(np.nan))

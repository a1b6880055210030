"""Where units lie on the probe, shanks side by side, and how many spikes have which amplitude at which depth."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.compute.numba_cache import kernel
from dashboard.compute.spike_columns import SpikeColumns
from dashboard.model.errors import BadRequest, Cancelled

#: Channels further apart than this, across the probe, are on different shanks (um): a shank is 70 um wide, and
#: those of Neuropixels 2.0 stand 250 um apart.
SHANK_GAP_UM = 100.0
#: Free space between shanks as they are drawn (um).
DRAWN_GAP_UM = 40.0
#: Units of one channel are drawn this far apart across the probe (um).
SPREAD_UM = 3.0
#: Spikes between two looks at `cancel`.
BLOCK = 2_000_000


@dataclass(frozen=True, slots=True, eq=False)
class ShankLayout:
    """Channels and units across the probe, shanks moved together.

    Attributes
    ----------
    channels_um, units_um : ndarray, float64
        Place across the drawing; NaN for units whose channel is not known.
    centres_um : ndarray, shape (n_shanks,), float64
        Of each shank in the drawing, by their order on the probe.
    width_um : float
        Of the drawing, from 0.
    """

    channels_um: npt.NDArray[np.float64]
    units_um: npt.NDArray[np.float64]
    centres_um: npt.NDArray[np.float64]
    width_um: float


def lay_out_shanks(lateral_um: npt.ArrayLike, unit_channels: npt.ArrayLike) -> ShankLayout:
    """Place channels and units across a drawing of the probe.

    Parameters
    ----------
    lateral_um : array-like, shape (n_channels,), in um
        ``channels.lateral_um``.
    unit_channels : array-like, shape (n_units,), integer
        Channel of each unit; -1 where it is not known. Units of one channel are set apart, in their order,
        by `SPREAD_UM`, about the channel.
    """
    lateral = np.asarray(lateral_um, dtype=np.float64)
    of_unit = np.asarray(unit_channels, dtype=np.int64)
    places, rank = np.unique(lateral, return_inverse=True)
    steps = np.diff(places)
    is_gap = steps > SHANK_GAP_UM
    drawn = np.concatenate([[0.0], np.cumsum(np.where(is_gap, DRAWN_GAP_UM, steps))]) if places.size else places
    shank = np.concatenate([[0], np.cumsum(is_gap)]) if places.size else np.zeros(0, np.int64)
    centres = np.array([np.mean(drawn[shank == k][[0, -1]]) for k in np.unique(shank)])
    channels = drawn[rank]
    known = (of_unit >= 0) & (of_unit < lateral.shape[0])
    units = np.full(of_unit.shape, np.nan)
    units[known] = channels[of_unit[known]]
    order = np.flatnonzero(known)[np.argsort(of_unit[known], kind="stable")]
    if order.size:
        _, first, counts = np.unique(of_unit[order], return_index=True, return_counts=True)
        nth = np.arange(order.size) - np.repeat(first, counts)
        units[order] += (nth - (np.repeat(counts, counts) - 1) / 2) * SPREAD_UM
    return ShankLayout(channels, units, centres, float(drawn[-1]) if drawn.size else 0.0)


@kernel
def _count_plane(
    amps: npt.NDArray[np.float32], depths: npt.NDArray[np.float64], clusters: npt.NDArray[Any],
    keep: npt.NDArray[np.bool_], first: int, last: int, low: float, per_bin: float, bottom: float, per_row: float,
    image: npt.NDArray[np.uint32],
) -> None:  # fmt: skip
    height, width = image.shape
    for i in range(first, last):
        if amps[i] <= 0 or not keep[clusters[i]]:
            continue
        x, y = (math.log10(amps[i]) - low) * per_bin, (depths[i] - bottom) * per_row
        if 0 <= x <= width and 0 <= y <= height:
            image[min(int(y), height - 1), min(int(x), width - 1)] += 1


def amplitude_plane(
    columns: SpikeColumns,
    log_range: tuple[float, float],
    depth_range_um: tuple[float, float],
    width: int,
    height: int,
    *,
    keep: npt.NDArray[np.bool_] | None = None,
    cancel: threading.Event | None = None,
) -> npt.NDArray[np.uint32]:
    """Count the spikes of the whole session by amplitude and depth.

    Parameters
    ----------
    columns : SpikeColumns
    log_range : (float, float)
        Decimal logarithm of the amplitudes that the first and the last bin end at. Spikes without an amplitude
        above zero are in no bin.
    depth_range_um : (float, float)
    width, height : int
    keep : ndarray, shape (n_clusters,), bool, or None
    cancel : threading.Event or None

    Returns
    -------
    ndarray, shape (height, width), uint32

    Raises
    ------
    BadRequest
        There are no amplitudes, or a range is empty.
    Cancelled
    """
    if columns.amps_uv is None:
        raise BadRequest("There are no amplitudes to show", "spikes.amps is missing")
    spans = log_range[1] - log_range[0], depth_range_um[1] - depth_range_um[0]
    if not (spans[0] > 0 and spans[1] > 0 and width > 0 and height > 0):
        raise BadRequest("The plane of amplitudes and depths has no extent", f"{log_range}, {depth_range_um}")
    chosen = np.ones(columns.n_clusters, dtype=np.bool_) if keep is None else keep
    image = np.zeros((height, width), dtype=np.uint32)
    for first in range(0, columns.n_spikes, BLOCK):
        if cancel is not None and cancel.is_set():
            raise Cancelled
        _count_plane(
            columns.amps_uv, columns.depths_um, columns.clusters, chosen, first, min(first + BLOCK, columns.n_spikes),
            float(log_range[0]), width / spans[0], float(depth_range_um[0]), height / spans[1], image,
        )  # fmt: skip
    return image

"""The demo's probe: Neuropixels 1.0 sites, the Allen regions along its track, brain coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from iblatlas.regions import BrainRegions

N_CHANNELS = 384
SITE_COLUMNS_UM = (43.0, 11.0, 59.0, 27.0)
"""Lateral position of four consecutive sites: the checkerboard of ibl-neuropixel's `dense_layout(1)`."""
ROW_PITCH_UM = 20.0

TIP_MLAPDV_UM = np.array([-1890.0, -2265.0, -4430.0])
"""Where the track meets the lowest row, um from bregma: left posterior thalamus."""
SURFACE_MLAPDV_UM = np.array([-2615.0, -2870.0, -790.0])
"""Where it meets the highest row, just above left primary visual cortex."""


@dataclass(frozen=True, slots=True)
class Region:
    """One Allen region on the track and how much goes on in it.

    Attributes
    ----------
    acronym : str
    height_um : float
        Extent along the probe.
    density : float
        Units per um of probe, relative to thalamus.
    rate_hz : float
        Geometric mean firing rate of its units.
    group : str
        Units of one group share slow and synchronous fluctuations.
    layer : tuple of (float, float), or None
        Centre (fraction of the extent) and standard deviation (um) of a dense cell layer that
        holds most of the region's units.
    """

    acronym: str
    height_um: float
    density: float
    rate_hz: float
    group: str
    layer: tuple[float, float] | None = None


TRACK = (
    Region("VPM", 510.0, 1.00, 4.2, "thalamus"),
    Region("PO", 610.0, 0.95, 3.4, "thalamus"),
    Region("LP", 560.0, 0.85, 2.8, "pulvinar"),
    Region("DG-mo", 130.0, 0.36, 0.9, "dentate"),
    Region("DG-po", 90.0, 0.70, 1.1, "dentate"),
    Region("DG-sg", 70.0, 2.30, 1.0, "dentate"),
    Region("DG-mo", 170.0, 0.34, 0.9, "dentate"),
    Region("CA1", 430.0, 0.95, 1.4, "hippocampus", layer=(0.66, 34.0)),
    Region("alv", 60.0, 0.12, 1.2, "white"),
    Region("or", 130.0, 0.10, 1.2, "white"),
    Region("VISp6b", 60.0, 0.55, 1.3, "deep cortex"),
    Region("VISp6a", 210.0, 0.85, 1.6, "deep cortex"),
    Region("VISp5", 260.0, 1.55, 3.6, "deep cortex"),
    Region("VISp4", 120.0, 1.15, 2.4, "upper cortex"),
    Region("VISp2/3", 230.0, 0.75, 1.3, "upper cortex"),
    Region("VISp1", 110.0, 0.20, 0.9, "upper cortex"),
    Region("void", 90.0, 0.03, 0.5, "white"),
)
"""From the tip up; the heights add up to the 3,840 um between the lowest row's base and the top row."""

GROUPS = tuple(dict.fromkeys(region.group for region in TRACK))


def region_tops_um() -> npt.NDArray[np.float64]:
    """Return the upper edge of each region of `TRACK`, shape (n_regions,), in um along the probe."""
    return np.cumsum([region.height_um for region in TRACK])


def region_rows(depths_um: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the row of `TRACK` that each depth lies in; depths past the ends take the last one.

    Parameters
    ----------
    depths_um : ndarray, shape (n,), float64, in um along the probe

    Returns
    -------
    ndarray, shape (n,), int64
    """
    rows = np.searchsorted(region_tops_um(), depths_um, side="left")
    return np.clip(rows, 0, len(TRACK) - 1).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Channels:
    """Columns of the channels object, as on disk.

    Attributes
    ----------
    local_um : ndarray, shape (384, 2), float64
        Lateral and axial position of each site.
    raw_ind : ndarray, shape (384,), int64
    mlapdv_um : ndarray, shape (384, 3), int64
        From bregma.
    atlas_ids : ndarray, shape (384,), int64
        Allen ids; 0 is void.
    labels : ndarray, shape (384,), int64
        0 good, 1 dead, 2 noisy, 3 outside the brain, as IBL's bad-channel detection writes them.
    """

    local_um: npt.NDArray[np.float64]
    raw_ind: npt.NDArray[np.int64]
    mlapdv_um: npt.NDArray[np.int64]
    atlas_ids: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]


@lru_cache(maxsize=1)
def make_channels() -> Channels:
    """Return the demo's channels; they depend on no seed.

    Returns
    -------
    Channels
        Brain locations lie on a straight line from `TIP_MLAPDV_UM` to `SURFACE_MLAPDV_UM`.
    """
    index = np.arange(N_CHANNELS)
    axial = ROW_PITCH_UM * (1 + index // 2)
    lateral = np.tile(np.array(SITE_COLUMNS_UM), N_CHANNELS // len(SITE_COLUMNS_UM))
    fraction = (axial - axial.min()) / (axial.max() - axial.min())
    line = TIP_MLAPDV_UM + fraction[:, None] * (SURFACE_MLAPDV_UM - TIP_MLAPDV_UM)
    ids = _atlas_ids([region.acronym for region in TRACK])
    atlas_ids = ids[region_rows(axial.astype(np.float64))]
    labels = np.where(atlas_ids == 0, 3, 0)
    labels[191] = 1  # the reference site of a 1.0 probe records nothing
    labels[[37, 302]] = (1, 2)
    return Channels(
        local_um=np.column_stack([lateral, axial]).astype(np.float64),
        raw_ind=index.astype(np.int64),
        mlapdv_um=np.rint(line).astype(np.int64),
        atlas_ids=atlas_ids,
        labels=labels.astype(np.int64),
    )


def nearest_channels(at_um: npt.NDArray[np.float64], channels: Channels) -> npt.NDArray[np.int64]:
    """Return the channel nearest to each position, dead ones left out: they see no peak.

    Parameters
    ----------
    at_um : ndarray, shape (n, 2), float64
        Lateral and axial.
    channels : Channels

    Returns
    -------
    ndarray, shape (n,), int64
    """
    distance = np.hypot(*(channels.local_um[None, :, axis] - at_um[:, None, axis] for axis in (0, 1)))
    distance[:, channels.labels == 1] = np.inf
    return np.asarray(np.argmin(distance, axis=1), dtype=np.int64)


def _atlas_ids(acronyms: list[str]) -> npt.NDArray[np.int64]:
    """Return the Allen id of each acronym (the positive one: IBL files do not name a hemisphere)."""
    regions = BrainRegions()
    by_name = {name: int(number) for name, number in zip(regions.acronym, regions.id, strict=True) if number >= 0}
    return np.array([by_name[name] for name in acronyms], dtype=np.int64)

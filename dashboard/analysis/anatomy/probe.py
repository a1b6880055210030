"""The probe in the brain: the regions along it, and the depths that a plot of it shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from iblatlas.regions import BrainRegions

from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.count.categories import Categories
from dashboard.model.shanks import SHANK, shank_numbers
from dashboard.model.sorting import SpikeSorting

LEVELS = {"allen": "Allen", "beryl": "Beryl", "cosmos": "Cosmos"}
"""Levels of the region names, and what iblatlas calls them."""

UNLABELLED = ("void", "root")
MIN_LABELLED_UM = 150.0
"""Shorter spans carry no label; the convention of the alignment GUI."""

DEPTH_TOP_UM = 4000.0
"""Upper depth limit of the website's plots where channels reach above `LONG_PROBE_UM`."""

LONG_PROBE_UM = 3000.0
DEPTH_MARGIN_UM = 160.0
"""Above the highest channel, the limit of the website's plots for shorter probes."""

MIN_GAP_UM, MIN_GAP_ROWS = 200.0, 5
"""No region lies between channels that are further apart than both of these: in um, and in rows of channels."""

DEFAULT_PITCH_UM = 20.0
"""Distance of the rows of Neuropixels 1.0, where there is one row to tell it from."""


@dataclass(frozen=True, slots=True)
class RegionSpan:
    """A run of channels in one region.

    Attributes
    ----------
    bottom_um, top_um : float
    acronym, name : str
    rgb : tuple of int
        The Allen colour, 0 to 255.
    has_label : bool
        Whether the span is labelled by convention: not void, not root, not below 150 um.
    shank : int
        Number of its shank, from 0 at the left.
    """

    bottom_um: float
    top_um: float
    acronym: str
    name: str
    rgb: tuple[int, int, int]
    shank: int = 0

    @property
    def has_label(self) -> bool:
        """Whether plots write the acronym on it."""
        return self.acronym not in UNLABELLED and self.top_um - self.bottom_um >= MIN_LABELLED_UM


@cache
def brain_regions() -> BrainRegions:
    """Return the Allen ontology: names, colours and mappings, no volume."""
    return BrainRegions()


@cache
def _row_of(acronym: str) -> int:
    """Return the row of a region in the ontology, which takes milliseconds to find."""
    return int(brain_regions().acronym2index(acronym)[1][0][0])


def region_names(allen_ids: npt.NDArray[np.integer], level: str = "allen") -> npt.NDArray[np.str_]:
    """Return acronyms at a level of the ontology.

    Parameters
    ----------
    allen_ids : ndarray, shape (n,), integer
    level : {'allen', 'beryl', 'cosmos'}

    Returns
    -------
    ndarray, shape (n,), str
    """
    return np.asarray(brain_regions().id2acronym(np.asarray(allen_ids, np.int64), mapping=LEVELS[level]), dtype=np.str_)


NO_REGION = int(np.iinfo(np.int32).min)
"""In place of an Allen id where there is none: ids are negative on the left, and 0 and 1 are void and root."""


def unit_ids(
    sorting: SpikeSorting, columns: SpikeColumns, level: str = "allen", unknown: int = NO_REGION
) -> npt.NDArray[np.int32]:
    """Return the Allen id of each cluster's channel, by index; `unknown` where there is none."""
    ids = np.full(columns.n_clusters, unknown, np.int32)
    if "atlas_id" in sorting.clusters:
        found = sorting.clusters["atlas_id"].to_numpy(dtype=np.float64, na_value=np.nan)
        ids[: len(found)] = np.where(np.isfinite(found), found, unknown)
    return ids


def unit_regions(sorting: SpikeSorting, columns: SpikeColumns, level: str) -> Categories:
    """Return the region of each cluster's channel at a level of the ontology; void where it is not known."""
    acronyms = region_names(unit_ids(sorting, columns, unknown=0), level)
    names, category = np.unique(acronyms, return_inverse=True)
    colours = np.array([brain_regions().rgb[_row_of(str(name))] for name in names], np.uint8)
    return Categories(category.astype(np.int32), colours.reshape(-1, 3), tuple(map(str, names)))


def region_spans(channels: pd.DataFrame, level: str = "allen") -> list[RegionSpan]:
    """Return the regions along each shank of the probe, from the tip upwards, shank after shank.

    A boundary lies halfway between the channels on either side of it. Where no channel is for more than
    `MIN_GAP_UM` and several rows of channels there is no span: shanks may be stacked on one axis.

    Parameters
    ----------
    channels : DataFrame
        With ``axial_um``; where brain locations are known, ``atlas_id``; for several shanks, ``shank``.
    level : {'allen', 'beryl', 'cosmos'}

    Returns
    -------
    list of RegionSpan
        Empty where brain locations are not known.
    """
    if not {"atlas_id", "axial_um"} <= set(channels) or channels.empty:
        return []
    known = channels[channels["atlas_id"].notna() & channels["axial_um"].notna()]
    if len(shanks := shank_numbers(channels)) == 1:
        return _spans(known, level, 0)
    return [span for shank in shanks for span in _spans(known[known[SHANK] == shank], level, shank)]


def _spans(channels: pd.DataFrame, level: str, shank: int) -> list[RegionSpan]:
    """Return the regions along one shank."""
    rows = channels[["axial_um", "atlas_id"]].sort_values("axial_um", kind="stable")
    if rows.empty:
        return []
    depths, first = np.unique(rows["axial_um"].to_numpy(dtype=np.float64), return_index=True)
    acronyms = region_names(rows["atlas_id"].to_numpy(dtype=np.int64)[first], level)
    pitch = float(np.median(np.diff(depths))) if len(depths) > 1 else DEFAULT_PITCH_UM
    is_gap = np.diff(depths) > max(MIN_GAP_UM, MIN_GAP_ROWS * pitch)
    changes = np.flatnonzero((acronyms[1:] != acronyms[:-1]) | is_gap) + 1
    half = np.where(is_gap, pitch, np.diff(depths))[changes - 1] / 2
    bottoms = np.r_[depths[0] - pitch / 2, depths[changes] - half]
    tops = np.r_[depths[changes - 1] + half, depths[-1] + pitch / 2]
    regions = brain_regions()
    spans = []
    for start, bottom, top in zip(np.r_[0, changes], bottoms, tops, strict=True):
        acronym = str(acronyms[start])
        position = _row_of(acronym)
        red, green, blue = (int(value) for value in regions.rgb[position])
        spans.append(
            RegionSpan(float(bottom), float(top), acronym, str(regions.name[position]), (red, green, blue), shank)
        )
    return spans


def depth_limits(channels: pd.DataFrame, spikes_um: tuple[float, float]) -> tuple[float, float]:
    """Return the depths that a plot of the whole probe shows.

    Those of the IBL website's plots (0 to 4000 where channels reach above 3000, else the highest
    channel + 160), widened so that every spike is inside.

    Parameters
    ----------
    channels : DataFrame
        With ``axial_um``; may be empty.
    spikes_um : (float, float)
        Least and greatest depth of a spike.
    """
    low, high = spikes_um
    highest = float(channels["axial_um"].max()) if "axial_um" in channels and len(channels) else high
    if not np.isfinite(highest):  # sites without coordinates
        highest = high
    top = DEPTH_TOP_UM if highest > LONG_PROBE_UM else highest + DEPTH_MARGIN_UM
    return min(0.0, low), max(top, high + 1.0)

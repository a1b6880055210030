"""Shanks of a probe: which channel and which unit is on which, and where they stand beside one another in a plot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

SHANK = "shank"
"""Column of channels and of units with the number of the shank, from 0 at the left; there for several shanks only."""

UNKNOWN_SHANK = -1
"""In place of the number of a shank where it is not known."""

SHANK_GAP_UM = 80.0
"""Columns of channels further apart than this are of different shanks: those of Neuropixels 2.0 are 250 um apart from
one to the next, others 125 um with columns of their own, and the columns of one shank at most 48 um."""

STACK_GAP_UM, SHANK_LENGTH_UM = 1_000.0, 9_600.0
"""Groups of channels with such a gap between them, that start so far apart, are of shanks that somebody has stacked
along one axis: no shank of Neuropixels 1.0 or 2.0 has sites so far apart."""

MAX_SHANKS = 64
"""More columns that stand apart than this are no shanks."""

DRAWN_GAP_UM = 60.0
"""Room between two shanks in a plot, where the real gap would leave none for the shanks themselves."""


@dataclass(frozen=True, slots=True, eq=False)
class Shanks:
    """Shanks from left to right, moved together for a plot.

    Attributes
    ----------
    left_um, right_um : ndarray, shape (n_shanks,), float64
        Outermost columns of channels of each shank.
    shift_um : ndarray, shape (n_shanks,), float64
        What is taken off the lateral position of everything on a shank; 0 for the first.
    """

    left_um: npt.NDArray[np.float64]
    right_um: npt.NDArray[np.float64]
    shift_um: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.left_um)

    def of(self, lateral_um: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
        """Return the shank of each position, shape as given; -1 where it is not known."""
        middles = (self.right_um[:-1] + self.left_um[1:]) / 2
        found = np.searchsorted(middles, np.nan_to_num(lateral_um)).astype(np.int64)
        return np.where(np.isfinite(lateral_um), found, -1)

    def drawn(self, lateral_um: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return where positions are drawn, in um, shape as given; NaN where they are not known."""
        shift = np.append(self.shift_um, np.nan)  # -1 is the last
        drawn: npt.NDArray[np.float64] = np.asarray(lateral_um, dtype=np.float64) - shift[self.of(lateral_um)]
        return drawn


def find_shanks(lateral_um: npt.NDArray[np.floating]) -> Shanks:
    """Tell shanks apart by the gaps between the columns of their channels.

    Parameters
    ----------
    lateral_um : ndarray, shape (n_channels,), in um
        Positions that are not finite are left out; without any, there is one shank at zero.
    """
    columns = np.unique(lateral_um[np.isfinite(lateral_um)]).astype(np.float64)
    if not len(columns):
        columns = np.zeros(1)
    gaps = np.flatnonzero(np.diff(columns) > SHANK_GAP_UM)
    left, right = columns[np.r_[0, gaps + 1]], columns[np.r_[gaps, len(columns) - 1]]
    shift = np.r_[0.0, np.cumsum(left[1:] - right[:-1] - DRAWN_GAP_UM)]
    return Shanks(left, right, shift)


def number_shanks(channels: pd.DataFrame, units: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return channels and units with a column `SHANK` where the probe has several shanks; as they are where it has one.

    Numbers that come with the channels are kept where they are of several shanks (many programs write one for all).
    Else shanks are told apart by the gaps between the columns of channels, or by those along the depth where shanks
    were stacked. A unit is on the shank of its channel.

    Parameters
    ----------
    channels : DataFrame, one row per channel
        With ``lateral_um``, or `SHANK`.
    units : DataFrame, one row per unit
        With ``channels``, the row of each unit's channel, or ``lateral_um`` of it.
    """
    if (of_channels := _shanks_of(channels)) is None:
        return channels, units
    if SHANK in units and SHANK in channels and np.array_equal(channels[SHANK], of_channels):
        return channels, units
    of_units = np.full(len(units), UNKNOWN_SHANK)
    if "channels" in units:
        rows = _numbers(units["channels"])
        is_row = (rows >= 0) & (rows < len(channels))
        of_units[is_row] = of_channels[rows[is_row].astype(np.int64)]
    elif "lateral_um" in units and len(shanks := find_shanks(_numbers(channels["lateral_um"]))) > 1:
        of_units = shanks.of(_numbers(units["lateral_um"]))
    return channels.assign(**{SHANK: of_channels}), units.assign(**{SHANK: of_units})


def shank_numbers(channels: pd.DataFrame) -> tuple[int, ...]:
    """Return the numbers of the shanks that channels are on, ascending; 0 where they are on one."""
    of_channels = _shanks_of(channels)
    return (0,) if of_channels is None else tuple(np.unique(of_channels[of_channels >= 0]).tolist())


def _shanks_of(channels: pd.DataFrame) -> npt.NDArray[np.int64] | None:
    """Return the shank of each channel; None where there is one."""
    if SHANK in channels:
        given = _numbers(channels[SHANK])
        if np.isfinite(given).all() and (given == np.floor(given)).all():
            whole = given.astype(np.int64)
            if len(np.unique(whole)) > 1 and whole.min() >= 0 and whole.max() < MAX_SHANKS:
                return whole
    if "lateral_um" not in channels:
        return None
    lateral = _numbers(channels["lateral_um"])
    shanks = find_shanks(lateral)
    if len(shanks) == 1:
        return _stacked(_numbers(channels["axial_um"])) if "axial_um" in channels else None
    return shanks.of(lateral) if len(shanks) <= MAX_SHANKS else None


def _stacked(axial_um: npt.NDArray[np.float64]) -> npt.NDArray[np.int64] | None:
    """Return the shank of each channel where shanks lie above one another on one axis; None where there is one."""
    rows = np.unique(axial_um[np.isfinite(axial_um)])
    starts = rows[np.flatnonzero(np.diff(rows, prepend=-np.inf) > STACK_GAP_UM)]
    if not 1 < len(starts) <= MAX_SHANKS or np.diff(starts).min() < SHANK_LENGTH_UM:
        return None
    of_channels = np.searchsorted(starts, np.nan_to_num(axial_um), side="right") - 1
    return np.where(np.isfinite(axial_um), of_channels, UNKNOWN_SHANK).astype(np.int64)


def _numbers(column: pd.Series[Any]) -> npt.NDArray[np.float64]:
    return np.asarray(pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))

"""Shanks of a probe, and where they stand beside one another in a plot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SHANK_GAP_UM = 120.0
"""Columns of channels further apart than this are of different shanks: those of Neuropixels 2.0 are 250 um apart from
one to the next, and the columns of one shank at most 48 um."""

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

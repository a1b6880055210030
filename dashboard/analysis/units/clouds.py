"""Spikes of a few units over time as a small picture: every spike is in it, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.model.colours import selection_colours

WIDTH, HEIGHT = 420, 150
"""Pixels of a picture: about those that the dock has."""

FAINTEST = 0.35
"""Opacity of a pixel with one spike; a pixel with the most is opaque."""

OUTER_PCT = 0.1
"""A thousandth of the spikes at either end does not set the axis; how many lie beyond is said."""


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """Spikes by time and one value.

    Attributes
    ----------
    image : ndarray, shape (HEIGHT, WIDTH), uint32
        As Bokeh's ``image_rgba`` takes it, transparent where no spike is; row 0 is the lowest value.
    time_range_s, value_range : (float, float)
        Edges of the picture.
    n_spikes : int
        Spikes of the units.
    n_beyond : int
        Those whose value lies beyond the edges, or is not known.
    """

    image: npt.NDArray[np.uint32]
    time_range_s: tuple[float, float]
    value_range: tuple[float, float]
    n_spikes: int
    n_beyond: int


def cloud(
    times_s: Sequence[npt.NDArray[np.float64]],
    values: Sequence[npt.NDArray[np.floating]],
    time_range_s: tuple[float, float],
    *,
    from_zero: bool = False,
    colours: npt.NDArray[np.uint8] | None = None,
) -> Cloud:
    """Count the spikes of each unit by pixel; of several in one, the unit with fewest spikes in all is drawn on top.

    Parameters
    ----------
    times_s, values : sequence of ndarray, one per unit
    time_range_s : (float, float)
    from_zero : bool
        Whether the axis of the values starts at zero.
    colours : ndarray, shape (n_units, 3), uint8, or None
        Those of the selection where None.
    """
    low, high, n_beyond = value_range(values, from_zero)
    first, last = time_range_s if time_range_s[1] > time_range_s[0] else (time_range_s[0], time_range_s[0] + 1.0)
    counts = np.zeros((max(len(times_s), 1), HEIGHT, WIDTH), np.int64)
    for index, (times, column) in enumerate(zip(times_s, values, strict=True)):
        inside = (column >= low) & (column <= high) & (times >= first) & (times <= last)
        x = np.minimum((times[inside] - first) / (last - first) * WIDTH, WIDTH - 1).astype(np.int64)
        y = np.minimum((column[inside] - low) / (high - low) * HEIGHT, HEIGHT - 1).astype(np.int64)
        counts[index] = np.bincount(y * WIDTH + x, minlength=HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    table = selection_colours(len(counts)) if colours is None else colours
    image = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    for index in np.argsort([-len(times) for times in times_s], kind="stable"):
        is_here = counts[index] > 0
        image[is_here, :3] = table[index]
        image[is_here, 3] = opacity(counts[index])[is_here]
    n_spikes = int(sum(len(times) for times in times_s))
    return Cloud(image.view(np.uint32)[..., 0], (first, last), (low, high), n_spikes, n_beyond)


def opacity(counts: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """Return 0 where nothing is, else from `FAINTEST` to opaque with the logarithm of the count."""
    most = int(counts.max(initial=0))
    if most == 0:
        return np.zeros(counts.shape, np.uint8)
    share = np.log1p(counts) / np.log1p(most) if most > 1 else counts.astype(np.float64)
    return np.where(counts > 0, 255 * (FAINTEST + (1 - FAINTEST) * share), 0).astype(np.uint8)


def value_range(values: Sequence[npt.NDArray[np.floating]], from_zero: bool) -> tuple[float, float, int]:
    """Return the edges that hold all but the outermost values, and how many lie beyond."""
    n_values = sum(len(column) for column in values)
    known = [column[np.isfinite(column)] for column in values]
    known = [column for column in known if column.size]
    if not known:
        return 0.0, 1.0, n_values
    ends = np.array([np.percentile(column, [OUTER_PCT, 100 - OUTER_PCT]) for column in known], dtype=np.float64)
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    margin = max(0.1 * (high - low), 1e-6 * max(abs(high), 1.0))
    low, high = (min(0.0, low) if from_zero else low - margin), high + margin
    inside = sum(int(np.count_nonzero((column >= low) & (column <= high))) for column in known)
    return low, high, n_values - inside

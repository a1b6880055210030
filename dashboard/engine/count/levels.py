"""From values to the 8-bit levels of a picture, in one pass.

Level 0 stands for an empty pixel; levels 1 to 255 run from a lower to an upper limit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.engine.compile import kernel
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.registry import AGGREGATES

TOP_LEVEL = 255
#: Upper limit of the default picture of counts, as in ibllib's ``brainbox.plot.driftmap``.
STANDARD_DEVIATIONS = 4.0
#: Counts up to this look their level up; one above it is computed as it comes.
TABLE_SIZE = 1 << 12


def unit_levels(unit: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Return levels 1 to 255 for values from 0 to 1, cut at both ends."""
    return (np.clip(unit, 0.0, 1.0) * (TOP_LEVEL - 1) + 1.5).astype(np.uint8)


@kernel
def _look_up(values: npt.NDArray[Any], table: npt.NDArray[np.uint8], image: npt.NDArray[np.uint8]) -> None:
    last = np.uint32(table.shape[0] - 1)
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            image[row, column] = table[min(values[row, column], last)]


@kernel
def _scale_linear(
    values: npt.NDArray[Any], low: float, factor: float, positive: bool, image: npt.NDArray[np.uint8]
) -> None:
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            value = np.float64(values[row, column])
            if np.isnan(value) or (positive and value <= 0.0):
                image[row, column] = 0
            else:
                image[row, column] = np.uint8(min(max((value - low) * factor, 0.0), 1.0) * 254.0 + 1.5)


@kernel
def _scale_log(
    values: npt.NDArray[Any], low: float, factor: float, positive: bool, image: npt.NDArray[np.uint8]
) -> None:
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            value = np.float64(values[row, column])
            if np.isnan(value) or (positive and value <= 0.0):
                image[row, column] = 0
            else:
                unit = np.log1p(max(value - low, 0.0)) * factor
                image[row, column] = np.uint8(min(unit, 1.0) * 254.0 + 1.5)


def level_image(
    values: npt.NDArray[Any], limits: tuple[float, float], scale: str, *, zero_is_empty: bool = True
) -> npt.NDArray[np.uint8]:
    """Return the levels of a scalar picture.

    Parameters
    ----------
    values : ndarray, shape (height, width), uint8, uint16, uint32 or float
        NaN is empty.
    limits : (float, float)
        Values of level 1 and level 255.
    scale : {'linear', 'log'}
        ``log`` is ``log1p(value - low) / log1p(high - low)``.
    zero_is_empty : bool
        Whether values up to 0 are empty, as counts and rates are; amplitudes are not.

    Returns
    -------
    ndarray, shape (height, width), uint8
    """
    low, high = limits
    if scale == "log":
        low = max(low, 0.0)
    span = max(high - low, 1e-12)
    factor = 1.0 / (math.log1p(span) if scale == "log" else span)
    image = np.empty(values.shape, dtype=np.uint8)
    fill = _scale_log if scale == "log" else _scale_linear
    # Every count from the upper limit on has the top level, so a table to there is complete.
    top = min(max(high, 1.0), np.iinfo(values.dtype).max) if values.dtype.kind == "u" else TABLE_SIZE
    if top < TABLE_SIZE - 1:
        counts = np.arange(math.ceil(top) + 1, dtype=np.float64)[None, :]
        table = np.empty(counts.shape, dtype=np.uint8)
        fill(counts, low, factor, zero_is_empty, table)
        _look_up(values, table[0], image)
    else:
        if values.dtype.kind == "u":
            values = values.astype(np.uint32, copy=False)
        fill(values, low, factor, zero_is_empty, image)
    return image


@kernel
def _spread(image: npt.NDArray[np.uint8], reach: npt.NDArray[np.bool_], wide: npt.NDArray[np.uint8]) -> None:
    height, width = image.shape
    pixels = reach.shape[0] // 2
    for row in range(height):
        for column in range(width):
            level = image[row, column]
            if level == 0:
                continue
            for y in range(max(row - pixels, 0), min(row + pixels + 1, height)):
                for x in range(max(column - pixels, 0), min(column + pixels + 1, width)):
                    if reach[y - row + pixels, x - column + pixels]:
                        wide[y, x] = max(wide[y, x], level)


def spread_levels(image: npt.NDArray[np.uint8], pixels: int) -> npt.NDArray[np.uint8]:
    """Let every pixel that is not empty grow into a disc; where two meet, the higher level stays.

    The same as ``datashader.transfer_functions.spread(image, px=pixels, how='max')``, which
    compiles a kernel at each call for such an image (120 ms and more).

    Parameters
    ----------
    image : ndarray, shape (height, width), uint8
    pixels : int
        Radius of the disc.

    Returns
    -------
    ndarray, shape (height, width), uint8
    """
    away = np.arange(-pixels, pixels + 1)
    # Datashader's circle: the radius is half a pixel wider, so that one pixel gives a full square.
    reach = away[:, None] ** 2 + away[None, :] ** 2 <= (pixels + 0.5) ** 2
    wide = np.zeros_like(image)
    _spread(image, reach, wide)
    return wide


def value_limits(picture: Aggregate) -> tuple[float, float]:
    """Return the limits of what does not grow with its pixel: the 1st to the 99th percentile of the values.

    Where zero is empty they begin there: the palest colour is that of no spike, and the least value is to be seen.
    """
    finite = picture.values[np.isfinite(picture.values)]
    if AGGREGATES[picture.kind].zero_is_empty:
        return 0.0, float(np.percentile(finite[finite != 0], 99)) if finite.any() else 1.0
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(finite, (1, 99)))
    return low, high if high > low else low + 1.0

"""Edges of pixels: as asked for, snapped to a power-of-two lattice, and laid over depth codes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.depths import DepthGrid
from dashboard.engine.compile import inlined, kernel
from dashboard.model.errors import BadRequest
from dashboard.model.texts import counted

#: Rows are numbered in 16 bits in the look-up of depth codes, with two numbers reserved.
MAX_SIDE = 32_768
#: An image of more pixels than this is a mistake: 64 M pixels of float64 are half a gigabyte.
MAX_PIXELS = 1 << 26
#: No bin is narrower than the smallest number that floats hold in full precision.
MIN_BIN = 2.0**-1022
#: A window's length wavers by rounding while it is panned; its lattice level must not.
LEVEL_TOLERANCE = 1e-6
#: What a floor needs to become the nearest level.
ROUNDING = 0.5 + LEVEL_TOLERANCE


def check_window(window: tuple[float, float], name: str) -> tuple[float, float]:
    """Return `window` as two floats in ascending order.

    Raises
    ------
    BadRequest
        Where it is not two finite numbers, the first below the second.
    """
    try:
        low, high = window
        low, high = float(low), float(high)
    except (TypeError, ValueError) as error:
        raise BadRequest(f"{name} is not a pair of numbers", repr(window), "Give (start, end)") from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise BadRequest(f"{name} must run from a lower to a higher finite number", repr(window))
    if not math.isfinite(high - low):
        raise BadRequest(f"{name} is too long", repr(window))
    return low, high


def check_size(width: int, height: int) -> tuple[int, int]:
    """Return a size in pixels that the kernels can take.

    Raises
    ------
    BadRequest
        Where a side is below 1 or above `MAX_SIDE`, or there are more than `MAX_PIXELS` pixels.
    """
    try:
        columns, rows = int(width), int(height)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadRequest("Width and height must be whole numbers", f"{width!r} x {height!r}") from error
    if not (1 <= columns <= MAX_SIDE and 1 <= rows <= MAX_SIDE and columns * rows <= MAX_PIXELS):
        raise BadRequest(
            "An image cannot have this size", f"{width} x {height}", f"Sides of 1 to {MAX_SIDE}, {MAX_PIXELS} pixels"
        )
    return columns, rows


def linear_edges(window: tuple[float, float], n_bins: int) -> npt.NDArray[np.float64]:
    """Return ``numpy.linspace``'s edges of `n_bins` equal bins over `window`.

    Raises
    ------
    BadRequest
        Where the bins are so narrow that floating point cannot tell them apart.
    """
    edges = np.linspace(window[0], window[1], n_bins + 1)
    if not bool((edges[1:] >= edges[:-1]).all()):
        raise BadRequest("The window is too narrow for floating point", f"{window} in {counted(n_bins, 'bin')}")
    return edges


@inlined
def lattice_level(span: float, n_bins: int) -> int:
    """Return k so that bins of ``2**k`` are nearest, by ratio, to `span` in `n_bins`: 0.71 to 1.42 times as many."""
    return math.floor(math.log2(max(span / n_bins, MIN_BIN)) + ROUNDING)


@inlined
def lattice_levels(spans: tuple[float, float], n_bins: tuple[int, int]) -> tuple[int, int]:
    """Return the levels of two axes whose bins together are not more than those wanted.

    Each axis takes its nearest level; where their pixels then exceed those wanted, the axis that has most above its
    own goes one level up. A picture so costs no more to count and to send than one of the size asked for. The levels
    depend on the lengths of the window only, so they stay while a view is panned.

    Parameters
    ----------
    spans : tuple of float
        Lengths of the window.
    n_bins : tuple of int
        Bins wanted on each axis.

    Returns
    -------
    tuple of int
        k of each axis, for bins of ``2**k``: at most ``n_bins[0] * n_bins[1]`` of them in the window, without those
        that reach over its ends, and more than half as many where floats can tell such bins apart.
    """
    # In powers of two, as tiny and huge bins cannot be multiplied: the sizes of bins, and how many times those wanted
    # there are.
    one = math.log2(max(spans[0] / n_bins[0], MIN_BIN))
    other = math.log2(max(spans[1] / n_bins[1], MIN_BIN))
    first, second = math.floor(one + ROUNDING), math.floor(other + ROUNDING)
    above, also = one - first, other - second
    if above + also <= LEVEL_TOLERANCE:
        return first, second
    return (first + 1, second) if above >= also - LEVEL_TOLERANCE else (first, second + 1)


class LatticeBins(NamedTuple):
    """Bins of one axis: edge k, of `n_bins` + 1, is exactly ``(first + k) * size``, and `size` a power of two."""

    first: float
    size: float
    n_bins: int

    @property
    def edges(self) -> npt.NDArray[np.float64]:
        """The edges, shape (n_bins + 1,)."""
        return np.arange(self.first, self.first + self.n_bins + 1) * self.size


@inlined
def snapped_bins(window: tuple[float, float], level: int) -> LatticeBins:
    """Return bins between multiples of a power of two, reaching outward over `window`.

    Parameters
    ----------
    window : tuple of float
    level : int
        Bins are ``2**level`` wide; wider where floats are spaced wider.
    """
    low, high = window
    # Far from zero a bin cannot be finer than the spacing of floats there.
    finest = math.frexp(max(abs(low), abs(high)))[1] - 52
    size = math.ldexp(1.0, max(level, finest, -1022))
    first, last = math.floor(low / size), math.ceil(high / size)
    # Dividing the tiniest numbers underflows to zero.
    first -= int(first * size > low)
    last = max(last + int(last * size < high), first + 1)
    return LatticeBins(float(first), size, last - first)


def floor_edges(origin: float, size: float, n_bins: int, first: int = 0) -> npt.NDArray[np.float64]:
    """Return the edges at which ``floor((x - origin) / size)`` steps, as floats see it.

    ibllib's ``bincount2D`` bins that way. The edges differ from ``origin + k * size`` by a rounding
    error at most, and with them a comparison puts every float where the division does.

    Parameters
    ----------
    origin, size : float
    n_bins : int
    first : int
        Bin number of the first edge.

    Returns
    -------
    ndarray, shape (n_bins + 1,), float64
        ``edges[k]`` is the smallest float whose bin number is at least ``first + k``.
    """
    number = np.arange(first, first + n_bins + 1, dtype=np.float64)
    edges = origin + number * size

    def reached(x: npt.NDArray[np.float64], k: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        return np.asarray(np.floor((x - origin) / size) >= k)

    # Rounding moves the step by a float or two, but by far more of them where an edge is near zero.
    for _ in range(4):
        edges = np.where(reached(edges, number), edges, np.nextafter(edges, np.inf))
        below = np.nextafter(edges, -np.inf)
        edges = np.where(reached(below, number), below, edges)
    edges[number == 0] = origin  # at an origin of zero the division of the tiniest numbers underflows
    is_far = ~reached(edges, number) | reached(np.nextafter(edges, -np.inf), number)
    far = np.flatnonzero(is_far & (number != 0))
    if len(far):
        low, high = _places(edges[far] - size / 2), _places(edges[far] + size / 2)
        while bool((low + 1 < high).any()):
            middle = (low >> 1) + (high >> 1) + (low & high & 1)
            is_reached = reached(_floats(middle), number[far])
            low, high = np.where(is_reached, low, middle), np.where(is_reached, middle, high)
        edges[far] = _floats(high)
    return edges


def _places(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Number floats in their order, so that neighbours differ by one."""
    bits = values.view(np.int64)
    return np.where(bits >= 0, bits, np.iinfo(np.int64).min - bits)


def _floats(places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the floats at these places."""
    return np.where(places >= 0, places, np.iinfo(np.int64).min - places).view(np.float64)


@kernel
def _fill_rows(
    edges: npt.NDArray[np.float64], inverse_step: float, origin_code: float, closed: bool, rows: npt.NDArray[np.uint16]
) -> None:
    n_codes = rows.shape[0]
    height = edges.shape[0] - 1
    outside = np.uint16(height)
    straddles = np.uint16(height + 1)
    for code in range(n_codes):
        rows[code] = outside
    for row in range(height + 1):
        # Scaling by a power of two and the floor are exact; a plain difference would round.
        scaled = edges[row] * inverse_step
        whole = np.floor(scaled)
        start = int(min(max(whole - origin_code, -2.0), n_codes + 1.0))
        if row < height:
            following = np.floor(edges[row + 1] * inverse_step) - origin_code
            stop = int(min(max(following, 0.0), np.float64(n_codes)))
            for code in range(max(start if scaled == whole else start + 1, 0), stop):
                rows[code] = row
    for row in range(height + 1):
        scaled = edges[row] * inverse_step
        whole = np.floor(scaled)
        code = int(min(max(whole - origin_code, -2.0), n_codes + 1.0))
        if (scaled != whole or (closed and row == height)) and 0 <= code < n_codes:
            rows[code] = straddles


def code_rows(edges: npt.NDArray[np.float64], grid: DepthGrid, closed: bool) -> npt.NDArray[np.uint16]:
    """Return the image row of each depth code.

    Parameters
    ----------
    edges : ndarray, shape (height + 1,), float64, ascending, in um
    grid : DepthGrid
    closed : bool
        Whether a depth on the last edge is inside, as in ``numpy.histogram2d``.

    Returns
    -------
    ndarray, shape (n_codes,), uint16
        The row; ``height`` for codes outside; ``height + 1`` for codes that an edge runs through,
        whose spikes must be settled one by one.
    """
    rows = np.empty(grid.n_codes, dtype=np.uint16)
    _fill_rows(edges, 1.0 / grid.step_um, grid.origin_code, closed, rows)
    return rows

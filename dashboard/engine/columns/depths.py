"""Depths as 16-bit codes on a grid of a power of two, exact by construction."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.engine.compile import kernel

#: Codes fit in 16 bits.
MAX_CODES = 1 << 16
#: Parts of a code that are told apart without the float depth.
FINES = 65_536.0
#: Codes per row of the rank index, as a power of two: 64 codes, 4 um on a Neuropixels 1.0 shank.
ROW_SHIFT = 6
#: No grid is finer than 2**-8 um per code, however small the span.
FINEST_STEP_UM = 2.0**-8


@dataclass(frozen=True, slots=True)
class DepthGrid:
    """Where the codes lie.

    Attributes
    ----------
    step_um : float
        A power of two. At most 0.5 um for spans up to 32 mm; 1/16 um for a Neuropixels 1.0 shank.
    origin_code : float
        A whole number; code c stands for depths from ``(origin_code + c) * step_um`` to the next.
    n_codes : int
        At most 65,536.
    """

    step_um: float
    origin_code: float
    n_codes: int

    @property
    def origin_um(self) -> float:
        """Lowest depth of code 0."""
        return self.origin_code * self.step_um


def depth_grid(lowest_um: float, highest_um: float) -> DepthGrid:
    """Return the finest grid that holds depths from `lowest_um` to `highest_um`.

    Its origin is a multiple of a whole row of the rank index, so that the lattice of views, the
    rows of the index and the codes all share their edges.
    """
    row_codes = 1 << ROW_SHIFT
    row_limit = MAX_CODES >> ROW_SHIFT
    span = highest_um - lowest_um
    exponent = math.frexp(span)[1] - math.frexp(row_limit)[1] if span > 0 else -1074
    spacing = math.frexp(max(abs(lowest_um), abs(highest_um)))[1] - 52
    step = 2.0 ** max(exponent - ROW_SHIFT, spacing, int(math.log2(FINEST_STEP_UM)))
    while True:
        origin_row = math.floor(lowest_um / (step * row_codes))
        origin_row -= origin_row * step * row_codes > lowest_um  # the tiniest numbers underflow to zero
        n_rows = math.floor(highest_um / (step * row_codes)) - origin_row + 1
        if n_rows <= row_limit:
            return DepthGrid(step, float(origin_row * row_codes), n_rows * row_codes)
        step *= 2


@kernel
def scan(
    times: npt.NDArray[np.float64], depths: npt.NDArray[np.float64], state: npt.NDArray[np.float64]
) -> tuple[int, int, int, int]:
    """Look once at a block of spikes.

    Parameters
    ----------
    times, depths : ndarray, shape (n,), float64
    state : ndarray, shape (3,), float64
        Last finite time, lowest and highest depth so far; updated.

    Returns
    -------
    tuple of int
        Spikes with time and depth; those without a time; without a depth; places where a time is
        below the one before.
    """
    good = no_time = no_depth = steps_back = 0
    last, lowest, highest = state[0], state[1], state[2]
    for i in range(times.shape[0]):
        time = times[i]
        depth = depths[i]
        has_time = np.isfinite(time)
        has_depth = np.isfinite(depth)
        if has_time and has_depth:
            good += 1
            if time < last:
                steps_back += 1
            last = time
            lowest = min(lowest, depth)
            highest = max(highest, depth)
        else:
            no_time += not has_time
            no_depth += not has_depth
    state[0], state[1], state[2] = last, lowest, highest
    return good, no_time, no_depth, steps_back


@kernel
def encode(
    depths: npt.NDArray[np.float64],
    inverse_step: float,
    origin_code: float,
    codes: npt.NDArray[np.uint16],
    fines: npt.NDArray[np.uint16],
) -> None:
    """Write the code of each depth, and where it lies within its code in 65,536ths, rounded down.

    Scaling by a power of two, the floor and the remainder are exact: no depth lands beside its code.
    """
    for i in range(depths.shape[0]):
        scaled = depths[i] * inverse_step
        whole = np.floor(scaled)
        codes[i] = np.uint16(np.int32(whole - origin_code))
        fines[i] = np.uint16(np.int32((scaled - whole) * FINES))

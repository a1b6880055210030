"""Arrays that the compiled kernels read: spikes, filter and grid."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
U32 = npt.NDArray[np.uint32]
U16 = npt.NDArray[np.uint16]
U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

#: In place of the rows of spikes that are all there are.
NO_ORDER: U32 = np.empty(0, dtype=np.uint32)
NO_ORDER.flags.writeable = False


class SpikeArrays(NamedTuple):
    """Columns as kernels read them; `amps` is empty where there are none."""

    codes: U16
    fines: U16
    depths: F64
    clusters: npt.NDArray[Any]
    amps: F32


class Filter(NamedTuple):
    """Which spikes to use: 1 in `keep` for their cluster; an amplitude from `amp_low`, below `amp_high`."""

    keep: U8
    by_cluster: bool
    by_amp: bool
    amp_low: np.float32
    amp_high: np.float32


class Grid(NamedTuple):
    """Pixels: rank of the first spike of each column, row of each depth code, and what settles the rest.

    Code c stands for depths from ``(origin_code + c) * step_um``.
    """

    bounds: I64
    rows: U16
    edges: F64
    closed: bool
    origin_code: float
    step_um: float


#: Spikes whose rows are found together; their numbers stay in the processor's nearest caches.
BLOCK = 4096

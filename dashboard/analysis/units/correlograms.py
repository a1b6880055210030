"""Auto- and cross-correlograms: counts of lags between spikes, exact, in linear time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from dashboard.analysis.trains import as_train
from dashboard.engine.compile import kernel
from dashboard.model.errors import BadRequest

#: IBL's autocorrelogram, ±25 ms, and its close-up, ±5 ms (in s).
WINDOW_S, BIN_S = 0.050, 0.001
CLOSE_WINDOW_S, CLOSE_BIN_S = 0.010, 0.00025
#: Above this a typing error, not a correlogram, was asked for.
MAX_BINS = 100_001

Convention = Literal["centred", "phy"]


@dataclass(frozen=True, slots=True, eq=False)
class Correlogram:
    """Lags of the spikes of one train relative to those of another.

    Attributes
    ----------
    counts : ndarray, shape (n_bins,), int64
        ``n_bins`` is odd; the middle bin is the one of lag zero.
    lags_s : ndarray, shape (n_bins,), float64, in seconds
        Nominal lag of each bin, ``k * bin_s``.
    bin_s : float
    n_reference : int
        Spikes of the reference train.
    is_auto : bool
    """

    counts: npt.NDArray[np.int64]
    lags_s: npt.NDArray[np.float64]
    bin_s: float
    n_reference: int
    is_auto: bool

    @property
    def rate_hz(self) -> npt.NDArray[np.float64]:
        """Counts per reference spike and second: the rate at which the other train fires at that lag."""
        if self.n_reference == 0:
            return np.zeros(self.counts.shape[0])
        return self.counts / (self.n_reference * self.bin_s)


@kernel
def _count_auto(times: npt.NDArray[np.float64], bin_s: float, floored: bool, counts: npt.NDArray[np.int64]) -> None:
    half = counts.shape[0] // 2
    for i in range(times.shape[0]):
        for j in range(i + 1, times.shape[0]):
            quotient = (times[j] - times[i]) / bin_s
            k = np.floor(quotient) if floored else np.rint(quotient)
            if k > half:
                break
            lag = np.int64(k)
            counts[half + lag] += 1
            if lag > 0:
                counts[half - lag] += 1


@kernel
def _count_cross(
    reference: npt.NDArray[np.float64],
    other: npt.NDArray[np.float64],
    bin_s: float,
    floored: bool,
    counts: npt.NDArray[np.int64],
) -> None:
    half = counts.shape[0] // 2
    first = 0
    n_other = other.shape[0]
    for i in range(reference.shape[0]):
        for j in range(first, n_other):
            quotient = (other[j] - reference[i]) / bin_s
            # By magnitude, so that a lag and its opposite fall in opposite bins.
            k = np.floor(abs(quotient)) if floored else np.rint(abs(quotient))
            if quotient < 0:
                if k > half:
                    # Too early for this reference spike, hence for all later ones.
                    first = j + 1
                    continue
                counts[half - np.int64(k)] += 1
            else:
                if k > half:
                    break
                counts[half + np.int64(k)] += 1


def _grid(bin_s: float, window_s: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    if not (0 < bin_s <= window_s < np.inf):
        raise BadRequest("Correlogram bins have to be above zero and within the window", f"{bin_s} s in {window_s} s")
    half = int(0.5 * window_s / bin_s)
    if 2 * half + 1 > MAX_BINS:
        raise BadRequest("Too many correlogram bins", str(2 * half + 1), f"At most {MAX_BINS}")
    return np.zeros(2 * half + 1, dtype=np.int64), np.arange(-half, half + 1, dtype=np.float64) * bin_s


def autocorrelogram(
    times_s: npt.ArrayLike,
    bin_s: float = BIN_S,
    window_s: float = WINDOW_S,
    convention: Convention = "centred",
) -> Correlogram:
    """Count the lags between the spikes of one unit.

    Parameters
    ----------
    times_s : array-like, shape (n_spikes,), sorted, in seconds
    bin_s : float, in seconds
    window_s : float, in seconds
        Full width: 0.05 is ±25 ms. There are ``2 * int(window_s / 2 / bin_s) + 1`` bins.
    convention : {'centred', 'phy'}
        ``'centred'``: bin k holds the lags that round to ``k * bin_s`` (ties to even), as
        ``brainbox.singlecell.acorr``, whose counts are the same to the last one. ``'phy'``: bin
        k > 0 holds lags in ``[k, k + 1) * bin_s`` and -k the opposite ones, as
        ``phylib.stats.correlograms``; give whole samples for both to equal it to the last one.

    Returns
    -------
    Correlogram
        As in both of these functions, the middle bin counts each pair of spikes once, and no spike
        with itself; every other pair is in two bins, k and -k.

    Raises
    ------
    BadRequest
        Times that are not sorted and finite, or bins that are not above zero.
    """
    train = as_train(times_s)
    counts, lags = _grid(bin_s, window_s)
    _count_auto(train, float(bin_s), convention == "phy", counts)
    return Correlogram(counts, lags, float(bin_s), train.shape[0], True)


def crosscorrelogram(
    reference_s: npt.ArrayLike,
    other_s: npt.ArrayLike,
    bin_s: float = BIN_S,
    window_s: float = WINDOW_S,
    convention: Convention = "centred",
) -> Correlogram:
    """Count the lags of one unit's spikes from another's, ``other - reference``.

    Parameters
    ----------
    reference_s, other_s : array-like, sorted, in seconds
        Spikes at positive lags follow those of the reference.
    bin_s, window_s, convention
        As in `autocorrelogram`.

    Returns
    -------
    Correlogram
        Every pair of spikes within the window is counted once, those at lag zero included: so the
        middle bin is the sum of what ``brainbox.population.decode.xcorr`` counts in either order
        of simultaneous spikes, of which it keeps the larger. The other bins equal its own.

    Raises
    ------
    BadRequest
        As in `autocorrelogram`.
    """
    reference, other = as_train(reference_s), as_train(other_s)
    counts, lags = _grid(bin_s, window_s)
    _count_cross(reference, other, float(bin_s), convention == "phy", counts)
    return Correlogram(counts, lags, float(bin_s), reference.shape[0], False)

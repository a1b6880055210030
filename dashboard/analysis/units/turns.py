"""Whether two units are active at the same times of a session, or take turns, as the halves of a drifting one do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

N_BINS = 60
TAKE_TURNS = 0.5
"""Two units share less of their time than this where one mostly stops when the other starts; chosen by eye."""


def shared_time(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], span_s: tuple[float, float]) -> float:
    """Return how much of their activity over a session two units share: 0 where they take turns, 1 where it is alike.

    The sum over bins of the session of the smaller of both units' shares of their own spikes (histogram intersection).

    Parameters
    ----------
    a, b : ndarray, shape (n_spikes,), in s
    span_s : (float, float)
        Of the session.

    Returns
    -------
    float
        0 to 1; NaN where a unit has no spike.
    """
    if not (len(a) and len(b) and span_s[1] > span_s[0]):
        return float("nan")
    shares = [np.histogram(train, N_BINS, span_s)[0] / len(train) for train in (a, b)]
    return float(np.minimum(*shares).sum())

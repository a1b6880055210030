"""Spikes that have come while the rest is still on its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Arrived:
    """The spikes whose time and depth have arrived, not yet verified.

    Attributes
    ----------
    times_s : ndarray, shape (n,), sorted, in seconds
    depths_um : ndarray, shape (n,), in um
        May hold NaN.
    n_total : int
        How many there will be.
    """

    times_s: npt.NDArray[Any]
    depths_um: npt.NDArray[Any]
    n_total: int

    @property
    def is_complete(self) -> bool:
        """Whether all have arrived."""
        return len(self.times_s) == self.n_total


class ArrivedCallback(Protocol):
    """Told that spikes have arrived, so that a first picture can be drawn from them.

    Called from worker threads; must be quick and must not raise.
    """

    def __call__(self, spikes: Callable[[], Arrived | None]) -> None:
        """Take the news; `spikes` returns what has arrived so far, None where that is nothing yet."""
        ...


def ignore_arrived(spikes: Callable[[], Arrived | None]) -> None:
    """Take the news and do nothing with it."""

"""Spikes of a download that is under way: times are sorted, so the first bytes are the first spikes."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.model.arrival import Arrived, ArrivedCallback, ignore_arrived
from dashboard.model.references import DatasetRef
from dashboard.sources.download.partial import target_of
from dashboard.sources.readers import DAMAGED, read_npy_header

log = logging.getLogger(__name__)

_TIMES, _DEPTHS = "spikes.times", "spikes.depths"


class ArrivingSpikes:
    """Collects what a download reports; an instance is the `on_partial` of `AlfSource.fetch_files`.

    Parameters
    ----------
    arrived : callable
        Told whenever more bytes of the spikes have come.

    Notes
    -----
    Thread-safe. The arrays that `spikes` returns stay valid: a download that has to begin anew writes
    into another file.
    """

    def __init__(self, arrived: ArrivedCallback = ignore_arrived) -> None:
        self._arrived = arrived
        self._files: dict[str, tuple[Path, int]] = {}
        self._lock = threading.Lock()

    def __call__(self, dataset: DatasetRef, part: Path, n_bytes: int) -> None:
        """Note how much of a file has arrived."""
        if dataset.name in (_TIMES, _DEPTHS) and dataset.extension == "npy":
            with self._lock:
                self._files[dataset.name] = (part, n_bytes)
            self._arrived(self.spikes)

    def spikes(self) -> Arrived | None:
        """Return the spikes that have arrived, None where there are none yet."""
        with self._lock:
            files = dict(self._files)
        if len(files) < 2:
            return None
        mapped = [_mapped(*files[name]) for name in (_TIMES, _DEPTHS)]
        if mapped[0] is None or mapped[1] is None:
            return None
        (times, n_total), (depths, _) = mapped[0], mapped[1]
        n = min(len(times), len(depths))
        return Arrived(times[:n], depths[:n], n_total) if n else None


def _mapped(path: Path, n_bytes: int) -> tuple[npt.NDArray[Any], int] | None:
    """Return the whole rows among the first bytes of an array's file, and how many rows it will have."""
    for place in (path, target_of(path) if path.name.startswith(".") else path):
        try:
            with place.open("rb") as file:
                shape, _, dtype = read_npy_header(file)
                if len(shape) != 1 or dtype.hasobject:
                    return None
                start = file.tell()
                # the file may have begun anew, shorter than was reported
                n_bytes = min(n_bytes, place.stat().st_size)
                n = min(max(0, n_bytes - start) // dtype.itemsize, shape[0])
                if n == 0:
                    return None
                return np.memmap(file, dtype, "r", start, (n,)), int(shape[0])
        except FileNotFoundError:
            continue  # it has its final name by now
        except OSError as error:
            log.debug("%s cannot be mapped yet: %s", place.name, error.strerror)
            return None
        except DAMAGED:
            return None  # the header has not arrived, or is none
    return None

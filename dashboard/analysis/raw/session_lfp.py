"""Power of LF over a whole session by band: windows of a second, the ones that show all of it soonest first."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections import OrderedDict, deque
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from scipy import signal

from dashboard.analysis.raw.heat import KINDS, LFP, HeatImage
from dashboard.analysis.raw.maps import DepthImage, by_depth
from dashboard.analysis.raw.snippet import displayed_rows
from dashboard.analysis.raw.spectra import BANDS_HZ, band_powers
from dashboard.model.errors import DatasetInvalid
from dashboard.model.files import whole_file
from dashboard.model.raw import RawRecording
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import counted

logger = logging.getLogger(__name__)

WINDOW_S = 1.0
"""The frequencies of a window are 1 Hz apart."""
MAX_WINDOWS = 2_000
"""Of a session: a screen has no more columns. Of a longer one, a second of every few is read."""
MAX_REMOTE_BYTES = 200e6
"""Of samples, before compression, that are read of a file on a server: never the whole of it."""
FOLDER, FORMAT = "lfp", 1
MAX_KEPT_BYTES = 256 * 2**20
"""Of files in the cache; the oldest go."""
MAX_HELD = 4
"""Sessions in memory, of 15 MB at most."""


class SessionLfp:
    """Power of LF in windows over a session; what is not read yet is NaN. Threads may share it.

    Parameters
    ----------
    recording : RawRecording
    path : Path or None
        File of the cache that remembers it.

    Attributes
    ----------
    starts : ndarray, shape (n_windows,), int64
        First sample of each window.
    power_db : ndarray, shape (n_bands, n_windows, n_channels), float32
        dB re 1 V^2/Hz; a window is one Hann window whose mean is taken off; see `band_powers`.
    every_s : float
        From a window to the next one.
    """

    def __init__(self, recording: RawRecording, path: Path | None = None) -> None:
        self.recording, self.path = recording, path
        band = recording.band("lf")
        self._n = round(WINDOW_S * band.fs_hz)
        n_windows = most = max(band.n_samples // self._n, 1)
        if band.remote_key:
            n_bytes = 2 * (band.n_channels + 1) * self._n * (recording.ap_fs_hz / band.fs_hz if band.note else 1)
            most = max(int(MAX_REMOTE_BYTES / n_bytes), 1)
        stride = -(-n_windows // min(most, MAX_WINDOWS))
        self.starts = np.arange(0, n_windows, stride, dtype=np.int64) * self._n
        self.every_s = stride * WINDOW_S
        self.power_db = np.full((len(BANDS_HZ), len(self.starts), band.n_channels), np.nan, np.float32)
        self.is_known = np.zeros(len(self.starts), np.bool_)
        self._is_damaged = np.zeros(len(self.starts), np.bool_)
        self._why = ""
        self._lock = threading.Lock()
        self._read_back()
        self._n_written = self.n_known
        self._waiting = deque(k for k in coarse_first(len(self.starts)) if not self.is_known[k])

    @property
    def n_known(self) -> int:
        """Windows that were read."""
        return int(self.is_known.sum())

    @property
    def is_whole(self) -> bool:
        """Whether all were, but for those that cannot be read."""
        return bool((self.is_known | self._is_damaged).all())

    def read_next(self) -> bool:
        """Read the next window that nobody has read, nor reads; return whether there was one.

        Raises
        ------
        DownloadFailed, DatasetMissing
            The file cannot be had; the window is tried again by whoever comes next.
        """
        with self._lock:
            if not self._waiting:
                return False
            k = self._waiting.popleft()
        try:
            band, start = self.recording.band("lf"), int(self.starts[k])
            volts = band.volts(start, min(start + self._n, band.n_samples))
            hz, power = signal.periodogram(volts, band.fs_hz, "hann", detrend="constant")
            self.power_db[:, k] = list(band_powers(power.T, hz).values())
        except DatasetInvalid as error:  # of this window: the others are shown
            self._is_damaged[k], self._why = True, str(error)
            return True
        except BaseException:
            with self._lock:
                self._waiting.appendleft(k)
            raise
        self.is_known[k] = True
        return True

    def image(self, sorting: SpikeSorting, kind: str) -> HeatImage:
        """Return a band over time and depth, as far as it is known, for the heatmap."""
        band = self.recording.band("lf")
        columns, depths = displayed_rows(self.recording, sorting.channels, band)
        known = np.flatnonzero(self.is_known)
        values = self.power_db[list(LFP).index(kind)][np.ix_(known, columns)]
        alive = np.isfinite(values).any(axis=0) if len(known) else np.ones(len(depths), np.bool_)
        rows, at = by_depth(values[:, alive], depths[alive])  # a channel that is silent throughout leaves its neighbour
        times = self.recording.times_at("lf", self.starts[known] + self._n / 2)
        read = "" if self.is_whole else f"; {len(known):,} of {counted(len(self.starts), 'window')} read"
        if self._is_damaged.any():
            read += f"; {int(self._is_damaged.sum()):,} cannot be read ({self._why})"
        every = "one after the other" if self.every_s == WINDOW_S else f"one every {self.every_s:g} s"
        made = "synthetic, " if self.recording.is_synthetic else ""
        note = f", {band.note}" if band.note else ""
        if BANDS_HZ[LFP[kind]][1] > band.fs_hz / 2:
            note += f", nothing above {band.fs_hz / 2:g} Hz"
        state = "in the file" if band.note else "recorded"
        words = f"{KINDS[kind]}, {made}dB re 1 V²/Hz, as {state}{note}; windows of {WINDOW_S:g} s, {every}{read}"
        return HeatImage(kind, DepthImage(rows.T, at, times), words, "dB re 1 V²/Hz", "inferno")

    def keep(self) -> None:
        """Remember in the cache what was read, as one whole file; a cache that cannot be written forgets it."""
        if self.path is None or self.n_known == self._n_written:
            return
        is_known = self.is_known.copy()  # before the power, which others may add to meanwhile
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self.path) as draft, draft.open("wb") as file:
                np.savez(file, power_db=self.power_db, is_known=is_known, starts=self.starts)
            self._n_written = int(is_known.sum())
            _shrink(self.path.parent)
        except OSError as error:
            logger.warning("the LFP of a session could not be kept in %s (%s)", self.path, error)

    def _read_back(self) -> None:
        if self.path is None:
            return
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as found:
                if np.array_equal(found["starts"], self.starts) and found["power_db"].shape == self.power_db.shape:
                    self.power_db[:], self.is_known[:] = found["power_db"], found["is_known"]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            logger.warning("%s cannot be read (%s); it is made anew", self.path, error)


def coarse_first(n: int) -> list[int]:
    """Return the numbers below `n`, each once: every so many first, then those between them, and so on."""
    step, order = 1 << max(n - 1, 0).bit_length(), [0] if n else []
    while step > 1:
        order += range(step // 2, n, step)
        step //= 2
    return order


def _shrink(folder: Path) -> None:
    """Remove the oldest files until the others are within the limit."""
    files = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in folder.glob("*.npz"))
    total = sum(size for _, size, _ in files)
    for _, size, path in files[:-1]:
        if total <= MAX_KEPT_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= size


_held: OrderedDict[str, SessionLfp] = OrderedDict()
_held_lock = threading.Lock()


def session_lfp(recording: RawRecording, cache: Path | None) -> SessionLfp:
    """Return the power of LF of a session: that which others look at, what the cache remembers, or a new one.

    Raises
    ------
    DatasetMissing
        There is no LF.
    """
    band = recording.band("lf")
    state: list[object] = [FORMAT, str(band.path), band.remote_key, band.n_samples, band.n_channels, band.note]
    if not band.remote_key and band.path.is_file():
        found = band.path.stat()
        state += [found.st_size, found.st_mtime_ns]
    key = hashlib.sha256(json.dumps([*state, str(cache)]).encode()).hexdigest()[:32]
    with _held_lock:
        if key not in _held:
            _held[key] = SessionLfp(recording, None if cache is None else cache / FOLDER / f"{key}.npz")
        _held.move_to_end(key)
        while len(_held) > MAX_HELD:
            _held.popitem(last=False)[1].keep()
        return _held[key]

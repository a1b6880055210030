"""The demo's spikes: one train per unit, drawn from its plan, kept in the order of the units."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from dashboard.model.errors import Cancelled
from dashboard.sources.demo.behaviour import Behaviour, Events
from dashboard.sources.demo.channels import GROUPS
from dashboard.sources.demo.kernels import (
    BIN_S,
    add_responses,
    merge_trains,
    place_spikes,
    renewal_train,
    shape_rate,
    thin_train,
)
from dashboard.sources.demo.motion import Motion
from dashboard.sources.demo.units import Response, Size, Unit

MAX_THREADS = 4
"""More do not help: writing then sets the pace, and the server that asked needs cores too."""

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Trains:
    """Spikes of a sorting in the order of its clusters: cluster `u` has ``offsets[u]:offsets[u + 1]``.

    Attributes
    ----------
    offsets : ndarray, shape (n_clusters + 1,), int64
    samples : ndarray, shape (n_spikes,), int32, sorted within each cluster
        At 30 kHz, on the probe's clock.
    depths_um, amps_v : ndarray, shape (n_spikes,), float32
        float32 holds 0.0002 um and 7 digits of a volt; the files hold the same values as float64.
    """

    offsets: npt.NDArray[np.int64]
    samples: npt.NDArray[np.int32]
    depths_um: Float32
    amps_v: Float32

    @property
    def n_clusters(self) -> int:
        """Number of clusters, those without spikes included."""
        return self.offsets.size - 1

    def __len__(self) -> int:
        return int(self.samples.size)

    def of(self, cluster: int) -> slice:
        """Return where the spikes of `cluster` are."""
        return slice(int(self.offsets[cluster]), int(self.offsets[cluster + 1]))


def empty_trains(counts: Sequence[int] | npt.NDArray[np.int64]) -> Trains:
    """Return room for so many spikes per cluster."""
    offsets = np.concatenate([[0], np.cumsum(np.asarray(counts, dtype=np.int64))]).astype(np.int64)
    n = int(offsets[-1])
    return Trains(offsets, np.empty(n, np.int32), np.empty(n, np.float32), np.empty(n, np.float32))


def run_tasks(
    tasks: Sequence[Callable[[], None]], report: Callable[[int], None], cancel: threading.Event | None
) -> None:
    """Run `tasks` on a few threads; report how many are done, stop at once when one fails.

    Raises
    ------
    Cancelled
        `cancel` was set.
    """
    n_threads = max(1, min(MAX_THREADS, os.cpu_count() or 1))
    waiting = iter(tasks)
    done = 0
    with ThreadPoolExecutor(n_threads, thread_name_prefix="demo") as pool:
        running: set[Future[None]] = set()
        try:
            while True:
                while len(running) < 2 * n_threads and (task := next(waiting, None)) is not None:
                    running.add(pool.submit(task))
                if not running:
                    return
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                done += len(finished)
                if cancel is not None and cancel.is_set():
                    raise Cancelled("The demo was not written")
                report(done)
        finally:
            for future in running:
                future.cancel()


def draw_trains(
    units: Sequence[Unit],
    size: Size,
    tracks: Sequence[Float32],
    events: Mapping[str, Events],
    motion: Motion,
    seed: int,
    report: Callable[[int], None],
    cancel: threading.Event | None = None,
) -> Trains:
    """Draw every unit's spikes, exactly as many as planned.

    Parameters
    ----------
    units : sequence of Unit
    size : Size
    tracks : sequence of ndarray
        Activity of each of `GROUPS`, from `make_tracks`.
    events : mapping of str to Events
    motion : Motion
    seed : int
        Each unit has a random stream of its own, so the result does not depend on the threads.
    report : callable
        Called with the number of units done.
    cancel : threading.Event or None

    Returns
    -------
    Trains

    Raises
    ------
    Cancelled
        `cancel` was set.
    """
    trains = empty_trains([unit.n_spikes for unit in units])
    tasks = [partial(_draw_unit, unit, size, tracks[unit.group], events, motion, seed, trains) for unit in units]
    run_tasks(tasks, report, cancel)
    return trains


def make_tracks(duration_s: float, behaviour: Behaviour, rng: np.random.Generator) -> list[Float32]:
    """Return the relative activity of each of `GROUPS` over the session, in bins of `BIN_S`.

    Arousal over minutes, states over seconds, bouts of grooming, synchronous bursts and silences
    (the vertical stripes of a raster), less of everything while the animal sits through the passive part.
    """
    n = int(np.ceil(duration_s / BIN_S))
    seconds = np.arange(n) * BIN_S
    common = 0.11 * _wander(n, 60.0, rng) + 0.07 * _wander(n, 3.0, rng)
    stripes = np.zeros(n)
    n_bursts = max(2, round(duration_s / 14))
    for start in rng.uniform(0, duration_s, n_bursts):
        width = float(np.exp(rng.normal(np.log(0.09), 0.5)))
        _bump(stripes, start, width, float(rng.uniform(0.4, 1.0) ** 3 * 3.2))
    for start in rng.uniform(0, duration_s, max(1, round(duration_s / 240))):  # bouts of movement
        _bump(stripes, start, float(rng.uniform(1.5, 6.0)), float(rng.uniform(0.25, 0.6)))
    for start in rng.uniform(0, duration_s, max(1, round(duration_s / 300))):  # short silences
        _bump(stripes, start, float(rng.uniform(0.15, 0.5)), -0.8)
    passive = (seconds >= float(behaviour.periods["passiveProtocol"].iloc[0])).astype(float)
    tracks = []
    for group in GROUPS:
        own = 0.16 * _wander(n, 90.0, rng) + 0.12 * _wander(n, 1.2, rng)
        calm = passive * (-0.45 if group in ("thalamus", "deep cortex") else -0.2)
        track = np.exp(common + own + calm) * (1 + stripes * (0.35 if group == "white" else 1.0))
        if group == "hippocampus":
            for start in rng.uniform(0, duration_s, max(2, round(duration_s / 4))):  # sharp-wave ripples
                if rng.random() < 0.35 + 0.65 * passive[min(int(start / BIN_S), n - 1)]:
                    _bump(track, start, 0.03, float(rng.uniform(1.5, 5.0)))
        if group == "upper cortex":
            track *= 1 + 0.35 * np.clip(_wander(n, 0.25, rng), -1.5, 1.5)
        tracks.append(np.maximum(track, 0.02).astype(np.float32))
    return tracks


def _wander(n: int, time_constant_s: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return smooth noise of unit variance: random knots at the time constant, joined."""
    knots = rng.normal(0.0, 1.25, max(4, int(n * BIN_S / time_constant_s) + 3))
    return np.interp(np.linspace(0, knots.size - 1, n), np.arange(knots.size), knots)


def _bump(track: npt.NDArray[np.float64], start_s: float, width_s: float, height: float) -> None:
    """Add a smooth event of about `width_s`, in place."""
    first = int(start_s / BIN_S)
    n = max(3, round(3 * width_s / BIN_S))
    part = track[first : first + n]
    part += height * np.sin(np.linspace(0, np.pi, n + 2)[1:-1])[: part.size] ** 2


def _response_shape(response: Response) -> npt.NDArray[np.float64]:
    """Return the relative rate change after an event, in bins: an alpha function of peak 1 times the gain."""
    at = (np.arange(int(6 * response.tau_s / BIN_S) + 2) + 0.5) * BIN_S / response.tau_s
    shape: npt.NDArray[np.float64] = response.gain * at * np.exp(1 - at)
    return shape


def _draw_unit(
    unit: Unit,
    size: Size,
    track: Float32,
    events: Mapping[str, Events],
    motion: Motion,
    seed: int,
    trains: Trains,
) -> None:
    """Fill one unit's part of `trains`."""
    rng = np.random.default_rng([seed, 4, unit.index])
    rate = unit_rate(unit, size, track, events, rng)
    n_foreign = round(unit.n_spikes * unit.contamination / (1 + unit.contamination))
    own = _train(unit.n_spikes - n_foreign, rate, unit.refractory_s, unit.burst, size.duration_s, rng)
    place = trains.of(unit.index)
    if n_foreign:
        foreign = _train(n_foreign, rate, 0.0, 0.0, size.duration_s, rng)
        merge_trains(own, foreign, trains.samples[place])
    else:
        trains.samples[place] = own
    place_spikes(
        trains.samples[place],
        rng.standard_normal(unit.n_spikes, dtype=np.float32),
        rng.standard_normal(unit.n_spikes, dtype=np.float32),
        unit.depth_um,
        unit.jitter_um,
        motion.residual_at(unit.depth_um),
        unit.tracking_um,
        unit.amp_uv,
        unit.amp_cv,
        unit.threshold_uv,
        unit.fade,
        size.duration_s,
        trains.depths_um[place],
        trains.amps_v[place],
    )


def unit_rate(
    unit: Unit, size: Size, track: Float32, events: Mapping[str, Events], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return the relative firing rate of a unit over the session, in bins of `BIN_S`.

    Parameters
    ----------
    unit : Unit
    size : Size
    track : ndarray, shape (n_bins,), float32
        Activity of the unit's group.
    events : mapping of str to Events
    rng : numpy.random.Generator
        Draws the unit's own slow changes.

    Returns
    -------
    ndarray, shape (n_bins,), float64
    """
    n_knots = max(8, int(size.duration_s / 75))
    at = np.linspace(0, 1, n_knots)
    knots = np.exp(0.2 * rng.normal(0, 1, n_knots) + 0.25 * np.cumsum(rng.normal(0, 1, n_knots)) / np.sqrt(n_knots))
    # A fading unit sinks below the detection threshold: the rate falls by what is missed.
    height = unit.amp_uv * (1 - unit.fade * at)
    knots *= 0.002 + ndtr((height - unit.threshold_uv) / (height * unit.amp_cv))
    gain = np.zeros(track.size, np.float32)
    for response in unit.responses:
        driven = events[response.kind]
        add_responses(gain, driven.times_s, driven.weights, _response_shape(response), response.latency_s)
    rate = np.empty(track.size)
    first, last = (int(edge * track.size) for edge in unit.alive)
    shape_rate(rate, track, unit.coupling, knots, first, last, gain)
    return rate


def _train(
    n: int,
    relative: npt.NDArray[np.float64],
    refractory_s: float,
    burst: float,
    duration_s: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.int32]:
    """Draw exactly `n` spikes: a few too many, of which random ones are left out."""
    if n <= 0:
        return np.empty(0, np.int32)
    total = float(relative.sum()) * BIN_S
    surplus = 1.02
    while True:
        wanted = surplus * n
        room = int(wanted + 8 * np.sqrt(wanted) + 64)
        drawn = np.empty(room, np.int32)
        waits = rng.standard_exponential(room)
        chances = rng.random(room, dtype=np.float32)
        scale_hz = wanted * (1 - burst) / total
        found = renewal_train(relative, scale_hz, refractory_s, burst, duration_s - 0.1, waits, chances, drawn)
        if found >= n:
            break
        if found < 0:
            # Bursts vary more than single spikes: the draws ended before the session did.
            surplus *= 0.985
        else:
            surplus = surplus * 1.03 + 6 / np.sqrt(n)
    out = np.empty(n, np.int32)
    dropped = np.sort(rng.choice(found, found - n, replace=False, shuffle=False))
    thin_train(drawn[:found], dropped, out)
    return out

"""How the demo's brain moves along the probe: what the sorter took out, and what remained in the depths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

BATCH_S = 65_600 / 30_000
"""Pykilosort's batch: one row of ``drift.um`` each."""
N_DEPTHS = 9
STEP_AT = 0.62
"""When, as a fraction of the session, the animal shifts and everything moves together."""
STEP_UM = (21.0, 11.0)
"""That step at the tip and at the surface."""
MISSED_UM = 4.5
"""Standard deviation, at the tip, of slow motion that the sorter did not see."""
GRID_S = 1.0

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Motion:
    """Motion along the probe, positive towards the surface.

    Attributes
    ----------
    times_s : ndarray, shape (n_batches,), float64
        Batch starts, on the probe's clock.
    depths_um : ndarray, shape (9,), float64
    removed_um : ndarray, shape (n_batches, 9), float64
        What the sorter estimated and took out before detection: ``drift.um``.
    residual_um : ndarray, shape (n_seconds, 9), float64
        What it missed, once a second: what moves the spikes' depths.
    """

    times_s: Array
    depths_um: Array
    removed_um: Array
    residual_um: Array

    def residual_at(self, depth_um: float) -> Array:
        """Return the remaining motion at a depth, once a second, shape (n_seconds,), float64, um."""
        place = np.interp(depth_um, self.depths_um, np.arange(N_DEPTHS))
        low = min(int(place), N_DEPTHS - 2)
        part = place - low
        mixed: Array = (1 - part) * self.residual_um[:, low] + part * self.residual_um[:, low + 1]
        return mixed


def make_motion(duration_s: float, rng: np.random.Generator) -> Motion:
    """Return the session's motion: settling, wander, a step, and breathing-scale shivers.

    Parameters
    ----------
    duration_s : float
    rng : numpy.random.Generator

    Returns
    -------
    Motion
    """
    depths = np.linspace(120.0, 3720.0, N_DEPTHS)
    up = (depths - depths[0]) / (depths[-1] - depths[0])
    times = np.arange(0.0, duration_s, BATCH_S)
    seconds = np.arange(0.0, duration_s + 2 * GRID_S, GRID_S)
    # A session shorter than the real one has the same motion, faster.
    phase = seconds / duration_s
    settling = 26.0 * (1 - np.exp(-phase / 0.12))
    wander = np.cumsum(rng.normal(0.0, 1.0, seconds.size))
    wander = 9.0 * (wander - wander.mean()) / max(float(np.abs(wander).max()), 1.0)
    scale = (1.0 - 0.45 * up)[None, :]
    tilt = np.cumsum(rng.normal(0.0, 0.5, (seconds.size, N_DEPTHS)), axis=0)
    tilt = 3.0 * (tilt - tilt.mean(axis=0)) / np.maximum(np.abs(tilt).max(axis=0), 1.0)
    true = (settling + wander)[:, None] * scale + tilt

    after = 1 / (1 + np.exp(-(phase - STEP_AT) / 0.0012))
    recovery = 1 - 0.45 * (1 - np.exp(-np.clip(phase - STEP_AT, 0, None) / 0.16))
    step = (after * recovery)[:, None] * np.interp(up, [0, 1], STEP_UM)[None, :]

    # The sorter follows what is slow; of a step it sees two thirds, of its own noise it adds some.
    removed = np.empty((times.size, N_DEPTHS))
    for column in range(N_DEPTHS):
        estimate = 0.86 * true[:, column] + 0.66 * step[:, column]
        removed[:, column] = np.interp(times + BATCH_S / 2, seconds, estimate)
    removed += rng.normal(0.0, 0.35, removed.shape)
    shiver = rng.normal(0.0, 1.0, (seconds.size, 1)) * np.interp(up, [0, 1], [1.1, 1.6])[None, :]
    # What it missed of the slow motion wanders by itself, more at the tip than at the surface.
    knots = rng.normal(0.0, 1.0, (max(6, int(duration_s / 140)), 2))
    rows = np.linspace(0, len(knots) - 1, seconds.size)
    slow = np.stack([CubicSpline(np.arange(len(knots)), knots[:, side])(rows) for side in (0, 1)], axis=1)
    missed = MISSED_UM * (slow[:, :1] * scale + 0.5 * slow[:, 1:] * up[None, :])
    residual = 0.14 * true + missed + 0.7 * step + shiver
    return Motion(times, depths, removed, residual - residual[: max(5, seconds.size // 50)].mean(axis=0))

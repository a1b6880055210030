"""What the change of each unit means among its neighbours, and the columns that the cluster table takes of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.change.spans import BAND_UM, LEAST_UM, MIN_UNITS, TOGETHER, co_movement
from dashboard.analysis.events.align import Range

PREFIX = "change_"
"""Of the columns that two spans add to the cluster table."""

ALONE_UM = 10.0
"""A unit that leaves its neighbours by less is not said to move alone: half of the pitch of the contacts' rows.
Nothing below it, and below `LEAST_UM` for the move itself, is a finding, however narrow its interval."""

WITH_OTHERS, ALONE, STEADY = "moved with others", "moved alone", "steady"
UNDETERMINED = "undetermined"
"""The spikes do not tell: the interval holds zero and a change that would be a finding, or the unit moved, and neither
with its band nor far from it."""
LOST, LOST_TOGETHER, APPEARED, SILENT, UNKNOWN = "lost by itself", "lost with its band", "appeared", "silent", "–"

FLAGGED = (LOST, ALONE, LOST_TOGETHER, APPEARED)
"""Verdicts that a reader should look at, those that a moving probe does not explain first."""


def unit_verdicts(changes: pd.DataFrame, band_um: float = BAND_UM) -> list[str]:
    """Return what each unit did, seen beside those of its band of depth: many together is motion, one alone is not.

    Parameters
    ----------
    changes : DataFrame, one row per unit
        From `dashboard.analysis.change.spans.compare_spans`, with depths.
    band_um : float, in um

    Returns
    -------
    list of str
        ``lost by itself`` where a unit vanished and most of its band did not, ``lost with its band`` where half of
        the band or more (and three units) vanished, ``appeared``, ``silent`` in both spans, ``moved alone`` where its
        interval leaves out zero and the median change of its band, which it leaves by `ALONE_UM` or more, ``moved with
        others`` where its interval leaves out zero in a band that moves the same way, ``steady`` for less than
        `LEAST_UM` with an interval within `ALONE_UM` of zero, else ``undetermined``; ``–`` without depths in both.

    Raises
    ------
    BadRequest
        No depths, or a band that is not above zero.
    """
    bands = co_movement(changes, band_um)
    motion = dict(zip(bands["low_um"], bands["verdict"] == "motion", strict=True))
    medians = dict(zip(bands["low_um"], bands["median_change_um"], strict=True))
    n_lost = dict(zip(bands["low_um"], bands["n_lost"], strict=True))
    depth = changes["depth_before_um"].fillna(changes["depth_after_um"])
    lows = np.floor(depth / band_um) * band_um
    had = lows[changes["n_before"] > 0].value_counts()
    verdicts = []
    columns = ("state", "depth_change_um", "depth_change_low_um", "depth_change_high_um")
    for low, state, change, least, most in zip(lows, *(changes[name] for name in columns), strict=True):
        if state == "lost":
            together = n_lost.get(low, 0) >= max(MIN_UNITS, TOGETHER * had.get(low, 0))
            verdicts.append(LOST_TOGETHER if together else LOST)
        elif state in ("appeared", "silent"):
            verdicts.append(APPEARED if state == "appeared" else SILENT)
        elif not (np.isfinite(least) and np.isfinite(most)):
            verdicts.append(UNKNOWN)
        else:
            verdicts.append(_moved(change, (least, most), medians[low], is_motion=bool(motion[low])))
    return verdicts


def _moved(change: float, interval: Range, median: float, *, is_motion: bool) -> str:
    low, high = interval
    if abs(change) < LEAST_UM:
        return STEADY if low > -ALONE_UM and high < ALONE_UM else UNDETERMINED
    if low <= 0 <= high:
        return UNDETERMINED
    if abs(change - median) >= ALONE_UM and not low <= median <= high:
        return ALONE
    return WITH_OTHERS if is_motion and change * median > 0 else UNDETERMINED


def change_columns(changes: pd.DataFrame, *, amps_are_volts: bool) -> pd.DataFrame:
    """Return the columns that the cluster table takes of a comparison of two spans.

    Parameters
    ----------
    changes : DataFrame, one row per unit
        From `dashboard.analysis.change.spans.compare_spans`, with depths.
    amps_are_volts : bool
        As `SpikeSorting.amps_are_volts`: else the amplitudes have no unit, and their columns say so.

    Returns
    -------
    DataFrame, index = cluster id
        ``change_verdict`` (see `unit_verdicts`), ``change_depth_um``, ``change_amp_uv`` (``_au`` without a unit; left
        out without amplitudes), ``change_rate_hz`` and ``change_rate_ratio``, each followed by the 95 % limits
        ``_low`` and ``_high``.
    """
    amp = "uv" if amps_are_volts else "au"
    columns: dict[str, npt.ArrayLike] = {f"{PREFIX}verdict": np.array(unit_verdicts(changes), dtype=object)}
    for name, own, unit in (("depth", "um", "um"), ("amp", "uv", amp), ("rate", "hz", "hz")):
        if f"{name}_change_{own}" in changes:
            columns[f"{PREFIX}{name}_{unit}"] = changes[f"{name}_change_{own}"]
            for end in ("low", "high"):
                columns[f"{PREFIX}{name}_{end}_{unit}"] = changes[f"{name}_change_{end}_{own}"]
    for end in ("", "_low", "_high"):
        ratio = changes[f"rate_ratio{end}"].to_numpy(dtype=np.float64)
        columns[f"{PREFIX}rate_ratio{end}"] = np.where(np.isfinite(ratio), ratio, np.nan)
    return pd.DataFrame(columns, index=changes.index)

"""Figures of spikes around an event of the trials."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dashboard.analysis.events.picture import EventPicture, pooled_groups, raster_limits, trials_per_row
from dashboard.analysis.units.clouds import opacity
from dashboard.figures.figure import Axis, Bands, Figure, Levels, Lines, Matrix, Pictures, Range
from dashboard.model.texts import counted, duration_text

Z_LIMIT = 10.0
"""Limits of the population's colours, in standard deviations of the baseline, as in the brain-wide map's figures."""


def psth(found: EventPicture) -> Figure:
    """Return the mean rate of each group of trials, with bands of one standard error on either side."""
    groups = found.groups
    edges = groups[0].psth.edges_s if groups else found.raster_edges_s
    rates = [group.psth for group in groups]
    errors = [np.nan_to_num(rate.sem_hz) for rate in rates]
    with_band = [k for k, rate in enumerate(rates) if np.isfinite(rate.sem_hz).all()]
    high = max((float((rate.mean_hz + error).max()) for rate, error in zip(rates, errors, strict=True)), default=0.0)
    inks = [group.group.color for group in groups]
    n_trials = sum(map(len, groups))
    by = f" by {found.split}" if found.split != "none" else ""
    return Figure(
        "event-psth",
        f"{counted(n_trials, 'trial')}{by}, {duration_text(float(edges[1] - edges[0]))} bins",
        _time(found, (float(edges[0]), float(edges[-1]))),
        Axis("Rate ± SEM", "Hz", (0.0, 1.05 * high or 1.0)),
        (
            Bands(
                [rates[k].centres_s for k in with_band],
                [rates[k].mean_hz - errors[k] for k in with_band],
                [rates[k].mean_hz + errors[k] for k in with_band],
                [inks[k] for k in with_band],
            ),
            Lines(
                [rate.centres_s for rate in rates], [rate.mean_hz for rate in rates], inks, width=1.8,
                names=[f"{group.group.label} ({len(group):,})" for group in groups],
            ),
            Levels([0.0], "x", is_dashed=False),
        ),
        absent="" if groups else "no trial can be used",
        legend=f"{found.split} (trials)" if by else "",
    )  # fmt: skip


def trials(found: EventPicture) -> Figure:
    """Return spikes by trial and time from the event, groups one above the other in their colours."""
    rows = pooled_groups(found.groups, is_single=found.is_single)
    tops = np.cumsum([len(group) for group in found.groups]).tolist()
    start, end = (float(edge) for edge in found.raster_edges_s[[0, -1]])
    n_trials = tops[-1] if tops else 0
    per_row = trials_per_row(n_trials)
    shared = f", {per_row} trials a row" if per_row > 1 else ""
    width = duration_text(float(found.raster_edges_s[1] - found.raster_edges_s[0]))
    return Figure(
        "event-raster",
        f"{found.subject}\n{counted(n_trials, 'trial')}, {width} bins{shared}",
        _time(found, (start, end)),
        Axis("Trials", limits=(0.0, float(max(n_trials, 1)))),
        (
            Pictures(
                _opacities(rows, is_single=found.is_single),
                [(start, end)] * len(rows),
                list(zip([0, *tops], tops, strict=False)),
                inks=[group.group.color for group in found.groups],
            ),
            Levels([float(top) for top in tops[:-1]], "y", is_dashed=False),
            Levels([0.0], "x", is_dashed=False),
        ),
        absent="" if tops else "no trial can be used",
    )


def population(found: EventPicture) -> Figure:
    """Return the rate of the population around the event by depth, as z-scores of the baseline."""
    edges, depths = found.map.time_edges_s, found.map.depth_edges_um
    x, y = (float(edges[0]), float(edges[-1])), (float(depths[0]), float(depths[-1]))
    limits = (-Z_LIMIT, Z_LIMIT)
    return Figure(
        "event-map",
        f"All units that pass, {counted(found.map.n_trials, 'trial')}; grey: the baseline does not vary",
        _time(found, x),
        Axis("Depth along probe", "µm", y),
        (
            Matrix(found.map.zscore, x, y, "zscore", limits, label="z-score of the rate"),
            Levels([0.0], "x", "ink", is_dashed=False),
        ),
    )


def _time(found: EventPicture, limits: Range) -> Axis:
    return Axis(f"Time from {found.event}", "s", limits)


def _opacities(rows: list[npt.NDArray[np.float64]], *, is_single: bool) -> list[npt.NDArray[np.uint8]]:
    """Return opacities: by the logarithm of a unit's counts, else linear between the limits."""
    if is_single:
        return [opacity(row.astype(np.int64)) for row in rows]
    low, high = raster_limits(rows, is_single=False)
    return [np.round(255 * np.clip((row - low) / (high - low), 0, 1)).astype(np.uint8) for row in rows]

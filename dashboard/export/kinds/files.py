"""Data files of what the tabs show: rates around an event, correlograms, two sides of a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.compare.difference import subtract
from dashboard.analysis.events.picture import EventPicture
from dashboard.analysis.units.bins import DEFAULT_BINS, UnitBins
from dashboard.analysis.units.correlograms import autocorrelogram
from dashboard.export.kinds.compare import BothSides
from dashboard.export.kinds.events import bins_of
from dashboard.export.kinds.pairs import correlate
from dashboard.export.kinds.unit import chosen_unit
from dashboard.export.origin import Subject, own_spikes
from dashboard.export.spikes import AGGREGATE_SIZE, exported_file, write_arrays
from dashboard.model.errors import BadRequest
from dashboard.model.tables import csv_text
from dashboard.model.unit_ids import write_ids

ROW_BYTES = 130
"""Of a text file of what tabs show, per row."""

Arrays = dict[str, npt.NDArray[Any]]


def write_correlogram(path: Path, subject: Subject, kind: str, bins: UnitBins = DEFAULT_BINS) -> int:
    """Write the autocorrelogram of the selected unit, and return the number of bins.

    ``lag_s``, ``count``, ``rate_hz``; ``cluster_id``, ``bin_s``, ``n_spikes``; ``amp_from``, ``amp_below`` where only
    spikes within limits of amplitude are counted.

    Raises
    ------
    BadRequest
        No unit is selected, bins make no sense, or the format is neither csv nor npz.
    """
    cluster = chosen_unit(subject)
    found = autocorrelogram(own_spikes(subject, cluster).times_s, bins.lag_bin_s, 2 * bins.lag_half_s)
    single = {
        "cluster_id": subject.sorting.units.of(cluster),
        "bin_s": found.bin_s,
        "n_spikes": found.n_reference,
        **_limits_of(subject),
    }
    arrays: Arrays = {"lag_s": found.lags_s, "count": found.counts, "rate_hz": found.rate_hz}
    if kind == "csv":
        return write_table(path, subject, pd.DataFrame(arrays).assign(**single))
    _check(kind)
    write_arrays(path, subject, arrays | {name: np.array(value) for name, value in single.items()})
    return len(found.counts)


def write_pairs(path: Path, subject: Subject, kind: str, bins: UnitBins = DEFAULT_BINS) -> int:
    """Write the correlograms of the selected units, in pairs and of each, and return the number of bins in all.

    CSV: a row per pair and bin, ``reference``, ``other``, ``lag_s``, ``count``, ``rate_hz``. NPZ: ``reference`` and
    ``other`` of shape (n_pairs,), ``lag_s`` (n_bins,), ``count`` and ``rate_hz`` (n_pairs, n_bins). Limits of amplitude
    as in `write_correlogram`.

    Raises
    ------
    BadRequest
        Fewer than two units are selected, bins make no sense, or the format is neither csv nor npz.
    """
    pairs, ids = correlate(subject, bins), subject.sorting.units
    if kind == "csv":
        tables = [
            pd.DataFrame({"lag_s": lags.lags_s, "count": lags.counts, "rate_hz": lags.rate_hz}).assign(
                reference=ids.of(first),
                other=ids.of(second),
                bin_s=lags.bin_s,
                n_reference=lags.n_reference,
                **_limits_of(subject),
            )
            for first, second, lags in pairs
        ]
        return write_table(path, subject, pd.concat(tables, ignore_index=True))
    _check(kind)
    arrays: Arrays = {
        "reference": ids.at([first for first, _, _ in pairs]),
        "other": ids.at([second for _, second, _ in pairs]),
        "lag_s": pairs[0][2].lags_s,
        "count": np.array([lags.counts for _, _, lags in pairs]),
        "rate_hz": np.array([lags.rate_hz for _, _, lags in pairs]),
        "n_reference": np.array([lags.n_reference for _, _, lags in pairs]),
        "bin_s": np.array(pairs[0][2].bin_s),
        **{name: np.array(limit) for name, limit in _limits_of(subject).items()},
    }
    write_arrays(path, subject, arrays)
    return int(arrays["count"].size)


def write_events(path: Path, subject: Subject, picture: EventPicture, event: str, split: str, kind: str) -> int:
    """Write the rates around an event, of each group of trials, and return the number of bins in all.

    CSV: a row per group and bin, ``group``, ``start_s``, ``end_s``, ``mean_hz``, ``sem_hz``, ``n_trials``. NPZ:
    ``groups`` (n_groups,), ``edges_s`` (n_bins + 1,), ``mean_hz`` and ``sem_hz`` (n_groups, n_bins), and the trials
    that they are made of: ``counts`` (n_trials, n_fine_bins) between ``fine_edges_s``, ``trials`` and
    ``group_of_trial`` (n_trials,); the population's ``map_zscore`` with its edges.

    Raises
    ------
    BadRequest
        No trial can be used, or the format is neither csv nor npz.
    """
    groups = picture.groups
    if not groups:
        raise BadRequest("No trial can be used", event, "Switch the mask off, or choose another event")
    single = {"event": event, "split": split, "spikes_of": picture.subject}
    if kind == "csv":
        tables = [
            pd.DataFrame(
                {
                    "group": group.group.label,
                    "start_s": group.psth.edges_s[:-1],
                    "end_s": group.psth.edges_s[1:],
                    "mean_hz": group.psth.mean_hz,
                    "sem_hz": group.psth.sem_hz,
                    "n_trials": group.psth.n_trials,
                }
            )
            for group in groups
        ]
        return write_table(path, subject, pd.concat(tables, ignore_index=True).assign(**single))
    _check(kind)
    found = picture.map
    arrays: Arrays = {
        "groups": np.array([group.group.label for group in groups]),
        "edges_s": groups[0].psth.edges_s,
        "mean_hz": np.array([group.psth.mean_hz for group in groups]),
        "sem_hz": np.array([group.psth.sem_hz for group in groups]),
        "n_trials": np.array([group.psth.n_trials for group in groups]),
        "counts": np.concatenate([group.counts for group in groups]),
        "fine_edges_s": picture.raster_edges_s,
        "trials": np.concatenate([group.trials for group in groups]),
        "group_of_trial": np.repeat(np.arange(len(groups)), [len(group.trials) for group in groups]),
        "map_zscore": found.zscore,
        "map_time_edges_s": found.time_edges_s,
        "map_depth_edges_um": found.depth_edges_um,
        **{name: np.array(value) for name, value in single.items()},
    }
    write_arrays(path, subject, arrays, **single, trials=picture.trials_text(event), bins=bins_of(picture))
    return int(arrays["mean_hz"].size)


def write_comparison(path: Path, sides: BothSides, kind: str) -> int:
    """Write what became of the units (CSV), or both pictures and their difference (NPZ); return rows or pixels.

    CSV: a row per group of units, ``kind``, ``units_a``, ``units_b`` (ids with spaces between them), ``score``,
    ``n_shared``, ``n_a``, ``n_b``. NPZ: ``a``, ``b`` and, where there is one, ``a_minus_b``, with their edges.

    Raises
    ------
    BadRequest
        Units are not matched, or the format is neither csv nor npz.
    """
    names = {"a": sides.names[0], "b": sides.names[1]}
    if kind == "csv":
        if sides.table is None:
            raise BadRequest("There is no table of matched units", sides.names[1], sides.note or "Wait for the match")
        table = sides.table.assign(
            units_a=[_spaced(sides.a, units) for units in sides.table["units_a"]],
            units_b=[_spaced(sides.b, units) for units in sides.table["units_b"]],
        )
        return write_table(path, sides.a, table.assign(**names))
    _check(kind)
    a, b = sides.pictures(*AGGREGATE_SIZE)
    arrays: Arrays = {
        "a": a.values, "b": b.values, "time_edges_s": a.time_edges_s, "depth_edges_um": a.depth_edges_um,
    }  # fmt: skip
    if sides.has_difference:
        arrays["a_minus_b"] = subtract(a, b).values
    write_arrays(path, sides.a, arrays, side_a=names["a"], side_b=names["b"], matched=sides.counts)
    return int(a.values.size)


def _spaced(subject: Subject, units: tuple[int, ...]) -> str:
    return write_ids((subject.sorting.units.of(unit) for unit in units), " ")


def _limits_of(subject: Subject) -> dict[str, float]:
    """Return the limits of single spikes by the names that files have for them."""
    return (
        {} if subject.amp_range_uv is None else dict(zip(("amp_from", "amp_below"), subject.amp_range_uv, strict=True))
    )


def _check(kind: str) -> None:
    if kind != "npz":
        raise BadRequest("This export has no such format", kind, "Choose csv or npz")


def write_table(path: Path, subject: Subject, table: pd.DataFrame) -> int:
    """Write a table as CSV with the insertion in each row, and return the number of rows."""
    insertion = subject.sorting.ref.insertion
    whole = table.assign(pid=insertion.pid or "", insertion=insertion.key)
    with exported_file(path) as draft:
        draft.write_text(csv_text(whole), encoding="utf-8")
    return len(table)

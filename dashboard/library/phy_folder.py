"""A sorting of any kind written as a folder that phy, phylib and SpikeInterface open, with a template for each unit."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.library.columns_file import write_column
from dashboard.model.errors import BadRequest
from dashboard.model.files import write_file
from dashboard.model.progress import ProgressCallback
from dashboard.model.sorting import SpikeSorting

SAMPLE_RATE_HZ = 30_000.0
"""Of Neuropixels' wide band; another one is read off where a sorting has both samples and times."""


def write_phy_folder(
    sorting: SpikeSorting, folder: Path, progress: ProgressCallback, cancel: threading.Event | None
) -> tuple[str, ...]:
    """Write the files into a folder that is there; return a sentence for each thing that they cannot hold.

    ``spike_templates`` is the row of the unit. ``amplitudes`` and ``templates`` are in the sorting's unit (µV, or
    arbitrary), and not whitened; features are not written.

    Raises
    ------
    BadRequest
        Ids are texts or negative, or the sites of the probe are not known.
    Cancelled
        `cancel` was set.
    """
    spikes, channels, n = sorting.spikes, sorting.channels, sorting.n_spikes
    if sorting.units.are_text or int(sorting.unit_ids.min(initial=0)) < 0:
        raise BadRequest("phy has whole numbers from 0 on for ids", sorting.title, "Write ALF: --kind alf")
    if not {"axial_um", "lateral_um"} <= set(channels) or not len(channels):
        raise BadRequest("phy needs the sites of the probe, which are unknown", sorting.title, "Write ALF: --kind alf")
    samples, rate = samples_of(sorting), rate_hz(sorting)
    said = ["features, raw data and depths of single spikes have no place in these files"]
    if _own_samples(sorting) is None:
        said.append(f"spike_times are times of {rate:g} samples per s: the sorting's samples were not read")

    def of_units(rows: slice) -> npt.NDArray[Any]:
        return sorting.unit_indexes(rows).reshape(-1)

    def of_amps(rows: slice) -> npt.NDArray[Any]:
        if spikes.amps_v is None:
            return np.ones(len(np.asarray(spikes.times_s[rows])))
        return sorting.amp_scale * np.asarray(spikes.amps_v[rows], np.float64).reshape(-1)

    ids = sorting.unit_ids.astype(np.int32)
    for name, dtype, values in (
        ("spike_times", np.int64, lambda rows: samples[rows]),
        ("spike_clusters", np.int32, lambda rows: ids[of_units(rows)]),
        ("spike_templates", np.int32, of_units),
        ("amplitudes", np.float64, of_amps),
    ):
        write_column(folder / f"{name}.npy", n, dtype, values, progress, cancel)
    if spikes.amps_v is None:
        said.append("amplitudes are not known: 1 for each spike")
    waveforms, is_known = unit_templates(sorting)
    if not is_known:
        said.append("templates are not known: a single sample of 1 on the channel of each unit stands for them")
    np.save(folder / "templates.npy", waveforms)
    np.save(folder / "channel_map.npy", np.arange(len(channels), dtype=np.int32))
    np.save(folder / "channel_positions.npy", channels[["lateral_um", "axial_um"]].to_numpy(np.float64))
    if "shank" in channels:
        np.save(folder / "channel_shanks.npy", channels["shank"].to_numpy(np.int32))
    lines = ("dat_path = ''", f"n_channels_dat = {len(channels)}", "dtype = 'int16'", "offset = 0",
             f"sample_rate = {rate!r}", "hp_filtered = False")  # fmt: skip
    write_file(folder / "params.py", ("\n".join(lines) + "\n").encode())
    return tuple(said)


def samples_of(sorting: SpikeSorting) -> npt.NDArray[np.int64]:
    """Return the sample of each spike, shape (n_spikes,): the sorting's own, else of its times at `rate_hz`.

    Own samples that start anew, with each segment for one, are not taken.
    """
    samples = _own_samples(sorting)
    if samples is not None:
        return samples
    times = np.asarray(sorting.spikes.times_s, np.float64).reshape(-1)
    return np.where(np.isfinite(times), np.round(times * rate_hz(sorting)), 0.0).astype(np.int64)


def rate_hz(sorting: SpikeSorting) -> float:
    """Return the rate that samples and times of the sorting speak of; clocks differ, so within 5 Hz it is 30 kHz."""
    samples = sorting.spikes.extra.get("samples")
    if samples is None or sorting.n_spikes < 2:
        return SAMPLE_RATE_HZ
    found = np.asarray(samples).reshape(-1)
    falls = np.flatnonzero(_starts_anew(found))
    last, times = int(falls[0]) if len(falls) else -1, sorting.spikes.times_s
    span = float(times[last]) - float(times[0])
    rate = (float(found[last]) - float(found[0])) / span if span > 0 else np.nan
    return float(round(rate)) if np.isfinite(rate) and abs(rate - SAMPLE_RATE_HZ) > 5 and rate > 1 else SAMPLE_RATE_HZ


def _own_samples(sorting: SpikeSorting) -> npt.NDArray[np.int64] | None:
    samples = sorting.spikes.extra.get("samples")
    if samples is None:
        return None
    found = np.asarray(samples).reshape(-1).astype(np.int64)
    return None if _starts_anew(found).any() else found


def _starts_anew(samples: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return np.diff(samples.astype(np.int64)) < -int(SAMPLE_RATE_HZ)


def peak_channels(sorting: SpikeSorting) -> npt.NDArray[np.int64]:
    """Return the channel of each unit, shape (n_units,); the first one where it is not known."""
    peaks = sorting.clusters["channels"] if "channels" in sorting.clusters else np.zeros(sorting.n_clusters)
    found = np.nan_to_num(np.asarray(peaks, np.float64))
    return np.clip(found, 0, len(sorting.channels) - 1).astype(np.int64)


def unit_templates(sorting: SpikeSorting) -> tuple[npt.NDArray[np.float32], bool]:
    """Return the template of each unit on all channels, shape (n_units, n_samples, n_channels), and whether any is."""
    templates, n, n_channels = sorting.templates, sorting.n_clusters, len(sorting.channels)
    if templates is None:
        waveforms = np.zeros((n, 2, n_channels), np.float32)
        waveforms[np.arange(n), 0, peak_channels(sorting)] = 1.0
        return waveforms, False
    rows = np.arange(n)
    if templates.dataset.startswith("templates."):  # the sorter's own: the one that most spikes of a unit are of
        of_spikes = sorting.spikes.extra.get("templates")
        if of_spikes is None:
            rows = sorting.unit_ids.copy() if not sorting.units.are_text else rows
        else:
            pairs = np.column_stack([sorting.unit_indexes().reshape(-1), np.asarray(of_spikes, np.int64).reshape(-1)])
            found, counts = np.unique(pairs, axis=0, return_counts=True)
            for (unit, template), _ in sorted(
                zip(found.tolist(), counts.tolist(), strict=True), key=lambda one: one[1]
            ):
                rows[unit] = template
    waveforms = np.zeros((n, templates.waveforms.shape[1], n_channels), np.float32)
    for unit, row in enumerate(rows.tolist()):
        if 0 <= row < len(templates.waveforms):
            near = np.asarray(templates.channels[row], np.int64)
            known = (near >= 0) & (near < n_channels)
            traces = np.nan_to_num(np.asarray(templates.waveforms[row], np.float64)[:, known])
            waveforms[unit][:, near[known]] = sorting.amp_scale * traces
    return waveforms, True

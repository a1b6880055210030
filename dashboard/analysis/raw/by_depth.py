"""Quality of the recording by depth as a table: noise, power of LF by band, and bad channels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.raw.maps import by_depth, channel_depths, channel_labels
from dashboard.analysis.raw.spectra import BANDS_HZ, band_powers
from dashboard.model.noise import Noise

BAD = {"dead": 1, "noisy": 2, "outside": 3}
"""Columns that count channels, and the labels that they count."""
STRETCH_UM = 200.0
"""Of the probe, that ``check`` has a row for."""


def power_column(band: str) -> str:
    """Return the column of a band of LF: ``lf_4_10_hz_db``."""
    return f"lf_{band.split()[0].replace('-', '_')}_hz_db"


POWERS = {band: power_column(band) for band in BANDS_HZ}
UNSAID = {"ap_rms_uv": "ap_rms", "lf_rms_uv": "lf_rms"}
"""Columns of RMS, and what they are called where no file says their unit; see `Noise.rms_is_volts`."""
VALUES = ("ap_rms_uv", "ap_rms_destriped_uv", "lf_rms_uv", *POWERS.values(), *UNSAID.values())
"""Columns that hold a value of the recording."""


def quality_by_depth(noise: Noise, channels: pd.DataFrame) -> pd.DataFrame:
    """Return the quality of the recording, a row for each depth, the lowest first.

    Columns: ``depth_um``; ``n_channels``; ``ap_rms_uv`` and ``lf_rms_uv``, as recorded: the median over time of a
    channel; ``ap_rms_destriped_uv``; ``lf_0_4_hz_db`` and the other bands of
    `dashboard.analysis.raw.spectra.band_powers`; each the mean of the channels at that depth, bad ones included,
    as IBL's alignment GUI takes it; ``ap_rms`` and ``lf_rms`` where their unit is not known. ``dead``, ``noisy``,
    ``outside``: how many of them are. What no file holds has no column.

    Parameters
    ----------
    noise : Noise
    channels : DataFrame
        Of the sorting, whose ``rawInd`` names columns of the file.
    """
    depths = channel_depths(noise, channels)
    found: dict[str, npt.NDArray[Any]] = {}

    def add(name: str, values: npt.NDArray[np.float64] | None) -> None:
        if values is not None and values.shape == depths.shape:
            found[name], found["depth_um"] = _at_depths(values, depths)

    before, after = noise.channel_rms_v if noise.channel_rms_v is not None else (None, None)
    add("ap_rms_uv", before if noise.ap_rms_v is None else _median(noise.ap_rms_v))
    add("ap_rms_destriped_uv", after)
    add("lf_rms_uv", None if noise.lf_rms_v is None else _median(noise.lf_rms_v))
    for name in set(VALUES[:3]) & set(found):
        found[name] = found[name] * 1e6
    if noise.lfp_power is not None and noise.lfp_hz is not None:
        for band, values in band_powers(noise.lfp_power, noise.lfp_hz).items():
            add(POWERS[band], values)
    if not noise.rms_is_volts:
        found = {UNSAID.get(name, name): values for name, values in found.items()}
    labels = channel_labels(noise, channels, len(depths))
    if labels is not None and len(labels) == len(depths):
        for name, label in BAD.items():
            counted, found["depth_um"] = by_depth((labels == label)[np.newaxis], depths)
            found[name] = np.rint(counted[0] * np.unique(depths[np.isfinite(depths)], return_counts=True)[1]).astype(
                int
            )
    if "depth_um" not in found:
        return pd.DataFrame()
    found["n_channels"] = np.unique(depths[np.isfinite(depths)], return_counts=True)[1]
    return pd.DataFrame({name: found[name] for name in ("depth_um", "n_channels", *VALUES, *BAD) if name in found})


def _median(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    return np.asarray(np.median(values, axis=0)) if len(values) else None


def _at_depths(
    values: npt.NDArray[np.float64], depths_um: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    rows, depths = by_depth(values[np.newaxis], depths_um)
    return rows[0], depths


def stretches(table: pd.DataFrame, length_um: float = STRETCH_UM) -> list[dict[str, Any]]:
    """Return the quality of stretches of the probe as plain values: medians over their depths, and counts of channels.

    Parameters
    ----------
    table : DataFrame
        As `quality_by_depth` returns it.
    length_um : float
    """
    rows = []
    for start, own in table.groupby(np.floor(table["depth_um"] / length_um) * length_um):
        row: dict[str, Any] = {"from_um": float(start), "to_um": float(start) + length_um}
        for name in own.columns.drop("depth_um"):
            is_count = name == "n_channels" or name in BAD
            value = float(own[name].sum() if is_count else own[name].median())
            row[name] = int(value) if is_count else round(value, 3) if math.isfinite(value) else None
        rows.append(row)
    return rows


def quality_report(noise: Noise, channels: pd.DataFrame) -> dict[str, Any]:
    """Return what ``check --json`` says of the recording; empty where no file of its quality is there.

    Returns
    -------
    dict
        ``by_depth``: as `stretches`; ``bad_channels``: columns of the file by what is wrong with them, None where that
        is not known; ``lf_bin_hz``, and ``lf_is_sum`` where the file's sum over windows could not be divided by their
        number, and grows with the duration.
    """
    table = quality_by_depth(noise, channels)
    labels = channel_labels(noise, channels, len(channel_depths(noise, channels)))
    if not len(table) and labels is None:
        return {}
    report: dict[str, Any] = {
        "bad_channels": None
        if labels is None
        else {name: np.flatnonzero(labels == label).tolist() for name, label in BAD.items()}
    }
    if noise.lfp_hz is not None and len(noise.lfp_hz) > 1:
        report |= {"lf_bin_hz": round(float(np.diff(noise.lfp_hz[:2])[0]), 3), "lf_is_sum": noise.n_lfp_windows is None}
    return report | {"by_depth": stretches(table) if len(table) else []}


def quality_lines(report: dict[str, Any]) -> dict[str, str]:
    """Return a report in lines of text, by what they are of: median, least and most of the probe's stretches."""
    lines = {}
    rows = report.get("by_depth", ())

    def span(name: str) -> str:
        known = [row[name] for row in rows if row.get(name) is not None]
        return f"{np.median(known):.3g} ({min(known):.3g} to {max(known):.3g})" if known else ""

    stretch = f"of {STRETCH_UM:g} um: median (least to most)"
    for title, names in (("AP RMS", (*VALUES[:2], UNSAID["ap_rms_uv"])), ("LF RMS", (VALUES[2], UNSAID["lf_rms_uv"]))):
        said = [
            f"{text} {'uV' if name.endswith('_uv') else 'bits or uV'} "
            f"{'destriped' if 'destriped' in name else 'as recorded'}"
            for name in names
            if (text := span(name))
        ]
        if said:
            lines[title] = f"{', '.join(said)}, {stretch}"
    powers = [f"{band} {text}" for band, name in POWERS.items() if (text := span(name))]
    if powers:
        of_sum = ", a sum over windows: grows with the duration" if report.get("lf_is_sum") else ""
        lines["LF power"] = (
            f"{', '.join(powers)} dB re 1 V^2/Hz, bins of {report['lf_bin_hz']:.2f} Hz{of_sum}, {stretch}"
        )
    if (bad := report.get("bad_channels")) is not None:
        said = [f"{len(columns)} {name}" for name, columns in bad.items()]
        lines["channels"] = f"{', '.join(said)} the brain"
    return lines

"""Whether an insertion is good enough: the numbers of the Summary, and verdicts on them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.anatomy.probe import region_names
from dashboard.analysis.events.trials import brainwide_mask
from dashboard.analysis.quality.stability import Removed, removed_motion
from dashboard.analysis.raw.by_depth import quality_by_depth
from dashboard.model.errors import BadRequest
from dashboard.model.noise import Noise
from dashboard.model.sorting import SpikeSorting

AP_RMS_MAX_UV = 40.0
"""90th percentile over channels, after destriping: `MAX_AP_RMS` of RIGOR, in ``RIGOR_script.py`` of
int-brain-lab/paper-reproducible-ephys (Reproducibility of in vivo electrophysiological measurements in mice).
"""
YIELD_MIN = 0.1
"""Good units per channel: `MIN_NEURONS_PER_CHANNEL` of the same script.

Its third criterion, the derivative of the LFP power over depth, needs destriped raw data, which no small file holds.
"""
LFP_BAND_HZ = (20.0, 80.0)
"""Band of the LFP power in RIGOR."""
BAD_CHANNELS = {1: "dead", 2: "noisy", 3: "outside the brain"}
"""What ``ibldsp.voltage.detect_bad_channels`` calls the values of ``channels.labels``."""
RECORDED_RMS = "apRms_p90_proc"
"""Of an insertion's extended QC: the 90th percentile after destriping, in V (``ibllib.ephys.ephysqc.EphysQC.run``)."""


class Outcome(StrEnum):
    """What a test says; one that lacks its data says nothing about the insertion."""

    PASS = "pass"
    FAIL = "fail"
    NOT_AVAILABLE = "not available"


@dataclass(frozen=True, slots=True)
class Test:
    """One criterion.

    Attributes
    ----------
    name : str
    value : float or None
    limit : float
    unit : str
    outcome : Outcome
    reason : str
        Why there is no value; where it was taken from, if there is one.
    side : {'below', 'above'}
        Of the limit, on which a value passes.
    """

    __test__ = False

    name: str
    value: float | None
    limit: float
    unit: str
    outcome: Outcome
    reason: str = ""
    side: str = "below"


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """The numbers of one insertion; None where the data for one are not there.

    Attributes
    ----------
    n_units : int
    n_good : int or None
        Clusters with an IBL label of 1; None without IBL labels.
    regions : DataFrame or None
        Index: Beryl acronym, by depth from the top; columns ``good`` (where labelled) and ``all``.
    n_channels : int
    bad_channels : dict of str to int, or None
        Channels by what is wrong with them, from ``channels.labels``, else from the quality files of the raw data.
    n_trials, n_trials_passing : int or None
        Of the session; those in the brain-wide map's mask.
    removed : Removed or None
        Motion that the sorter estimated and removed.
    ap_rms_uv : ndarray, shape (n_channels,), or None
        Median over time, by channel.
    is_destriped : bool
        Whether that is the noise after destriping, which the criterion is one of.
    ap_rms_p90_uv : float or None
        90th percentile after destriping over the channels of the sorting; else that of the record. None where only the
        noise before destriping is known: it is some times as large.
    lfp_power_db : ndarray, shape (n_channels,), or None
        Mean power in `LFP_BAND_HZ`, dB re 1 V^2/Hz.
    depths_um : ndarray, shape (n_channels,), or None
        Of the channels of `ap_rms_uv` and `lfp_power_db`; None where files and channels disagree.
    trials_reason, drift_reason, ap_reason, lfp_reason : str
        Why a number is None.
    p90_reason : str
        Why `ap_rms_p90_uv` is None; else where it is from.
    is_lfp_sum : bool
        Whether the file's sum over windows could not be divided by their number: it grows with the duration.
    rms_unit : str
        Of `ap_rms_uv`, and of RMS in `by_depth`, where they are as recorded; see `Noise.rms_unit`.
    by_depth : DataFrame
        As `dashboard.analysis.raw.by_depth.quality_by_depth` returns it; empty where no file holds anything of it.
    lfp_bin_hz : float or None
        Resolution of the spectrum behind it.
    """

    n_units: int
    n_good: int | None
    regions: pd.DataFrame | None
    n_channels: int
    bad_channels: dict[str, int] | None
    n_trials: int | None
    n_trials_passing: int | None
    removed: Removed | None
    ap_rms_uv: npt.NDArray[np.float64] | None
    ap_rms_p90_uv: float | None
    lfp_power_db: npt.NDArray[np.float64] | None
    depths_um: npt.NDArray[np.float64] | None
    trials_reason: str = ""
    drift_reason: str = ""
    ap_reason: str = ""
    lfp_reason: str = ""
    p90_reason: str = ""
    is_destriped: bool = False
    is_lfp_sum: bool = False
    rms_unit: str = "µV"
    by_depth: pd.DataFrame = field(default_factory=pd.DataFrame)
    lfp_bin_hz: float | None = None


NO_EXTENDED_QC: Mapping[str, object] = MappingProxyType({})


def summarise(sorting: SpikeSorting, noise: Noise, extended_qc: Mapping[str, object] = NO_EXTENDED_QC) -> Summary:
    """Return the numbers of an insertion.

    Parameters
    ----------
    sorting : SpikeSorting
    noise : Noise
    extended_qc : mapping
        Of the insertion's record.
    """
    clusters, channels = sorting.clusters, sorting.channels
    good = None if sorting.why_no_labels else good_units(clusters.assign(label=sorting.labels))
    n_trials = n_passing = None
    trials_reason = ""
    if sorting.trials is None or not len(sorting.trials):
        trials_reason = sorting.missing_reason("trials") or "no trials"
    else:
        n_trials = len(sorting.trials)
        try:
            n_passing = int(brainwide_mask(sorting.trials.table).sum())
        except BadRequest as error:
            trials_reason = str(error)
    ap, is_destriped = _ap_rms_uv(noise)
    p90, p90_reason = _ap_rms_p90_uv(noise, channels, extended_qc)
    lfp = None if noise.lfp_power is None or noise.lfp_hz is None else lfp_power_db(noise.lfp_power, noise.lfp_hz)
    reasons = {item.dataset: item.reason for item in noise.missing}
    n_measured = next((len(values) for values in (ap, lfp) if values is not None), 0)
    return Summary(
        n_units=sorting.n_clusters,
        n_good=None if good is None else int(good.sum()),
        regions=units_by_region(clusters, good),
        n_channels=len(channels),
        bad_channels=bad_channels(channels, noise.channel_labels),
        n_trials=n_trials,
        n_trials_passing=n_passing,
        removed=removed_motion(sorting.drift),
        ap_rms_uv=ap,
        ap_rms_p90_uv=p90,
        lfp_power_db=lfp,
        depths_um=_depths(channels, n_measured),
        trials_reason=trials_reason,
        drift_reason=sorting.missing_reason("drift") or "no drift in the files",
        ap_reason=reasons.get("ephysTimeRmsAP.rms", ""),
        lfp_reason=reasons.get("ephysSpectralDensityLF.power", reasons.get("ephysSpectralDensityLF.freqs", "")),
        p90_reason=p90_reason,
        is_destriped=is_destriped,
        is_lfp_sum=noise.n_lfp_windows is None,
        rms_unit=noise.rms_unit,
        by_depth=quality_by_depth(noise, channels),
        lfp_bin_hz=None if noise.lfp_hz is None or len(noise.lfp_hz) < 2 else float(np.diff(noise.lfp_hz[:2])[0]),
    )


def _ap_rms_uv(noise: Noise) -> tuple[npt.NDArray[np.float64] | None, bool]:
    """Return the noise of each channel, and whether it is that after destriping."""
    if noise.channel_rms_v is not None:
        return noise.channel_rms_v[1] * 1e6, True
    if noise.ap_rms_v is not None and len(noise.ap_rms_v):
        return np.asarray(np.nanmedian(noise.ap_rms_v, axis=0) * 1e6, np.float64), False
    return None, False


def _ap_rms_p90_uv(noise: Noise, channels: pd.DataFrame, extended_qc: Mapping[str, object]) -> tuple[float | None, str]:
    """Return the 90th percentile after destriping, and where it is from or why there is none."""
    if noise.channel_rms_v is not None:
        values = noise.channel_rms_v[1]
        raw = _raw_rows(channels)
        raw = raw[(raw >= 0) & (raw < len(values))]
        values = values[raw] if len(raw) else values
        if np.isfinite(values).any():
            return float(np.nanpercentile(values, 90) * 1e6), "ephysChannels.apRMS"
    try:
        recorded = float(str(extended_qc[RECORDED_RMS])) * 1e6
    except (KeyError, ValueError):
        recorded = math.nan
    if math.isfinite(recorded) and recorded > 0:
        return recorded, "the record's extended QC"
    if noise.ap_rms_v is not None:
        return None, "only the noise before destriping is known"
    return None, "no ephysChannels.apRMS, and nothing in the record"


def good_units(clusters: pd.DataFrame) -> npt.NDArray[np.bool_] | None:
    """Return which clusters have an IBL label of 1, None where there are no IBL labels."""
    if "label" not in clusters:
        return None
    labels = pd.to_numeric(clusters["label"], errors="coerce").to_numpy(np.float64)
    return np.asarray(labels == 1, np.bool_) if np.isfinite(labels).any() else None


def units_by_region(clusters: pd.DataFrame, good: npt.NDArray[np.bool_] | None) -> pd.DataFrame | None:
    """Return good and all units per Beryl region, the shallowest region first; None without locations."""
    if "atlas_id" not in clusters or not len(clusters):
        return None
    ids = np.nan_to_num(clusters["atlas_id"].to_numpy(np.float64)).astype(np.int64)
    table = pd.DataFrame({"region": region_names(ids, "beryl"), "all": 1})
    if good is not None:
        table["good"] = good.astype(np.int64)
    depths = clusters["depths"].to_numpy(np.float64) if "depths" in clusters else np.zeros(len(clusters))
    table["depth"] = depths
    grouped = table.groupby("region")
    order = grouped["depth"].median().sort_values(ascending=False).index
    columns = [name for name in ("good", "all") if name in table]
    return grouped[columns].sum().loc[order]


def bad_channels(channels: pd.DataFrame, measured: npt.NDArray[np.float64] | None = None) -> dict[str, int] | None:
    """Return how many channels are dead, noisy, or outside the brain.

    Parameters
    ----------
    channels : DataFrame
        With ``labels`` (``channels.labels``), where the sorting has them.
    measured : ndarray, shape (n_channels,), or None
        ``ephysChannels.labels`` of the raw data, which stand in for them.
    """
    if "labels" in channels:
        labels = channels["labels"].to_numpy(np.float64)
    elif measured is not None:
        labels = measured
    else:
        return None
    return {word: int((labels == value).sum()) for value, word in BAD_CHANNELS.items()}


def lfp_power_db(power: npt.NDArray[np.float64], hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """Return the mean power of each channel in `LFP_BAND_HZ`, in dB; None where no frequency lies in it.

    Source: ``get_lfp_spectrum_data`` of IBL's alignment GUI, with RIGOR's band; before destriping.
    """
    inside = (hz >= LFP_BAND_HZ[0]) & (hz <= LFP_BAND_HZ[1])
    if not inside.any():
        return None
    mean = power[inside].mean(axis=0)
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(np.where(mean > 0, mean, np.nan)), np.float64)


def verdicts(summary: Summary, ap_rms_max_uv: float = AP_RMS_MAX_UV, yield_min: float = YIELD_MIN) -> tuple[Test, ...]:
    """Return what RIGOR's criteria say of the numbers.

    Source: ``RIGOR_script.py`` of int-brain-lab/paper-reproducible-ephys: AP RMS after destriping, 90th percentile over
    channels, passes below 40 uV; units with an IBL label of 1 per channel of the probe pass above 0.1.

    Parameters
    ----------
    summary : Summary
    ap_rms_max_uv : float
        The AP noise passes below it.
    yield_min : float
        Good units per channel pass above it.
    """
    rate = None
    if summary.n_good is not None and summary.n_channels:
        rate = summary.n_good / summary.n_channels
    ap = summary.ap_rms_p90_uv
    return (
        Test("AP RMS, 90th percentile", ap, ap_rms_max_uv, "µV",
             _outcome(None if ap is None else ap < ap_rms_max_uv), summary.p90_reason),
        Test("Good units per channel", rate, yield_min, "",
             _outcome(None if rate is None else rate > yield_min), "no IBL labels" if rate is None else "",
             side="above"),
    )  # fmt: skip


def _outcome(passes: bool | None) -> Outcome:
    if passes is None:
        return Outcome.NOT_AVAILABLE
    return Outcome.PASS if passes else Outcome.FAIL


def _depths(channels: pd.DataFrame, n: int) -> npt.NDArray[np.float64] | None:
    """Return the depth of each of the first n raw channels, NaN where the sorting has none; None without any."""
    if not n or "axial_um" not in channels:
        return None
    depths = np.full(n, math.nan)
    raw = _raw_rows(channels)
    known = (raw >= 0) & (raw < n)
    depths[raw[known]] = channels["axial_um"].to_numpy(np.float64)[known]
    return depths if np.isfinite(depths).any() else None


def _raw_rows(channels: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the row of each channel in the raw recording, -1 where unknown."""
    raw = channels["rawInd"].to_numpy() if "rawInd" in channels else np.arange(len(channels))
    return np.asarray(np.nan_to_num(raw.astype(np.float64), nan=-1), np.int64)

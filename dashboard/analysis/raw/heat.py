"""Pictures of the recording over time and depth, as the heatmap has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dashboard.analysis.raw.maps import ChannelRun, DepthImage, QualityMaps, channel_runs, quality_maps
from dashboard.analysis.raw.spectra import BANDS_HZ
from dashboard.engine.count.aggregate import Aggregate
from dashboard.model.noise import Noise
from dashboard.model.sorting import SpikeSorting

RMS = {"rms_ap": "ap", "rms_lf": "lf"}
"""Kinds of pictures that quality files hold, by the band that they are of."""
LFP = {f"lfp_{low}_{high}": band for band, (low, high) in BANDS_HZ.items()}
"""Kinds of pictures that are made of LF itself, by its band; see `dashboard.analysis.raw.session_lfp`."""
KINDS = {"rms_ap": "AP RMS", "rms_lf": "LF RMS", **{kind: f"LFP {band}" for kind, band in LFP.items()}}
"""What a value of each kind of picture is."""
PALETTES = {"ap": "plasma", "lf": "inferno"}
"""Those of IBL's alignment GUI."""
SHADE_ALPHA = 0.22
"""Of what lies over channels outside the brain."""
STRIP_LEFT = 0.84
"""Where the strip of channels begins, as a part of the width of the strip of regions, over whose right edge it lies."""
Range = tuple[float, float]
NO_IMAGE = DepthImage(np.zeros((0, 0)), np.zeros(0), np.zeros(0))


@dataclass(frozen=True, slots=True, eq=False)
class HeatImage:
    """What the heatmap shows in place of rates.

    Attributes
    ----------
    kind : str
    image : DepthImage
        `NO_IMAGE` where there is none.
    words : str
        What it is, with its unit; or why there is none.
    unit : str
    palette : str
    runs : tuple of ChannelRun
        Bad channels.
    """

    kind: str
    image: DepthImage
    words: str
    unit: str
    palette: str
    runs: tuple[ChannelRun, ...] = ()

    @property
    def is_there(self) -> bool:
        """Whether there is a picture."""
        return len(self.image.depths_um) > 0

    def in_pixels(self, time_range: Range, depth_range: Range, width: int, height: int) -> Aggregate:
        """Return the mean of the values in each pixel, else the nearest value; see `DepthImage.binned`."""
        times, depths = np.linspace(*time_range, width + 1), np.linspace(*depth_range, height + 1)
        return Aggregate(self.image.binned(times, depths), times, depths, self.kind, self.unit, 0)


def rms_heat(maps: QualityMaps, kind: str) -> HeatImage:
    """Return the noise of AP or LF over time and depth, or why there is none.

    Parameters
    ----------
    maps : QualityMaps
    kind : str
        A name of `RMS`.
    """
    band, runs = RMS[kind], tuple(channel_runs(maps))
    of, image = band.upper(), maps.rms.get(band, NO_IMAGE)
    words = f"no RMS of {of} over time: no _iblqc_ephysTimeRms{of}.rms with .timestamps for this probe"
    if band in maps.rms:
        step = float(np.median(np.diff(image.along)))
        less = "less the median over depths of each time"
        words = f"RMS of {of} ({maps.noise.rms_unit}), {less}; as recorded, every {step:,.2g} s, {maps.clock}"
    unit = "uV" if maps.noise.rms_is_volts else maps.noise.rms_unit
    return HeatImage(kind, image, words, unit, PALETTES[band], runs)


def heat_of_files(sorting: SpikeSorting, kind: str) -> HeatImage | None:
    """Return a picture of the recording out of its small files; None for kinds that these do not hold.

    Raises
    ------
    DashboardError
        The files cannot be fetched.
    """
    return rms_heat(quality_maps(sorting, sorting.noise or Noise()), kind) if kind in RMS else None

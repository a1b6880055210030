"""Quality of the recording by depth, on paper and as numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dashboard.analysis.raw.by_depth import power_column, quality_by_depth
from dashboard.analysis.raw.maps import QualityMaps, quality_maps
from dashboard.export.kinds.files import write_table
from dashboard.export.origin import Subject, provenance
from dashboard.export.paper import draw_figure
from dashboard.export.sheet import Sheet, SheetStyle, lay_out_between
from dashboard.export.spikes import write_arrays
from dashboard.figures.quality import quality_figures
from dashboard.model.errors import BadRequest
from dashboard.model.noise import Noise

NO_FILES = "No file of the recording's quality (_iblqc_*) is beside this sorting"


def maps_of(subject: Subject) -> tuple[QualityMaps, Noise]:
    """Return what the small files of the recording hold.

    Raises
    ------
    BadRequest
        There are none.
    DashboardError
        They cannot be fetched.
    """
    noise = subject.sorting.noise or Noise()
    maps = quality_maps(subject.sorting, noise)
    if not len(maps.depths_um) and maps.labels is None:
        raise BadRequest(NO_FILES, "", "Put them into raw_ephys_data of the probe")
    return maps, noise


def quality_sheet(subject: Subject, style: SheetStyle, maps: QualityMaps) -> Sheet:
    """Return a sheet of noise over time, spectra, and power by band; bad channels are shaded in their colours."""
    figures = quality_figures(maps)

    def draw(figure: Figure) -> None:
        lay_out_between(figure, style)
        places = figure.subplots(3, 2).ravel()
        for axes, drawn in zip(places, figures.values(), strict=False):
            draw_figure(axes, drawn, style)
        for axes in places[len(figures) :]:
            axes.set_axis_off()

    words = provenance(subject, quality=f"RMS as recorded, {maps.clock}; spectra without common reference taken off")
    return Sheet(f"{subject.sorting.title} · quality of the recording", words, style, draw)


def write_quality(path: Path, subject: Subject, maps: QualityMaps, noise: Noise, kind: str) -> tuple[int, str]:
    """Write the quality of the recording, and return how many rows or channels it has.

    CSV: the table of `dashboard.analysis.raw.by_depth.quality_by_depth`. NPZ, by columns of the file: ``depth_um`` and
    ``label`` (n_channels,); ``rms_ap_uv`` (``rms_ap`` where no file says the unit; n_times, n_channels) as the file has
    it, with ``time_ap_s`` (session, where a clock is there: ``clock``), and of LF; ``power_lf`` (n_frequencies,
    n_channels) in V^2/Hz with ``hz_lf``, and of AP; ``lf_4_10_hz_db`` and the other bands (n_channels,).

    Raises
    ------
    BadRequest
        The format is neither.
    """
    if kind == "csv":
        table = quality_by_depth(noise, subject.sorting.channels)
        return write_table(path, subject, table), "depths"
    if kind != "npz":
        raise BadRequest("This export has no such format", kind, "Choose csv or npz")
    arrays = {"depth_um": maps.depths_um, "clock": np.array(maps.clock), "power_lf_is_sum": np.array(maps.is_sum)}
    arrays |= {} if maps.labels is None else {"label": maps.labels}
    for band, values in (("ap", noise.ap_rms_v), ("lf", noise.lf_rms_v)):
        if band in maps.rms and values is not None:
            suffix = "_uv" if noise.rms_is_volts else ""
            arrays |= {f"rms_{band}{suffix}": values * 1e6, f"time_{band}_s": maps.rms[band].along}
    for band, power, hz in (("ap", noise.ap_power, noise.ap_hz), ("lf", noise.lfp_power, noise.lfp_hz)):
        if power is not None and hz is not None:
            arrays |= {f"power_{band}": power, f"hz_{band}": hz}
    arrays |= {power_column(band): values for band, values in maps.powers.items()}
    write_arrays(path, subject, arrays)
    return len(maps.depths_um), "channels"

"""Raw voltage on paper and as numbers, as the page shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dashboard.analysis.raw.picture import SnippetPicture
from dashboard.analysis.raw.snippet import PADDING_S
from dashboard.export.origin import Subject, provenance
from dashboard.export.paper import draw_figure
from dashboard.export.sheet import Sheet, SheetStyle, lay_out_between
from dashboard.export.spikes import write_arrays
from dashboard.figures.raw import snippet_figure
from dashboard.model.errors import BadRequest
from dashboard.model.raw import RAW
from dashboard.model.texts import counted


def origin_of(picture: SnippetPicture, at_s: float) -> dict[str, str]:
    """Return where a snippet came from and what was done to it, in words."""
    found = picture.snippet
    last = found.first + found.volts.shape[1] - 1
    padding = 0.0 if found.step == RAW else PADDING_S[found.band.name]
    return {
        "raw": f"{found.band.path.name}, {found.band.name}, samples {found.first} to {last}, {found.filtered}",
        "raw_at": f"{at_s:.6f} s",
        "raw_file": str(found.band.path),
        "raw_note": found.band.note or ("synthetic" if picture.recording.is_synthetic else "as the file has it"),
        "raw_padding": f"{padding:g} s on either side of the filters",
        "raw_clock": picture.recording.clock.source,
        "raw_marks": f"spikes by {picture.marks.placed_by}",
    }


def raw_sheet(
    subject: Subject,
    style: SheetStyle,
    picture: SnippetPicture,
    at_s: float,
    gain_db: int,
    selected: tuple[int, ...],
    palette: str,
) -> Sheet:
    """Return a sheet of a snippet.

    Parameters
    ----------
    subject : Subject
    style : SheetStyle
    picture : SnippetPicture
    at_s : float
        Middle, in s.
    gain_db : int
    selected : tuple of int
    palette : str
    """
    words = provenance(subject, **origin_of(picture, at_s))
    n = len(picture.marks.units)
    words |= {"spikes": f"{counted(n, 'spike')} marked, of the units that pass the filters"}

    drawn = snippet_figure(subject.sorting, picture, at_s, gain_db, selected, palette)

    def draw(figure: Figure) -> None:
        lay_out_between(figure, style)
        draw_figure(figure.subplots(), drawn, style)

    return Sheet(f"{subject.sorting.title} · raw {picture.snippet.band.name.upper()}", words, style, draw)


def write_raw(path: Path, subject: Subject, picture: SnippetPicture, at_s: float, kind: str) -> int:
    """Write a snippet of every channel, and return the number of samples.

    ``voltage`` (n_channels, n_samples) float32 in the order of the file, in volts, or in bits where no file says what a
    bit is (``unit``); ``time_s`` (session) and ``sample`` of the file (n_samples,); ``depth_um``, ``lateral_um``,
    ``shank``, ``label`` (n_channels,); ``in_view``: columns that are on the screen, the lowest first; ``spike_time_s``,
    ``spike_channel`` (column of the file) and ``cluster_id`` of the spikes that are marked; ``sampling_rate_hz``. Of LF
    also ``csd_a_per_m3`` (of the columns in view, n_samples), and ``power_db`` of column ``power_channel`` with
    ``power_hz`` and ``power_time_s``.

    Raises
    ------
    BadRequest
        The format is not npz.
    """
    if kind != "npz":
        raise BadRequest("This export has no such format", kind, "Choose npz")
    found, marks, sites = picture.snippet, picture.marks, picture.snippet.band.sites
    labels = picture.recording.labels
    is_volts = found.band.unit == "V"
    arrays = {
        "voltage": found.volts if is_volts else found.volts * np.float32(1e6),
        "unit": np.array(found.band.unit),
        "time_s": found.times_s,
        "sample": np.arange(found.first, found.first + found.volts.shape[1]),
        "depth_um": sites.y_um,
        "lateral_um": sites.x_um,
        "shank": sites.shank,
        **({"label": labels} if labels is not None else {}),
        "in_view": picture.columns,
        "spike_time_s": marks.times_s,
        "spike_channel": picture.columns[marks.rows],
        "cluster_id": subject.sorting.units.at(marks.units),
        "sampling_rate_hz": np.array(found.band.fs_hz),
    }
    if (lf := picture.lf) is not None:
        arrays |= {
            "csd_a_per_m3": lf.csd, "power_db": lf.power.power_db, "power_channel": np.array(lf.column),
            "power_hz": lf.power.hz, "power_time_s": lf.power.times_s,
        }  # fmt: skip
    write_arrays(path, subject, arrays, **origin_of(picture, at_s))
    return int(found.volts.shape[1])

"""Raw voltage by channel, with the spikes in it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dashboard.analysis.raw.many import ManySpikes
from dashboard.analysis.raw.picture import SnippetPicture
from dashboard.figures.figure import Axis, Figure, Ink, Lines, Matrix, Numbers, Words
from dashboard.model.colours import SELECTION
from dashboard.model.raw import PALETTES
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import counted

GOOD, OTHER = "#009E73", "#CC3311"
"""Colours of the marks of spikes: of good units, and of others."""

MAX_TITLE = 90
"""Letters of a line."""

MARK_MS, MARK_ROWS = 0.006, 0.012
"""Half width and height of a mark, as parts of the axes."""


def snippet_figure(
    sorting: SpikeSorting,
    picture: SnippetPicture,
    at_s: float,
    gain_db: int = 0,
    selected: Sequence[int] = (),
    palette: str = PALETTES[0],
) -> Figure:
    """Return a snippet: a row for each channel, the lowest at the bottom; each spike is a diamond around its sample.

    Parameters
    ----------
    sorting : SpikeSorting
    picture : SnippetPicture
    at_s : float
        What is 0 of the time axis, in s.
    gain_db : int
        Against that of the picture.
    selected : sequence of int
        Indexes of units whose marks have the colours of the selection.
    palette : str
        One of `dashboard.model.raw.PALETTES`.
    """
    found, n = picture.snippet, len(picture.uv)
    step_ms = 1e3 / found.band.fs_hz
    left, right = (found.times_s[0] - at_s) * 1e3 - step_ms / 2, (found.times_s[-1] - at_s) * 1e3 + step_ms / 2
    end = picture.scale_uv * 10 ** (-gain_db / 20)
    unit = "µV" if found.band.unit == "V" else "bit"
    image = Matrix(picture.uv, (left, right), (-0.5, n - 0.5), palette, (-end, end), "Voltage", unit)
    marks = picture.marks
    across, up = MARK_MS * (right - left) * np.array([-1, 0, 1, 0, -1]), MARK_ROWS * n * np.array([0, 1, 0, -1, 0])
    x = [(time - at_s) * 1e3 + across for time in marks.times_s.tolist()]
    y = [row + up for row in marks.rows.tolist()]
    inks = [ink_of(sorting, unit, selected) for unit in marks.units.tolist()]
    depths = f"{picture.depths_um[0]:,.0f} to {picture.depths_um[-1]:,.0f} µm"
    note = f"{found.band.note}. " if found.band.note else ""
    marked = "; diamonds: spikes of good units (green), of others (red)" + ", of selected ones" * bool(selected)
    synthetic = "synthetic, " if picture.recording.is_synthetic else ""
    return Figure(
        "raw-snippet",
        textwrap.fill(
            f"{note}{found.band.name.upper()}, {synthetic}at {at_s:,.5f} s, {found.filtered}{marked}", MAX_TITLE
        ),
        Axis("Time from the middle", "ms", (left, right)),
        Axis(f"Channel in view, {depths}", "", (-0.5, n - 0.5), is_whole=True),
        (image, Lines(x, y, inks, width=1.0)),
    )


def ink_of(sorting: SpikeSorting, unit: int, selected: Sequence[int]) -> str:
    """Return the colour of the marks of a unit: of the selection, of good units, or of others."""
    if unit in selected:
        return SELECTION[list(selected).index(unit) % len(SELECTION)]
    labels = sorting.labels
    return GOOD if unit < len(labels) and labels[unit] == 1 else OTHER


def many_figure(found: ManySpikes, others: Sequence[ManySpikes] = (), inks: Sequence[Ink] = ()) -> Figure:
    """Return spikes laid over each other, a row for each channel; their mean, and the template of the sorting.

    Parameters
    ----------
    found : ManySpikes
    others : sequence of ManySpikes
        Spikes of other units, on those of the channels that they have; then without template.
    inks : sequence of Ink
        Of each unit, where there are others.
    """
    of, n, x = (found, *others), len(found.columns), found.times_ms
    scale = max(1.2 * float(np.nanmax(np.ptp(one.mean_uv, axis=1), initial=0.0)) for one in of) or 1.0
    faint, strong = (["quiet"], ["ink"]) if not others else ([f"{ink}60" for ink in inks], inks)
    singles, means = (
        [line for one in of for line in _laid(one, which, found.columns, scale)] for which in (False, True)
    )
    counts = [len(one.columns[np.isin(one.columns, found.columns)]) for one in of]
    template = [] if others or found.template_uv is None else [row + found.template_uv[row] / scale for row in range(n)]
    left, right = float(x[0]), float(x[-1])
    what = f"{len(found.uv)} of {counted(found.n_all, 'spike')} of unit {found.unit}"
    if others:
        what = f"{counted(sum(len(one.uv) for one in of), 'spike')} of units {', '.join(str(one.unit) for one in of)}"
    return Figure(
        "raw-waveforms",
        f"{what}, rows {scale:,.0f} {found.unit_of_uv} apart",
        Axis("Time from the spike", "ms", (left, right)),
        Axis("Channel, the lowest first", "", (-1.0, float(n)), is_whole=True),
        (
            Lines([x for x, _ in singles], [y for _, y in singles], np.repeat(faint, counts).tolist(), width=0.6),
            Lines([x for x, _ in means], [y for _, y in means], np.repeat(strong, counts).tolist(), width=1.6),
            Lines([x] * len(template), template, ["limit"] * len(template), width=1.6),
            Words(
                [left] * n, [row + 0.45 for row in range(n)], [f"{depth:,.0f} µm" for depth in found.depths_um],
                [False] * n,
            ),
        ),
    )  # fmt: skip


def _laid(
    found: ManySpikes, of_means: bool, columns: npt.NDArray[np.int64], scale: float
) -> list[tuple[Numbers, Numbers]]:
    """Return the lines of the single spikes, with a gap after each, or of their means, on those of some channels."""
    gap, n = np.full((len(found.uv), 1), np.nan), len(found.uv)
    each = found.times_ms if of_means else np.tile(np.append(found.times_ms, np.nan), n)
    known = {int(column): place for place, column in enumerate(found.columns)}
    rows = [(row, known[int(column)]) for row, column in enumerate(columns) if int(column) in known]
    if of_means:
        return [(each, row + found.mean_uv[own] / scale) for row, own in rows]
    return [(each, np.hstack([row + found.uv[:, own] / scale, gap]).ravel()) for row, own in rows]

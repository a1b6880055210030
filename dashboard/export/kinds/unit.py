"""One unit on paper."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dashboard.analysis.events.picture import EventPicture
from dashboard.analysis.raw.many import N_SINGLES, many_spikes
from dashboard.analysis.unit_picture import unit_picture
from dashboard.analysis.units.bins import DEFAULT_BINS, UnitBins
from dashboard.export.kinds.events import bins_of
from dashboard.export.origin import Subject, provenance, whole_recording
from dashboard.export.paper import absent, draw_figure
from dashboard.export.sheet import NARROW_EM, Sheet, SheetStyle, lay_out_between
from dashboard.figures.figure import Figure as Paper
from dashboard.figures.raw import many_figure
from dashboard.figures.registry import FIGURES, Declared
from dashboard.model.colours import rgb
from dashboard.model.errors import BadRequest, DashboardError, DatasetMissing
from dashboard.model.texts import counted

ON_PAPER = (
    "unit-acg", "unit-isi", "unit-refractory", "unit-amplitude", "unit-amplitudes", "unit-template", "unit-depth",
    "unit-rate",
)  # fmt: skip
"""Figures of the sheet, before the response and those of other packages."""


def chosen_unit(subject: Subject) -> int:
    """Return the index of the unit that was selected last.

    Raises
    ------
    BadRequest
        None is selected.
    """
    if not subject.selected:
        raise BadRequest("No unit is selected", "", "Click a unit in the raster or the table first")
    return subject.selected[-1]


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """What a unit does around an event, as the Events tab shows it.

    Attributes
    ----------
    event, split : str
        What `picture` was aligned to and split by.
    picture : EventPicture
        Of that unit alone.
    """

    event: str
    split: str
    picture: EventPicture


def unit_sheet(
    subject: Subject, style: SheetStyle, bins: UnitBins = DEFAULT_BINS, response: Response | str = "not asked for"
) -> Sheet:
    """Compute a sheet of the selected unit: correlogram, intervals, refractory test, amplitudes, depth, rate, response,
    template, and single spikes where the sorting has ``waveforms.traces``.

    Parameters
    ----------
    subject : Subject
        Limits of single spikes hold for all but amplitudes and template, which are those of all its spikes.
    style : SheetStyle
    bins : UnitBins
    response : Response or str
        Or why there is none.

    Raises
    ------
    BadRequest
        No unit is selected.
    """
    cluster = chosen_unit(subject)
    found = unit_picture(subject.sorting, subject.columns, (cluster,), cluster, bins, amp_range_uv=subject.amp_range_uv)
    figures, unit = (
        Declared("unit", replace(found, colours=np.array([rgb(style.colours.accent)], np.uint8))),
        found.focus,
    )

    names = (*ON_PAPER, *(name for name in figures if name not in FIGURES.own))
    parts: list[Callable[[Axes], None]] = [partial(draw_figure, figure=figures[name], style=style) for name in names]
    if isinstance(response, str):
        parts.insert(len(ON_PAPER), partial(absent, reason=response))
    else:
        shown = Declared("event", response.picture)["event-psth"]
        parts.insert(len(ON_PAPER), partial(draw_figure, figure=shown, style=style))
    if (singles := _singles(subject, cluster)) is not None:
        parts.insert(len(ON_PAPER) + 1, partial(draw_figure, figure=singles, style=style))
    row, name = subject.sorting.clusters.iloc[cluster], subject.unit_name(cluster)
    where = f" · {row['acronym']}" if "acronym" in row else ""
    title = f"{subject.sorting.title} · unit {name}{where} · {counted(len(unit), 'spike')}"
    said = f"autocorrelogram {bins.lag_bin_s:g} s, intervals {bins.isi_bin_s:g} s, rate {bins.rate_bin_s:g} s"
    more = {}
    if not isinstance(response, str):
        said += f", {bins_of(response.picture, has_map=False)}"
        more = {
            "event": response.event,
            "split": response.split,
            "trials": response.picture.trials_text(response.event),
        }
    words = provenance(subject, cluster=name, bins=said, **more) | {
        "spikes": whole_recording(
            subject, f"{len(unit):,} of {counted(subject.columns.n_spikes, 'spike')}, unit {name}"
        )
    }
    return Sheet(title, words, style, lambda figure: fill(figure, style, parts))


def _singles(subject: Subject, unit: int) -> Paper | None:
    """Return single spikes of ``waveforms.traces`` laid over each other; None where the sorting has none."""
    try:
        return many_figure(many_spikes(subject.sorting, subject.columns, unit, N_SINGLES, ""))
    except (BadRequest, DatasetMissing):
        return None
    except DashboardError:
        return Paper("raw-waveforms", "Single spikes", absent="waveforms.traces cannot be read")


def fill(figure: Figure, style: SheetStyle, parts: Sequence[Callable[[Axes], None]], n_columns: int = 3) -> None:
    """Draw parts into a grid of axes between the title and the stamp."""
    lay_out_between(figure, style)
    grid = np.ravel(figure.subplots(-(-len(parts) // n_columns), n_columns, squeeze=False))
    for axes in grid[len(parts) :]:
        axes.set_visible(False)
    for axes, part in zip(grid, parts, strict=False):
        part(axes)
    if style.preset.width < NARROW_EM * style.preset.em:
        for axes in figure.axes:
            axes.set_title(textwrap.fill(axes.get_title(), 22), fontsize=0.8 * style.preset.font_pt)
            for label in (axes.xaxis.label, axes.yaxis.label):
                label.set(text=textwrap.fill(label.get_text(), 14 if label is axes.yaxis.label else 24))
                label.set_fontsize(0.8 * style.preset.font_pt)
            axes.tick_params(labelsize=0.7 * style.preset.font_pt)

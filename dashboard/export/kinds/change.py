"""What has changed between two spans, on paper: how far units moved, by depth."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from dashboard.analysis.change.change import Change
from dashboard.export.origin import Subject, provenance
from dashboard.export.paper import draw_figure
from dashboard.export.sheet import Sheet, SheetStyle, lay_out_between
from dashboard.figures.change import change_by_depth
from dashboard.model.texts import span_text


def change_sheet(subject: Subject, style: SheetStyle, change: Change) -> Sheet:
    """Return a sheet of the units that pass the filters, between two spans."""
    units = np.arange(subject.sorting.n_clusters)
    if subject.mask is not None:
        units = units[subject.mask[: len(units)]]
    shown = change_by_depth(change, units, subject.sorting.units.at(units), subject.selected)
    request = change.request
    words = provenance(subject, before=span_text(request.before), after=span_text(request.after)) | {
        "spikes": "all spikes of each unit in both spans"
    }

    def draw(figure: Figure) -> None:
        lay_out_between(figure, style)
        axes = figure.subplots()
        draw_figure(axes, shown, style, legend_above=True)
        axes.set_title("")

    return Sheet(f"{subject.sorting.title} · {shown.title.lower()}", words, style, draw)

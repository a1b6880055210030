"""An event on paper, as the page shows it: trials and rates by group, and the population by depth."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from dashboard.analysis.events.picture import EventPicture
from dashboard.export.origin import Subject, provenance
from dashboard.export.paper import draw_figure
from dashboard.export.sheet import Sheet, SheetStyle, lay_out_between
from dashboard.figures.registry import Declared


def event_sheet(subject: Subject, style: SheetStyle, picture: EventPicture, event: str, split: str) -> Sheet:
    """Return a sheet of what was counted around an event.

    Parameters
    ----------
    subject : Subject
    style : SheetStyle
    picture : EventPicture
    event, split : str
        What `picture` was aligned to and split by.
    """
    title = f"{subject.sorting.title} · {event}"
    words = provenance(
        subject, event=event, split=split, aligned=picture.subject, trials=picture.trials_text(event),
        bins=bins_of(picture),
    ) | {"spikes": f"{picture.subject}, whole recording"}  # fmt: skip

    figures = Declared("event", picture)
    places = {"trials": figures["event-raster"], "rates": figures["event-psth"], "map": figures["event-map"]}

    def draw(figure: Figure) -> None:
        lay_out_between(figure, style)
        axes = figure.subplot_mosaic([["trials", "map"], ["rates", "map"]], height_ratios=(1.1, 1.0))
        for place, shown in places.items():
            draw_figure(axes[place], shown, style, legend_above=True)
        axes["rates"].set_title("")

    return Sheet(title, words, style, draw)


def bins_of(picture: EventPicture, *, has_map: bool = True) -> str:
    """Return the bins of what is aligned, in words; those of trials and map only where they are drawn."""
    edges = picture.groups[0].psth.edges_s if picture.groups else picture.raster_edges_s
    found = picture.map
    microns = float(np.diff(found.depth_edges_um[:2])[0])
    widths = [float(np.diff(array[:2])[0]) for array in (edges, picture.raster_edges_s, found.time_edges_s)]
    if not has_map:
        return f"PSTH {widths[0]:.6g} s"
    return f"PSTH {widths[0]:.6g} s, trials {widths[1]:.6g} s, map {widths[2]:.6g} s x {microns:g} um"

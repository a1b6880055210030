"""Sheet of the Probe tab."""

from __future__ import annotations

import threading

from matplotlib.figure import Figure

from dashboard.export.origin import provenance, whole_recording
from dashboard.export.paper import draw_figure
from dashboard.export.sheet import Sheet, SheetStyle, lay_out_between
from dashboard.figures.probe import depth_correlation_figure
from dashboard.model.errors import BadRequest
from dashboard.model.texts import counted
from dashboard.page.services.export_view import ExportView
from dashboard.page.tabs.probe.picture import CorrelationRequest, render_correlation
from dashboard.page.tabs.probe.words import probe_bins


def draw_probe(view: ExportView, style: SheetStyle) -> Sheet:
    """Return a sheet of which depths fire together, of the units that pass, over the whole session.

    Raises
    ------
    BadRequest
        Bins that make no sense for this recording, or fewer than two depths have spikes.
    """
    seconds, microns, _ = probe_bins(view.values["bins"])
    picture = render_correlation(CorrelationRequest(view.scene, seconds, microns), threading.Event())
    if picture.n_known < 2:
        raise BadRequest("There is nothing to correlate", "fewer than two depths have spikes", "Clear filters")
    shown, subject = depth_correlation_figure(picture.found), view.subject
    passing = f"{view.scene.n_spikes_passing:,} of {counted(subject.columns.n_spikes, 'spike')}"
    words = provenance(subject, bins=f"correlation {seconds:g} s x {microns:g} um") | {
        "spikes": whole_recording(subject, passing)
    }

    def draw(figure: Figure) -> None:
        lay_out_between(figure, style)
        draw_figure(figure.subplots(), shown, style)

    return Sheet(subject.sorting.title, words, style, draw)

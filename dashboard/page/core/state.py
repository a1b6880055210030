"""What one browser session looks at: plain values that every view derives from."""

from __future__ import annotations

import param

from dashboard.analysis.events.trials import EVENTS, SPLITS

SHOW = ("both", "raster", "heatmap", "clusters")
COLOURS = ("count", "rate", "amp_mean", "amp_max", "region", "label", "unit_rate", "cluster")
SCALES = ("linear", "log", "eq")
PALETTES = ("binary", "viridis", "magma", "cividis", "hot")
TIME_BINS_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
DEPTH_BINS_UM = (5.0, 10.0, 20.0, 40.0)
MARKS = ("label", "rate", "duration")
BESIDE = ("units", "spikes", "rate", "amplitude")
TABS = ("Summary", "Clusters", "Unit", "Probe", "Events", "Compare", "Change")


class ViewState(param.Parameterized):
    """State of one session of the page.

    Callbacks of widgets only set these; views watch them and draw. No view calls another.
    """

    insertion = param.String("", doc="Key of the open insertion, subject/date/number/probe; empty while none is.")
    sorter = param.String(None, allow_None=True, doc="Sorter that was asked for; None takes ibllib's choice.")
    revision = param.String(None, allow_None=True, doc="Revision that was asked for; None takes the default.")
    time_range = param.Range(default=None, allow_None=True, doc="Window in time, in s.")
    depth_range = param.Range(default=None, allow_None=True, doc="Window in depth, in um along the probe.")
    show = param.Selector(default="both", objects=list(SHOW), doc="Raster, heatmap or both; or a row for each unit.")
    rows = param.Range(default=None, allow_None=True, doc="Window in rows of the units, in order of depth; None: all.")
    before = param.Range(default=None, allow_None=True, doc="Span A, in s, that span B is compared with.")
    after = param.Range(default=None, allow_None=True, doc="Span B, in s.")
    color = param.Selector(default="count", objects=list(COLOURS), doc="What the raster's colour means.")
    scale = param.Selector(default="linear", objects=list(SCALES), doc="How values map to colour.")
    limits = param.Range(
        default=None, allow_None=True, doc="Colour limits, spikes per s and um for counts; None means the default."
    )
    cmap = param.Selector(default="binary", objects=list(PALETTES), doc="Palette of scalar pictures.")
    time_bin_s = param.Selector(default=0.05, objects=list(TIME_BINS_S), doc="Heatmap bin width, in s.")
    depth_bin_um = param.Selector(default=10.0, objects=list(DEPTH_BINS_UM), doc="Heatmap bin height, in um.")
    quality = param.Selector(default="all", objects=["all", "good"], doc="All clusters, or those with label == 1.")
    filters = param.Dict(default={}, doc="Further filters, by the words of dashboard.analysis.filters.words.")
    level = param.Selector(
        default="allen", objects=["allen", "beryl", "cosmos"], doc="Level of the region names in strip and colours."
    )
    selected = param.List(default=[], item_type=int, doc="Ids of the selected clusters, in the order of selection.")
    tab = param.Selector(default="Clusters", objects=list(TABS), doc="Open tab of the dock.")
    marks = param.Selector(default="label", objects=list(MARKS), doc="What the colour of a unit means in Probe.")
    beside = param.Selector(default="units", objects=list(BESIDE), doc="What stands beside the map in Probe.")
    compare = param.String(
        "", doc="What the insertion is compared with, as dashboard.page.tabs.compare.words reads it."
    )
    event = param.Selector(default="stimOn", objects=list(EVENTS), doc="Event that spikes are aligned to.")
    split = param.Selector(default="none", objects=list(SPLITS), doc="What trials are split by.")
    spikes_of = param.String("unit", doc="Whose spikes are aligned: unit, depths, filter, or region:ACRONYM.")
    masked = param.Boolean(default=True, doc="Whether only trials of the brain-wide map are used.")
    bins = param.Dict(default={}, doc="Bins and windows of the tabs that are not as by default, as shown.")
    test = param.String(
        "", doc="Test of responses whose columns are there, as dashboard.page.tabs.events.words reads it."
    )
    trial = param.Integer(None, allow_None=True, bounds=(0, None), doc="Row of the trial shown in the raster.")
    triage = param.String("", doc="List that a triage goes through, as dashboard.model.facets reads it; empty: none.")
    place = param.String("", doc="Key of the insertion whose turn it is in the triage, while the page shows another.")
    mode = param.Selector(default="pan", objects=["pan", "select", "zoom"], doc="What a drag on the raster does.")
    dark = param.Boolean(default=False, doc="Dark theme.")

    def shows(self, name: str) -> bool:
        """Whether ``raster``, ``heatmap`` or ``clusters`` is on the page."""
        return self.show == name or (self.show == "both" and name != "clusters")


def toggle_region(state: ViewState, acronym: str) -> None:
    """Show only the clusters of a region that was clicked; a second click shows all again."""
    filters = {word: text for word, text in state.filters.items() if word != "regions"}
    if state.filters.get("regions") != acronym:
        filters["regions"] = acronym
    state.filters = filters

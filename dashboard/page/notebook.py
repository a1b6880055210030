"""The linked views in a notebook: raster, heatmap, strip, drift and cluster table, without the server's page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from html import escape
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import panel as pn
from bokeh import __version__ as bokeh_version
from panel import reactive
from panel.io import resources
from panel.io.notebook import LOAD_MIME, load_notebook, push_on_root
from panel.theme import Native
from param.parameterized import discard_events
from tornado.ioloop import IOLoop

from dashboard.analysis.anatomy.probe import depth_limits
from dashboard.analysis.filters.words import read_spike_amp
from dashboard.config.settings import load as load_settings
from dashboard.engine.build import SpikeColumns, build_columns
from dashboard.library.store import OpenInsertion, StoreKey
from dashboard.model.errors import BadRequest, DashboardError
from dashboard.model.sorting import SpikeSorting
from dashboard.model.unit_ids import UnitId
from dashboard.page.core import shading
from dashboard.page.core.axes import Axes
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.line import Line
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import PageState, ViewState, shown_shanks, toggle_region
from dashboard.page.core.tab import TabServices
from dashboard.page.plot import texts
from dashboard.page.plot.centre import Centre
from dashboard.page.plot.heatmap import HeatmapPicture, HeatmapView
from dashboard.page.plot.picker import UnitPicker
from dashboard.page.plot.profiles import DepthProfileView, DriftView, OverviewView
from dashboard.page.plot.raster import RasterPicture, RasterView
from dashboard.page.plot.strip import StripView
from dashboard.page.rail.filtered_scene import passing
from dashboard.page.rail.filters import apply as apply_filters
from dashboard.page.tabs.clusters.state import TableState
from dashboard.page.tabs.clusters.tab import ClusterTable
from dashboard.sources.base import Source

HEIGHT_PX = 900
"""Of the views with the table: about what a notebook shows without scrolling."""

TABLE_PX = 260
FRAMES_PX = 205, 120
"""Heights of raster and heatmap in it, so that a cell without a kernel names the regions that there is room for."""
THREADS = 2

BUTTONS_CSS = ":host .bk-btn-group .bk-btn { font-size: 12.5px; padding: 3px 9px; }"


FIRST_PICTURE_S = 60.0
"""So long a cell waits for its pictures: one that is saved without them stays without."""


class KernelQueue(DocumentQueue):
    """Runs changes on the event loop of a notebook's kernel, and sends them to the cells that show the views.

    A page in a notebook has no document of a server, and nobody tells the browser of changes of Bokeh's own models.

    Attributes
    ----------
    layout : Viewable or None
        What cells show.
    """

    def __init__(self) -> None:
        self._is_building, self._timers = True, []
        self.layout: Any = None
        self._loop, self._line = IOLoop.current(), Line()

    @property
    def line(self) -> Line:
        """Of which nothing is measured in a notebook."""
        return self._line

    def later(self, change: Callable[[], None]) -> None:
        """Run `change` on the kernel's loop; may be called from any thread."""
        self._loop.add_callback(partial(self._push, change))

    def _push(self, change: Callable[[], None]) -> None:
        change()
        for ref in tuple(self.layout._models) if self.layout is not None else ():
            push_on_root(ref)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="render")


def _write(pane: pn.pane.HTML, text: str) -> None:
    """Change what a pane says without its style sheets, which Panel would have a cell ask another host for."""
    if not pane._models:
        pane.object = text
        return
    with discard_events(pane):
        pane.object = text
    for model, _ in pane._models.values():
        cast(Any, model).text = escape(text)


class PlainCentre(Centre):
    """The centre of the page with Panel's own buttons: Material's load a script from another host in a notebook."""

    def _arrange(self, *events: object) -> None:
        _write(self.readout, "")  # which is then no change any more
        super()._arrange(*events)

    @staticmethod
    def _choice(parameter: Any, options: dict[str, str], description: str) -> Any:
        return pn.widgets.RadioButtonGroup.from_param(
            parameter,
            options=options,
            name="",
            description=description.partition(" (")[0].partition(":")[0],
            variant="outline",
            margin=0,
            css_classes=["choice"],
            stylesheets=[BUTTONS_CSS],
        )


def _load_scripts() -> None:
    """Put what the views need in the browser into the cell, which then shows itself in a page that is opened anew.

    Panel does so once in a kernel; a cell that is run again, and saved, would be empty the next time. Where the page
    has the scripts already they are not run.
    """
    if find_spec("IPython") is None:
        if not pn.extension._loaded:
            pn.extension("tabulator", inline=True)
        return
    # the notebook's own, no dependency of this package
    capture_output = import_module("IPython.utils.capture").capture_output
    if not hasattr(import_module("IPython").get_ipython(), "kernel"):
        pn.extension("tabulator", inline=True)
        return
    with capture_output(stdout=False, stderr=False):
        pn.extension("tabulator", inline=True)
    with capture_output(stdout=False, stderr=False) as published:
        load_notebook(inline=True)
    for output in published.outputs:
        data = {mime: _unless_there(text) if "javascript" in mime or mime == LOAD_MIME else text
                for mime, text in output.data.items()}  # fmt: skip
        import_module("IPython.display").publish_display_data(data)


def _unless_there(script: str) -> str:
    """Return the script that brings Bokeh and Panel so that it runs only where they are missing; others as they are."""
    if "_bokeh_is_initializing" not in script:
        return script
    there = f'window.Bokeh && window.Bokeh.version === "{bokeh_version}" && window.Bokeh.Panel && window.Tabulator'
    return f"if (!({there})) {{\n{script}\n}}"


class Views:
    """One set of linked views of one sorting.

    Parameters
    ----------
    opened : OpenInsertion
    state : ViewState
    queue : DocumentQueue
    """

    def __init__(self, opened: OpenInsertion, state: ViewState, queue: DocumentQueue) -> None:
        self._opened = opened
        self._state = state
        self._queue = queue
        self._scene: Scene | None = None
        pool = _threads()
        self._axes = axes = Axes(state)
        self.raster = RasterView(state, axes, pool, queue, self._raster_drawn, self._failed)
        self.heatmap = HeatmapView(state, axes, pool, queue, self._heatmap_drawn, self._failed)
        self.profile = DepthProfileView(state, axes, pool, queue, self._failed)
        raster_px, heatmap_px = FRAMES_PX
        picked = partial(toggle_region, self._state)
        self.strips = (StripView(axes, picked, raster_px), StripView(axes, picked, heatmap_px))
        for strip in self.strips:
            # a kernel tells the cell of new labels only in a turn
            strip.figure.on_change("inner_height", lambda attribute, old, new: queue.later(lambda: None))
        self.overview = OverviewView(axes)
        self.drift = DriftView(axes)
        self.table = ClusterTable(TabServices(PageState([TableState], state), axes, pool, queue), "Clusters")
        self.centre = PlainCentre(
            state,
            {
                "overview": self.overview.figure,
                "drift": self.drift.figure,
                "raster": self.raster.figure,
                "heatmap": self.heatmap.figure,
                "strip": self.strips[0].figure,
                "heatmap_strip": self.strips[1].figure,
                "profile": self.profile.figure,
            },
        )
        self._picking = UnitPicker(state, self.raster, self.heatmap, queue, self._picked)
        self._alert = pn.pane.HTML("", visible=False, margin=(0, 8), sizing_mode="stretch_width")
        header = pn.pane.HTML(_header(opened.sorting), margin=(4, 8), sizing_mode="stretch_width")
        self.layout = pn.Column(
            header,
            self._alert,
            self.centre.column,
            pn.Column(self.table.rows, height=TABLE_PX, sizing_mode="stretch_width", margin=0),
            height=HEIGHT_PX,
            sizing_mode="stretch_width",
            margin=0,
            design=Native,  # Material's, which the page imports, asks another host for scripts
        )
        self._watcher = state.param.watch(self._filter, ["quality", "filters", "level"])
        self._open()

    def _open(self) -> None:
        sorting, columns, state = self._opened.sorting, self._opened.columns, self._state
        window = state.time_range, state.depth_range
        times = columns.time_range_s
        self._axes.open(times, depth_limits(sorting.channels, columns.depth_range_um))
        self._filter()
        self._axes.show(*window)
        self.drift.open(sorting.drift)
        self.centre.show_drift(sorting.drift is not None)
        for view in (self.raster, self.heatmap, self.profile):
            view.draw_now(FIRST_PICTURE_S)

    def _filter(self, *events: object) -> None:
        sorting = self._opened.sorting
        try:
            passed = passing(self._state, self._opened, self._scene)
        except BadRequest as error:
            if self._scene is None:
                raise
            self._failed(error)
            return
        self._scene = scene = passed.scene(self._opened, self._state.level, self._scene)
        self.overview.open(scene, sorting.trials)
        for view in (self.raster, self.heatmap, self.profile, self.table, self._picking):
            view.open(scene)
        for strip in self.strips:
            strip.open(sorting.channels, self._state.level, sorting.histology, shown_shanks(self._state))
        self._alert.visible = False

    def _picked(self, readout: str) -> None:
        _write(self.centre.readout, f'<div class="readout">{readout}</div>')

    def _raster_drawn(self, picture: RasterPicture) -> None:
        if self._scene is not None:
            line = texts.status(self._scene, picture)
            said = f'<div class="status-line" role="status" aria-live="polite">{line}</div>'
            _write(self.centre.status, said)
            palette = shading.palette(self._state.cmap, dark=self._state.dark, is_aside=picture.is_aside)
            _write(self.centre.colour_bar, texts.colour_bar(self._scene, picture, palette))

    def _heatmap_drawn(self, picture: HeatmapPicture) -> None:
        if self._scene is not None:
            palette = shading.palette(self._state.cmap, dark=self._state.dark)
            _write(self.centre.heatmap_bar, texts.heatmap_bar(self._scene, picture, self._state, palette))

    def _failed(self, error: DashboardError) -> None:
        _write(self._alert, f'<p role="alert"><b>{escape(str(error))}</b></p>')
        self._alert.visible = True

    def close(self) -> None:
        """Stop drawing: other views take the place of these."""
        self._state.param.unwatch(self._watcher)
        for view in (self.raster, self.heatmap, self.profile):
            view.close()


def _header(sorting: SpikeSorting) -> str:
    """Return what is shown, in the ink of the notebook."""
    word, meaning = texts.HISTOLOGY_WORDS[sorting.histology]
    return f'<b>{escape(sorting.title)}</b> · <span title="{escape(meaning)}">histology: {escape(word)}</span>'


class NotebookView(pn.viewable.Viewer):
    """A sorting as the linked views of the dashboard; shows itself in a notebook, and in any Panel layout.

    Parameters
    ----------
    sorting : SpikeSorting
    columns : SpikeColumns
    state : ViewState

    Attributes
    ----------
    state : ViewState
        What is looked at; setting it moves the views: ``view.state.time_range = 0, 10``.
    """

    def __init__(self, sorting: SpikeSorting, columns: SpikeColumns, state: ViewState) -> None:
        super().__init__()
        self.state = state
        key = StoreKey(sorting.ref.insertion.source, sorting.ref.insertion.key, None, None)
        # Nothing that a notebook shows asks the source again.
        self._opened = OpenInsertion(key, sorting, columns, cast(Source, None), 0.0)
        self._views: Views | None = None
        self._lock = threading.Lock()
        self.state.insertion = sorting.ref.insertion.key

    @property
    def selected(self) -> list[UnitId]:
        """Ids of the units that are selected in the views."""
        return list(self.state.selected)

    def __panel__(self) -> Any:
        """Return the views, made anew: a second cell, or tab, takes them over from the first."""
        with self._lock:
            if self._views is not None:
                self._views.close()
            document = pn.state.curdoc
            if document is not None and document.session_context is not None:
                queue = DocumentQueue(document)
                self._views = Views(self._opened, self.state, queue)
                queue.is_building = False
                pn.state.on_session_destroyed(lambda context, views=self._views: views.close())
            else:
                queue = KernelQueue()
                self._views = Views(self._opened, self.state, queue)
                queue.layout = self._views.layout
                queue.is_building = False
            return self._views.layout

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        """Return what a notebook shows, loading what Panel needs for it first."""
        _load_scripts()
        if find_spec("IPython") is None:  # other front ends take the bundle too; Panel would print into IPython's cells
            pn.config.console_output = "disable"
        served = reactive.CDN_DIST
        reactive.CDN_DIST = resources.CDN_DIST  # which Panel puts into the cell; a server has set its own address
        try:
            with pn.config.set(inline=True):  # whatever other objects do: closed networks reach no other host
                return super()._repr_mimebundle_(include, exclude)
        finally:
            reactive.CDN_DIST = served


def view(sorting: SpikeSorting, *, cache: str | Path | None = None, **state: Any) -> NotebookView:
    """Return the linked views of a sorting: raster, heatmap, region strip, rate by depth, drift, cluster table.

    As the last line of a cell it shows them; it can also be put into a Panel layout.

    Parameters
    ----------
    sorting : SpikeSorting
    cache : str, Path or None
        As in `dashboard.open_insertion`.
    **state
        Of `dashboard.page.core.state.ViewState`: ``time_range`` (s), ``depth_range`` (um), ``show``, ``color``,
        ``quality``, ``filters`` (``{"where": "firing_rate > 2"}``), ``level``, ``selected``, ``cmap``, ...

    Returns
    -------
    NotebookView

    Raises
    ------
    BadRequest
        A value of the state cannot be used.

    Examples
    --------
    >>> view(dashboard.open_insertion("demo"), time_range=(0, 60), quality="good")  # doctest: +SKIP
    """
    folder = Path(cache).expanduser() if cache is not None else load_settings().cache
    unknown = [name for name in state if name not in ViewState.param]
    if unknown:
        known = ", ".join(name for name in ViewState.param if name != "name")
        raise BadRequest("The view has no such value", ", ".join(unknown), f"It has {known}")
    try:
        values = ViewState(**state)
    except (ValueError, TypeError) as error:
        raise BadRequest("A value of the view cannot be used", "", str(error)) from None
    for name in ("time_range", "depth_range", "limits"):
        window = getattr(values, name)
        if window is not None and not -1e9 < window[0] < window[1] < 1e9:
            what = f"{window} has to go from a lower to a higher number"
            raise BadRequest("A value of the view cannot be used", name, what)
    if values.show == "clusters":
        raise BadRequest("A value of the view cannot be used", "show='clusters'", "The page draws a row for each unit")
    columns = build_columns(sorting, folder)
    read_spike_amp(values.filters)
    apply_filters(values, sorting, np.diff(columns.unit_index.offsets))
    return NotebookView(sorting, columns, values)

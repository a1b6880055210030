"""One browser session: it opens insertions, keeps the state, and joins the views to it."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from html import escape
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.document import Document

from dashboard.model.errors import Cancelled, DashboardError
from dashboard.sources.protocol import Progress
from dashboard.store import InsertionStore, OpenInsertion
from dashboard.views import links, shading, texts
from dashboard.views.axes import Axes, depth_limits
from dashboard.views.bridge import Bridge
from dashboard.views.figures import asset
from dashboard.views.heatmap import HeatmapPicture, HeatmapView
from dashboard.views.page import DOCK_PX, Centre, Cover, page
from dashboard.views.picking import Picking
from dashboard.views.profiles import DepthProfileView, DriftView, OverviewView
from dashboard.views.rail import Rail
from dashboard.views.raster import RasterPicture, RasterView
from dashboard.views.scene import Scene
from dashboard.views.state import ViewState
from dashboard.views.strip import StripView
from dashboard.views.table import ClusterTable
from dashboard.views.turns import Turns

logger = logging.getLogger(__name__)

SETTLED_MS = 600
"""A view that stands still this long becomes a step in the browser's history."""


class DashboardSession:
    """Everything that one open browser tab has.

    Parameters
    ----------
    store : InsertionStore
        Shared by the sessions of the process.
    pool : ThreadPoolExecutor
        Threads that render.
    document : Document
    query : str
        Query string that the page was opened with.
    """

    def __init__(self, store: InsertionStore, pool: ThreadPoolExecutor, document: Document, query: str) -> None:
        self._store = store
        self.turns = Turns(document)
        self._loads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="open")
        self._cancel_load = threading.Event()
        self._opened: OpenInsertion | None = None
        self._scene: Scene | None = None
        self._after_open: dict[str, Any] = {}
        self.state = ViewState()
        self.axes = Axes(self.state)
        self.raster = RasterView(self.state, self.axes, pool, self.turns, self._raster_drawn, self._failed)
        self.heatmap = HeatmapView(self.state, self.axes, pool, self.turns, self._heatmap_drawn, self._failed)
        self.profile = DepthProfileView(self.state, self.axes, pool, self.turns, self._failed)
        self.strips = (StripView(self.axes), StripView(self.axes))
        self.overview = OverviewView(self.axes)
        self.drift = DriftView(self.axes)
        self.table = ClusterTable(self.state)
        self.bridge = Bridge()
        self.cover = Cover(lambda event: self.open("demo"))
        self.centre = Centre(
            self.state,
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
        self.rail = Rail(self.state, store.insertions(), self.open, self.raster.auto_limits)
        self.header = pn.pane.HTML("", stylesheets=[asset("page.css")], margin=(9, 8))
        self.picking = Picking(self.state, self.raster, self.heatmap, self.turns, self._picked)
        self.page = self._page()
        self._watch()
        link = links.parse(query)
        self._visit(link)
        self._problems(link.problems)

    def _page(self) -> Any:
        dock = pmui.Tabs(
            ("Clusters", self.table.widget),
            sizing_mode="stretch_height",
            width=DOCK_PX,
            dynamic=True,
            margin=0,
            css_classes=["dock"],
        )
        self.work = pn.Row(
            self.centre.column,
            dock,
            sizing_mode="stretch_both",
            margin=0,
            visible=False,
            stylesheets=[asset("work.css")],
        )
        main = pn.Column(
            self.cover.alert,
            self.cover.loading,
            self.cover.empty,
            self.work,
            self.bridge,
            sizing_mode="stretch_both",
            margin=0,
            styles={"height": "calc(100vh - 48px)"},
        )
        return page(self.rail.objects, [self.header], [main], dark=False)

    def _watch(self) -> None:
        state, bridge = self.state, self.bridge
        state.param.watch(self._filter, ["quality", "level"])
        state.param.watch(self._write_link, list(ViewState.param))
        self.page.param.watch(self._change_theme, "dark_theme")
        bridge.param.watch(self._key, "key")
        bridge.param.watch(self._measured, "pixel_ratio")
        bridge.param.watch(lambda event: self._visit(links.parse(bridge.visited)), "visit")
        self.cover.paste.param.watch(lambda event: self.open(event.new) if event.new else None, "value")
        self.cover.cancel.on_click(lambda event: self._cancel_load.set())

    # -- opening ---------------------------------------------------------------------------------

    def open(self, text: str, sorter: str | None = None, revision: str | None = None, **values: Any) -> None:
        """Open an insertion; a load that runs is cancelled, what is on screen stays until then."""
        self._cancel_load.set()
        self._cancel_load = cancel = threading.Event()
        self._after_open = values
        self.cover.alert.visible = False
        self.cover.stage.object = f'<div class="stage-title">Opening {escape(text)}</div>looking for it'
        self.cover.loading.visible = True
        future = self._loads.submit(
            self._store.open, text, sorter, revision, progress=partial(self._report, cancel), cancel=cancel
        )
        future.add_done_callback(lambda done: self._later(partial(self._opened_one, cancel, sorter, revision, done)))

    def _later(self, run: Any) -> None:
        self.turns.later(run)

    def _report(self, cancel: threading.Event, progress: Progress) -> None:
        if not cancel.is_set():
            self._later(partial(self._show_progress, cancel, progress))

    def _show_progress(self, cancel: threading.Event, progress: Progress) -> None:
        if cancel is not self._cancel_load:
            return
        share = 100 * progress.done / progress.total if progress.total else None
        amount = f" {share:.0f} %" if share is not None else ""
        self.cover.stage.object = f'<div class="stage-title">Opening</div>{escape(progress.stage)}{amount}'

    def _opened_one(
        self, cancel: threading.Event, sorter: str | None, revision: str | None, done: Future[OpenInsertion]
    ) -> None:
        if cancel is not self._cancel_load:
            return
        self.cover.loading.visible = False
        try:
            opened = done.result()
        except Cancelled:
            return
        except DashboardError as error:
            self._failed(error)
            return
        self._show(opened, sorter, revision)

    def _show(self, opened: OpenInsertion, sorter: str | None, revision: str | None) -> None:
        sorting, columns = opened.sorting, opened.columns
        values, self._after_open = self._after_open, {}
        self._opened = opened
        channels = sorting.channels
        axial_max = float(channels["axial_um"].max()) if len(channels) else 3840.0
        times = columns.time_range_s
        self.axes.open((min(0.0, times[0]), times[1]), depth_limits(axial_max, columns.depth_range_um))
        known = set(sorting.clusters.index)
        values["selected"] = [cluster for cluster in values.get("selected", []) if cluster in known]
        self.state.param.update(
            insertion=sorting.ref.insertion.key, sorter=sorter, revision=revision, **{"limits": None, **values}
        )
        self._scene = None
        self._filter()
        self.axes.show(values.get("time_range"), values.get("depth_range"))
        self.drift.open(sorting.drift)
        self.centre.show_drift(sorting.drift is not None)
        self.rail.show(sorting)
        self.rail.notes.object = texts.notes(sorting)
        self.header.object = texts.header(sorting)
        self.cover.empty.visible = False
        self.work.visible = True

    def _filter(self, *events: object) -> None:
        """Make the scene anew: which clusters pass, at which level regions are named."""
        if self._opened is None:
            return
        sorting, columns = self._opened.sorting, self._opened.columns
        mask = None
        if self.state.quality == "good":
            mask = np.zeros(columns.n_clusters, np.bool_)
            if "label" in sorting.clusters:
                mask[: sorting.n_clusters] = sorting.clusters["label"].to_numpy(dtype=np.float64) == 1
        self._scene = scene = Scene(self._opened, mask, self.state.level, parent=self._scene)
        self.raster.open(scene)
        self.heatmap.open(scene)
        self.profile.open(scene)
        self.overview.open(scene, sorting.trials)
        self.table.open(scene)
        for strip in self.strips:
            strip.open(sorting.channels, self.state.level, sorting.histology)

        self.picking.open(scene)

    def _picked(self, readout: str) -> None:
        self.centre.readout.object = f'<div class="readout">{readout}</div>'

    # -- what comes back -------------------------------------------------------------------------

    def _raster_drawn(self, picture: RasterPicture) -> None:
        if self._scene is None:
            return
        line = texts.status(self._scene, picture)
        self.centre.status.object = f'<div class="status-line" role="status" aria-live="polite">{line}</div>'
        palette = shading.palette(self.state.cmap, dark=self.state.dark)
        self.centre.colour_bar.object = texts.colour_bar(self.state, self._scene, picture, palette)

    def _heatmap_drawn(self, picture: HeatmapPicture) -> None:
        if self._scene is not None:
            palette = shading.palette(self.state.cmap, dark=self.state.dark)
            self.centre.heatmap_bar.object = texts.heatmap_bar(self._scene, picture, self.state, palette)

    def _failed(self, error: DashboardError) -> None:
        logger.warning("%s", error)
        self.cover.alert.param.update(object=str(error), severity="error", visible=True)

    def _problems(self, lines: tuple[str, ...]) -> None:
        if lines:
            self.cover.alert.param.update(object=" ".join(lines), severity="warning", visible=True)

    # -- the browser -----------------------------------------------------------------------------

    def _visit(self, link: links.Link) -> None:
        values = dict(link.values)
        insertion = values.pop("insertion", "")
        sorter, revision = values.pop("sorter", None), values.pop("revision", None)
        if not insertion:
            self.state.param.update(**values)
            return
        state = self.state
        if (insertion, sorter, revision) == (state.insertion, state.sorter, state.revision):
            state.param.update(**values)
        else:
            self.open(insertion, sorter, revision, **values)

    def _write_link(self, *events: object) -> None:
        self.bridge.query = links.write(self.state)

    def _change_theme(self, event: Any) -> None:
        self.state.dark = bool(event.new)

    def _measured(self, event: Any) -> None:
        self.raster.pixel_ratio = min(max(float(event.new), 1.0), 3.0)

    def _key(self, event: Any) -> None:
        state, key = self.state, event.new.get("key")
        match key:
            case "v" | "b" | "z":
                state.mode = {"v": "pan", "b": "select", "z": "zoom"}[key]
            case "h":
                order = ["both", "raster", "heatmap"]
                state.show = order[(order.index(state.show) + 1) % 3]
            case "g":
                state.quality = "all" if state.quality == "good" else "good"
            case "+" | "=" | "-" | "ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown" | "Home":
                self._navigate(key)
            case "j" | "k":
                self._walk(1 if key == "j" else -1)
            case "Escape":
                state.selected = []

    def _navigate(self, key: str) -> None:
        state = self.state
        if state.time_range is None or state.depth_range is None:
            return
        (t0, t1), (d0, d1) = state.time_range, state.depth_range
        match key:
            case "Home":
                self.axes.show(None, None)
                return
            case "+" | "=" | "-":
                quarter = (t1 - t0) / 4 * (1 if key != "-" else -2)
                t0, t1 = t0 + quarter, t1 - quarter
            case "ArrowLeft" | "ArrowRight":
                step = (t1 - t0) / 4 * (1 if key == "ArrowRight" else -1)
                limits = self.axes.time_limits
                step = float(np.clip(step, limits.start - t0, limits.end - t1))
                t0, t1 = t0 + step, t1 + step
            case _:
                step = (d1 - d0) / 4 * (1 if key == "ArrowUp" else -1)
                limits = self.axes.depth_limits
                step = float(np.clip(step, limits.start - d0, limits.end - d1))
                d0, d1 = d0 + step, d1 + step
        self.axes.show((t0, t1), (d0, d1))

    def _walk(self, step: int) -> None:
        ids = list(self.table.order)
        if not ids:
            return
        current = self.state.selected[-1] if self.state.selected else None
        position = ids.index(current) + step if current in ids else (0 if step > 0 else -1)
        self.state.selected = [int(ids[position % len(ids)])]

    def close(self) -> None:
        """Let go of everything when the browser has gone."""
        self._cancel_load.set()
        for view in (self.raster, self.heatmap, self.profile):
            view.close()
        self._loads.shutdown(wait=False)

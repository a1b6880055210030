"""One browser session: it opens insertions, keeps the state, and joins the views to it."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import panel_material_ui as pmui
from bokeh.document import Document

from dashboard.analysis.anatomy.probe import depth_limits
from dashboard.analysis.filters.clusters import FilterResult
from dashboard.library.catalogue import Catalogue
from dashboard.library.store import InsertionStore, OpenInsertion
from dashboard.library.thumbnails import find_thumbnail
from dashboard.library.userdata import UserSession
from dashboard.model.errors import BadRequest, DashboardError, RevisionMissing, SorterMissing
from dashboard.model.registry import load
from dashboard.model.sorting import SpikeSorting
from dashboard.page import link as links
from dashboard.page.browser.address import AddressBar
from dashboard.page.browser.bridge import Bridge
from dashboard.page.browser.keys import Keys
from dashboard.page.captions import Captions
from dashboard.page.core.axes import Axes
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.late import late
from dashboard.page.core.panes import html_pane
from dashboard.page.core.scene import Scene
from dashboard.page.core.slices import give_way
from dashboard.page.core.state import shown_shanks, toggle_region
from dashboard.page.core.tab import TabSlot
from dashboard.page.core.theme import apply_theme
from dashboard.page.dock import Dock
from dashboard.page.export.controller import ExportController
from dashboard.page.export.downloads import SessionDownloads
from dashboard.page.layout import page, work_row
from dashboard.page.opening.card import TRY_AGAIN, OpeningCard
from dashboard.page.opening.metrics import MetricsJob
from dashboard.page.opening.opener import Opener, OpenRequest
from dashboard.page.opening.watch import OpenedWatch
from dashboard.page.plot import texts
from dashboard.page.plot.centre import Centre
from dashboard.page.plot.channel_marks import ChannelMarks
from dashboard.page.plot.heatmap import HeatmapPicture, HeatmapView
from dashboard.page.plot.picker import UnitPicker
from dashboard.page.plot.profiles import DepthProfileView, DriftView, OverviewView
from dashboard.page.plot.raster import RasterPicture, RasterView
from dashboard.page.plot.selection_chip import SelectionChip
from dashboard.page.plot.spans import SpanMarks
from dashboard.page.plot.strip import StripView
from dashboard.page.plot.unit_raster import UnitRaster
from dashboard.page.plot.window_fields import WindowFields
from dashboard.page.rail.colours import colours_off
from dashboard.page.rail.filtered_scene import everything, passing
from dashboard.page.rail.filters import FiltersView
from dashboard.page.rail.rail import Rail
from dashboard.page.search.search import Search
from dashboard.page.services.curation import CurationService
from dashboard.page.services.page_services import PageServices
from dashboard.page.services.recording_quality import RecordingQuality
from dashboard.page.services.response_test import ResponseTester, carry
from dashboard.page.services.trial_browser import TrialBrowser, TrialLines
from dashboard.page.tabs.registry import PAGE_KEYS, TABS, page_state

logger = logging.getLogger(__name__)

QUICK_S = 0.2
"""A page waits so long for the insertion of its link, which is then part of it from the start."""

MAX_LISTED = 2_000
"""Insertions that the picker offers; more are found by pasting, or by search."""

PAINTED_S = 0.05
"""A picture that has left for the browser is painted by then, as a rule."""

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
    catalogue : Catalogue
        Shared by the sessions of the process, too.
    user_session : UserSession
    session_downloads : SessionDownloads
        Where this session's exports wait for the browser.
    is_dark : bool
        Whether the page is drawn dark at first; the browser says later what it is to be.
    """

    def __init__(
        self,
        store: InsertionStore,
        pool: ThreadPoolExecutor,
        document: Document,
        query: str,
        catalogue: Catalogue,
        user_session: UserSession,
        session_downloads: SessionDownloads,
        is_dark: bool = False,
    ) -> None:
        self.queue = DocumentQueue(document)
        self._store, self._catalogue = store, catalogue
        self._listed: dict[str, None] = {}
        self._is_listing = False
        self._loaded: OpenInsertion | None = None
        self._opened: OpenInsertion | None = None
        self._scene: Scene | None = None
        self._link = links.NO_LINK
        self._is_behind = False
        self._caught_up: Scene | None = None
        self._said: FilterResult | None = None
        self.states = page_state()
        self.state = self.states.view
        self.axes = Axes(self.state)
        self.raster = RasterView(self.state, self.axes, pool, self.queue, self._raster_drawn, self._failed)
        self.quality = RecordingQuality(
            self.queue, pool, self.state, store.cache, lambda: user_session.login, lambda: self.heatmap.draw()
        )  # fmt: skip
        self.heatmap = HeatmapView(
            self.state, self.axes, pool, self.queue, self._heatmap_drawn, self._failed, self.quality.heat
        )  # fmt: skip
        self.quality.listen(self._quality_read)
        self.profile = DepthProfileView(self.state, self.axes, pool, self.queue, self._failed)
        self.amplitudes = DepthProfileView(self.state, self.axes, pool, self.queue, self._failed, of_amplitudes=True)
        self.strips = [StripView(self.axes, partial(toggle_region, self.state)) for _ in range(2)]
        self.channel_marks = ChannelMarks(
            [self.raster.figure, self.heatmap.figure], [strip.figure for strip in self.strips]
        )  # fmt: skip
        self.overview = OverviewView(self.axes)
        self.spans = SpanMarks(self.states, self.overview.figure, self.queue)
        self.drift = DriftView(self.axes)
        self.bridge = Bridge(settled_ms=SETTLED_MS)
        self.address = AddressBar(self.states, self.bridge, self.queue)
        self.card = OpeningCard()
        self.curation = CurationService(
            self.states,
            self.queue,
            user_session,
            self._decided,
            self._failed,
            lambda key: self.keys.press(key),
            store.cache,
        )
        self.opener = Opener(store, self.card, self.queue, self._show, self._refused, self.curation.prepare)
        self.metrics_job = MetricsJob(store, self.queue, self._completed, self._failed)
        self.watch = OpenedWatch(store, self.queue, self._reload, self._offer)
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
            self.spans.panel,
        )
        self.services = services = PageServices(
            self.states,
            self.axes,
            pool,
            self.queue,
            store,
            user_session,
            self.raster,
            self.centre,
            TrialBrowser(self.states, TrialLines(self.raster.figure, self.heatmap.figure)),
            ResponseTester(self.states, self.queue, self._tested),
            self.curation,
            self.quality,
            self._tested,
            self._picked,
            self._failed,
        )
        self.response_test = services.response_test
        slots = {
            entry.name: TabSlot(
                entry.title,
                partial(_make_tab, entry.tab, services, entry.title),
                is_late=entry.is_late,
                follows_hidden=entry.follows_hidden,
            )
            for entry in TABS
        }
        self.dock = Dock(self.state, slots, self.queue)
        self.keys = Keys(self.state, self.axes, slots, self.curation.press)
        self.centre.stand_beside(self.overview.legend)
        self.centre.stand_beside(WindowFields(self.state, self.axes, self.keys.press, self.queue))
        self.bridge.keys = [*PAGE_KEYS, *(key for entry in TABS for key in entry.keys), *self.curation.keys]
        self.export_controller = ExportController(
            self.states,
            self.bridge,
            self.queue,
            lambda: self._scene,
            lambda: {**self.dock.for_export, "heatmap": self.heatmap.shown},
            session_downloads,
            user_session.login,
        )
        self.units = UnitRaster(self.state, self.axes, pool, self.queue, self.centre, self._units_drawn, self._failed)
        self.reload = pmui.Button(label="Try again", size="small", variant="outlined", visible=False, margin=(0, 12))
        self.reload.on_click(lambda event: self._reload())
        self.filters = FiltersView(self.state)
        fit = lambda: (self.units if self.state.shows("clusters") else self.raster).auto_limits()  # noqa: E731
        lines = [self.metrics_job.line.panel, self.quality.lfp.line.panel, self.response_test.aside]
        self.refresh = pmui.Button(label="Look for new data", size="small", variant="text", margin=(0, 8))
        self.refresh.on_click(lambda event: self._look_again())
        ahead = lambda key, cancel: store.open(key, cancel=cancel)  # noqa: E731
        small = partial(find_thumbnail, store.cache)
        self.search = Search(self.state, catalogue, user_session, self.queue, self.open, ahead, small)
        find = [self.search.button, self.refresh]
        self.rail = Rail(self.state, self.bridge.param.theme, self.open, fit, self.queue, find, [self.filters.fields])
        self.selection_chip = SelectionChip(self.state, self.queue)
        self.centre.stand_over(
            self.filters.said,
            self.filters.shank,
            self.selection_chip.panel,
            self.channel_marks.key,
            [*lines, late(self.reload)],
        )
        self.captions = Captions(self.state, self.centre, self.rail, self.queue)
        self.card.more.extend([self.search.empty_button, self.search.example, *self.search.lately])
        self.header = html_pane(margin=(5, 8))
        self.picker = UnitPicker(self.state, self.raster, self.heatmap, self.queue, self._picked)
        self.page = self._page()
        self._watch()
        self.page.dark_theme = is_dark
        self._visit(links.at_place(links.parse(query)))
        self.opener.settle(QUICK_S)
        for view in (self.raster, self.heatmap, self.units, self.profile):
            view.draw_now()  # what was opened by now; nothing, where nothing was
        self.queue.is_building = False
        self.queue.later(lambda: self.bridge.param.update(is_ready=True))
        catalogue.listen(self._lists_changed)
        self._lists_changed()

    def _page(self) -> Any:
        self.work = work_row(self.centre, self.dock)
        card = self.card
        over = [self.search.panel, card.empty, late(card.alert), late(card.retry), card.loading, card.more]
        header = [self.header, *self.export_controller.buttons]
        return page(self.rail, header, [*over, self.work, self.bridge, self.export_controller.dialogs], dark=False)

    def _watch(self) -> None:
        state, bridge = self.state, self.bridge
        state.param.watch(self._filter, ["quality", "filters", "level"])
        self.page.param.watch(self._change_theme, "dark_theme")
        bridge.param.watch(lambda event: self.queue.later(partial(self._follow_theme, event.new)), "dark")
        # In turns of their own: two messages that come together would otherwise change the document without its lock.
        bridge.param.watch(lambda event: self.queue.later(partial(self.keys.press, event.new.get("key", ""))), "key")
        bridge.param.watch(lambda event: self.queue.later(partial(self.spans.draw, event.new)), "span")
        bridge.param.watch(self._measured, "pixel_ratio")
        bridge.param.watch(self._stepped, "visit")
        self.card.paste.param.watch(lambda event: self.open(event.new) if event.new else None, "value")

    # -- opening ---------------------------------------------------------------------------------

    def open(
        self,
        text: str,
        sorter: str | None = None,
        revision: str | None = None,
        link: links.Link = links.NO_LINK,
        **values: Any,
    ) -> None:
        """Open an insertion, then take `values` into the state; `link` is what asked for it, if one did."""
        self._link = link
        self.opener.open(OpenRequest(text, sorter, revision, values))

    def _look_again(self) -> None:
        """Have the lists, and what is open, looked at now."""
        self._catalogue.look_again()
        self.watch.look()

    def _lists_changed(self) -> None:
        """Take what the lists have gained; called from any thread, looked at once for many calls."""
        if not self._is_listing:
            self._is_listing = True
            self.queue.later(self._offer_new)

    def _offer_new(self) -> None:
        """Have the picker offer what the lists know, and no longer what they have lost."""
        self._is_listing = False
        table, names = self._catalogue.table, {source.name for source in self._store.sources}
        listed = zip(table["key"], table["source"], strict=True)
        known = dict.fromkeys(key for key, source in listed if source in names)
        kept = dict.fromkeys(key for key in self._listed if key in known or not self._catalogue.is_whole)
        after = tuple(kept | known)[:MAX_LISTED]
        if after != tuple(self._listed):
            self._listed = dict.fromkeys(after)
            self.rail.offer(after)
            self.queue.later(self.rail.name)

    def _offer(self, what: str) -> None:
        """Offer what is new of the open insertion; what is on screen stays until a person takes it."""
        self.card.alert.param.update(object=f"The data have changed: {what}.", severity="info", visible=True)
        self.card.retry.param.update(label="Load the new data", visible=True)
        self.opener.retry = self._reload

    def _reload(self) -> None:
        """Try once more for the datasets that did not come; the view stays."""
        if self._opened is not None:
            self._store.forget(self._opened)
            state = self.state
            kept = {name: self.states.get(name) for name in links.kept_names()}
            self.open(state.insertion, state.sorter, state.revision, **kept)

    def _show(self, loaded: OpenInsertion, wanted: OpenRequest) -> None:
        values = dict(wanted.values)
        self._loaded, opened = loaded, self.services.dress(loaded, values)
        sorting, columns = opened.sorting, opened.columns
        if values.get("color", self.state.color) in colours_off(sorting):
            values["color"] = "count"  # the rail says why
        if sorting.why_no_labels and not sorting.metrics_wanted:
            values["quality"] = "all"
        if not columns.is_placed:
            values["show"] = "clusters"  # a row for each unit
        self._opened = opened
        self.channel_marks.show(None)
        times = columns.time_range_s
        self.axes.open(times, depth_limits(sorting.channels, columns.depth_range_um))
        gone = links.drop_gone(values, sorting)
        self.states.update(
            insertion=sorting.ref.insertion.key,
            sorter=wanted.sorter,
            revision=wanted.revision,
            **{**links.of_session(self.states, sorting), **values},
        )
        ref = sorting.ref
        self.search.show_sorting(ref.insertion.key, ref.sorter.value, ref.revision.value)
        self.services.trials.open_shown(sorting.trials)
        self._scene = None
        self._filter()
        self.axes.show(values.get("time_range"), values.get("depth_range"))
        give_way()
        self.drift.open(sorting.drift)
        self.centre.show_drift(sorting.drift is not None)
        self._tell(sorting)
        self.work.visible = self.rail.icons.is_open = True
        self.export_controller.opened()
        link, self._link = self._link, links.NO_LINK
        self._problems((*link.problems, *gone, *texts.unfetched(sorting)))
        self.card.retry.param.update(label=TRY_AGAIN, visible=bool(sorting.incomplete))
        self.opener.retry = self._reload
        give_way()
        self.metrics_job.open(loaded)
        self.watch.open(loaded)
        self.response_test.resume(opened)

    def _completed(self, before: OpenInsertion, after: OpenInsertion) -> None:
        """Take what was computed meanwhile: metrics, or depths with columns of their own."""
        if self._opened is None or self._loaded is None or self._loaded.columns is not before.columns:
            return
        is_as_sorted = self._opened.columns is before.columns
        self._loaded = after
        self.curation.completed(after)
        self._tested(replace(after, sorting=carry(self._opened.sorting, after.sorting)) if is_as_sorted else after)

    def _tested(self, opened: OpenInsertion) -> None:
        """Take columns that were added to the clusters."""
        self._opened = opened = self.services.dress(opened)
        self._filter()
        self._tell(opened.sorting)

    def _decided(self) -> None:
        """Show what was decided about units."""
        if self._opened is not None:
            before, self._opened = self._opened, self.services.dress(self._opened)
            is_other = self._opened.columns is not before.columns
            if is_other:
                self.state.selected = self.curation.follow(self.state.selected, self._opened)
            self._filter(only_said=True)
            if is_other or list(before.sorting.clusters) != list(self._opened.sorting.clusters):
                self._tell(self._opened.sorting)  # what can be coloured, and sought
            if is_other:
                self.response_test.step(self._opened)
            self._catch_up_soon()

    def _tell(self, sorting: SpikeSorting) -> None:
        self.rail.show(sorting)
        self.filters.offer(sorting)
        notice = self._opened.source.notice if self._opened is not None else ""
        self.rail.notes.object = texts.notes(sorting, notice)
        self.reload.visible = any(item.can_come for item in sorting.missing)
        self.header.object = texts.header(sorting)

    def _filter(self, *events: object, only_said: bool = False) -> None:
        """Make the scene anew: which clusters pass, at which level regions are named.

        Where only what people say of units has changed, and no picture by it, the pictures stay.
        """
        if self._opened is None:
            return
        sorting = self._opened.sorting
        try:
            passed = passing(self.state, self._opened, self._scene)
        except BadRequest:
            self.filters.refuse(sorting)  # by which the state changes, and the scene is made
            if self._scene is not None and self._scene.opened is self._opened:
                return
            passed = everything(self._opened)
            self._said = None
        else:
            self._said = passed.result
        scene = passed.scene(self._opened, self.state.level, self._scene)
        self._is_behind = True
        if only_said and self._scene is not None and scene.draws_as(self._scene, self.state.color):
            self._scene.take(self._opened)
            return
        self._scene = scene
        for view in (self.raster, self.heatmap, self.units, self.profile, self.picker, self.selection_chip):
            view.open(scene)
            give_way()
        for strip in self.strips:
            give_way()
            strip.open(sorting.channels, self.state.level, sorting.histology, shown_shanks(self.state))

    def _catch_up_soon(self) -> None:
        """Let the browser paint the pictures first: the rows of the table alone keep it for 0.2 s."""
        self.queue.after(PAINTED_S, partial(self.queue.later, self._catch_up))

    def _catch_up(self) -> None:
        """Give the scene to what is slower than the pictures, once one of them is on its way to the browser."""
        if self._scene is not None and self._is_behind:
            self._is_behind = False
            if self._said is not None:
                self.filters.show(self._said, self._scene.sorting.n_clusters)
            if self._scene is not self._caught_up:
                self._caught_up = self._scene
                self.centre.stand_amplitudes(self.amplitudes.figure)
                self.amplitudes.open(self._scene)
                give_way()
                self.overview.open(self._scene, self._scene.sorting.trials)
            give_way()
            self.dock.open(self._scene)

    def _picked(self, readout: str) -> None:
        self.centre.readout.object = f'<div class="readout">{readout}</div>'

    # -- what comes back -------------------------------------------------------------------------

    def _raster_drawn(self, picture: RasterPicture) -> None:
        if self._scene is not None:
            self.services.match_limits(picture)
            self.captions.of_raster(self._scene, picture, self.raster.coarser)
            self._catch_up_soon()

    def _heatmap_drawn(self, picture: HeatmapPicture) -> None:
        if self._scene is not None:
            self.captions.of_heatmap(self._scene, picture)
            if not self.state.shows("raster"):  # which the table would keep from the browser
                self._catch_up_soon()

    def _quality_read(self) -> None:
        """Show what the files of the recording's quality say."""
        self.channel_marks.show(None if self._scene is None else self.quality.known(self._scene))
        if self.state.heat_of == "rate":
            return
        if self.quality.error is not None:
            self._failed(self.quality.error)
        self.heatmap.draw()

    def _units_drawn(self, default: tuple[float, float] | None, limits: tuple[float, float]) -> None:
        self.rail.show_limits(default, limits)
        self._catch_up_soon()

    def _failed(self, error: DashboardError) -> None:
        logger.warning("%s", error)
        self._catch_up_soon()
        self.card.alert.param.update(object=str(error), severity="error", visible=True)

    def _refused(self, error: DashboardError) -> None:
        """Say why nothing opened; where a link names a sorting that is no more, open what there is instead."""
        link = self._link
        insertion = link.values.get("insertion")
        if insertion is None or not isinstance(error, SorterMissing | RevisionMissing):
            self._failed(error)
            self.rail.refuse(str(error))
            return
        # Cluster ids mean nothing in another sorting.
        left_out = ("insertion", "sorter", "revision", "selected")
        values = {name: value for name, value in link.values.items() if name not in left_out}
        problems = (*link.problems, f"{error}. The default sorting is shown instead.")
        self.open(insertion, link=links.Link({}, problems), **values)

    def _problems(self, lines: tuple[str, ...]) -> None:
        if lines:
            self.card.alert.param.update(object=" ".join(lines), severity="warning", visible=True)

    # -- the browser -----------------------------------------------------------------------------

    def _visit(self, link: links.Link, otherwise: dict[str, Any] | None = None) -> None:
        """Show what a link asks for, and say what of it cannot be; `otherwise` is what it leaves out."""
        values = {**(otherwise or {}), **link.values}
        insertion, _ = values.pop("insertion", ""), values.pop("place", None)
        if "triage" in values:  # at once, as the insertion may not come
            self.search.resume(values.pop("triage"), insertion)
        sorter, revision = values.pop("sorter", None), values.pop("revision", None)
        state = self.state
        if insertion and (insertion, sorter, revision) != (state.insertion, state.sorter, state.revision):
            self.open(insertion, sorter, revision, link, **values)
            return
        if otherwise is not None and self._opened is not None:
            gone = links.drop_gone(values, self._opened.sorting)
            self.states.update(**values)
            self._problems((*link.problems, *gone))
            self.response_test.step(self._opened)
        else:
            self.states.update(**values)
            self.queue.later(partial(self._problems, link.problems))

    def _stepped(self, event: Any) -> None:
        self._visit(links.parse(self.bridge.visited), links.defaults())
        self.address.write()  # before the browser may take what comes for a step of its own
        self.bridge.seen = event.new

    def _change_theme(self, event: Any) -> None:
        self.state.dark = self.opener.is_dark = apply_theme(self.page, dark=bool(event.new))
        self.bridge.drawn_dark = self.state.dark
        if self.bridge.dark not in (None, event.new):  # the button in the header
            self.bridge.theme = "dark" if event.new else "light"

    def _follow_theme(self, is_dark: bool) -> None:
        self.page.dark_theme = is_dark

    def _measured(self, event: Any) -> None:
        for view in (self.raster, self.heatmap, self.units):
            view.measure(float(event.new))

    def close(self) -> None:
        """Let go of everything when the browser has gone."""
        self.queue.close()
        self._catalogue.forget(self._lists_changed)
        self.search.close()  # first: what others say is heard no more
        for view in (self.raster, self.heatmap, self.units, self.profile, self.amplitudes):
            view.close()
        jobs = (self.opener, self.metrics_job, self.watch)
        for part in (*jobs, self.export_controller, self.dock, self.services, self.search):
            part.close()


def _make_tab(target: str, services: PageServices, title: str) -> Any:
    return load(target)(services, title)

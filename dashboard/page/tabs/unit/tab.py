"""The Unit tab: the selected one or few units, from all of their spikes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from html import escape
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from dashboard.analysis.raw.many import ManySpikes
from dashboard.analysis.unit_picture import MAX_PAIRS, Members, UnitPicture
from dashboard.analysis.units.features import FeaturePicture
from dashboard.figures.raw import many_figure
from dashboard.figures.registry import FIGURES
from dashboard.figures.unit import features
from dashboard.model.colours import hex_colour
from dashboard.model.errors import DashboardError, DatasetMissing
from dashboard.model.unit_ids import UnitId
from dashboard.page.core.document_queue import Rest
from dashboard.page.core.figure_view import FigureView
from dashboard.page.core.panes import caption, place
from dashboard.page.core.scene import Scene
from dashboard.page.core.tab import WAIT_S, BaseTab, pane, refusal_text
from dashboard.page.core.theme import apply_theme
from dashboard.page.services.page_services import PageServices
from dashboard.page.tabs.unit import texts
from dashboard.page.tabs.unit.outline import SplitOutline, outlined
from dashboard.page.tabs.unit.picture import (
    Singles,
    SinglesRequest,
    UnitDrawing,
    UnitRequest,
    draw_units,
    render_singles,
    wrong_unit_fields,
)
from dashboard.page.tabs.unit.words import UNIT_FIELDS, unit_bins
from dashboard.page.widgets.fields import BinFields
from dashboard.page.widgets.sections import folded

SMALL_PX, WIDE_PX, TEMPLATE_PX, BESIDE_PX = 170, 160, 320, 110
HEIGHTS_PX = {"amplitude": WIDE_PX, "depth": WIDE_PX, "rate": WIDE_PX, "template": TEMPLATE_PX}
TITLES = {"unit-pairs": "Cross-correlograms"}


class UnitTab(BaseTab[PageServices]):
    """Correlograms, intervals, amplitudes, depth, rate, template and metrics of the selected units.

    Attributes
    ----------
    picture : UnitPicture or None
        What the tab shows.
    """

    def __init__(self, services: PageServices, title: str) -> None:
        super().__init__(services, title, ("summary", "unit"))
        self._focus: int | None = None
        self._named: dict[str, int] = {}
        self._aside = ""
        self._is_moving = False
        self.picture: UnitPicture | None = None
        self._drawn: UnitRequest | None = None
        self._loop = self.loop(draw_units, self._apply)
        self._singles_loop = self.loop(
            services.reading(render_singles, self.busy.tell), self._show_singles, self._no_singles,
            pool=services.quality.pool,
        )  # fmt: skip
        self._singles: SinglesRequest | None = None
        self._is_reading = False
        self.empty = self.html(texts.EMPTY)
        self.head = self.html()
        self.metrics = self.html()
        self.part("unit-head", "What is known of the unit", self.head)
        self.part("unit-metrics", "The table of metrics", self.metrics)
        self.focus = pmui.RadioButtonGroup(
            options=["–"], value="–", size="small", visible=False, margin=(6, 10), label=""
        )
        self.focus.param.watch(self._refocused, "value")
        # Figures that are on the page before they are laid out break in the browser: they come with the first picture.
        self._body = pn.Column(visible=False, sizing_mode="stretch_width", margin=0)
        self._bins = folded({"Bins and windows": self._make_bins}, margin=(4, 10))
        self.panel = pn.Column(
            self.refusal, self.busy.panel, self.empty, sizing_mode="stretch_both", margin=0, scroll=True
        )
        self._state.param.watch(self._request, ["tab", "bins"])
        self._state.param.watch(Rest(self._queue, self._request).ask, "selected")

    def _make_figures(self) -> None:
        own = ("acg", "close", "isi", "refractory", "amplitude", "depth", "rate", "template")
        self._added = [entry for entry in FIGURES if entry.of == "unit" and entry.name not in FIGURES.own]
        names = (*(f"unit-{name}" for name in own), *(entry.name for entry in self._added))
        dark = self._state.dark
        self.views = {
            name: FigureView(name, HEIGHTS_PX.get(name.removeprefix("unit-"), SMALL_PX), dark=dark) for name in names
        }
        beside = self.views["unit-amplitude"].figure
        bars = self.views["unit-amplitudes"] = FigureView("unit-amplitudes", WIDE_PX, dark=dark, y_range=beside.y_range)
        bars.figure.update(sizing_mode="fixed", width=BESIDE_PX, min_border_left=4)
        bars.figure.yaxis.visible = False
        bars.figure.xaxis.ticker.desired_num_ticks = 2
        self.pairs = [FigureView(f"unit-pair-{k}", SMALL_PX, dark=dark) for k in range(MAX_PAIRS)]
        self._state.param.watch(self._recolour, "dark")
        self.outline = SplitOutline(outlined(self.views), self._services.curation, self._queue, self.html)
        self.part("unit-outline", "The outline of a split", self.outline.line)
        self._panes = {name: pane(view.figure) for name, view in self.views.items()}
        self._captions = {name: self.html() for name in (*names, "unit-pairs")}
        self._pair_captions = [self.html() for _ in self.pairs]
        for name, over in self._captions.items():
            self.part(name, TITLES.get(name) or FIGURES[name].title, over, self._panes.get(name))
        # The histogram stands under the caption of what it is beside.
        beside_of = self._captions["unit-amplitude"]
        self.part("unit-amplitudes", FIGURES["unit-amplitudes"].title, beside_of, self._panes["unit-amplitudes"])
        self.singles = FigureView("unit-waveforms", TEMPLATE_PX, dark=dark)
        self._single_caption, self._single_pane = self.html(), pane(self.singles.figure)
        self._single_stack = self._stack(self._single_caption)  # a figure that was hidden has no width when it is shown
        self.part("unit-waveforms", "The single spikes", self._single_caption, self._single_pane)
        self.features = FigureView("unit-features", TEMPLATE_PX, dark=dark)
        self._feature_caption, self._feature_pane = self.html(), pane(self.features.figure)
        self._feature_stack = self._stack()
        self.part("unit-features", "Principal components", self._feature_caption, self._feature_pane)
        self._pair_plots = [pane(view.figure) for view in self.pairs]
        for view, over, plot in zip(self.pairs, self._pair_captions, self._pair_plots, strict=True):
            self.part(str(view.figure.name), TITLES["unit-pairs"], over, plot)

    def _recolour(self, event: Any) -> None:
        for view in (*self.views.values(), *self.pairs, self.singles, self.features):
            view.apply_theme(dark=event.new)

    def _sections(self) -> list[Any]:
        captions, panes = self._captions, self._panes
        self._pair_panes = [
            self._stack(caption, plot) for caption, plot in zip(self._pair_captions, self._pair_plots, strict=True)
        ]
        self._pair_box = self._stack(
            captions["unit-pairs"], *(self._beside(*self._pair_panes[k : k + 2]) for k in range(0, MAX_PAIRS, 2))
        )

        def captioned(*names: str) -> list[pn.Column]:
            return [self._stack(captions[name], panes[name]) for name in names]

        return [
            self.focus,
            self.head,
            self._beside(*captioned("unit-acg", "unit-close")),
            self._beside(*captioned("unit-isi", "unit-refractory")),
            self._pair_box,
            captions["unit-amplitude"],
            self._beside(panes["unit-amplitude"], panes["unit-amplitudes"]),
            *captioned("unit-depth"),
            self.outline.panel,
            *captioned("unit-rate"),
            self._beside(*captioned("unit-template"), self._single_stack),
            self._feature_stack,
            *captioned(*(entry.name for entry in self._added)),
            self.metrics,
            self._bins,
        ]

    def _make_bins(self) -> Any:
        fields = BinFields(self._state, UNIT_FIELDS, wrong_unit_fields, width=125).widgets.values()
        return pn.FlexBox(*fields, sizing_mode="stretch_width", margin=0)

    @staticmethod
    def _stack(*items: Any) -> pn.Column:
        return pn.Column(*items, sizing_mode="stretch_width", margin=0)

    @staticmethod
    def _beside(*items: Any) -> pn.Row:
        return pn.Row(*items, sizing_mode="stretch_width", margin=0)

    def open(self, scene: Scene) -> None:
        """Show the units of another insertion, or of the same one through other filters."""
        self._scene = scene
        self._request()

    def _request(self, *events: object) -> None:
        if self._scene is None or not self.is_seen:
            return
        selected = self._scene.indexes(self._state.selected)
        ids, self._aside = texts.chosen(selected)
        if not ids:
            self._loop.cancel()
            self.picture = None
            self.answered()
            self.empty.param.update(object=texts.EMPTY, visible=True)
            self._body.visible = False
            return
        if self._focus not in ids:
            self._focus = ids[-1]
        self._offer(self._scene, ids)
        ranks = tuple(selected.index(unit) for unit in ids)
        request = UnitRequest(self._scene, ids, self._focus, unit_bins(self._state.bins), ranks, self._members(ids))
        if request == self._drawn and self.picture is not None:  # what people say of it may be another
            self._loop.cancel()
            self.answered()
            self._describe(self._scene, self.picture)
            return
        self.empty.visible = False
        self.busy.begin()
        self._loop.request(request)

    def _members(self, ids: tuple[int, ...]) -> Members | None:
        """Return the units that the only one is merged of, where it is."""
        found = self._services.curation.merged_of(self._scene.ids(ids)[0]) if self._scene and len(ids) == 1 else None
        if found is None:
            return None
        before, units = found
        return Members(before.sorting, before.columns, units)

    def _offer(self, scene: Scene, ids: tuple[int, ...]) -> None:
        """Let the reader choose which of several units the single plots show."""
        self._is_moving = True
        try:
            self._named = {str(unit): index for unit, index in zip(scene.ids(ids), ids, strict=True)}
            value = next(name for name, index in self._named.items() if index == self._focus)
            self.focus.param.update(options=list(self._named), value=value, visible=len(ids) > 1)
        finally:
            self._is_moving = False

    def _refocused(self, event: Any) -> None:
        if not self._is_moving and event.new:
            self._focus = self._named[event.new]
            self._request()

    def refuse(self, error: DashboardError) -> None:
        """Say it in the tab; what was drawn stays. Where nothing was, as with a link, the bins can still be changed."""
        super().refuse(error)
        if not self._body.objects and self._bins not in self.panel.objects:
            self.empty.visible = False
            apply_theme(self._bins, dark=self._state.dark)
            self.panel.append(self._bins)

    def _apply(self, request: UnitRequest, drawing: UnitDrawing) -> None:
        if request.scene is not self._scene or request.focus != self._focus:
            return
        if not self._body.objects:
            self._make_figures()
            if self._bins in self.panel.objects:
                self.panel.remove(self._bins)
            self._body[:] = self._sections()
        self.picture, self._drawn, scene = drawing.picture, request, request.scene
        self._describe(scene, self.picture)
        self.draw("unit-outline", self.outline.show, self.picture)
        for name in self.views:
            self.draw(name, self._show_view, name, scene, drawing)
        n_pairs = self.picture.n_pairs
        self.draw("unit-pairs", self._show_pairs, scene, self.picture)
        for view, over in zip(self.pairs[:n_pairs], self._pair_captions[:n_pairs], strict=True):
            self.draw(str(view.figure.name), self._show_pair, view, over, drawing)
        self.answered()
        self._ask_singles(SinglesRequest.of(request))
        self.empty.visible = False
        self._body.visible = True
        if self._body not in self.panel.objects:
            apply_theme(self._body, dark=self._state.dark)
            self.panel.append(self._body)

    def _describe(self, scene: Scene, picture: UnitPicture) -> None:
        self.draw("unit-head", self._show_head, scene, picture)
        self.draw("unit-metrics", self._show_metrics, scene, picture)

    def _ask_singles(self, request: SinglesRequest) -> None:
        before = self._singles
        if before is None or request.what != before.what:
            self._singles, self._is_reading = request, True
            self._queue.after(WAIT_S, partial(self._queue.later, partial(self._say_reading, request)))
            self._singles_loop.cancel()
            self._singles_loop.request(request)

    def _say_reading(self, request: SinglesRequest) -> None:
        """Take away the spikes of another unit, where those of this one take their time."""
        if self._is_reading and request is self._singles:
            place(self._single_stack, self._single_caption)
            self._single_caption.object = caption("Single spikes" + texts.absent("reading …"))
            place(self._feature_stack)

    def _show_singles(self, request: SinglesRequest, found: Singles) -> None:
        if request is not self._singles or self.picture is None:
            return
        self._is_reading = False
        colours = dict(zip(self.picture.names, self.picture.colours, strict=True))
        if found.why_no_waveforms is not None or not found.waveforms:
            self._no_singles(found.why_no_waveforms or DatasetMissing("waveforms.traces", ""))
        else:
            self.draw("unit-waveforms", self._draw_singles, found.waveforms, colours)
        if found.features is not None:
            self.draw("unit-features", self._draw_features, found.features, colours)
        else:
            why = found.why_no_features
            is_said = why is not None and not isinstance(why, DatasetMissing)
            self._feature_caption.object = refusal_text(why) if why is not None else ""
            place(self._feature_stack, *([self._feature_caption] if is_said else []))

    def _draw_singles(self, found: list[ManySpikes], colours: Mapping[UnitId, Any]) -> None:
        self._single_caption.object = caption(texts.singles(found))
        self.singles.show(many_figure(found[0], found[1:], [hex_colour(colours[one.unit]) for one in found]))
        place(self._single_stack, self._single_caption, self._single_pane)

    def _draw_features(self, found: FeaturePicture, colours: Mapping[UnitId, Any]) -> None:
        self._feature_caption.object = caption(texts.features(found))
        self.features.show(features(found, np.array([colours[name] for name in found.names])))
        place(self._feature_stack, self._feature_caption, self._feature_pane)

    def _no_singles(self, error: DashboardError) -> None:
        self._is_reading = False
        place(self._single_stack, self._single_caption)
        missing = isinstance(error, DatasetMissing)
        text = caption("Single spikes" + texts.absent("no waveforms.traces; the tab Raw cuts them out of the voltage"))
        self._single_caption.object = text if missing else refusal_text(error)

    def _show_head(self, scene: Scene, picture: UnitPicture) -> None:
        self.head.object = texts.head(scene, picture, self._aside)

    def _show_metrics(self, scene: Scene, picture: UnitPicture) -> None:
        self.metrics.object = texts.metrics(scene.sorting, picture.focus.unit)

    def _show_view(self, name: str, scene: Scene, drawing: UnitDrawing) -> None:
        figure = drawing.figures[name]
        if name in self._captions:
            absent = texts.absent(figure.absent) if figure.absent else ""
            text = texts.heading(name, scene, drawing.picture) or caption(escape(figure.title) + absent)
            self._captions[name].object = text
        self.views[name].show(figure)
        self._panes[name].visible = not figure.absent

    def _show_pairs(self, scene: Scene, picture: UnitPicture) -> None:
        self._captions["unit-pairs"].object = texts.heading("unit-pairs", scene, picture)
        self._pair_box.visible = bool(picture.n_pairs)
        for k, box in enumerate(self._pair_panes):
            box.visible = k < picture.n_pairs

    @staticmethod
    def _show_pair(view: FigureView, caption: Any, drawing: UnitDrawing) -> None:
        pair = drawing.figures[str(view.figure.name)]
        caption.object = f'<div class="unit"><h3 class="pair">{escape(pair.title)}</h3></div>'
        view.show(pair)

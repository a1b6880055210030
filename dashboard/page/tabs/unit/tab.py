"""The Unit tab: the selected one or few units, from all of their spikes."""

from __future__ import annotations

from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dashboard.analysis.units.correlograms import Correlogram
from dashboard.model.errors import DashboardError
from dashboard.page.core.scene import Scene
from dashboard.page.core.tab import BaseTab, TabServices, pane
from dashboard.page.core.theme import apply_theme
from dashboard.page.tabs.unit import texts
from dashboard.page.tabs.unit.figures import (
    AmplitudeBars,
    CloudFigure,
    Histogram,
    RateFigure,
    RefractoryFigure,
    TemplateFigure,
)
from dashboard.page.tabs.unit.picture import UnitPicture, UnitRequest, render_units
from dashboard.page.tabs.unit.words import UNIT_FIELDS, unit_bins
from dashboard.page.widgets.fields import BinFields
from dashboard.page.widgets.sections import folded

SMALL_PX, WIDE_PX, TEMPLATE_PX = 170, 160, 320
MAX_PAIRS = 6
"""Pairs of four units."""


class UnitTab(BaseTab[TabServices]):
    """Correlograms, intervals, amplitudes, depth, rate, template and metrics of the selected units.

    Attributes
    ----------
    picture : UnitPicture or None
        What the tab shows.
    """

    def __init__(self, services: TabServices, title: str) -> None:
        super().__init__(services, title, ("summary", "unit"))
        self._focus: int | None = None
        self._named: dict[str, int] = {}
        self._aside = ""
        self._is_moving = False
        self.picture: UnitPicture | None = None
        self._loop = self.loop(render_units, self._apply)
        self.empty = self.html(texts.EMPTY)
        self.head = self.html()
        self.metrics = self.html()
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
        self._state.param.watch(self._request, ["selected", "tab", "bins"])

    def _make_figures(self) -> None:
        self.acg = Histogram(SMALL_PX, "Lag (ms)", "Rate (Hz)", "unit-acg")
        self.close_acg = Histogram(SMALL_PX, "Lag (ms)", "Rate (Hz)", "unit-close")
        self.isi = Histogram(SMALL_PX, "Interval (ms)", "Intervals", "unit-isi")
        self.isi.figure.yaxis.ticker.min_interval = 1
        self.refractory = RefractoryFigure(SMALL_PX)
        self.refractory.apply_theme(dark=self._state.dark)
        self._state.param.watch(lambda event: self.refractory.apply_theme(dark=event.new), "dark")
        self.pairs = [Histogram(SMALL_PX, "Lag (ms)", "Rate (Hz)", f"unit-pair-{k}") for k in range(MAX_PAIRS)]
        self.amplitude = CloudFigure(WIDE_PX, "Amplitude (µV)", "unit-amplitude")
        self.amplitudes = AmplitudeBars(WIDE_PX, self.amplitude.figure)
        self.depth = CloudFigure(WIDE_PX, "Depth (µm)", "unit-depth")
        self.rate = RateFigure(WIDE_PX)
        self.template = TemplateFigure(TEMPLATE_PX)
        names = ("acg", "close", "isi", "refractory", "pairs", "amplitude", "depth", "rate", "template")
        self._captions = {name: self.html() for name in names}
        self._pair_captions = [self.html() for _ in self.pairs]

    def _sections(self) -> list[Any]:
        captions = self._captions
        self._pair_panes = [
            self._stack(caption, pane(pair.figure))
            for caption, pair in zip(self._pair_captions, self.pairs, strict=True)
        ]
        self._pair_box = self._stack(
            captions["pairs"], *(self._beside(*self._pair_panes[k : k + 2]) for k in range(0, MAX_PAIRS, 2))
        )
        self._amplitude_row = self._beside(pane(self.amplitude.figure), pane(self.amplitudes.figure))
        self._template_pane = pane(self.template.figure)
        return [
            self.focus,
            self.head,
            self._beside(
                self._stack(captions["acg"], pane(self.acg.figure)),
                self._stack(captions["close"], pane(self.close_acg.figure)),
            ),
            self._beside(
                self._stack(captions["isi"], pane(self.isi.figure)),
                self._stack(captions["refractory"], pane(self.refractory.figure)),
            ),
            self._pair_box,
            captions["amplitude"],
            self._amplitude_row,
            captions["depth"],
            pane(self.depth.figure),
            captions["rate"],
            pane(self.rate.figure),
            captions["template"],
            self._template_pane,
            self.metrics,
            self._bins,
        ]

    def _make_bins(self) -> Any:
        fields = BinFields(self._state, UNIT_FIELDS, width=125).widgets.values()
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
        self.busy.begin()
        ranks = tuple(selected.index(unit) for unit in ids)
        self._loop.request(UnitRequest(self._scene, ids, self._focus, unit_bins(self._state.bins), ranks))

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

    def _apply(self, request: UnitRequest, picture: UnitPicture) -> None:
        if request.scene is not self._scene or request.focus != self._focus:
            return
        if not self._body.objects:
            self._make_figures()
            if self._bins in self.panel.objects:
                self.panel.remove(self._bins)
            self._body[:] = self._sections()
        self.picture, scene = picture, request.scene
        self.head.object = texts.head(scene, picture, self._aside)
        self.metrics.object = texts.metrics(scene.sorting, picture.focus.unit)
        for name, text in texts.captions(scene, picture).items():
            self._captions[name].object = text
        span = scene.columns.time_range_s
        seconds = max(span[1] - span[0], 1e-9)
        mean_hz = {unit.unit: len(unit) / seconds for unit in picture.units}
        captions = self._captions
        with self.drawing(captions["acg"]):
            self.acg.show_lags(picture.acg, mean_hz[request.focus])
        with self.drawing(captions["close"]):
            self.close_acg.show_lags(picture.close_acg, mean_hz[request.focus])
        with self.drawing(captions["isi"]):
            self.isi.show_intervals(picture.isi)
        with self.drawing(captions["refractory"]):
            self.refractory.show(picture.refractory)
        with self.drawing(captions["pairs"]):
            self._show_pairs(scene, picture.pairs, mean_hz)
        unit = scene.sorting.amp_unit
        has_amplitudes = picture.amplitude_cloud is not None and picture.amplitudes is not None
        if picture.amplitude_cloud is not None and picture.amplitudes is not None:
            with self.drawing(captions["amplitude"]):
                self.amplitude.show(picture.amplitude_cloud, scene.amp_range_uv)
                self.amplitude.figure.yaxis.axis_label = f"Amplitude ({unit})"
            with self.drawing(captions["amplitude"]):
                self.amplitudes.show(picture.amplitudes, scene.amp_range_uv)
        self._amplitude_row.visible = has_amplitudes
        with self.drawing(captions["depth"]):
            self.depth.show(picture.depth_cloud)
        with self.drawing(captions["rate"]):
            self.rate.show(picture.rate_edges_s, picture.rates_hz, picture.colours)
        if picture.template is not None:
            with self.drawing(captions["template"]):
                self.template.show(picture.template, unit)
        self._template_pane.visible = picture.template is not None
        self.answered()
        self.empty.visible = False
        self._body.visible = True
        if self._body not in self.panel.objects:
            apply_theme(self._body, dark=self._state.dark)
            self.panel.append(self._body)

    def _show_pairs(
        self, scene: Scene, pairs: tuple[tuple[int, int, Correlogram], ...], mean_hz: dict[int, float]
    ) -> None:
        self._pair_box.visible = bool(pairs)
        for k, (plot, box) in enumerate(zip(self.pairs, self._pair_panes, strict=True)):
            box.visible = k < len(pairs)
            if k < len(pairs):
                first, second, lags = pairs[k]
                words = escape(" from ".join(map(str, scene.ids([second, first]))))
                self._pair_captions[k].object = f'<div class="unit"><h5>{words}</h5></div>'
                plot.show_lags(lags, mean_hz[second])

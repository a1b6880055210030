"""The Compare tab: what is open beside another sorting, probe or filter of the same session."""

from __future__ import annotations

import logging
import threading
from functools import partial
from html import escape
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from dashboard.analysis.compare.tables import same_units_table
from dashboard.analysis.compare.units import Comparison
from dashboard.analysis.filters.clusters import filter_clusters, filtered_table
from dashboard.analysis.filters.words import read_words
from dashboard.config.logs import SessionThread
from dashboard.library.store import OpenInsertion
from dashboard.model.errors import BadRequest, DashboardError, InsertionAmbiguous
from dashboard.model.progress import Progress, ProgressCallback
from dashboard.page.core.job import Job
from dashboard.page.core.scene import Scene
from dashboard.page.core.tab import BaseTab
from dashboard.page.services.difference import OtherSide, Sides
from dashboard.page.services.page_services import PageServices
from dashboard.page.tabs.compare import texts
from dashboard.page.tabs.compare import words as compared
from dashboard.page.tabs.compare.fields import COMPARE_FIELDS, match_tolerance
from dashboard.page.tabs.compare.matching import MatchedUnits, match, shanks_of, wrong_compare_fields
from dashboard.page.tabs.compare.selection import JointSelection
from dashboard.page.tabs.compare.state import CompareState
from dashboard.page.tabs.compare.table import PairRows
from dashboard.page.tabs.compare.words import CompareTarget
from dashboard.page.widgets.fields import BinFields
from dashboard.page.widgets.progress_line import ProgressLine
from dashboard.page.widgets.sections import folded

logger = logging.getLogger(__name__)

NOTHING = "nothing"


class CompareTab(BaseTab[PageServices]):
    """Choice, counts and matched units; pane B and the difference stand under the raster (`SideView`)."""

    def __init__(self, services: PageServices, title: str) -> None:
        super().__init__(services, title, ("summary",))
        self._own, self._store, self._failed = services.states[CompareState], services.store, services.failed
        self.beside = beside = services.side_view
        self.line = ProgressLine(self._again, self._stop)
        self._threads = threads = SessionThread("compare")
        self._job: Job[Any] = Job(self._queue, "compare", self._not_done, self.line.run, self._stop, threads)
        self._finding: Job[list[str]] = Job(
            self._queue, "probes of the session", lambda error: logger.warning("%s", error), threads=threads
        )
        self._a: Scene | None = None
        self._b: Scene | None = None
        self._other: OpenInsertion | None = None
        self._matched: MatchedUnits | None = None
        self._probes: dict[str, list[str]] = {}
        self._is_moving = False
        css, queue = self._css, self._queue
        self.choice = pmui.Select(
            label="Compare with", options={NOTHING: ""}, value="", size="small", variant="outlined",
            margin=(8, 10), sizing_mode="stretch_width",
        )  # fmt: skip
        self.keep = pmui.Button(
            label="Use these filters as B", size="small", variant="outlined", margin=(0, 10),
            description="The other side is then what passes now; filters that you change afterwards are side A",
        )  # fmt: skip
        self.minus = pmui.Checkbox(label="Difference image", value=True, size="small", margin=(0, 10),
                                   sx={"& .MuiFormControlLabel-label": {"fontSize": "0.8rem"}})  # fmt: skip
        self._hint = pn.pane.HTML("", stylesheets=css, margin=(4, 10), sizing_mode="stretch_width")
        self._pair = pn.pane.HTML("", stylesheets=css, margin=(2, 10), sizing_mode="stretch_width")
        self._counts = pn.pane.HTML("", stylesheets=css, margin=(2, 10), sizing_mode="stretch_width")
        self.part("compare-counts", "The counts", self._counts)
        self.part("compare-pairs", "The table of matched units", self._pair)
        self.part("compare-sides", "The other side", self._hint)
        self.rows = PairRows(
            lambda units_a, units_b: self.pairs.select(list(units_a), list(units_b)), queue, self._own.param.groups
        )
        self.pairs = JointSelection(self._state, beside.other, beside.raster, self.rows, self._pair)
        self.choice.param.watch(self._chosen, "value")
        self.keep.on_click(self._kept)
        self.minus.param.watch(lambda event: self._show(), "value")
        self.panel = pn.Column(
            self.choice, pn.Row(self.keep, self.minus, margin=0), self._hint, self.line.panel, self._pair,
            self.rows.panel, self._counts, folded({"Bins and windows": self._make_bins}, margin=(4, 10)),
            sizing_mode="stretch_both", margin=0, scroll=True,
        )  # fmt: skip
        self._state.param.watch(self._turned, "tab")
        self._own.param.watch(self._asked, "compare")
        self._state.param.watch(self._rematch, "bins")

    def _make_bins(self) -> Any:
        fields = BinFields(self._state, COMPARE_FIELDS, wrong_compare_fields, width=150).widgets.values()
        return pn.FlexBox(*fields, sizing_mode="stretch_width", margin=0)

    def open(self, scene: Scene) -> None:
        """Take another insertion, or the same one through other filters, for side A."""
        is_new = self._a is None or self._a.opened.columns is not scene.opened.columns
        self._a = scene
        if not is_new and (self._other is not None or self._job.is_running):
            self._remake()  # where B is not open yet, it is being opened: to begin anew would cancel what one waits for
            return
        self._leave()
        self._offer()
        session = scene.sorting.ref.insertion.session
        if session not in self._probes:
            self._finding.start(partial(self._find_probes, scene), partial(self._found_probes, session))
        self._start()

    @property
    def for_export(self) -> OtherSide | None:
        """The other side, where one is shown."""
        if self._a is None or self._b is None:
            return None
        wanted = compared.read(self._own.compare)
        units, note = self._b.indexes(self.beside.other.selected), texts.TWO_PROBES if wanted.kind == "probe" else ""
        if self._matched is not None and self._comparison is not None:
            note = self._matched.words
        places = tuple(self.beside.raster.ranks.get(unit, place) for place, unit in enumerate(units))
        return OtherSide(self._b, wanted.title, self._has_difference, self.rows.table, note, units, places)

    def close(self) -> None:
        """Stop what runs: the browser has gone."""
        super().close()
        self._finding.close()
        self._job.close()

    # -- what can be chosen ----------------------------------------------------------------------

    def _find_probes(self, scene: Scene, report: ProgressCallback, cancel: threading.Event) -> list[str]:
        insertion = scene.sorting.ref.insertion
        try:
            scene.opened.source.find(insertion.session)
        except InsertionAmbiguous as error:
            names = [key.rpartition("/")[2] for key in error.candidates]
            return sorted({name for name in names if name != insertion.probe})
        except DashboardError as error:
            logger.warning("the session's probes are not known: %s", error)
        return []

    def _found_probes(self, session: str, names: list[str]) -> None:
        self._probes[session] = names
        self._offer()

    def _offer(self) -> None:
        if self._a is None or not self.is_seen:
            return
        sorting = self._a.sorting
        found = compared.choices(sorting, self._probes.get(sorting.ref.insertion.session, ()))
        wanted = self._own.compare
        if not wanted:
            self._hint.object = f'<div class="notes">{escape(texts.HINT if found else texts.ALONE)}</div>'
        if wanted and wanted not in found.values():
            found[compared.read(wanted).title] = wanted
        self._is_moving = True
        try:
            self.choice.param.update(options={NOTHING: "", **found}, value=wanted)
        finally:
            self._is_moving = False

    def _chosen(self, event: Any) -> None:
        if not self._is_moving:
            self._own.compare = event.new or ""

    def _kept(self, event: Any) -> None:
        words = {"quality": self._state.quality, **self._state.filters}
        words = {name: text for name, text in words.items() if (name, text) != ("quality", "all")}
        self._own.compare = CompareTarget("filter", words=words).write()

    def _asked(self, event: Any) -> None:
        self._leave()
        self._offer()
        self._start()

    def _turned(self, event: Any) -> None:
        if not self.is_seen:
            self._leave()
        elif self._a is not None and self._other is None:
            self._clear()
            self._offer()
            self._start()

    # -- opening B -------------------------------------------------------------------------------

    def _start(self) -> None:
        """Open what is wanted, where the tab is looked at."""
        if self._a is None or not self._own.compare or not self.is_seen:
            return
        wanted, opened = compared.read(self._own.compare), self._a.opened
        reason = compared.impossible(wanted, opened.sorting)
        self._hint.object = f'<div class="notes refused" role="alert">{escape(reason)}</div>' if reason else ""
        if reason:
            return
        if wanted.kind == "filter":
            self._opened(wanted, opened)
            return
        self.line.run(Progress(f"opening {wanted.title}"))
        key = opened.sorting.ref.insertion.key
        if wanted.kind == "probe":
            key = f"{opened.sorting.ref.insertion.session}/{wanted.probe}"
        sorter, revision = (wanted.sorter, wanted.revision) if wanted.kind == "sorting" else (None, None)
        self._job.start(partial(self._store.open, key, sorter, revision), partial(self._opened, wanted))

    def _not_done(self, error: DashboardError) -> None:
        if self._other is None:
            self.line.halt(f"{compared.read(self._own.compare).title} cannot be compared: {error}", "Try again")
        else:
            self.line.halt("Units could not be matched.", "Try again")
        self._failed(error)

    def _opened(self, wanted: CompareTarget, opened: OpenInsertion) -> None:
        if self._a is None:
            return
        self._other = opened
        self.line.hide()
        self._remake()
        if wanted.kind == "probe":
            self._hint.object = f'<div class="notes">{escape(texts.TWO_PROBES)}</div>'
        elif wanted.kind == "sorting":
            self._match()

    def _match(self) -> None:
        """Match the units of both sides, unless that was done."""
        if self._a is None or self._other is None or self._comparison is not None:
            return
        self.line.run(Progress("comparing spikes"))
        asked = (self._a.columns, self._other.columns, match_tolerance(self._state.bins))
        shanks = shanks_of(self._a.sorting, self._other.sorting)
        self._job.start(partial(match, *asked, shanks=shanks), self._done)

    def _rematch(self, event: Any) -> None:
        """Match once more where spikes are to coincide within something else."""
        if self._other is None or compared.read(self._own.compare).kind != "sorting":
            return
        self._job.drop()
        if self._comparison is not None:
            self.line.hide()
            self._tabulate()
        else:
            self.rows.hide()
            self._match()

    def _done(self, found: MatchedUnits) -> None:
        self.line.hide()
        self._matched = found
        self._tabulate()

    def _again(self) -> None:
        self._leave()
        self._start()

    def _stop(self) -> None:
        self._job.drop()
        what = "Not opened" if self._other is None else "Units are not matched"
        self.line.halt(f"{what}: cancelled.", "Go on")

    def _leave(self) -> None:
        """Let go of B."""
        self._job.drop()
        self._other = self._b = None
        self.pairs.leave()
        self.beside.leave()
        if self.is_seen:
            self._clear()

    def _clear(self) -> None:
        self.line.hide()
        self.rows.hide()
        self._pair.object = self._counts.object = ""

    # -- showing ---------------------------------------------------------------------------------

    def _remake(self) -> None:
        """Make B's scene: its own clusters through the filters that hold for it."""
        if self._a is None or self._other is None:
            return
        wanted, sorting, columns = compared.read(self._own.compare), self._other.sorting, self._other.columns
        state = self._state
        words: dict[str, str] = dict(wanted.words)
        note = ""
        if wanted.has_other_units:
            words = {"quality": state.quality, **state.filters}
            if words.pop("ids", ""):
                note = "The filter by ids holds for A only."
        try:
            result = filter_clusters(
                read_words({**words, "level": state.level}), filtered_table(sorting),
                np.diff(columns.unit_index.offsets), amps_are_volts=sorting.amps_are_volts,
            )  # fmt: skip
        except BadRequest as error:
            note = f"{note} Not filtered: {error}.".strip()
            mask = None
        else:
            note = " ".join(filter(None, [note, *(f"{c.text}: {c.reason}." for c in result.criteria if c.reason)]))
            mask = result.by_index(columns.n_clusters) if any(c.mask is not None for c in result.criteria) else None
        limits = self._a.amp_range_uv if columns.amps_uv is not None else None
        self._b = Scene(self._other, mask, state.level, amp_range_uv=limits)
        self._note = note
        self._show()
        self._tabulate()

    def _show(self) -> None:
        if self._a is None or self._b is None:
            return
        title = compared.read(self._own.compare).title
        self.minus.disabled = compared.read(self._own.compare).kind == "probe"
        sides = Sides(self._a, self._b)
        self.draw(
            "compare-sides", partial(self.beside.open, sides, title, self._note, has_difference=self._has_difference)
        )

    @property
    def _has_difference(self) -> bool:
        return bool(self.minus.value) and compared.read(self._own.compare).kind != "probe"

    def _tabulate(self) -> None:
        a, b = self._a, self._b
        if a is None or b is None:
            return
        self.draw("compare-counts", lambda: self._counts.param.update(object=texts.counts(a, b)))
        self.draw("compare-pairs", self._show_pairs, a, b)

    def _show_pairs(self, a: Scene, b: Scene) -> None:
        wanted = compared.read(self._own.compare)
        if wanted.kind == "filter":
            everything = np.ones(a.columns.n_clusters, dtype=np.bool_)
            sides = [everything if scene.mask is None else scene.mask for scene in (a, b)]
            self.rows.open(same_units_table(a.spikes_per_cluster, *sides), a, b)
        elif self._matched is not None and self._comparison is not None:
            self.rows.open(self._matched.table, a, b, self._matched.words)
        self.pairs.open(a, b, self._comparison, has_same_ids=wanted.kind == "filter")

    @property
    def _comparison(self) -> Comparison | None:
        """Matched units of the two sides that are shown; None where there are none yet."""
        if self._matched is None or self._a is None or self._other is None:
            return None
        matched, tolerance = self._matched, match_tolerance(self._state.bins)
        return matched.comparison if matched.is_of(self._a.columns, self._other.columns, tolerance) else None

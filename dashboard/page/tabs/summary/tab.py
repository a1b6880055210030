"""The Summary tab: whether the insertion is good enough, at a glance."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from functools import partial
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import panel as pn

from dashboard.analysis.quality.stability import PRESENCE_MIN, STABLE_MAX_UM, Residual, residual_motion
from dashboard.analysis.quality.summary import (
    AP_RMS_MAX_UV,
    BAD_CHANNELS,
    LFP_BAND_HZ,
    NO_EXTENDED_QC,
    YIELD_MIN,
    Summary,
    summarise,
    verdicts,
)
from dashboard.analysis.raw.by_depth import BAD, POWERS
from dashboard.config.logs import SessionThread
from dashboard.figures.quality import BAND_COLOURS
from dashboard.library.userdata import Verdict
from dashboard.model.colours import LABEL_COLOURS
from dashboard.model.errors import DashboardError
from dashboard.model.noise import Noise
from dashboard.model.progress import ProgressCallback
from dashboard.model.references import InsertionRecord
from dashboard.model.sorting import SpikeSorting
from dashboard.page.core.job import Job
from dashboard.page.core.scene import Scene
from dashboard.page.core.tab import BaseTab
from dashboard.page.services.page_services import PageServices
from dashboard.page.tabs.summary import texts
from dashboard.page.widgets.fields import number, number_field
from dashboard.sources.base import Source

NOT_SET = "NOT_SET"
"""What Alyx calls a QC that nobody has given."""
ABSENT = '<span class="absent">not available</span>'
LIMIT_RANGES = {"ap_rms_max_uv": (0.0,), "yield_min": (0.0,), "stable_max_um": (0.0,), "presence_min": (0.0, 1.0)}
"""Least, and most where there is one, of the limits that can be changed."""
PLOT_WIDTH, PLOT_HEIGHT = 190, 190
AXIS_PERCENT = (2.0, 98.0)
"""Percentiles of the values that an axis spans, and a tenth of that to either side."""
FAR_UV = 100.0
"""A channel noisier than this lies beyond the axis; nothing in a brain is."""


class SummaryTab(BaseTab[PageServices]):
    """Numbers and verdicts of the open insertion; its thresholds can be edited."""

    def __init__(self, services: PageServices, title: str) -> None:
        super().__init__(services, title, ("summary",))
        self._user_session, self._failed = services.user_session, services.failed
        self._threads = threads = SessionThread("summary")
        self._reading: Job[tuple[Summary, InsertionRecord | None, str]] = Job(
            self._queue, "summary", self._unread, threads=threads
        )
        self._asking: Job[tuple[dict[str, float], list[Verdict]]] = Job(
            self._queue, "thresholds", self._not_kept, threads=threads
        )
        self._following: Job[Residual] = Job(self._queue, "stability", self._not_followed, threads=threads)
        self._sorting: SpikeSorting | None = None
        self._summary: Summary | None = None
        self._residual: Residual | str = ""
        css = self._css
        self._head = pn.pane.HTML("", stylesheets=css, margin=(0, 10), sizing_mode="stretch_width")
        self._tests = pn.pane.HTML("", stylesheets=css, margin=(6, 10, 2, 10), sizing_mode="stretch_width")
        self._motion = pn.pane.HTML("", stylesheets=css, margin=(0, 10), sizing_mode="stretch_width")
        self._body = pn.pane.HTML("", stylesheets=css, margin=(0, 10), sizing_mode="stretch_width")
        self.part("summary-head", "The record", self._head)
        self.part("summary-tests", "The verdicts", self._tests)
        self.part("summary-motion", "Motion along the probe", self._motion)
        self.part("summary-body", "The numbers", self._body)
        field: dict[str, Any] = {"margin": (6, 10), "width": 180}
        self.ap_rms = number_field("AP RMS below (µV)", AP_RMS_MAX_UV, **field)
        self.least_yield = number_field("Good units per channel above", YIELD_MIN, **field)
        self.stable_max = number_field("Depths move less than (µm)", STABLE_MAX_UM, **field)
        self.least_presence = number_field("Share of bins with spikes above", PRESENCE_MIN, **field)
        self._limits = {
            "ap_rms_max_uv": (self.ap_rms, AP_RMS_MAX_UV),
            "yield_min": (self.least_yield, YIELD_MIN),
            "stable_max_um": (self.stable_max, STABLE_MAX_UM),
            "presence_min": (self.least_presence, PRESENCE_MIN),
        }
        self._is_taking = False
        self._n_edits = 0
        self._record: InsertionRecord | None = None
        self._words: list[Verdict] = []
        self._note = self._kept_note = ""
        for name, (widget, _) in self._limits.items():
            widget.param.watch(partial(self._edited, name), "value")
        self._user_session.listen(self._take_kept)
        self.panel = pn.Column(
            self._tests,
            self._head,
            self._motion,
            self._body,
            pn.FlexBox(*(widget for widget, _ in self._limits.values()), margin=0),
            sizing_mode="stretch_both",
            margin=0,
            scroll=True,
        )

    def open(self, scene: Scene) -> None:
        """Show the numbers of another insertion; filters and levels do not change them."""
        if scene.sorting is self._sorting:
            return
        self._sorting, self._summary, self._words = scene.sorting, None, []
        self._head.object = '<div class="summary"><p class="absent">reading …</p></div>'
        self._tests.object = self._motion.object = self._body.object = ""
        self._residual = "computing …"
        self._take_kept()
        self._reading.start(partial(self._read, scene.sorting, scene.opened.source), self._show)
        self._following.start(partial(_follow, scene), self._followed)

    def _edited(self, name: str, event: Any) -> None:
        """Keep a threshold for who edited it; one that is the default again is not kept."""
        self._judge()
        if not self._is_taking:
            self._n_edits += 1
            default = self._limits[name][1]
            limit = number(self._limits[name][0], default, *LIMIT_RANGES[name])
            value = None if limit == default else limit
            future = self._threads.submit(
                self._user_session.user_data.keep_threshold, self._user_session.author, name, value
            )
            future.add_done_callback(lambda done: self._queue.later(partial(self._kept, done)))

    def _kept(self, done: Future[None]) -> None:
        try:
            done.result()
        except DashboardError as error:
            self._failed(error)

    def _take_kept(self) -> None:
        """Take what is kept: the thresholds of who works here, and what people said of the insertion."""
        key = self._sorting.ref.insertion.key if self._sorting is not None else None
        user_data, author, n_edits = self._user_session.user_data, self._user_session.author, self._n_edits
        self._asking.start(
            lambda report, cancel: (user_data.thresholds(author), user_data.verdicts(key) if key else []),
            partial(self._show_kept, key, n_edits),
        )

    def _not_kept(self, error: DashboardError) -> None:
        self._kept_note = str(error)
        self._show_head()

    def _show_kept(self, key: str | None, n_edits: int, found: tuple[dict[str, float], list[Verdict]]) -> None:
        own, words = found
        self._kept_note = ""
        if n_edits == self._n_edits:
            self._is_taking = True
            try:
                for name, (widget, default) in self._limits.items():
                    widget.value = f"{own.get(name, default):g}"
            finally:
                self._is_taking = False
        if self._sorting is not None and self._sorting.ref.insertion.key == key:
            self._words = words
            self._show_head()

    def _show_head(self) -> None:
        if self._sorting is not None and self._summary is not None:
            note = f"{self._note} {self._kept_note}".strip()
            self.draw("summary-head", self._write_head, self._sorting, note)

    def _write_head(self, sorting: SpikeSorting, note: str) -> None:
        self._head.object = head(sorting, self._record, self._words, note)

    def close(self) -> None:
        """Stop what runs: the browser has gone."""
        super().close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _read(
        self, sorting: SpikeSorting, source: Source, report: ProgressCallback, cancel: threading.Event
    ) -> tuple[Summary, InsertionRecord | None, str]:
        insertion = sorting.ref.insertion
        record, noise, note = None, Noise(), ""
        try:
            record = source.record(insertion)
            noise = source.noise(insertion)
        except DashboardError as error:
            note = str(error)
        extended = record.extended_qc if record is not None else NO_EXTENDED_QC
        return summarise(sorting, noise, extended), record, note

    def _unread(self, error: DashboardError) -> None:
        self._head.object = f'<div class="summary"><p class="absent">{escape(str(error))}</p></div>'
        self._failed(error)

    def _followed(self, residual: Residual) -> None:
        self._residual = residual
        self._judge()

    def _not_followed(self, error: DashboardError) -> None:
        self._residual = f"not available: {error}"
        self._judge()

    def _show(self, found: tuple[Summary, InsertionRecord | None, str]) -> None:
        summary, self._record, self._note = found
        self._summary = summary
        self._show_head()
        self.draw("summary-body", lambda: self._body.param.update(object=body(summary)))
        self._judge()

    def _judge(self) -> None:
        limits = [number(widget, default, *LIMIT_RANGES[name]) for name, (widget, default) in self._limits.items()]
        if self._summary is None:
            return
        summary = self._summary
        self.draw("summary-motion", lambda: self._motion.param.update(object=texts.motion(summary, self._residual)))
        self.draw("summary-tests", self._write_tests, summary, *limits)

    def _write_tests(
        self, summary: Summary, ap_rms: float, least_yield: float, stable_max: float, least_presence: float
    ) -> None:
        rows = []
        for test in verdicts(summary, ap_rms, least_yield):
            value = f"{test.value:.3g} {test.unit}" if test.value is not None else escape(test.reason)
            source = f' title="from {escape(test.reason)}"' if test.value is not None and test.reason else ""
            name = test.outcome.replace(" ", "-")
            if test.value is not None:
                sign = "&lt;" if test.side == "below" else "&gt;"
                value += f' <small title="To be changed at the end of the tab">needs {sign} {test.limit:g}</small>'
            rows.append(
                f'<tr><th{source}>{test.name}</th><td>{value}</td><td><b class="{name}">{test.outcome}</b></td></tr>'
            )
        rows.append(texts.stability_row(self._residual, stable_max, least_presence))
        self._tests.object = f'<div class="summary"><table class="tests">{"".join(rows)}</table></div>'


def _follow(scene: Scene, report: ProgressCallback, cancel: threading.Event) -> Residual:
    columns = scene.columns
    return residual_motion(
        columns.times_s, columns.depths_um, columns.amps_uv, columns.time_range_s, columns.depth_range_um, cancel
    )


def head(sorting: SpikeSorting, record: InsertionRecord | None, words: list[Verdict], note: str) -> str:
    """Return who, when and what: the record of the insertion, and what people said of it, as HTML."""
    insertion = sorting.ref.insertion
    alignment = None
    if record is not None:
        alignment = str(record.histology) + (f" by {record.resolved_by}" if record.resolved_by else "")
    rows = {
        "subject": insertion.subject,
        "lab": insertion.lab,
        "date": f"{insertion.date}, session {insertion.number}" if insertion.date else None,
        "project": ", ".join(record.projects) if record and record.projects else None,
        "task": record.task_protocol if record else None,
        "probe": f"{insertion.probe}{f', {record.model}' if record and record.model else ''}",
        "insertion QC": None if record is None or record.qc == NOT_SET else record.qc,
        "alignment": alignment or (f"{sorting.histology}, from the files" if sorting.histology.is_final else None),
    }
    if record is None:
        rows["probe"] = f"{insertion.probe} (model not available)"
    lines = "".join(
        f"<tr><th>{name}</th><td>{escape(value) if value else ABSENT}</td></tr>" for name, value in rows.items()
    )
    said = "".join(
        f'<li><b class="{escape(word.verdict)}">{escape(word.verdict)}</b> {escape(word.author)} '
        f"<small>{escape(word.time[:16].replace('T', ' '))} UTC</small> {escape(word.comment)}</li>"
        for word in words
    )
    people = f"<h2>Verdicts of people</h2><ul>{said}</ul>" if said else ""
    aside = f'<p class="absent">{escape(note)}</p>' if note else ""
    return f'<div class="summary"><table>{lines}</table>{people}{aside}</div>'


def body(summary: Summary) -> str:
    """Return the numbers of an insertion as HTML."""
    s = summary
    good = f"{s.n_good:,}" if s.n_good is not None else ABSENT
    trials = _absent(s.trials_reason) if s.n_trials is None else f"{s.n_trials:,}"
    passing = f"{s.n_trials_passing:,}" if s.n_trials_passing is not None else _absent(s.trials_reason)
    bad = ABSENT
    if s.bad_channels is not None:
        bad = ", ".join(f"{n} {word}" for word, n in s.bad_channels.items()) + f" of {s.n_channels}"
    rows = {
        "good units": f"{good} of {s.n_units:,}",
        "trials": trials,
        "trials of the brain-wide map": passing,
        "bad channels": bad,
    }
    lines = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows.items())
    return f'<div class="summary"><table>{lines}</table>{_regions(s)}{_plots(s)}</div>'


def _plots(s: Summary) -> str:
    """Return the quality of the recording by depth: noise, power of LF by band, bad channels."""
    table = s.by_depth
    bad = [
        (float(depth), LABEL_COLOURS[label])
        for name, label in BAD.items()
        if name in table
        for depth in table["depth_um"][table[name] > 0]
    ]
    raw = "" if s.is_destriped or s.ap_rms_uv is None else ", raw"
    of_sum = ", sum over the recording: grows with its duration" if s.is_lfp_sum else ""
    low, high = LFP_BAND_HZ
    unit = "µV" if s.is_destriped else s.rms_unit
    plots = _plot(f"AP RMS{raw} ({unit})", [(s.ap_rms_uv, s.depths_um, "")], s.ap_reason, bad, most=FAR_UV)
    plots += _plot(f"LFP {low:.0f}–{high:.0f} Hz (dB{of_sum})", [(s.lfp_power_db, s.depths_um, "")], s.lfp_reason, bad)
    depths = table["depth_um"].to_numpy() if len(table) else None
    lf_rms = next((values for name in ("lf_rms_uv", "lf_rms") if (values := _column(table, name)) is not None), None)
    plots += _plot(f"LF RMS, raw ({s.rms_unit})", [(lf_rms, depths, "")], "no ephysTimeRmsLF.rms", bad)
    powers = [
        (_column(table, name), depths, colour) for name, colour in zip(POWERS.values(), BAND_COLOURS, strict=True)
    ]
    bins = "" if s.lfp_bin_hz is None else f", bins of {s.lfp_bin_hz:.2f} Hz"
    plots += _plot(f"LF power by band (dB{of_sum}{bins})", powers, s.lfp_reason, bad)
    named = [*zip(POWERS, BAND_COLOURS, strict=True)] if "lf_0_4_hz_db" in table else []
    named += [(word, LABEL_COLOURS[label]) for label, word in BAD_CHANNELS.items() if bad]
    key = "".join(f'<span style="color:{colour}">■</span> {escape(word)} ' for word, colour in named)
    key = f"<p>By depth; at the right edge bad channels. {key}</p>" if key else ""
    return f'<div class="plots">{plots}</div>{key}'


def _column(table: pd.DataFrame, name: str) -> npt.NDArray[np.float64] | None:
    return table[name].to_numpy(np.float64) if name in table else None


def _regions(summary: Summary) -> str:
    if summary.regions is None:
        return f"<h2>Units per Beryl region</h2><p>{_absent('no brain locations')}</p>"
    most = int(summary.regions["all"].max())
    rows = []
    for name, row in summary.regions.iterrows():
        good = int(row["good"]) if "good" in row else None
        bar = f'<i class="all" style="width:{100 * row["all"] / most:.1f}%"></i>'
        if good is not None:
            bar += f'<i class="good" style="width:{100 * good / most:.1f}%"></i>'
        shown = "–" if good is None else str(good)
        rows.append(f'<tr><th>{escape(str(name))}</th><td class="n">{shown}</td><td class="n">{int(row["all"])}</td>'
                    f'<td class="bars">{bar}</td></tr>')  # fmt: skip
    return (
        '<h2>Units per Beryl region, from the top of the probe</h2><table class="regions"><tr><th></th>'
        f'<th class="n">good</th><th class="n">all</th><th></th></tr>{"".join(rows)}</table>'
    )


def _absent(reason: str) -> str:
    return f'<span class="absent">not available{f": {escape(reason)}" if reason else ""}</span>'


def _plot(
    title: str,
    series: list[tuple[npt.NDArray[np.float64] | None, npt.NDArray[np.float64] | None, str]],
    reason: str,
    bad: list[tuple[float, str]],
    most: float | None = None,
) -> str:
    """Return values by depth as a small SVG, tip end at the bottom: dots, or lines of several colours.

    Parameters
    ----------
    title : str
    series : list of (values, depths in um, colour)
    reason : str
        Why there is nothing.
    bad : list of (float, str)
        Depths of bad channels, in um, and the colours of their labels.
    most : float or None
        Where the axis from zero ends at most; None: it spans `AXIS_PERCENT` of the values.
    """
    drawn = []
    for values, depths_um, colour in series:
        if values is not None and depths_um is not None and len(values) == len(depths_um):
            known = np.isfinite(values) & np.isfinite(depths_um)
            drawn.append((values[known], depths_um[known], colour))
    if not any(len(values) for values, _, _ in drawn):
        why = "no finite values" if drawn else reason or "channels and file differ"
        return f"<figure><figcaption>{escape(title)}</figcaption><p>{_absent(why)}</p></figure>"
    x, y = (np.concatenate([own[k] for own in drawn]) for k in (0, 1))
    if most is not None:
        low, high = 0.0, min(float(x.max()), most)
    else:  # a few dead channels would take the whole axis
        low, high = (float(edge) for edge in np.percentile(x, AXIS_PERCENT))
        low, high = low - (high - low) / 10, high + (high - low) / 10
    high = high if high > low else low + 1
    bottom, top = float(y.min()), max(float(y.max()), float(y.min()) + 1)
    left, right, foot = 40, PLOT_WIDTH - 8, PLOT_HEIGHT - 20
    marks = ""
    for values, depths_um, colour in drawn:
        px = left + (np.clip(values, low, high) - low) / (high - low) * (right - left)
        py = foot - (depths_um - bottom) / (top - bottom) * (foot - 6)
        if colour:
            line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py, strict=True))
            marks += f'<polyline points="{line}" style="fill:none;stroke:{colour}"/>'
        else:
            marks += "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="1.4"/>' for a, b in zip(px, py, strict=True))
    for depth, colour in bad:
        at = foot - (depth - bottom) / (top - bottom) * (foot - 6)
        marks += f'<rect x="{right}" y="{at - 1:.1f}" width="5" height="2" style="fill:{colour}"/>'
    beyond = int(((x < low) | (x > high)).sum())
    more = f", {beyond} beyond" if beyond else ""
    return (
        f"<figure><figcaption>{escape(title + more)}</figcaption>"
        f'<svg width="{PLOT_WIDTH}" height="{PLOT_HEIGHT}" role="img" aria-label="{escape(title)} by depth">'
        f'<path d="M{left} 4V{foot}H{right}"/>{marks}'
        f'<text x="{left - 3}" y="{foot}" text-anchor="end">{bottom:.0f}</text>'
        f'<text x="{left - 3}" y="12" text-anchor="end">{top:.0f}</text>'
        f'<text x="10" y="{foot / 2:.0f}" text-anchor="middle" transform="rotate(-90 10 {foot / 2:.0f})">'
        "depth (µm)</text>"
        f'<text x="{left}" y="{foot + 13}">{low:.3g}</text>'
        f'<text x="{right}" y="{foot + 13}" text-anchor="end">{high:.3g}</text></svg></figure>'
    )

"""The export dialog: a figure with its preview, data files, and code, of the view on the screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dashboard.export.registry import DataFileEntry
from dashboard.export.sheet import PRESETS, SheetStyle
from dashboard.page.core.panes import style_sheets
from dashboard.page.export.snapshot import data_files, sheets
from dashboard.page.widgets.progress_line import ProgressLine

FORMATS = {"PNG": "png", "SVG": "svg", "PDF": "pdf"}
CODES = {"spike-dashboard": "dashboard", "ONE and ibllib": "ibllib"}
TABS = ("Figure", "Data", "Code")

_ROW: dict[str, Any] = {"size": "small", "sizing_mode": "stretch_width", "margin": (6, 4)}
_BUTTON: dict[str, Any] = {"size": "small", "variant": "outlined", "margin": (4, 4)}


@dataclass(frozen=True, slots=True)
class FigureChoice:
    """What figure is wanted; see `sheets`, `PRESETS`, `FORMATS`."""

    what: str
    preset: str
    kind: str
    theme: str
    is_stamped: bool

    @property
    def style(self) -> SheetStyle:
        """How the sheet looks."""
        return SheetStyle(PRESETS[self.preset], self.theme, self.is_stamped)


class ExportDialog:
    """Widgets of the export; what they ask for is done elsewhere.

    Parameters
    ----------
    changed : callable () -> None
        Another figure is wanted: a preview of `choice`.
    download : callable () -> None
        The figure of `choice` is wanted as a file.
    copy : callable () -> None
        And as a picture on the clipboard.
    screenshot : callable (to) -> None
        The page as seen, to a ``file`` or the ``clipboard``.
    data : callable (name, kind) -> None
        A data file is wanted.
    cancel : callable () -> None
        The file that is being made is no longer wanted.
    copy_code : callable (text) -> None
    """

    def __init__(
        self,
        changed: Callable[[], None],
        download: Callable[[], None],
        copy: Callable[[], None],
        screenshot: Callable[[str], None],
        data: Callable[[str, str], None],
        cancel: Callable[[], None],
        copy_code: Callable[[str], None],
    ) -> None:
        css = style_sheets()
        self._changed = changed
        self._codes: dict[str, str] = {}
        self._place = ""
        self._is_moving = False
        self.what = pmui.Select(
            label="Figure",
            options={entry.title: name for name, entry in sheets().items()},
            value="layout",
            variant="outlined",
            **_ROW,
        )
        presets = {preset.title: name for name, preset in PRESETS.items()}
        self.preset = pmui.Select(label="Size", options=presets, value="slide", variant="outlined", **_ROW)
        self.kind = pmui.RadioButtonGroup(options=FORMATS, value="png", label="Format", variant="outlined", **_ROW)
        self.theme = pmui.RadioButtonGroup(
            options={"Light": "light", "Dark": "dark"}, value="light", label="Theme", variant="outlined", **_ROW
        )
        self.stamp = pmui.Switch(label="Write under the figure what it shows", value=True, margin=(6, 8))
        for widget in (self.what, self.preset, self.kind, self.theme, self.stamp):
            widget.param.watch(self._asked, "value")
        self.download = pmui.Button(label="Download", variant="contained", sizing_mode="stretch_width", margin=(8, 4))
        self.copy = pmui.Button(label="Copy image", variant="outlined", sizing_mode="stretch_width", margin=(2, 4))
        self.download.on_click(lambda event: download())
        self.copy.on_click(lambda event: copy())
        self.shot = pmui.Button(label="Download", **_BUTTON)
        self.copy_shot = pmui.Button(label="Copy", **_BUTTON)
        self.shot.on_click(lambda event: screenshot("file"))
        self.copy_shot.on_click(lambda event: screenshot("clipboard"))
        self.preview = pn.pane.HTML("", stylesheets=css, sizing_mode="stretch_width", margin=(12, 0))
        self.line = pn.pane.HTML("", stylesheets=css, sizing_mode="stretch_width", margin=(4, 4))
        shots = pmui.Typography("Screenshot of the page, as seen", variant="caption", margin=(10, 6, 0, 6))
        figure = pn.Row(
            pn.Column(
                self.what,
                self.preset,
                self.kind,
                self.theme,
                self.stamp,
                self.download,
                self.copy,
                self.line,
                shots,
                pn.Row(self.shot, self.copy_shot, margin=0),
                width=270,
                margin=(8, 12, 8, 0),
            ),
            self.preview,
            sizing_mode="stretch_width",
            margin=0,
        )
        self._rows: dict[str, pn.pane.HTML] = {}
        self._buttons: dict[str, list[Any]] = {}
        rows = [self._data_row(row, data) for row in data_files().values()]
        self.working = ProgressLine(lambda: None, cancel)
        self.data_line = pn.pane.HTML("", stylesheets=css, sizing_mode="stretch_width", margin=(4, 8))
        self.header_units = pmui.Switch(
            label="Units of measure in the headers of CSV files: amp_max [V]", value=False, margin=(6, 8)
        )
        table = pn.Column(
            self.header_units, *rows, self.working.panel, self.data_line, sizing_mode="stretch_width", margin=(8, 0)
        )
        self.code = pmui.RadioButtonGroup(
            options=CODES, value="dashboard", label="", variant="outlined", size="small", width=300, margin=(8, 4)
        )
        self.code.param.watch(lambda event: self._show_code(), "value")
        self.copy_code = pmui.Button(label="Copy code", variant="contained", size="small", margin=(8, 12))
        self.copy_code.on_click(lambda event: copy_code(self._codes.get(self.code.value, "")))
        self.code_text = pn.pane.HTML("", stylesheets=css, sizing_mode="stretch_width", margin=(4, 4))
        code = pn.Column(
            pn.Row(self.code, self.copy_code, margin=0), self.code_text, sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        self.tabs = pmui.Tabs(
            *zip(TABS, (figure, table, code), strict=True), sizing_mode="stretch_width", margin=0, dynamic=False
        )
        self.panel = pmui.Dialog(
            self.tabs,
            title="Export",
            title_variant="h6",
            width_option="lg",
            show_close_button=True,
            close_on_click=True,
        )

    def _data_row(self, row: DataFileEntry, data: Callable[[str, str], None]) -> Any:
        words = pn.pane.HTML(_words(row.title, ""), stylesheets=style_sheets(), width=520, margin=(8, 8))
        self._rows[row.name] = words
        buttons = []
        for kind in row.formats:
            button = pmui.Button(label={"parquet": "Parquet"}.get(kind, kind.upper()), width=100, **_BUTTON)
            button.on_click(partial(_ask, data, row.name, kind))
            buttons.append(button)
        self._buttons[row.name] = buttons
        return pn.Row(words, *buttons, sizing_mode="stretch_width", margin=0)

    @property
    def choice(self) -> FigureChoice:
        """The figure that is asked for."""
        return FigureChoice(self.what.value, self.preset.value, self.kind.value, self.theme.value, self.stamp.value)

    def _asked(self, event: object) -> None:
        if not self._is_moving:
            self._changed()

    def follow(self, place: str, first: str) -> None:
        """Offer a figure; in the same place as before, what was chosen there stays."""
        if place == self._place:
            return
        self._place = place
        self._is_moving = True
        try:
            self.what.value = first
        finally:
            self._is_moving = False

    def begin(self) -> None:
        """A preview is being drawn; who does not wait for it gets the figure as soon as it is there."""
        self.line.object = '<div class="export-line">drawing …</div>'

    def show_preview(self, address: str, note: str) -> None:
        """Show a picture, and what the file will be."""
        self.preview.object = f'<div class="sheet"><img alt="Preview of the figure" src="{escape(address)}"></div>'
        self.line.object = f'<div class="export-line">{escape(note)}</div>'
        self.download.disabled = self.copy.disabled = False

    def refuse(self, words: str) -> None:
        """Say why there is no such figure."""
        self.preview.object = f'<div class="sheet export-line">{escape(words)}</div>'
        self.line.object = f'<div class="export-line bad">{escape(words)}</div>'
        self.download.disabled = self.copy.disabled = True

    def show_data(self, notes: dict[str, tuple[str, tuple[str, ...]]]) -> None:
        """Say how large each file will be, or why it cannot be made: words, and the formats that it can be had in."""
        for row in data_files().values():
            words, kinds = notes[row.name]
            self._rows[row.name].object = _words(row.title, words)
            for kind, button in zip(row.formats, self._buttons[row.name], strict=True):
                button.disabled = kind not in kinds

    def show_codes(self, codes: dict[str, str]) -> None:
        """Take the code of the view, by the keys of `CODES`' values."""
        self._codes = codes
        self._show_code()

    def _show_code(self) -> None:
        self.code_text.object = f'<pre class="code">{escape(self._codes.get(self.code.value, ""))}</pre>'

    def say(self, words: str, *, bad: bool = False) -> None:
        """Say what became of a data file."""
        kind = "export-line bad" if bad else "export-line"
        self.data_line.object = f'<div class="{kind}">{escape(words)}</div>'


def _ask(data: Callable[[str, str], None], name: str, kind: str, event: object) -> None:
    data(name, kind)


def _words(title: str, words: str) -> str:
    return f'<div class="export-line"><b>{escape(title)}</b><br>{escape(words)}</div>'

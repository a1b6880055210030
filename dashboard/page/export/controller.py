"""What leaves one browser tab: links, help, figures, data and code of the view."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

import panel as pn
import panel_material_ui as pmui

from dashboard.config.logs import SessionThread
from dashboard.export.sheet import PRESETS, save_sheet
from dashboard.model.errors import Cancelled, DashboardError
from dashboard.model.progress import Progress
from dashboard.model.texts import bytes_text
from dashboard.page import link as links
from dashboard.page.browser.bridge import Bridge
from dashboard.page.browser.help import help_dialog
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.late import make_models
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import PageState
from dashboard.page.export.dialog import ExportDialog, FigureChoice
from dashboard.page.export.downloads import SessionDownloads
from dashboard.page.export.snapshot import Snapshot

logger = logging.getLogger(__name__)

_ON_BAR = {
    "color": "#ffffff",
    "&.Mui-disabled": {"color": "rgba(255, 255, 255, .5)"},
    "&.Mui-focusVisible": {"outlineColor": "#ffffff"},
}
_HEADER: dict[str, Any] = {"variant": "text", "size": "small", "margin": (6, 2), "sx": _ON_BAR}


class ExportController:
    """The buttons of the header, the help and the export dialog, and what they do.

    Parameters
    ----------
    states : PageState
    bridge : Bridge
    queue : DocumentQueue
    scene : callable () -> Scene or None
        What is on the screen.
    of_tabs : callable () -> mapping of str to object
        What an export needs of each tab beside the state, by the names of their entries.
    session_downloads : SessionDownloads
        Where files wait for the browser.
    login : str
        Who has logged in, and can log out; empty where nobody has to.
    """

    def __init__(
        self,
        states: PageState,
        bridge: Bridge,
        queue: DocumentQueue,
        scene: Callable[[], Scene | None],
        of_tabs: Callable[[], Mapping[str, Any]],
        session_downloads: SessionDownloads,
        login: str = "",
    ) -> None:
        self._states, self._state, self._bridge, self._queue = states, states.view, bridge, queue
        self._scene, self._of_tabs, self._downloads = scene, of_tabs, session_downloads
        self._threads = SessionThread("export")
        self._cancel = threading.Event()
        self._wanted, self._is_closed = 0, False
        self._snapshot: Snapshot | None = None
        self._sheets: dict[FigureChoice, str] = {}
        away = {"position": "absolute", "overflow": "hidden"}
        self.dialogs = pn.Column(margin=0, width=0, height=0, sizing_mode="fixed", styles=away)
        """What lies over the page when it is open; takes no room in it."""
        self.link_button = pmui.Button(
            label="Link", description="Link: copy the address of this view", visible=False, **_HEADER
        )
        self.link_button.on_click(self._copy_link)
        self.export_button = pmui.Button(
            label="Export", description="Export figures, data, code (Ctrl+Shift+E)", visible=False, **_HEADER
        )
        self.export_button.on_click(lambda event: self.export())
        self.help_button = pmui.Button(label="Help", description="Help: keys and mouse (?)", **_HEADER)
        self.help_button.on_click(lambda event: self._lay_over(self.help))
        self._login = login
        bridge.param.watch(lambda event: queue.later(partial(self._press, event.new)), "key")

    @cached_property
    def dialog(self) -> ExportDialog:
        """The dialog of the export, which comes to the page when it is first asked for."""
        dialog = ExportDialog(
            self._preview, self._download, self._copy, self._screenshot, self._data, lambda: self._cancel.set(),
            lambda text: setattr(self._bridge, "copied", text),
        )  # fmt: skip
        return dialog

    @cached_property
    def help(self) -> Any:
        """The list of keys, which comes to the page when it is first asked for."""
        return help_dialog()

    def _lay_over(self, dialog: Any, is_open: bool = True) -> None:
        """Open a dialog, or close it."""
        dialog.open = is_open
        if dialog not in self.dialogs.objects:
            # Open from the start: what changes while the browser puts it together might be missed.
            self.dialogs.append(dialog)

    @property
    def buttons(self) -> list[Any]:
        """What stands at the right of the header."""
        buttons = [self.link_button, self.export_button, self.help_button]
        if self._login:
            leave = pmui.Button(label="Log out", description=f"Log out {self._login}", **_HEADER)
            leave.on_click(lambda event: setattr(self._bridge, "leave", self._bridge.leave + 1))
            buttons.append(leave)
        return buttons

    def opened(self) -> None:
        """Something is on the screen, so that it can be exported."""
        self.link_button.visible = self.export_button.visible = True

    def close(self) -> None:
        """Stop what runs, and remove the files: the browser has gone."""
        self._is_closed = True
        self._cancel.set()
        self._wanted += 1
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._downloads.close()

    def export(self) -> None:
        """Lay the export dialog over the page, for the view as it is now."""
        scene = self._scene()
        if scene is None or self._state.time_range is None or self._state.depth_range is None:
            self._bridge.announce = "Open an insertion first: there is nothing to export"
            return
        if "dialog" not in vars(self):  # 0.3 s of one turn, which others would notice
            self._queue.prepare(lambda: make_models(self.dialog.panel, self.dialogs), self.export)
            return
        self._lay_over(self.dialog.panel)
        self._sheets = {}
        link = f"{self._bridge.address}?{links.write(self._states)}" if self._bridge.address else ""
        self._snapshot = snapshot = Snapshot(scene, self._states.values(), link, self._of_tabs())
        self.dialog.say("")
        by_unit = ", by unit" if self._state.shows("clusters") else ""
        self.dialog.follow(f"{self._state.tab}{by_unit}", snapshot.first_sheet())
        self._later(partial(self._describe, snapshot))
        self._preview()

    # -- the header ------------------------------------------------------------------------------

    def _press(self, pressed: dict[str, Any]) -> None:
        if pressed.get("key") == "?":
            self._lay_over(self.help, not self.help.open)
        elif pressed.get("key") == "e" and pressed.get("ctrl"):
            self.export()

    def _copy_link(self, event: object) -> None:
        self._bridge.query = links.write(self._states)
        self._bridge.link += 1

    # -- in a thread of its own ------------------------------------------------------------------

    def _later(self, job: Callable[[], None]) -> None:
        self._threads.submit(self._run, job)

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Cancelled:
            self._queue.later(partial(self._halted, "Cancelled; nothing was written"))
        except DashboardError as error:
            self._queue.later(partial(self._halted, str(error), bad=True))
        except Exception:
            # Nobody waits for the job's result: said here, or nowhere.
            logger.exception("an export failed")
            self._queue.later(partial(self._halted, "The export failed; the server's log says why", bad=True))
            raise

    def _halted(self, words: str, *, bad: bool = False) -> None:
        self.dialog.working.hide()
        self.dialog.say(words, bad=bad)

    def _describe(self, snapshot: Snapshot) -> None:
        """Say what can be had of a snapshot of the page."""
        if snapshot is not self._snapshot:
            return
        with self._downloads.exporting():
            notes, codes = snapshot.notes(), snapshot.codes()
        if snapshot is self._snapshot:
            self._queue.later(partial(self.dialog.show_data, notes))
            self._queue.later(partial(self.dialog.show_codes, codes))

    # -- figures ---------------------------------------------------------------------------------

    def _preview(self) -> None:
        self._wanted += 1
        self.dialog.begin()
        self._later(partial(self._draw_preview, self.dialog.choice, self._wanted))

    def _draw_preview(self, choice: FigureChoice, number: int) -> None:
        if number != self._wanted or (snapshot := self._snapshot) is None:
            return
        try:
            address = self._drawn(snapshot, _as_png(choice))
            preset = PRESETS[choice.preset]
            note = f"{choice.kind.upper()}, {preset.width} × {preset.height} pixels at {preset.dpi:.0f} per inch"
        except DashboardError as error:
            self._queue.later(partial(self.dialog.refuse, str(error)))
            return
        if number == self._wanted:
            self._queue.later(partial(self.dialog.show_preview, address, note))

    def _drawn(self, snapshot: Snapshot, choice: FigureChoice) -> str:
        """Return the address of a figure, drawn where it was not before."""
        if (found := self._sheets.get(choice)) is not None:
            return found
        name = f"{snapshot.subject.stem}_{choice.what}.{choice.kind}"
        path = self._downloads.new_path(name)
        with self._downloads.exporting():
            sheet = snapshot.sheet(choice.what, choice.style)
            self._downloads.run(partial(save_sheet, path, sheet, choice.kind), lambda: self._is_closed)
        address = self._downloads.put(path, name)
        self._sheets = {choice: address}
        return address

    def _download(self) -> None:
        self._later(partial(self._hand_out, self.dialog.choice))

    def _hand_out(self, choice: FigureChoice) -> None:
        if self._snapshot is not None:
            address = self._drawn(self._snapshot, choice)
            self._queue.later(partial(setattr, self._bridge, "download", address))

    def _copy(self) -> None:
        self._later(partial(self._hand_picture, _as_png(self.dialog.choice)))

    def _hand_picture(self, choice: FigureChoice) -> None:
        if self._snapshot is not None:
            address = self._drawn(self._snapshot, choice)
            self._queue.later(partial(setattr, self._bridge, "picture", address))

    def _screenshot(self, to: str) -> None:
        if (snapshot := self._snapshot) is not None:
            n = self._bridge.screenshot.get("n", 0) + 1
            self._bridge.screenshot = {"name": f"{snapshot.subject.stem}_page.png", "to": to, "n": n}

    # -- data ------------------------------------------------------------------------------------

    def _data(self, name: str, kind: str) -> None:
        self._cancel = cancel = threading.Event()
        self.dialog.say("")
        self.dialog.working.run(Progress(f"writing {name}", 0, 0, ""))
        self._later(partial(self._write, name, kind, cancel, header_units=self.dialog.header_units.value))

    def _write(self, name: str, kind: str, cancel: threading.Event, *, header_units: bool) -> None:
        if (snapshot := self._snapshot) is None:
            return
        called = snapshot.file_name(name, kind)
        path = self._downloads.new_path(called)

        def report(progress: Progress) -> None:
            self._queue.later(partial(self.dialog.working.run, progress))

        with self._downloads.exporting():
            n, what = snapshot.write(path, name, kind, report, cancel, header_units=header_units)
        size = path.stat().st_size
        address = self._downloads.put(path, called)
        self._queue.later(partial(self._written, address, f"{called}: {n:,} {what}, {bytes_text(size)}"))

    def _written(self, address: str, words: str) -> None:
        self._halted(words)
        self._bridge.download = address


def _as_png(choice: FigureChoice) -> FigureChoice:
    return FigureChoice(choice.what, choice.preset, "png", choice.theme, choice.is_stamped)

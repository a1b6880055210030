"""The window in time and depth as it can be typed, and buttons to zoom and to show all."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import param
from panel.custom import JSComponent

from dashboard.page.core.assets import asset
from dashboard.page.core.axes import Axes
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.state import ViewState

_NUMBER = r"([+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?)"
_UNIT = r"(?:s|µm|um)?"
_AROUND = re.compile(rf"{_NUMBER}\s*{_UNIT}\s*(?:±|\+-|\+/-)\s*{_NUMBER}\s*{_UNIT}", re.IGNORECASE)
_SPAN = re.compile(rf"{_NUMBER}\s*{_UNIT}\s*(?:-|–|—|:|\.\.|to)\s*{_NUMBER}\s*{_UNIT}", re.IGNORECASE)
_PLACE = re.compile(rf"{_NUMBER}\s*{_UNIT}", re.IGNORECASE)


def read_window(text: str, now: tuple[float, float]) -> tuple[float, float] | None:
    """Return the window that a text names: ``1000-1002``, ``1000 +- 1``, ``1000,1002``, or ``1000`` for its middle.

    Parameters
    ----------
    text : str
    now : (float, float)
        The window in view, whose length a single number keeps.

    Returns
    -------
    (float, float) or None
        None where nothing of a length can be read. A comma between two numbers in order divides them; else commas
        are those of thousands.
    """
    text = text.strip()
    if found := _AROUND.fullmatch(text):
        middle, half = map(_number, found.groups())
        window = middle - half, middle + half
    elif found := _SPAN.fullmatch(text):
        window = _number(found[1]), _number(found[2])
    elif (parts := _divided(text)) is not None:
        window = parts
    elif found := _PLACE.fullmatch(text):
        half = (now[1] - now[0]) / 2
        window = _number(found[1]) - half, _number(found[1]) + half
    else:
        return None
    return window if window[0] < window[1] else None


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _divided(text: str) -> tuple[float, float] | None:
    start, comma, end = text.partition(",")
    try:
        window = float(start), float(end)
    except ValueError:
        return None
    return window if comma and window[0] < window[1] else None


def window_text(window: tuple[float, float] | None) -> str:
    """Return a window for people, to a five-hundredth of its length: ``1000-1002``."""
    if window is None:
        return ""
    step = (window[1] - window[0]) / 500
    digits = next((n for n in range(7) if 10.0**-n <= step), 7)
    return "-".join(f"{end:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{end:.0f}" for end in window)


class WindowFields(JSComponent):
    """Two fields, ``t`` and ``depth``, and buttons.

    Parameters
    ----------
    state : ViewState
    axes : Axes
    press : callable (str) -> None
        Acts on the key that a button stands for.
    queue : DocumentQueue
    """

    time = param.String("", doc="Window in time as text, in s.")
    depth = param.String("", doc="Window in depth as text, in um.")
    refused = param.String("", doc="The field whose text cannot be read: time or depth.")

    _esm = asset("page/browser/window_fields.js")

    def __init__(self, state: ViewState, axes: Axes, press: Callable[[str], None], queue: DocumentQueue) -> None:
        super().__init__(
            width=336,
            height=34,
            sizing_mode="fixed",
            margin=(3, 4),
            stylesheets=[asset("page/browser/window_fields.css")],
        )
        self._state, self._axes, self._press, self._queue = state, axes, press, queue
        state.param.watch(self._moved, ["time_range", "depth_range"])

    def _moved(self, *events: object) -> None:
        self._queue.follow("window fields", self._write)

    def _write(self) -> None:
        state = self._state
        self.param.update(time=window_text(state.time_range), depth=window_text(state.depth_range), refused="")

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict):
            self._queue.later(partial(self._act, data))

    def _act(self, data: dict[str, Any]) -> None:
        state = self._state
        if state.time_range is None or state.depth_range is None:
            return
        if data.get("key") in ("+", "-", "Home"):
            self._press(data["key"])
            return
        name, text = data.get("field"), data.get("text")
        if name not in ("time", "depth") or not isinstance(text, str):
            return
        windows = {"time": state.time_range, "depth": state.depth_range}
        window = read_window(text, windows[name])
        if window is None:
            self.refused = name
            return
        windows[name] = window
        self._axes.show(windows["time"], windows["depth"])
        self._write()

"""Fields for numbers that are typed."""

from __future__ import annotations

import math
from typing import Any

import panel_material_ui as pmui

from dashboard.page.core.numbers import Check, Fields
from dashboard.page.core.state import ViewState

FIELD_PX = 98


def number_field(label: str, value: float, **options: Any) -> Any:
    """Return a narrow field for one number; `number` reads it.

    Parameters
    ----------
    label : str
        With the unit.
    value : float
    """
    settings: dict[str, Any] = {"size": "small", "variant": "outlined", "width": FIELD_PX, "margin": (6, 3)}
    return pmui.TextInput(label=label, value=f"{value:g}", **{**settings, **options})


def number(field: Any, default: float, least: float = -math.inf, most: float = math.inf) -> float:
    """Return what a field holds; the default where it is empty, or no number within the limits, which is said there."""
    text = str(field.value or "").strip()
    try:
        value = float(text) if text else default
    except ValueError:
        value = math.nan
    why = ""
    if not math.isfinite(value):
        why = "Not a number"
    elif value < least:
        why = f"At least {least:g}"
    elif value > most:
        why = f"At most {most:g}"
    refuse(field, why)
    return default if why else value


def refuse(field: Any, why: str) -> None:
    """Say under a field why what it holds is not taken; ``''`` where it is."""
    if field.helper_text != why:
        field.param.update(error_state=bool(why), helper_text=why)


class BinFields:
    """Fields of bins and windows; ``bins`` of the state holds those that are not as by default.

    Parameters
    ----------
    state : ViewState
    fields : mapping of str to (str, float)
        Name in ``bins`` -> words on the page, and default.
    check : callable
        Says which values cannot be: they stay in their fields, with the reason under them, and are not applied.
    **options
        Of each field.
    """

    def __init__(self, state: ViewState, fields: Fields, check: Check = lambda values: {}, **options: Any) -> None:
        self._state, self._check = state, check
        self._defaults = {name: default for name, (_, default) in fields.items()}
        self._is_moving = False
        self.widgets = {
            name: number_field(words, state.bins.get(name, default), **options)
            for name, (words, default) in fields.items()
        }
        for widget in self.widgets.values():
            widget.param.watch(self._typed, "value")
        state.param.watch(self._show, "bins")
        self._read()

    def _typed(self, event: object) -> None:
        if self._is_moving:
            return
        values = self._read()
        for name, widget in self.widgets.items():
            if widget.error_state:
                values[name] = self._state.bins.get(name, self._defaults[name])
        bins = {name: value for name, value in self._state.bins.items() if name not in values}
        bins |= {name: value for name, value in values.items() if value != self._defaults[name]}
        if bins != self._state.bins:
            self._state.bins = bins

    def _show(self, event: object) -> None:
        self._is_moving = True
        try:
            for name, widget in self.widgets.items():
                value = self._state.bins.get(name, self._defaults[name])
                if number(widget, self._defaults[name]) != value:
                    widget.value = f"{value:.10g}"
            self._read()
        finally:
            self._is_moving = False

    def _read(self) -> dict[str, float]:
        """Return what the fields hold; what cannot be has its reason under it."""
        values = {name: number(widget, self._defaults[name]) for name, widget in self.widgets.items()}
        for name, why in self._check(values).items():
            if not self.widgets[name].error_state:
                refuse(self.widgets[name], why)
        return values

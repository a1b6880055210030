"""Fields for numbers that are typed: narrow, without the buttons that would hide what is in them."""

from __future__ import annotations

from typing import Any

import panel_material_ui as pmui

FIELD_PX = 98

_WITHOUT_BUTTONS = {"& button": {"display": "none"}, "& input": {"textAlign": "left", "minWidth": 0}}


def number_field(label: str, value: float, **options: Any) -> Any:
    """Return a field for one number.

    Parameters
    ----------
    label : str
        With the unit.
    value : float
    """
    settings: dict[str, Any] = {
        "size": "small", "variant": "outlined", "width": FIELD_PX, "margin": (6, 3), "sx": _WITHOUT_BUTTONS
    }  # fmt: skip
    return pmui.FloatInput(label=label, value=value, **{**settings, **options})


def number(field: Any, default: float) -> float:
    """Return what a field holds; the default where it was emptied."""
    return default if field.value is None else float(field.value)

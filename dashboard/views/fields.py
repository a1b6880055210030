"""Fields for numbers that are typed."""

from __future__ import annotations

import math
from typing import Any

import panel_material_ui as pmui

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


def number(field: Any, default: float) -> float:
    """Return what a field holds; the default where it is empty or no number, which is then marked."""
    text = str(field.value or "").strip()
    try:
        value = float(text) if text else default
    except ValueError:
        value = math.nan
    is_wrong = not math.isfinite(value)
    if field.error_state != is_wrong:
        field.error_state = is_wrong
    return default if is_wrong else value

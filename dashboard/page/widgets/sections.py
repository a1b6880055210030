"""Parts of a tab that are folded away, and made when they are first opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import panel as pn
import panel_material_ui as pmui


def folded(parts: Mapping[str, Callable[[], Any]], **options: Any) -> Any:
    """Return an accordion, closed; the browser has nothing to do for what nobody opens.

    Parameters
    ----------
    parts : mapping of str to callable () -> Viewable
        Title -> what makes the part, once.
    **options
        Of the accordion.
    """
    columns = [pn.Column(sizing_mode="stretch_width", margin=0) for _ in parts]
    accordion = pmui.Accordion(
        *zip(parts, columns, strict=True), active=[], title_variant="body2", sizing_mode="stretch_width", **options
    )

    def unfold(event: Any) -> None:
        for index, (column, make) in enumerate(zip(columns, parts.values(), strict=True)):
            if index in event.new and not column.objects:
                column.append(make())

    accordion.param.watch(unfold, "active")
    return accordion

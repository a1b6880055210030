"""Sentences and small tables of the Compare tab, as HTML."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import pandas as pd

from dashboard.analysis.compare.difference import units_side_by_side
from dashboard.analysis.filters.clusters import filtered_table
from dashboard.model.colours import hex_colour, selection_colours
from dashboard.model.unit_ids import UnitId
from dashboard.page.core.scene import Scene

MAX_NAMED = 12
HINT = "Choose what to compare with: it is drawn under the raster, on the same axes."
ALONE = (
    "This insertion has one sorting in one revision, and its session no other probe. "
    "Press “Use these filters as B” to compare two filters of it."
)
TWO_PROBES = (
    "Two probes record different neurons, and a depth is another place on each: units are not matched, nor images "
    "subtracted. What can be compared is each pane beside its own regions, and the counts per region and quality "
    "below. Time and depth axes are shared."
)


def pair(units_a: list[UnitId], units_b: list[UnitId], ranks_b: list[int]) -> str:
    """Return which units are selected on either side, in their colours, as HTML."""
    if not units_a and not units_b:
        return ""
    sides = []
    for side, units, places in (
        ("A", units_a, list(range(len(units_a)))),
        ("B", units_b, ranks_b),
    ):
        colours = selection_colours(len(units), tuple(places))
        chips = "".join(
            f'<span class="chip"><i style="background:{hex_colour(colour)}"></i>{escape(str(unit))}</span>'
            for unit, colour in zip(units[:MAX_NAMED], colours, strict=False)
        )
        more = f" and {len(units) - MAX_NAMED} more" if len(units) > MAX_NAMED else ""
        sides.append(f'<span class="title">{side}</span>{chips or "none"}{more}')
    return f'<div class="bar-row many">{"".join(sides)}</div>'


def _passing(scene: Scene) -> pd.DataFrame:
    table = filtered_table(scene.sorting)
    return table if scene.mask is None else table[scene.mask[: len(table)]]


def counts(a: Scene, b: Scene) -> str:
    """Return the units that pass on either side, per region and quality, as HTML."""
    of_a, of_b = _passing(a), _passing(b)
    found = units_side_by_side(of_a, of_b, a.level)
    total = found.sum(min_count=1)
    rows = [_count_row("all", total, "total")]
    if "acronym" in of_a or "acronym" in of_b:
        rows += [_count_row(str(name) or "no region", row, "") for name, row in found.iterrows()]
    head = (
        '<tr><th></th><th class="n">good A</th><th class="n">good B</th><th class="n">all A</th>'
        '<th class="n">all B</th><th></th></tr>'
    )
    level = a.level.capitalize()
    why = "".join(f'<p class="absent">{escape(words)}</p>' for words in (*_unknown("A", a), *_unknown("B", b)))
    return (
        f'<div class="summary"><h2>Units that pass, per {level} region and quality</h2>'
        f'<table class="regions">{head}{"".join(rows)}</table>{why}</div>'
    )


def _unknown(side: str, scene: Scene) -> list[str]:
    """Say why counts of a side are not known, or not final."""
    sorting, found = scene.sorting, []
    if sorting.why_no_labels:
        found.append(f"Good units of {side} are not known: {sorting.why_no_labels}.")
    if "acronym" not in sorting.clusters:
        found.append(f"Regions of {side} are not known: {sorting.histology_reason or sorting.histology.reason}.")
    elif not sorting.histology.is_final:
        found.append(f"Regions of {side} are not final: histology {sorting.histology}.")
    return found


def _count_row(name: str, row: Any, kind: str) -> str:
    cells = "".join(
        f'<td class="n">{"–" if np.isnan(row[column]) else f"{int(row[column]):,}"}</td>'
        for column in ("n_good_a", "n_good_b", "n_units_a", "n_units_b")
    )
    return f'<tr class="{kind}"><th>{escape(name)}</th>{cells}<td></td></tr>'

"""Figures of what has changed between two spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from dashboard.analysis.change import columns as verdicts
from dashboard.analysis.change.change import Change, running_median
from dashboard.figures.figure import Axis, Figure, Levels, Lines, Numbers, Points
from dashboard.model.texts import span_text

LOOKS = {
    verdicts.WITH_OTHERS: ("#5c6bc0", "circle"),
    verdicts.ALONE: ("#d55e00", "diamond"),
    verdicts.LOST: ("#cc79a7", "x"),
    verdicts.LOST_TOGETHER: ("#cc79a7", "x"),
    verdicts.APPEARED: ("#009e73", "triangle"),
}
"""Ink and shape of the marks by verdict."""

STEADY = ("quiet", "circle")
"""Those of all others."""

CHOSEN = "#f0a000"
"""Edge of the marks of selected units."""


def change_by_depth(
    change: Change, units: Numbers, names: Sequence[Any] | Numbers, selected: Sequence[int] = ()
) -> Figure:
    """Return how far units moved, by their depth, with the median of the bands.

    Lost and new units stand at zero; selected ones are larger and have an edge of their own.

    Parameters
    ----------
    change : Change
    units : ndarray, shape (n,)
        Indexes of those that are drawn.
    names : sequence, one per unit
        Their ids.
    selected : sequence of int
        Indexes.
    """
    found = change.units.loc[units].join(change.columns.loc[units]).assign(name=names)
    at_zero = found["change_verdict"].isin((verdicts.LOST, verdicts.LOST_TOGETHER, verdicts.APPEARED))
    found["depth"] = found["depth_before_um"].fillna(found["depth_after_um"])
    found["moved"] = found["depth_change_um"].mask(at_zero, 0.0)
    for end in ("low", "high"):
        found[end] = found[f"depth_change_{end}_um"].mask(at_zero, 0.0).fillna(found["moved"])
    table = found.dropna(subset=["depth", "moved"])
    verdict, x, y = table["change_verdict"], table["moved"].to_numpy(), table["depth"].to_numpy()
    looks = [LOOKS.get(word, STEADY) for word in verdict]
    amp = next((str(name) for name in table if str(name).startswith("change_amp_")), None)
    is_chosen = np.isin(table.index, selected)
    tips: dict[str, Sequence[Any]] = {
        "unit": table["name"].tolist(),
        "": verdict.tolist(),
        "depth before": [f"{value:,.0f} µm" for value in y],
        "Δ depth": _intervals(table, "change_depth_um", "µm"),
        "Δ amplitude": _intervals(table, amp, change.request.amp_unit) if amp else [""] * len(table),
        "Δ rate": _intervals(table, "change_rate_hz", "Hz"),
    }
    medians, middles = running_median(change.bands)
    reach = 1.1 * float(np.max(np.abs(x), initial=1.0))
    ends = (float(y.min()), float(y.max())) if len(y) else (0.0, 1.0)
    return Figure(
        "change",
        f"After, {span_text(change.request.after)}, against before, {span_text(change.request.before)}",
        Axis("Change of depth, after − before", "µm", (-reach, reach)),
        Axis("Depth before", "µm", (ends[0] - 20.0, ends[1] + 20.0)),
        (
            Levels([0.0], "x"),
            Points(
                x, y, table["low"].to_numpy(), table["high"].to_numpy(),
                inks=[ink for ink, _ in looks],
                edges=[CHOSEN if chosen else "" for chosen in is_chosen],
                shapes=[shape for _, shape in looks],
                sizes=np.where(is_chosen, 13, np.where(verdict.isin(verdicts.FLAGGED), 9, 5)),
                ids=table.index.to_numpy(),
                tips=tips,
                legend=(
                    *((word, *LOOKS[word]) for word in (verdicts.WITH_OTHERS, verdicts.ALONE)),
                    (f"{verdicts.STEADY} or {verdicts.UNDETERMINED}", *STEADY),
                    ("lost (at zero)", *LOOKS[verdicts.LOST]),
                    ("appeared (at zero)", *LOOKS[verdicts.APPEARED]),
                ),
            ),
            Lines([np.array(medians)], [np.array(middles)], ["mean"], ["median of the band"], width=2.5),
        ),
        legend="units" + ", larger where selected" * bool(len(selected)),
    )  # fmt: skip


def _intervals(table: pd.DataFrame, name: str, unit: str) -> list[str]:
    stem, suffix = name.rsplit("_", 1)
    ends = zip(table[name], table[f"{stem}_low_{suffix}"], table[f"{stem}_high_{suffix}"], strict=True)
    return [
        "–" if value != value else f"{value:+.2f} {unit}" + ("" if low != low else f" ({low:+.2f} to {high:+.2f})")
        for value, low, high in ends
    ]

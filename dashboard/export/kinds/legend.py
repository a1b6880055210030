"""Beside a raster on paper: the drift above it, and which colour is which selected unit."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dashboard.export.origin import Subject
from dashboard.export.sheet import SheetStyle

WORDS_SHARE = 0.72
"""Size of notes, of the font's."""

DRIFT_NOTE = "removed by the sorter; dark: tip"
"""What the spikes below the drift show is what remained of it."""


def draw_drift(axes: Axes, style: SheetStyle, subject: Subject) -> None:
    """Draw a line for each depth, in the colours of the page.

    Parameters
    ----------
    axes : Axes
    style : SheetStyle
    subject : Subject
        Its sorting has drift.
    """
    drift = subject.sorting.drift
    assert drift is not None
    darkest = 0.25 if style.theme == "dark" else 0.0
    shades = colormaps["viridis"](np.linspace(darkest, 1, drift.um.shape[1]))
    for line, colour in zip(drift.um.T, shades, strict=True):
        axes.plot(drift.times_s, line, color=colour)
    axes.set_ylabel("drift\n(µm)")
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.text(
        0.0, 1.03, DRIFT_NOTE, transform=axes.transAxes, ha="left", va="bottom",
        fontsize=WORDS_SHARE * style.preset.font_pt, color=style.colours.dim,
    )  # fmt: skip


def name_selected(figure: Figure, style: SheetStyle, subject: Subject, box: tuple[int, int, int, int]) -> None:
    """Say above a row, from its right, which colour is which selected unit; as many as there is room for.

    Parameters
    ----------
    figure : Figure
    style : SheetStyle
    subject : Subject
    box : (int, int, int, int)
        Left, bottom, width and height of the row, in pixels.
    """
    preset = style.preset
    left, bottom, wide, high = box
    most = max(1, int((wide / preset.em - 16) / 4))
    words: list[tuple[str, Any]] = [
        (f"● {subject.unit_name(cluster)}", tuple(float(channel) / 255 for channel in colour))
        for cluster, colour in zip(subject.selected, subject.selection_colours, strict=False)
    ]
    if len(words) > most:
        words = [*words[:most], (f"and {len(words) - most} more", style.colours.dim)]
    at, low = left + wide - 1.5 * preset.em, bottom + high + 0.2 * preset.em
    for word, colour in reversed(words):
        figure.text(
            at / preset.width, low / preset.height, word, color=colour, ha="right", va="bottom",
            fontsize=WORDS_SHARE * preset.font_pt,
        )  # fmt: skip
        at -= WORDS_SHARE * (0.62 * len(word) + 0.8) * preset.em

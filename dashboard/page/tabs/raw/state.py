"""What the Raw tab shows."""

from __future__ import annotations

import math

import param

from dashboard.model.raw import BANDS, HIGH_PASS, PALETTES, STEPS

WIDTHS_MS = (2, 10, 35, 70, 200, 500, 1000, 2000)
MANY = (0, 1, 2, 5, 10, 20, 50, 100, 200)
MAX_GAIN_DB = 60


class RawState(param.Parameterized):
    """Own state of the Raw tab."""

    raw_at = param.Number(default=None, allow_None=True, doc="Middle of the snippet, session time in s.")
    raw_band = param.Selector(default="ap", objects=list(BANDS), doc="File that the snippet is cut from.")
    raw_step = param.Selector(default=HIGH_PASS, objects=list(STEPS), doc="What is done to the voltage.")
    raw_ms = param.Selector(default=70, objects=list(WIDTHS_MS), doc="Length of the snippet, in ms.")
    raw_many = param.Selector(
        default=0, objects=list(MANY), doc="Single spikes of the selected unit that are laid over each other; 0: none."
    )
    raw_db = param.Integer(
        default=0, bounds=(-MAX_GAIN_DB, MAX_GAIN_DB), step=3, doc="Gain of the picture against its default, in dB."
    )
    raw_palette = param.Selector(
        default=PALETTES[0], objects=list(PALETTES), doc="Colours of the voltage: black to white, or orange to purple."
    )


def read_at(text: str) -> float | None:
    """Return the middle of the snippet as links have it.

    Raises
    ------
    ValueError
        It is no time.
    """
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("no time")
    return value


def write_at(value: float | None) -> str:
    """Return the middle of the snippet for a link, to 10 us."""
    return "" if value is None else f"{value:.5f}"


def read_ms(text: str) -> int:
    """Return the length of the snippet as links have it, in ms.

    Raises
    ------
    ValueError
        It is none that can be chosen.
    """
    return _one_of(WIDTHS_MS, text)


def read_many(text: str) -> int:
    """Return how many single spikes are shown, as links have it.

    Raises
    ------
    ValueError
        It is none that can be chosen.
    """
    return _one_of(MANY, text)


def _one_of(choices: tuple[int, ...], text: str) -> int:
    if text not in map(str, choices):
        raise ValueError(f"is none of {', '.join(map(str, choices))}")
    return int(text)

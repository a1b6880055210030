"""Sheets: sizes that talks and journals take, how they are styled, and how they become files."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dashboard.export.origin import stamp
from dashboard.model.files import whole_file

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same on every machine
    "font.size": 9.0,
    "axes.linewidth": 0.7,
    "axes.titlesize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",  # text as text
    "svg.hashsalt": "spike-dashboard",  # the same figure gives the same file
    "pdf.fonttype": 42,
    "text.parse_math": False,  # names of subjects may hold dollar signs
}

drawing_lock = threading.Lock()
"""Style and fonts are global in matplotlib: one figure is drawn at a time."""


MM_PER_INCH = 25.4
FORMATS = ("png", "svg", "pdf")
STAMP_SHARE = 0.62
"""Size of the stamp's letters, of those of the axes."""

NARROW_EM = 60
"""Sheets that are less wide than so many letters have smaller words, in lines."""

LETTER_EM = 0.6
"""Width of a letter of the stamp, of its size: wide enough for digits, which are most of it."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A size for a purpose.

    Attributes
    ----------
    title : str
    width, height : int
        In pixels; one bin of the raster is one of them.
    dpi : float
        Pixels per inch, from which the size on paper follows.
    font_pt : float
        Of the axes, as journals and lecture halls can read it.
    stamp_lines : int
        Lines that the stamp may take.
    """

    title: str
    width: int
    height: int
    dpi: float
    font_pt: float
    stamp_lines: int = 3

    @property
    def em(self) -> float:
        """Size of a letter in pixels."""
        return self.font_pt * self.dpi / 72


def _paper(title: str, width_mm: float, height_mm: float, font_pt: float, stamp_lines: int, dpi: float = 300) -> Preset:
    width, height = (round(size / MM_PER_INCH * dpi) for size in (width_mm, height_mm))
    return Preset(title, width, height, dpi, font_pt, stamp_lines)


PRESETS = {
    "slide": Preset("Slide 16:9", 1920, 1080, 144.0, 11.0),
    "column": _paper("Column, 89 mm", 89.0, 80.0, 5.5, 5),
    "double": _paper("Double column, 183 mm", 183.0, 120.0, 7.0, 4),
}


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of paper and ink."""

    paper: str
    ink: str
    dim: str
    accent: str


THEMES = {
    "light": Theme("#ffffff", "#000000", "#555555", "#0072B2"),
    "dark": Theme("#121212", "#ececec", "#a8a8a8", "#56B4E9"),
}
"""The accents are Okabe-Ito's blues, either of which stands out from its paper."""


@dataclass(frozen=True, slots=True)
class SheetStyle:
    """How a sheet looks, whatever it shows.

    Attributes
    ----------
    preset : Preset
    theme : {'light', 'dark'}
    is_stamped : bool
        Whether its origin is written on it; the file's metadata has it in any case.
    """

    preset: Preset
    theme: str = "light"
    is_stamped: bool = True

    @property
    def colours(self) -> Theme:
        """Paper and ink."""
        return THEMES[self.theme]

    @property
    def room(self) -> int:
        """Pixels at the bottom that the stamp takes."""
        lines = self.preset.stamp_lines if self.is_stamped else 0
        return round((lines * 1.35 * STAMP_SHARE + 0.5) * self.preset.em)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a sheet shows, computed: a title, words for its origin, and who draws it into a figure.

    Attributes
    ----------
    title : str
    words : mapping of str to str
        Of `dashboard.export.origin.provenance`.
    style : SheetStyle
    draw : callable (Figure) -> None
        Called under the lock of matplotlib's style.
    """

    title: str
    words: Mapping[str, str]
    style: SheetStyle
    draw: Callable[[Figure], None]


def write_sheet(file: IO[bytes], sheet: Sheet, kind: str) -> None:
    """Draw a sheet into an open file; from any thread.

    Parameters
    ----------
    file : binary file
    sheet : Sheet
    kind : {'png', 'svg', 'pdf'}
        Text stays text in SVG and PDF, and pictures are embedded as they are.
    """
    style, preset, colours = sheet.style, sheet.style.preset, sheet.style.colours
    with drawing_lock, mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**STYLE, **_style(preset, colours)})
        # A millionth of a pixel more, or rounding may lose a whole one.
        size = ((preset.width + 1e-6) / preset.dpi, (preset.height + 1e-6) / preset.dpi)
        figure = Figure(figsize=size, dpi=preset.dpi, facecolor=colours.paper)
        sheet.draw(figure)
        figure.text(
            5.6 * preset.em / preset.width, 1 - 0.5 * preset.em / preset.height, sheet.title, fontweight="bold",
            va="top", fontsize=min(1.15 * preset.font_pt, _fitting(sheet.title, preset)),
        )  # fmt: skip
        if style.is_stamped:
            figure.text(
                0.8 * preset.em / preset.width, 0.4 * preset.em / preset.height, "\n".join(_stamp_lines(sheet)),
                fontsize=STAMP_SHARE * preset.font_pt, color=colours.dim, va="bottom", linespacing=1.3,
            )  # fmt: skip
        figure.savefig(file, format=kind, dpi=preset.dpi, metadata=metadata(sheet, kind))


def save_sheet(path: Path, sheet: Sheet, kind: str) -> None:
    """Draw a sheet into a file, which appears only when it is complete; see `write_sheet`."""
    with whole_file(path) as draft, draft.open("wb") as file:
        write_sheet(file, sheet, kind)


def _fitting(title: str, preset: Preset) -> float:
    """Return the size at which a title stays on the sheet, in points."""
    return (preset.width / preset.em - 6.5) * preset.font_pt / (0.68 * max(len(title), 1))


def _style(preset: Preset, colours: Theme) -> dict[Any, Any]:
    inks = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    size = preset.font_pt
    return {
        **dict.fromkeys(inks, colours.ink),
        "axes.prop_cycle": mpl.rcsetup.cycler(color=[colours.accent]),
        "axes.facecolor": colours.paper,
        "savefig.facecolor": colours.paper,
        "font.size": size,
        "axes.titlesize": size,
        "axes.labelsize": size,
        "xtick.labelsize": 0.9 * size,
        "ytick.labelsize": 0.9 * size,
        "legend.fontsize": 0.85 * size,
        "axes.linewidth": 0.07 * size,
        "xtick.major.width": 0.07 * size,
        "ytick.major.width": 0.07 * size,
        "xtick.major.size": 0.35 * size,
        "ytick.major.size": 0.35 * size,
        "lines.linewidth": 0.1 * size,
        "axes.labelpad": 0.35 * size,
    }


def _stamp_lines(sheet: Sheet) -> list[str]:
    """Return the stamp's lines, no more than there is room for: the end of a long link is in the metadata."""
    preset = sheet.style.preset
    letters = int((preset.width / preset.em - 1.6) / (LETTER_EM * STAMP_SHARE))
    lines = textwrap.wrap(stamp(sheet.words), letters, break_on_hyphens=False)
    if sheet.words["link"] != "none":
        lines += textwrap.wrap(sheet.words["link"], letters, break_on_hyphens=False)
    if len(lines) > preset.stamp_lines:
        lines = [*lines[: preset.stamp_lines - 1], lines[preset.stamp_lines - 1][: letters - 2] + " …"]
    return lines


def metadata(sheet: Sheet, kind: str) -> dict[str, Any]:
    """Return the origin of a sheet as its format stores it: PNG text, PDF Info, Dublin Core in SVG."""
    words = sheet.words
    description = "; ".join(f"{name} {text}" for name, text in words.items())
    source = words["link"] if words["link"] != "none" else words["insertion"]
    if kind == "png":
        own = {name: text for name, text in words.items() if name not in ("version", "link")}
        return {
            **own, "Title": sheet.title, "Description": description, "Software": words["version"], "Source": source,
        }  # fmt: skip
    if kind == "pdf":
        return {
            "Title": sheet.title, "Subject": description, "Keywords": f"{words['pid']}; {source}",
            "Creator": words["version"],
        }  # fmt: skip
    return {
        "Title": sheet.title, "Description": description, "Creator": words["version"], "Source": source,
        "Identifier": words["pid"],
    }  # fmt: skip


def place(figure: Figure, preset: Preset, box: tuple[int, int, int, int]) -> Axes:
    """Return axes at whole pixels from the lower left: left, bottom, width, height."""
    left, bottom, wide, high = box
    return figure.add_axes((left / preset.width, bottom / preset.height, wide / preset.width, high / preset.height))


def lay_out_between(figure: Figure, style: SheetStyle) -> None:
    """Let axes share what is left between the title and the stamp."""
    preset = style.preset
    figure.set_layout_engine("constrained")
    engine: Any = figure.get_layout_engine()
    bottom = style.room / preset.height
    top = 2.4 * preset.em / preset.height
    engine.set(rect=(0.01, bottom, 0.98, 1 - bottom - top))

"""Sheets: sizes that talks and journals take, how they are styled, and how they become files."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dashboard.export import STYLE, drawing_lock
from dashboard.exporting.subject import stamp

MM_PER_INCH = 25.4
FORMATS = ("png", "svg", "pdf")
STAMP_SHARE = 0.62
"""Size of the stamp's letters, of those of the axes."""

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
    """

    title: str
    width: int
    height: int
    dpi: float
    font_pt: float

    @property
    def em(self) -> float:
        """Size of a letter in pixels."""
        return self.font_pt * self.dpi / 72


def _paper(title: str, width_mm: float, height_mm: float, font_pt: float, dpi: float = 300.0) -> Preset:
    return Preset(title, round(width_mm / MM_PER_INCH * dpi), round(height_mm / MM_PER_INCH * dpi), dpi, font_pt)


PRESETS = {
    "slide": Preset("Slide 16:9", 1920, 1080, 144.0, 11.0),
    "column": _paper("Column, 89 mm", 89.0, 80.0, 5.5),
    "double": _paper("Double column, 183 mm", 183.0, 120.0, 7.0),
}


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of paper and ink."""

    paper: str
    ink: str
    dim: str


THEMES = {"light": Theme("#ffffff", "#000000", "#555555"), "dark": Theme("#121212", "#ececec", "#a8a8a8")}


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


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a sheet shows, computed: a title, words for its origin, and who draws it into a figure."""

    title: str
    words: Mapping[str, str]
    draw: Callable[[Figure, SheetStyle, int], None]
    """Called with the figure, the style, and the pixels at the bottom that the stamp takes."""


def write_sheet(file: IO[bytes], sheet: Sheet, style: SheetStyle, kind: str) -> None:
    """Draw a sheet into an open file; from any thread.

    Parameters
    ----------
    file : binary file
    sheet : Sheet
    style : SheetStyle
    kind : {'png', 'svg', 'pdf'}
        Text stays text in SVG and PDF, and pictures are embedded as they are.
    """
    preset, colours = style.preset, style.colours
    with drawing_lock, mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**STYLE, **_style(preset, colours)})
        # A millionth of a pixel more, or rounding may lose a whole one.
        size = ((preset.width + 1e-6) / preset.dpi, (preset.height + 1e-6) / preset.dpi)
        figure = Figure(figsize=size, dpi=preset.dpi, facecolor=colours.paper)
        lines = _stamp_lines(sheet, preset) if style.is_stamped else []
        room = round((len(lines) * 1.35 * STAMP_SHARE + 0.5) * preset.em) if lines else round(0.4 * preset.em)
        sheet.draw(figure, style, room)
        if lines:
            text = "\n".join(lines)
            where = (0.8 * preset.em / preset.width, 0.4 * preset.em / preset.height)
            size_pt = STAMP_SHARE * preset.font_pt
            figure.text(*where, text, fontsize=size_pt, color=colours.dim, va="bottom", linespacing=1.3)
        figure.savefig(file, format=kind, dpi=preset.dpi, metadata=metadata(sheet, kind))


def _style(preset: Preset, colours: Theme) -> dict[Any, Any]:
    inks = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    size = preset.font_pt
    return {
        **dict.fromkeys(inks, colours.ink),
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


def _stamp_lines(sheet: Sheet, preset: Preset) -> list[str]:
    letters = int((preset.width / preset.em - 1.6) / (LETTER_EM * STAMP_SHARE))
    paragraphs = [stamp(sheet.words)]
    if sheet.words["link"] != "none":
        paragraphs.append(sheet.words["link"])
    return [line for text in paragraphs for line in textwrap.wrap(text, letters, break_on_hyphens=False)]


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
    return figure.add_axes(
        (left / preset.width, bottom / preset.height, wide / preset.width, high / preset.height)
    )

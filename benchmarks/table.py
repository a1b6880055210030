"""One table of everything that was measured: our figure, the other's, their ratio, and whether that is enough."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes
    ----------
    part : str
        ``engine``, ``browser``, ``gestures``, ``sessions`` or ``units``.
    what : str
    unit : str
        Of `ours` and `theirs`.
    ours : float
    theirs : float or None
        What it is compared with, measured in turns with ours; None where there is nothing to compare with.
    against : str
        What `theirs` is.
    part_of : float or None
        Ours has to be at most theirs divided by this.
    most, least : float or None
        Limits of ours.
    """

    part: str
    what: str
    unit: str
    ours: float
    theirs: float | None = None
    against: str = ""
    part_of: float | None = None
    most: float | None = None
    least: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times theirs is of ours; None where either is missing."""
        return self.theirs / self.ours if self.theirs is not None and self.ours > 0 else None

    @property
    def must(self) -> str:
        """The target, in words; empty where there is none."""
        limits = [f"≤ 1/{self.part_of:g}"] if self.part_of is not None else []
        limits += [f"≤ {self.most:g} {self.unit}".rstrip()] if self.most is not None else []
        limits += [f"≥ {self.least:g} {self.unit}".rstrip()] if self.least is not None else []
        return ", ".join(limits)

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if not self.must:
            return None
        enough = self.part_of is None or (self.ratio is not None and self.ratio >= self.part_of)
        low = self.most is None or self.ours <= self.most
        return enough and low and (self.least is None or self.ours >= self.least)

    @property
    def verdict(self) -> str:
        """``met``, ``NOT MET`` or nothing."""
        return {None: "", True: "met", False: "NOT MET"}[self.is_met]

    def cells(self) -> tuple[str, ...]:
        """Return what the table shows."""
        theirs = "" if self.theirs is None else figure(self.theirs)
        ratio = ""
        if self.ratio:
            ratio = f"1/{self.ratio:.1f}" if self.ratio >= 1 else f"{1 / self.ratio:.1f}"
        return (
            self.part,
            self.what,
            figure(self.ours),
            self.unit,
            theirs,
            self.against,
            ratio,
            self.must,
            self.verdict,
        )

    def record(self) -> dict[str, object]:
        """Return the row for results.json."""
        return {**asdict(self), "ratio": self.ratio, "must": self.must, "met": self.is_met}


HEADINGS = ("part", "what", "ours", "unit", "theirs", "against", "ours / theirs", "must be", "")


def figure(value: float) -> str:
    """Return a number with three digits, and its thousands apart."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def text_table(rows: Iterable[Row]) -> str:
    """Return the rows under each other, columns in line."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
                     for line in lines)  # fmt: skip


def markdown_table(rows: Iterable[Row]) -> str:
    """Return the rows as a table of docs/performance.md."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_whole(path: Path, text: str) -> None:
    """Write a file under a temporary name, then give it its own."""
    temporary = path.with_name(f"{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def read_results(path: Path) -> tuple[dict[str, object], list[Row], dict[str, object]]:
    """Return what `write_results` wrote; nothing where there is no such file."""
    if not path.is_file():
        return {}, [], {}
    content = json.loads(path.read_text(encoding="utf-8"))
    names = [field.name for field in fields(Row)]
    return (
        content["machine"],
        [Row(**{name: row[name] for name in names}) for row in content["rows"]],
        content["detail"],
    )


def write_results(path: Path, machine: dict[str, object], rows: Iterable[Row], detail: dict[str, object]) -> None:
    """Write everything that was measured as JSON: where and when each part ran, the table, and what lies behind it."""
    content = {"machine": machine, "rows": [row.record() for row in rows], "detail": detail}
    write_whole(path, json.dumps(content, indent=1) + "\n")

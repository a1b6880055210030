"""Names that bite: as people who mean harm, or have an odd folder, write subjects, probes, columns and comments."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from dashboard.model.references import InsertionRef
from dashboard.model.sorting import SpikeSorting

CODE = "BITTEN.append(1)"
"""What runs where a name becomes code: the test gives the list ``BITTEN``."""

PYTHON = (
    f"x'); {CODE}; ('",
    f'x"); {CODE}; ("',
    f"x\n{CODE}\n#",
    f"x\r{CODE}\r#",
    f"x\\'); {CODE}; ('",
    f"'''\n{CODE}\n'''",
    f"{{{CODE}}}",
    f"x']) or {CODE} or (['",
    f'x"]) or {CODE} or (["',
    f"x\u2028{CODE}\u0085{CODE}\x0c{CODE}",
    f"\u202e{CODE}",
    "x\\",
    "x\x00y",
)

FORMULAS = (
    '=HYPERLINK("http://evil.example","a")', "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", "\uff1d1+1",
    "=cmd|'/c calc'!A1", "-",
)  # fmt: skip

MARKUP = (
    "<script>BITTEN=1</script>",
    '"><img src=x onerror=BITTEN=1>',
    "'><svg/onload=BITTEN=1>",
    "</script><script>BITTEN=1</script>",
    "]]><script>BITTEN=1</script>",
    "<!--<script>BITTEN=1",
    "javascript:BITTEN=1",
    "{{7*7}}${7*7}<%= 7*7 %>",
)

NAMES = (*MARKUP, *FORMULAS, "a' onmouseover='BITTEN=1", 'a" onmouseover="BITTEN=1', "a onmouseover=BITTEN=1")
"""What is shown, as header, tooltips, lists, comments, galleries and drawings do."""


class Shape(HTMLParser):
    """What a page is made of, without its texts: elements, and the names of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


def named(sorting: SpikeSorting, name: str) -> SpikeSorting:
    """Return a sorting with a name wherever one can be."""
    ref = sorting.ref
    insertion = InsertionRef(name, name, 1, name, source=name, lab=name, pid=name, eid=name)
    parts = [replace(choice, value=name, reason=name) for choice in (ref.sorter, ref.revision)]
    changed = replace(ref, insertion=insertion, sorter=parts[0], revision=parts[1])
    return replace(sorting, ref=changed, notes=(name,), histology_reason=name)

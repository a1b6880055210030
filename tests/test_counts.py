"""Counts that people read come from `dashboard.model.texts.counted`: none says "1 datasets"."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.model.texts import counted

HOME = "model/texts.py"
NO_NOUNS = {"is", "has", "was", "as", "us", "ms", "s", "this", "less", "does", "its", "pass", "across", "axis"}
"""Words that end with an s, and are no plural."""
NOUN = re.compile(r" ((?:[a-z-]+ ){0,2}?[A-Za-z]*[a-z]s)\b")


@pytest.mark.parametrize(
    ("n", "words", "text"),
    [
        (1, ("dataset",), "1 dataset"),
        (0, ("dataset",), "0 datasets"),
        (1234, ("spike is", "spikes are"), "1,234 spikes are"),
        (1, ("spike is", "spikes are"), "1 spike is"),
    ],
)
def test_a_count_with_its_noun(n: int, words: tuple[str, ...], text: str) -> None:
    assert counted(n, *words) == text


def is_count(part: ast.FormattedValue) -> bool:
    """Whether a part of a text is a whole number that is not always the same."""
    name = getattr(part.value, "id", getattr(part.value, "attr", ""))
    if name.isupper():
        return False
    if part.format_spec is not None:
        return ast.unparse(part.format_spec).strip("f'\"") == ","
    function = getattr(part.value, "func", None)
    called = getattr(function, "id", getattr(function, "attr", ""))
    return called in ("len", "int", "sum") or re.match(r"_?n(_|$)", name) is not None


def found_in(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of plurals that are made by hand."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            for part, after in zip(node.values, node.values[1:], strict=False):
                if isinstance(part, ast.FormattedValue) and isinstance(after, ast.Constant) and is_count(part):
                    noun = NOUN.match(after.value)
                    if noun and noun[1].split()[-1] not in NO_NOUNS and not noun[1].startswith(("that ", "hidden ")):
                        yield node.lineno, f"{{{ast.unparse(part.value)}}}{noun[0]}"
        elif isinstance(node, ast.IfExp) and re.search(r"[!=]= 1$|> 1$", ast.unparse(node.test)):
            words = [each.value for each in (node.body, node.orelse) if isinstance(each, ast.Constant)]
            short, long = sorted(map(str, words), key=len) if len(words) == 2 else ("", "")
            if long and short + "s" == long:
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"[a-z]\(s\)", node.value):
            yield node.lineno, node.value


@pytest.mark.parametrize(
    "made", ["f'{n} datasets'", "f'{len(x):,} new spikes'", "'dataset(s)'", "'' if n == 1 else 's'",
             "'spike' if n == 1 else 'spikes'"],
)  # fmt: skip
def test_what_is_made_by_hand_is_found(made: str) -> None:
    assert list(found_in(made))


@pytest.mark.parametrize(
    "made", ["f'{n} is {LIMIT:,} spikes'", "f'{name} holds'", "f'{seconds:g} ms'", "counted(1, 'row')"]
)
def test_what_is_not_is_not(made: str) -> None:
    assert not list(found_in(made))


def test_no_count_is_made_by_hand(repository: Path) -> None:
    package = repository / "dashboard"
    paths = [path for path in package.rglob("*.py") if path != package / HOME]
    made = [
        f"{path.relative_to(package)}:{line}: {text}" for path in paths for line, text in found_in(path.read_text())
    ]
    assert not made, "counted() makes it: " + "\n".join(made)

"""Words of links as people read them: docs/links.md, made from their declarations."""

from __future__ import annotations

import sys

from dashboard.analysis.filters.words import SPIKE_WORDS, WORDS
from dashboard.engine.count.registry import AGGREGATES
from dashboard.model.registry import load
from dashboard.page.core.state import parameters
from dashboard.page.link import FILTER_KEYS, words
from dashboard.page.tabs.registry import TABS, LinkWord, state_kinds


def reference() -> str:
    """Return docs/links.md: every word of a link, with an example and its meaning."""
    owners = {word.word: entry.title for entry in TABS for word in entry.words}
    return "\n".join([
        "# Links",
        "",
        "Made from the declarations of the words by `make docs`; do not edit.",
        "",
        "The address of the page is the view: **Link** copies it, and whoever opens it sees the same. Words stand",
        "after a question mark, with `&` between them: `?insertion=demo&t=0,60&tab=Events`. What is left out has its",
        "default.",
        "",
        "## The page and its tabs",
        "",
        "| word | tab | example | meaning |",
        "|---|---|---|---|",
        *(
            f"| `{word.word}` | {owners.get(word.word, '')} | `{word.example}` | {_cell(_meaning(word))} |"
            for word in words().values()
        ),
        "",
        "## Filters",
        "",
        "`spike-dashboard units --where` takes the expressions of `where`.",
        "",
        "| word | meaning and example |",
        "|---|---|",
        *(f"| `{word}` | {_cell({**WORDS, **SPIKE_WORDS}[word])} |" for word in FILTER_KEYS),
        "",
        "Ids of units (`selected`, `ids`) stand between commas. Where ids are texts, one that holds a comma or a",
        "double quote, that begins or ends with a space, or that is empty stands in double quotes, and a double quote",
        'in it is written twice: `selected=12,"CA1, deep"`.',
        "",
        "## Bins and windows",
        "",
        "`bins=NAME:NUMBER,...` sets fields of the tabs, in the units that the page shows:",
        "",
        "| name | tab | field | default |",
        "|---|---|---|---|",
        *(
            f"| `{name}` | {entry.title} | {title} | {default:g} |"
            for entry in TABS
            if entry.bins
            for name, (title, default) in load(entry.bins).items()
        ),
        "",
    ])  # fmt: skip


def _meaning(word: LinkWord) -> str:
    """Return what a word means, and which values it has where these are few."""
    parameter = parameters(state_kinds()).get(word.name)
    sentence = word.help or str(getattr(parameter, "doc", "") or "")
    values = {"color": AGGREGATES.names, "tab": TABS.titles}.get(word.word, getattr(parameter, "objects", None) or ())
    return f"{sentence} One of {', '.join(f'`{value}`' for value in values)}." if values else sentence


def _cell(text: str) -> str:
    """Return a text as a cell of a table."""
    return text.replace("|", "\\|").replace("<", "\\<")


if __name__ == "__main__":
    sys.stdout.write(reference())

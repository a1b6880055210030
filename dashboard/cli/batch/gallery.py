"""The figures of many insertions as one page that needs nothing but its folder; each opens in the dashboard."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from urllib.parse import quote, urlencode

from dashboard.cli.batch.report import Entry, write_output
from dashboard.cli.batch.run import DONE
from dashboard.model.texts import counted
from dashboard.page.core.assets import asset

SHOWN = (".png", ".svg")
"""Endings of figures that browsers show as images."""


def dashboard_link(url: str, entry: Entry, words: Mapping[str, str]) -> str:
    """Return the address that shows an insertion as its figure does.

    Parameters
    ----------
    url : str
        Of the dashboard, without a query.
    entry : Entry
    words : mapping of str to str
        Further parts of the query: ``t``, ``depth``, ``quality``, ``level``, ``sorter``, ``revision``.
    """
    name = entry.facts.get("pid") or entry.facts.get("key") or entry.insertion
    query = urlencode({"insertion": str(name), **words}, safe=",/", quote_via=quote)
    return f"{url.rstrip('/')}/?{query}"


def write_gallery(folder: Path, title: str, entries: Iterable[Entry], url: str, words: Mapping[str, str]) -> Path:
    """Write index.html beside the figures.

    Raises
    ------
    CacheUnusable
        It cannot be written.
    """
    ordered = sorted(entries, key=lambda entry: str(entry.facts.get("title") or entry.insertion))
    failed = [entry for entry in ordered if entry.status != DONE]
    drawn = [entry for entry in ordered if entry.file]
    page = asset("cli/gallery.html")
    parts = {
        "title": escape(title),
        "summary": escape(_summary(len(ordered), len(failed))),
        "failed": _failed(failed),
        "figures": "\n".join(_figure(entry, dashboard_link(url, entry, words)) for entry in drawn),
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], page)
    path = folder / "index.html"
    write_output(path, page.encode())
    return path


def _summary(n: int, n_failed: int) -> str:
    return f"{n - n_failed:,} of {counted(n, 'insertion')}" + (f" · {n_failed:,} failed" if n_failed else "")


def _failed(entries: list[Entry]) -> str:
    if not entries:
        return ""
    rows = "".join(
        f"<tr><td>{escape(str(entry.facts.get('title') or entry.insertion))}</td><td>{escape(entry.why)}</td></tr>"
        for entry in entries
    )
    return (
        f'<details class="failed" open><summary>{len(entries):,} failed</summary>'
        f"<table><thead><tr><th>Insertion</th><th>Why</th></tr></thead><tbody>{rows}</tbody></table></details>"
    )


def _figure(entry: Entry, link: str) -> str:
    facts, file = entry.facts, quote(entry.file)
    title = escape(str(facts.get("title") or entry.insertion))
    counts = f"{counted(facts.get('n_spikes', 0), 'spike')} · {counted(facts.get('n_clusters', 0), 'unit')}"
    if facts.get("n_good") is not None:
        counts += f" · {facts['n_good']:,} good"
    words = escape(
        " ".join(str(facts.get(name, "")) for name in ("title", "pid", "key", "histology")).lower(), quote=True
    )
    stale = ' <span class="stale">of an earlier run</span>' if entry.status != DONE else ""
    picture = (
        f'<img src="{file}" alt="{title}" loading="lazy">'
        if Path(entry.file).suffix in SHOWN
        else f'<span class="file">{escape(entry.file)}</span>'
    )
    return (
        f'<figure data-words="{escape(words, quote=True)}"><a href="{file}" title="The figure in full">{picture}</a>'
        f'<figcaption><a href="{escape(link, quote=True)}" title="Open in the dashboard">{title}</a>{stale}'
        f"<span>{counts} · histology {escape(str(facts.get('histology', '')))}</span></figcaption></figure>"
    )

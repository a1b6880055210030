"""How the columns of the cluster table look: their words, number formats and widths."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd

from dashboard.page.tabs.clusters.columns import WIDTH_PX

TESTED = {
    "resp_change_hz": "change (Hz)",
    "resp_abs_change_hz": "|change| (Hz)",
    "resp_auc": "AUC",
    "resp_p": "p",
    "resp_q": "q",
}
"""Columns of the test of responses, which stand after the label, and their words; a split's have its group after."""

OF_TESTS = TESTED | {"resp_baseline_hz": "baseline (Hz)", "resp_response_hz": "response (Hz)"}
"""All columns of the test, and their words."""

TEST_TOOLTIPS = {
    "resp_change_hz": "Mean rate in the response window minus that in the baseline window, over trials",
    "resp_abs_change_hz": "Size of the change of rate, whatever its sign",
    "resp_auc": "Share of pairs of a trial's response and baseline in which the response is larger: above 0.5 excited",
    "resp_p": "Two-sided p of Wilcoxon's signed-rank test of each trial's response against its baseline",
    "resp_q": "p adjusted for the number of units (Benjamini and Hochberg)",
    "resp_baseline_hz": "Mean rate in the baseline window",
    "resp_response_hz": "Mean rate in the response window",
}
"""What each is, in a sentence."""

CHANGED = {
    "change_verdict": "change",
    **{
        f"change_{name}{end}{unit}": f"Δ {words}{of}"
        for name, unit, words in (
            ("depth", "_um", "depth (µm)"),
            ("amp", "_uv", "amp (µV)"),
            ("amp", "_au", "amp (a.u.)"),
            ("rate", "_hz", "rate (Hz)"),
        )
        for end, of in (("", ""), ("_low", ", from"), ("_high", ", to"))
    },
    "change_rate_ratio": "rate after / before",
    "change_rate_ratio_low": "rate after / before, from",
    "change_rate_ratio_high": "rate after / before, to",
}
"""Columns of two spans of the session, which stand after those, and their words; limits are of 95 % intervals."""

CURATED = {
    "my_label": "my label",
    "curated": "curated",
    "all_labels": "labels",
    "flag": "flagged by",
    "merge": "same unit as",
    "split": "split",
    "note": "note",
}
"""Columns of what people have decided about units, which stand before those, and their words."""

TITLES = {
    "cluster_id": "unit",
    "firing_rate": "rate (Hz)",
    "activity": "rate over time",
    "amp_uv": "amp (µV)",
    "amp_au": "amp (a.u.)",
    "depths": "depth (µm)",
    "acronym": "region",
    "drift": "depth jitter (µm/h)",
    "ks2_label": "Kilosort label",
    "KSLabel": "Kilosort label",
    "labels": "channel label",
    "label_in_file": "label in file",
}
"""Words of the field for the columns' names on disk."""

TITLE_PX, VALUE_PX, ARROW_PX, PADDING_PX = 6.5, 7, 12, 12
"""Of letters in titles and in cells, of the arrow that sorts, of the sides of a cell."""


def column_words(table: pd.DataFrame) -> dict[str, str]:
    """Return words for the names of columns; those of a test carry the group of trials."""
    tested = {
        str(name): " ".join([words, *str(name).removeprefix(kind).split("_")]).strip()
        for kind, words in OF_TESTS.items()
        for name in table
        if str(name).startswith(kind)
    }
    return TITLES | CHANGED | CURATED | tested


def column_titles(table: pd.DataFrame) -> dict[str, str]:
    """Return what heads each column; Tabulator takes it for HTML, and names of columns come from files."""
    words = column_words(table)
    return {name: escape(words.get(name, name)) for name in map(str, table.columns)}


def column_formats(table: pd.DataFrame) -> dict[str, Any]:
    """Return number formats that keep columns narrow and digits honest."""
    from bokeh.models.widgets.tables import NumberFormatter, ScientificFormatter

    whole = {"depths", "axial_um", "lateral_um"}
    formats: dict[str, Any] = {"activity": {"type": "html"}} if "activity" in table else {}
    for name in map(str, table.columns):
        if pd.api.types.is_integer_dtype(table[name]) or name in whole:
            formats[name] = NumberFormatter(format="0,0" if name != "cluster_id" else "0", nan_format="–")
        elif name.startswith(("resp_p", "resp_q")):
            # From 0.01 up as it is, to three places: 0.049 is another answer than 0.051, and neither is 0.
            formats[name] = ScientificFormatter(precision=3, power_limit_low=-3, nan_format="–")
        elif pd.api.types.is_float_dtype(table[name]):
            formats[name] = NumberFormatter(format="0.0" if name in ("amp_uv", "amp_au") else "0.00", nan_format="–")
    return formats


def test_tooltips(table: pd.DataFrame) -> dict[str, str]:
    """Return what the columns of a test are; those of each group of a split are alike."""
    return {str(name): words for kind, words in TEST_TOOLTIPS.items() for name in table if str(name).startswith(kind)}


def column_widths(table: pd.DataFrame) -> dict[str, int]:
    """Return the width of each column in px: room for its title and for the longest of its values."""
    titles = column_titles(table)
    widths = {}
    for name in map(str, table.columns):
        column = table[name]
        is_whole = pd.api.types.is_integer_dtype(column)
        is_text = not pd.api.types.is_numeric_dtype(column) and name != "activity"
        longest = int(column.astype(str).str.len().max()) if (is_text or is_whole) and len(table) else len("1234")
        if name.startswith(("resp_p", "resp_q")):
            longest = len("1.234e-56")
        arrow = ARROW_PX if name == "depths" else 0  # by which the table is sorted at first
        widths[name] = PADDING_PX + max(
            round(TITLE_PX * len(titles.get(name, name))) + arrow, VALUE_PX * min(longest, 40)
        )
    return widths | ({"activity": WIDTH_PX + 2 * PADDING_PX} if "activity" in table else {})

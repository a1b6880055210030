"""The table's order and searches: in links, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dashboard.page import link
from dashboard.page.tabs.clusters.state import (
    MAX_COLUMNS,
    filters,
    read_search,
    read_sort,
    sorters,
    write_search,
    write_sort,
)
from dashboard.page.tabs.registry import page_state
from dashboard.sources.demo.source import DemoSource
from tests.page.driving import driven_page


def test_an_order_comes_back() -> None:
    order = [{"field": "label", "dir": "desc"}, {"field": "amp_uv", "dir": "asc"}]
    assert write_sort(order) == "-label,amp_uv"
    assert sorters(read_sort("-label,amp_uv")) == order
    assert sorters("") == []


def test_searches_come_back_whatever_stands_in_them() -> None:
    found = [("amp_uv", ">60"), ("acronym", "a&b=c, µ;+ %3E")]
    text = read_search(write_search([*found, ("label", "")]))
    assert [(one["field"], one["value"]) for one in filters(text)] == found


@pytest.mark.parametrize("text", ["-", "rate,,label", ",".join("a" * (MAX_COLUMNS + 1))])
def test_what_is_no_order_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="columns"):
        read_sort(text)


@pytest.mark.parametrize("text", ["rate", "&".join(f"c{k}=1" for k in range(MAX_COLUMNS + 1))])
def test_what_is_no_search_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="searches"):
        read_search(text)


def test_a_link_holds_both() -> None:
    asked: dict[str, Any] = {"insertion": "demo", "table_sort": "-label,amp_uv", "table_search": "amp_uv=%3E60"}
    written = link.write(page_state(**asked))
    assert {name: link.parse(written).values[name] for name in asked} == asked


def test_the_table_has_the_order_and_searches_of_its_link_and_tells_what_is_set(tmp_path: Path) -> None:
    query = "insertion=demo&tab=clusters&sort=-firing_rate&search=firing_rate%3D%253E5"
    with driven_page(DemoSource(tmp_path, n_spikes=20_000), tmp_path, query) as page:
        session = page.session
        table = page.select("Clusters")
        page.wait(lambda: len(table.widget.value) > 1, "the table")
        rows = page.do(lambda: table.widget.current_view)
        rates = rows["firing_rate"].tolist()
        assert rates == sorted(rates, reverse=True)
        assert min(rates) > 5
        page.do(lambda: setattr(table.widget, "sorters", [{"field": "cluster_id", "dir": "asc"}]))
        assert session.states.values()["table_sort"] == "cluster_id"
        page.do(lambda: session.states.update(table_sort="", table_search=""))
        assert not page.do(lambda: table.widget.filters)
        assert len(page.do(lambda: table.widget.current_view)) == len(table.widget.value)

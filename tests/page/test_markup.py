"""Names, comments and columns that are markup are text in header, tooltips, verdicts, gallery, SVG and notebook."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

import dashboard
from dashboard.cli.batch.gallery import write_gallery
from dashboard.cli.batch.report import Entry
from dashboard.engine.build import SpikeColumns
from dashboard.export.figure import FigureRequest
from dashboard.export.save import write_figure
from dashboard.library.userdata import Verdict
from dashboard.model.sorting import SpikeSorting
from dashboard.page.plot.texts import header, notes
from dashboard.page.tabs.summary.tab import head
from tests.hostile import MARKUP, NAMES, Shape, named

PLAIN = "plain"


def verdicts(sorting: SpikeSorting, name: str) -> str:
    return head(named(sorting, name), None, [Verdict(name, name, name, "comment", name, "2024-01-01T00:00")], name)


def described(sorting: SpikeSorting, name: str) -> str:
    return header(named(sorting, name)) + notes(named(sorting, name), name)


@pytest.mark.parametrize("write", [described, verdicts])
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_change_no_element_of_the_page(
    small_demo: SpikeSorting, write: Callable[[SpikeSorting, str], str], name: str
) -> None:
    shape = Shape(write(small_demo, name))
    assert shape.found == Shape(write(small_demo, PLAIN)).found
    assert not any(link.lower().lstrip().startswith(("javascript:", "data:")) for link in shape.links)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_change_no_element_of_the_gallery(tmp_path: Path, name: str) -> None:
    shapes = []
    for text in (PLAIN, name):
        facts = {"title": text, "pid": text, "key": text, "histology": text, "n_spikes": 1, "n_clusters": 1}
        entries = [Entry(text, "done", file="a.png", facts=facts), Entry(f"{text} ", "failed", text, facts=facts)]
        path = write_gallery(tmp_path, text, entries, "http://127.0.0.1:5006", {"where": text})
        shapes.append(Shape(path.read_text()))
    assert shapes[0].found == shapes[1].found
    assert all(link.startswith(("http://127.0.0.1:5006/?", "a.png")) for link in shapes[1].links if "data:" not in link)


@pytest.mark.parametrize("name", MARKUP, ids=ascii)
def test_names_are_text_in_svg(
    tmp_path: Path, small_demo: SpikeSorting, small_columns: SpikeColumns, name: str
) -> None:
    found = []
    for text in (PLAIN, name):
        path = tmp_path / "a.svg"
        write_figure(path, named(small_demo, text), small_columns, FigureRequest(width=400, height=300))
        tree = ElementTree.parse(path)
        found.append({re.sub(r"\{.*\}", "", element.tag) for element in tree.iter()})
        assert not any(key.lower().startswith("on") for element in tree.iter() for key in element.attrib)
    assert found[0] == found[1]
    assert "script" not in found[1]


def test_no_script_of_the_page_makes_markup_of_text(repository: Path) -> None:
    scripts = list((repository / "assets").rglob("*.js"))
    assert scripts
    unsafe = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")
    assert [path.name for path in scripts if unsafe.search(path.read_text(encoding="utf-8"))] == []


def test_names_change_no_element_of_a_notebook(small_demo: SpikeSorting, cache: Path) -> None:
    """All names at once: a bundle takes its time."""
    shapes = []
    for name in (PLAIN, " ".join(NAMES)):
        bundle = dashboard.view(named(small_demo, name), cache=cache, show="raster")._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        assert not any(word in data["text/html"] for word in MARKUP if "<" in word)
        shapes.append(Shape(data["text/html"]).found)
    assert shapes[0] == shapes[1]

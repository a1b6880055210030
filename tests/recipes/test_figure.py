"""A figure of another package: page and paper draw it where the setting names it, and nowhere else."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from dashboard.analysis.unit_picture import unit_picture
from dashboard.config.plugins import add_plugins
from dashboard.engine.build import SpikeColumns
from dashboard.export.kinds.unit import unit_sheet
from dashboard.export.origin import Subject
from dashboard.export.sheet import PRESETS, SheetStyle, write_sheet
from dashboard.figures.figure import Bars
from dashboard.figures.registry import FIGURES, Declared
from dashboard.model.sorting import SpikeSorting
from dashboard.page.core.figure_view import FigureView
from tests.recipes.installed import installed, recipe

NAME, TITLE = "log-intervals", "All intervals, by their logarithm"


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    with installed(tmp_path / "site", "log_intervals", recipe("A figure"), "spike_dashboard.figures", NAME) as folder:
        yield folder


@pytest.mark.usefixtures("package")
def test_page_and_paper_draw_it_where_it_is_named(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    assert NAME not in FIGURES
    add_plugins((NAME,))
    found = unit_picture(small_demo, small_columns, (5,), 5)
    figure = Declared("unit", found)[NAME]
    bars = figure.marks[0]
    assert isinstance(bars, Bars)
    assert bars.values.sum() == np.count_nonzero(np.diff(found.focus.times_s))
    view = FigureView(NAME, 160)
    view.show(figure)
    assert list(view.sources[0].data["top"]) == bars.values.tolist()
    file = io.BytesIO()
    subject = replace(Subject(small_demo, small_columns, (1.0, 600.0), (100.0, 3500.0)), selected=(5,))
    write_sheet(file, unit_sheet(subject, SheetStyle(PRESETS["slide"])), "svg")
    texts = {"".join(text.itertext()).strip() for text in ElementTree.fromstring(file.getvalue()).iter()}
    assert TITLE in texts

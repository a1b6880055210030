"""Columns that the page's table adds."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pandas as pd

from dashboard.model.sorting import SpikeSorting
from dashboard.page.tabs.clusters.columns import HEIGHT_PX, TESTS, WIDTH_PX, failed_tests, sparklines
from dashboard.page.tabs.clusters.formats import column_words


def test_as_many_tests_fail_as_the_label_says(small_demo: SpikeSorting) -> None:
    failed = failed_tests(small_demo)
    assert failed is not None
    n_failed = np.array([len(words.split(", ")) if words else 0 for words in failed])
    np.testing.assert_array_equal(n_failed, np.round((1 - small_demo.labels) * len(TESTS)))
    assert {word for words in failed for word in words.split(", ") if word} == set(TESTS.values())


def test_a_line_runs_from_zero_to_its_own_maximum() -> None:
    rates = np.array([[0.0, 5.0, 10.0], [0.0, 0.0, 0.0], [2.0, 2.0, 2.0]], np.float32)
    first, silent, flat = sparklines(rates)
    assert silent == ""
    root = ElementTree.fromstring(first)
    points = [tuple(map(float, pair.split(","))) for pair in root.find("polyline").get("points").split()]
    assert [x for x, _ in points] == [0, WIDTH_PX / 2, WIDTH_PX]
    assert [y for _, y in points] == [HEIGHT_PX - 0.5, HEIGHT_PX / 2, 0.5]
    assert "up to 10 Hz" in first
    assert flat.count("0.5") == 3
    assert sparklines(np.empty((0, 4), np.float32)) == []


def test_the_label_of_the_channel_is_told_from_that_of_the_unit() -> None:
    words = column_words(pd.DataFrame({"label": [1.0], "labels": [0], "label_in_file": [1]}))
    assert words["labels"] == "channel label"
    assert words["label_in_file"] == "label in file"
    assert "label" not in words

"""Axes of insertions with nothing on them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dashboard.analysis.anatomy.probe import depth_limits
from dashboard.page.core.axes import Axes
from dashboard.page.core.state import ViewState


def test_an_extent_of_no_length_gets_some() -> None:
    axes = Axes(ViewState())
    axes.open((0.0, 0.0), (20.0, 20.0))
    axes.show(None, None)
    assert (axes.time.start, axes.time.end) == (0.0, 1.0)
    assert axes.time.bounds == (0.0, 1.0)
    assert (axes.depth.start, axes.depth.end) == (20.0, 21.0)


@pytest.mark.parametrize(("first", "shown"), [(0.0, 0.0), (0.013, 0.0), (4.0, 4.0), (-0.5, -0.5), (2000.0, 2000.0)])
def test_a_session_is_shown_from_zero_where_its_clock_starts_there(first: float, shown: float) -> None:
    axes = Axes(ViewState())
    axes.open((first, first + 100.0), (0.0, 3840.0))
    assert (axes.time_limits.start, axes.time_limits.end) == (shown, first + 100.0)


def test_sites_without_coordinates_leave_the_depths_of_the_spikes() -> None:
    channels = pd.DataFrame({"axial_um": [np.nan, np.nan]})
    low, high = depth_limits(channels, (30.0, 500.0))
    assert low == 0.0
    assert high >= 500.0

"""Regions along the shanks of a probe."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dashboard.analysis.anatomy.probe import region_spans

Y = 15.0 * np.arange(48)


def test_each_shank_has_its_own_regions() -> None:
    ids = [np.where(Y < 300, 382, 385), np.full(48, 733)]
    channels = pd.DataFrame({"axial_um": np.r_[Y, Y], "atlas_id": np.r_[*ids], "shank": np.repeat([0, 1], 48)})
    spans = [(span.shank, span.acronym, span.bottom_um, span.top_um) for span in region_spans(channels)]
    assert spans == [(0, "CA1", -7.5, 292.5), (0, "VISp", 292.5, 712.5), (1, "VPM", -7.5, 712.5)]


def test_no_region_lies_where_there_are_no_channels() -> None:
    channels = pd.DataFrame({"axial_um": np.r_[Y, Y + 3000], "atlas_id": 382})
    assert [(span.bottom_um, span.top_um) for span in region_spans(channels)] == [(-7.5, 712.5), (2992.5, 3712.5)]


def test_without_depths_of_the_channels_there_are_no_spans() -> None:
    assert region_spans(pd.DataFrame({"atlas_id": [382, 385]})) == []

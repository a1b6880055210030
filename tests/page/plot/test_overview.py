"""What the overview says of the session's course."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bokeh.models import HoverTool

from dashboard.model.sorting import Drift, Trials
from dashboard.page.core.axes import Axes
from dashboard.page.core.state import ViewState
from dashboard.page.plot.profiles import PASSIVE, TASK, DriftView, drift_places, periods, trial_ticks


def trials(passive_s: tuple[float, float] | None = None) -> Trials:
    table = pd.DataFrame(
        {"intervals_0": [10.0, 20.0, np.nan], "intervals_1": [15.0, 25.0, np.nan], "stimOn_times": [11.0, np.nan, 31.0]}
    )
    return Trials(table, passive_s)


def test_the_task_runs_from_the_first_trial_to_the_last() -> None:
    assert periods(trials()) == {
        "start": [10.0],
        "end": [31.0],
        "colour": [TASK],
        "what": ["task; each tick is a stimulus onset"],
    }


def test_the_passive_period_stands_beside_it() -> None:
    found = periods(trials((40.0, 60.0)))
    assert list(zip(*found.values(), strict=True)) == [
        (10.0, 31.0, TASK, "task; each tick is a stimulus onset"),
        (40.0, 60.0, PASSIVE, "passive period"),
    ]


def test_without_trials_there_is_no_period() -> None:
    nothing = {"start": [], "end": [], "colour": [], "what": []}
    assert periods(None) == nothing
    assert periods(Trials(pd.DataFrame({"choice": [1.0]}))) == nothing
    assert periods(Trials(pd.DataFrame({"stimOn_times": [np.nan]}))) == nothing


def test_ticks_are_the_stimuli_that_were_shown() -> None:
    found = trial_ticks(trials(), 10.0)
    assert found["time"].tolist() == [11.0, 31.0]
    assert found["top"].tolist() == [10.0, 10.0] and found["bottom"].tolist() == [8.8, 8.8]
    assert len(trial_ticks(None, 10.0)["time"]) == 0


@pytest.mark.parametrize("start_s", [0.0, 1.7e9])
def test_the_tooltip_of_the_drift_is_the_value_of_its_line(start_s: float) -> None:
    view = DriftView(Axes(ViewState()))
    (hover,) = view.figure.select(HoverTool)
    ((_, words),) = hover.tooltips
    assert words == "removed by the sorter $name: @um{0.0} µm at @time{0,0.0} s"
    assert hover.line_policy == "nearest"
    drift = Drift(start_s + np.arange(3.0), np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]]), np.array([100.0, 1200.0]))
    view.open(drift)
    assert [line.name for line in hover.renderers] == ["at 100 µm", "at 1,200 µm"]
    for column, line in enumerate(hover.renderers):
        np.testing.assert_array_equal(line.data_source.data["um"], drift.um[:, column])
        np.testing.assert_array_equal(line.data_source.data["time"], drift.times_s)
    view.open(replace(drift, um=drift.um[:, :1], depths_um=None))
    assert [line.name for line in hover.renderers] == ["depth 1 of 1 from the tip"]
    assert not len(view.lines[1].data_source.data["um"]), "a line of the insertion before"
    view.open(None)
    assert hover.renderers == []


def test_lines_of_the_drift_say_where_they_are() -> None:
    drift = Drift(np.arange(3.0), np.zeros((3, 2)), np.array([100.0, 1200.0]))
    assert drift_places(drift) == ["at 100 µm", "at 1,200 µm"]
    assert drift_places(replace(drift, depths_um=None)) == ["depth 1 of 2 from the tip", "depth 2 of 2 from the tip"]

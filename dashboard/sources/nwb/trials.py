"""Trials of an NWB file under the names that IBL gives them."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from dashboard.model.errors import DatasetInvalid
from dashboard.model.sorting import Trials
from dashboard.model.texts import counted
from dashboard.sources.hdf5 import member, numbers, shape_of, words
from dashboard.sources.readers import FREE_BYTES

#: Columns of IBL-to-nwb, and of NWB itself, by IBL's names.
NAMES = MappingProxyType({
    "start_time": "intervals_0", "stop_time": "intervals_1", "gabor_stimulus_onset_time": "stimOn_times",
    "gabor_stimulus_offset_time": "stimOff_times", "auditory_cue_time": "goCue_times",
    "wheel_movement_onset_time": "firstMovement_times", "choice_registration_time": "response_times",
    "feedback_time": "feedback_times", "probability_left": "probabilityLeft", "reward_volume_uL": "rewardVolume",
})  # fmt: skip
# IBL's convention: 1 is a counter-clockwise turn of the wheel.
_CHOICES = {"counter_clockwise": 1.0, "clockwise": -1.0, "none": 0.0, "no_turn": 0.0}


def read_trials(file: Any) -> Trials | None:
    """Return the table ``/intervals/trials``; None where there is none.

    Raises
    ------
    DatasetInvalid
        It lies in another file, or claims more values than are held.
    """
    group = member(file, "intervals/trials")
    if group is None:
        return None
    start = numbers(group, "start_time")
    if start is None:
        return None
    columns: dict[str, Any] = {}
    names = [name for name in group if name != "id" and shape_of(group, name, start.shape) == start.shape]
    if start.nbytes * len(names) > FREE_BYTES:
        what = f"/intervals/trials claims {counted(len(names), 'column')} of {counted(start.size, 'row')}"
        raise DatasetInvalid(what, [Path(file.filename)], "Write the file again")
    for name in names:
        values: Any = numbers(group, name)
        values = words(group, name) if values is None else values
        if values is not None:
            columns[NAMES.get(name, name)] = values
    table = pd.DataFrame(columns)
    if {"gabor_stimulus_contrast", "gabor_stimulus_side"} <= set(table):
        contrast, side = table["gabor_stimulus_contrast"] / 100, table["gabor_stimulus_side"]
        table["contrastLeft"], table["contrastRight"] = contrast.where(side == "left"), contrast.where(side == "right")
    if "mouse_wheel_choice" in table:
        table["choice"] = table["mouse_wheel_choice"].map(_CHOICES).astype(np.float64)
    if "is_mouse_rewarded" in table:
        table["feedbackType"] = np.where(table["is_mouse_rewarded"].astype(bool), 1.0, -1.0)
    return Trials(table)

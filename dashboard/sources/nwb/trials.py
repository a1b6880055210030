"""Trials of an NWB file under the names that IBL gives them."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from dashboard.model.sorting import Trials
from dashboard.sources.hdf5 import member, numbers, words

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
        It lies in another file.
    """
    group = member(file, "intervals/trials")
    if group is None:
        return None
    start = numbers(group, "start_time")
    if start is None:
        return None
    columns: dict[str, Any] = {}
    for name in group:
        values: Any = numbers(group, name)
        values = words(group, name) if values is None else values
        if name != "id" and values is not None and np.shape(values) == start.shape:
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

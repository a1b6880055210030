"""Groups of trials that the field compares, and the trials that the brain-wide map uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model.errors import BadRequest
from dashboard.model.event_names import is_time_name
from dashboard.model.texts import counted

#: Events to align to: name on the page -> column of the trials table.
EVENTS = {
    "stimOn": "stimOn_times",
    "goCue": "goCue_times",
    "firstMovement": "firstMovement_times",
    "response": "response_times",
    "feedback": "feedback_times",
}
#: Reaction times that the brain-wide map accepts (in s), ends included.
REACTION_S = (0.08, 2.0)
#: The brain-wide map drops trials that lack any of these.
REQUIRED = ("choice", "feedbackType", "feedback_times", "stimOn_times", "firstMovement_times")

#: Around a trial that is shown on its own: before stimulus onset and after feedback (in s).
BEFORE_TRIAL_S, AFTER_TRIAL_S = 1.0, 1.5
#: Lines of a trial's events: IBL's colours for three of them.
LINE_COLORS = {
    "stimOn": "#1f77b4",
    "firstMovement": "#2ca02c",
    "feedback": "#d62728",
}

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class TrialGroup:
    """Trials drawn together.

    Attributes
    ----------
    label : str
    color : str
        The colour that IBL's plots give it, as a CSS hex value.
    mask : ndarray, shape (n_trials,), bool
    """

    label: str
    color: str
    mask: BoolArray

    @property
    def n_trials(self) -> int:
        """How many trials it holds."""
        return int(self.mask.sum())


def _column(trials: pd.DataFrame, name: str) -> npt.NDArray[np.float64]:
    if name not in trials.columns:
        raise BadRequest(f"The trials table has no column {name}", "", "Choose another event or split")
    return trials[name].to_numpy(dtype=np.float64, na_value=np.nan)


def event_times(trials: pd.DataFrame, event: str) -> npt.NDArray[np.float64]:
    """Return the times of an event, one per trial, NaN where it is missing.

    Parameters
    ----------
    trials : DataFrame
        IBL's columns.
    event : str
        A key of `EVENTS`, or a column of the table.

    Raises
    ------
    BadRequest
        The table has no such column.
    """
    return _column(trials, EVENTS.get(event, event))


def has_mask(trials: pd.DataFrame) -> bool:
    """Return whether the table has what the mask of the brain-wide map asks for."""
    return set(REQUIRED) <= set(trials.columns)


def available_events(trials: pd.DataFrame) -> tuple[str, ...]:
    """Return the names of `EVENTS` that the table has times for; of a table that is not IBL's, its other times too."""
    known = [name for name, column in EVENTS.items() if _has_times(trials, column)]
    if not has_mask(trials):
        others = (str(column) for column in trials.columns if column not in EVENTS.values())
        known += [name for name in others if is_time_name(name) and _has_times(trials, name)]
    return tuple(known)


def available_splits(trials: pd.DataFrame) -> tuple[str, ...]:
    """Return what trials can be split by: `SPLITS`; of a table that is not IBL's, its conditions.

    A condition is a column of 2 to `MAX_GROUPS` different values that is none of times.
    """
    if has_mask(trials):
        return SPLITS
    known = [name for name in _SPLITS if _is_ibls(trials, name)]
    used = {column for name in known for column in _OF_SPLITS[name]}
    others = [str(column) for column in trials.columns if column not in used and not is_time_name(str(column))]
    return ("none", *known, *(name for name in others if name not in known and _is_condition(trials[name])))


def _is_ibls(trials: pd.DataFrame, split: str) -> bool:
    """Return whether the table has IBL's columns of a split; others may call a condition of their own so."""
    names = _OF_SPLITS[split]
    return set(names) <= set(trials.columns) and all(pd.api.types.is_numeric_dtype(trials[name]) for name in names)


def _is_condition(column: pd.Series[Any]) -> bool:
    return 2 <= column.nunique() <= MAX_GROUPS


def _has_times(trials: pd.DataFrame, column: str) -> bool:
    if column not in trials.columns or not pd.api.types.is_numeric_dtype(trials[column]):
        return False
    return bool(np.isfinite(_column(trials, column)).any())


def brainwide_mask(trials: pd.DataFrame) -> BoolArray:
    """Return the trials that the brain-wide map keeps.

    Source: ``load_trials_and_mask`` of the brain-wide-map release (International Brain Laboratory):
    first movement 0.08 to 2 s after stimulus onset, and nothing missing among choice, feedback, its
    time, stimulus onset and first movement.

    Raises
    ------
    BadRequest
        The table lacks one of these columns.
    """
    complete = np.ones(len(trials), dtype=np.bool_)
    for name in REQUIRED:
        complete &= np.isfinite(_column(trials, name))
    reaction = _column(trials, "firstMovement_times") - _column(trials, "stimOn_times")
    # NaN fails both comparisons.
    return complete & (reaction >= REACTION_S[0]) & (reaction <= REACTION_S[1])


@dataclass(frozen=True, slots=True)
class TrialView:
    """The window that shows one trial, and the lines to draw in it.

    Attributes
    ----------
    start_s, end_s : float
    lines : tuple of (str, float, str)
        Name of the event on the page, its time in s, and the colour IBL gives it.
    """

    start_s: float
    end_s: float
    lines: tuple[tuple[str, float, str], ...]


def trial_view(trials: pd.DataFrame, row: int) -> TrialView:
    """Return what to show of one trial: stimulus onset -1 s to feedback +1.5 s.

    An end whose event is missing is taken from the trial's intervals, then from its other events.

    Raises
    ------
    BadRequest
        There is no such trial, or it has no time at all.
    """
    if not 0 <= row < len(trials):
        raise BadRequest("There is no such trial", str(row), f"Trials go from 0 to {len(trials) - 1}")
    times = {
        name: float(_column(trials, column)[row])
        for name, column in (*EVENTS.items(), ("start", "intervals_0"), ("end", "intervals_1"))
        if column in trials.columns
    }
    own = () if has_mask(trials) else available_events(trials)
    times |= {name: float(_column(trials, name)[row]) for name in own if name not in EVENTS}
    known = {name: time for name, time in times.items() if np.isfinite(time)}
    if not known:
        raise BadRequest("The trial has no times", str(row))
    first = next((known[name] for name in ("stimOn", "start") if name in known), min(known.values()))
    last = next((known[name] for name in ("feedback", "end") if name in known), max(known.values()))
    lines = tuple((name, known[name], color) for name, color in LINE_COLORS.items() if name in known)
    return TrialView(first - BEFORE_TRIAL_S, max(first, last) + AFTER_TRIAL_S, lines)


def _contrast(trials: pd.DataFrame) -> list[TrialGroup]:
    left, right = _column(trials, "contrastLeft"), _column(trials, "contrastRight")
    contrast = np.where(np.isfinite(left), left, right)
    levels = np.unique(contrast[np.isfinite(contrast)])
    groups = []
    for rank, level in enumerate(levels):
        # Greys, the highest contrast darkest; the lightest still shows on white.
        grey = round(200 - 200 * (rank + 1) / len(levels))
        groups.append(TrialGroup(f"{100 * level:g} %", f"#{grey:02x}{grey:02x}{grey:02x}", contrast == level))
    return groups


def _side(trials: pd.DataFrame) -> list[TrialGroup]:
    left, right = _column(trials, "contrastLeft"), _column(trials, "contrastRight")
    return [
        TrialGroup("left", "#2ca02c", np.isfinite(left)),
        TrialGroup("right", "#e3b505", np.isfinite(right) & ~np.isfinite(left)),
    ]


def _choice(trials: pd.DataFrame) -> list[TrialGroup]:
    choice = _column(trials, "choice")
    # IBL's convention: 1 is a counter-clockwise turn, the choice of the left side, -1 of the right.
    return [
        TrialGroup("left", "#2ca02c", choice == 1),
        TrialGroup("right", "#e3b505", choice == -1),
        TrialGroup("no go", "#7f7f7f", choice == 0),
    ]


def _outcome(trials: pd.DataFrame) -> list[TrialGroup]:
    feedback = _column(trials, "feedbackType")
    return [
        TrialGroup("correct", "#1f77b4", feedback == 1),
        TrialGroup("incorrect", "#d62728", feedback == -1),
    ]


def _block(trials: pd.DataFrame) -> list[TrialGroup]:
    probability = _column(trials, "probabilityLeft")
    return [
        TrialGroup("block 0.2", "#ff7f0e", probability == 0.2),
        TrialGroup("block 0.5", "#333333", probability == 0.5),
        TrialGroup("block 0.8", "#1f77b4", probability == 0.8),
    ]


_SPLITS: dict[str, Callable[[pd.DataFrame], list[TrialGroup]]] = {
    "contrast": _contrast,
    "side": _side,
    "choice": _choice,
    "outcome": _outcome,
    "block": _block,
}
#: What IBL's trials can be split by.
SPLITS = ("none", *_SPLITS)
_OF_SPLITS = {
    "contrast": ("contrastLeft", "contrastRight"),
    "side": ("contrastLeft", "contrastRight"),
    "choice": ("choice",),
    "outcome": ("feedbackType",),
    "block": ("probabilityLeft",),
}
#: Groups of a split by a condition.
MAX_GROUPS = 12
_COLORS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333", "#882255", "#117733", "#88ccee",
    "#999933", "#aa4499",
)  # fmt: skip


def _by_condition(trials: pd.DataFrame, name: str) -> list[TrialGroup]:
    column = trials[name]
    values = column.dropna().unique().tolist()
    try:
        values = sorted(values)
    except TypeError:  # of several kinds
        values = sorted(values, key=str)
    if len(values) > MAX_GROUPS:
        raise BadRequest(
            f"{name} has {counted(len(values), 'value')}", "", f"Split by a column of at most {MAX_GROUPS}"
        )
    return [
        TrialGroup(
            f"{value:g}" if isinstance(value, float) else str(value), color, (column == value).to_numpy(dtype=np.bool_)
        )
        for value, color in zip(values, _COLORS, strict=False)
    ]


def split_trials(trials: pd.DataFrame, split: str = "none", mask: BoolArray | None = None) -> tuple[TrialGroup, ...]:
    """Return the groups of a split, those without a trial left out.

    Parameters
    ----------
    trials : DataFrame
        IBL's columns.
    split : str
        One of `SPLITS`, or a column of the table: a group for each of its values. Trials that lack the value
        split by are in no group.
    mask : ndarray, shape (n_trials,), bool, or None
        Trials to use.

    Raises
    ------
    BadRequest
        No such split, or the table lacks its column.
    """
    everything = np.ones(len(trials), dtype=np.bool_) if mask is None else np.asarray(mask, dtype=np.bool_)
    if everything.shape != (len(trials),):
        raise BadRequest("The trial mask does not fit the trials", f"{everything.shape} for {len(trials)}")
    if split == "none":
        groups = [TrialGroup("all trials", "#333333", np.ones(len(trials), dtype=np.bool_))]
    elif split in _SPLITS and (split not in trials.columns or _is_ibls(trials, split)):
        groups = _SPLITS[split](trials)
    elif split in trials.columns:
        groups = _by_condition(trials, split)
    else:
        raise BadRequest("Trials cannot be split that way", split, f"One of: {', '.join(SPLITS)}")
    masked = (TrialGroup(group.label, group.color, group.mask & everything) for group in groups)
    return tuple(group for group in masked if group.n_trials)

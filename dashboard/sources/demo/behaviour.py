"""What the demo's mouse does: a biased visual choice task, then passive stimuli, as IBL files them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

TASK_FRACTION = 4200 / 4500
"""Share of the session that is task; the rest is passive."""
FIRST_TRIAL_S = 6.0
UNBIASED_TRIALS = 90
"""Trials of the first block, in which both sides are equally likely (IBL biased choice world)."""
CONTRASTS = np.array([1.0, 0.25, 0.125, 0.0625, 0.0])
CONTRAST_ODDS = np.array([2.0, 2.0, 2.0, 2.0, 1.0]) / 9.0
NO_GO_S = 60.0
"""A trial without a response ends after this long."""
REWARD_UL = 1.5

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The session's events.

    Attributes
    ----------
    trials : DataFrame, one row per trial
        Columns and dtypes of a real ``_ibl_trials.table.pqt``.
    periods : DataFrame
        Rows ``start`` and ``stop``, columns ``passiveProtocol``, ``spontaneousActivity``, ``RFM``,
        ``taskReplay``, as ibllib's ``extract_passive_periods`` makes it, in s.
    rfm_times_s : ndarray, shape (n_frames,), float64
        Frames of the receptive field mapping stimulus.
    gabors : DataFrame
        Columns ``start``, ``stop``, ``position``, ``contrast``, ``phase``.
    sounds : DataFrame
        Columns ``valveOn``, ``valveOff``, ``toneOn``, ``toneOff``, ``noiseOn``, ``noiseOff``.
    """

    trials: pd.DataFrame
    periods: pd.DataFrame
    rfm_times_s: Array
    gabors: pd.DataFrame
    sounds: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Events:
    """Times of one kind that units may respond to, and how strongly each drives them.

    Attributes
    ----------
    times_s : ndarray, shape (n,), float64
    weights : ndarray, shape (n,), float64
        0 .. 1: for stimuli a saturating function of contrast.
    """

    times_s: Array
    weights: Array


EVENT_KINDS = ("stim right", "stim left", "movement", "reward", "error", "lick", "tone", "flicker")


def make_behaviour(duration_s: float, rng: np.random.Generator) -> Behaviour:
    """Return a session of `duration_s`: task, then passive.

    Parameters
    ----------
    duration_s : float
    rng : numpy.random.Generator

    Returns
    -------
    Behaviour
    """
    task_end = duration_s * TASK_FRACTION
    trials = _trials(task_end - 2.0, rng)
    passive = (duration_s - task_end) * np.array([0.01, 0.27, 0.28, 0.48, 0.49, 0.985]) + task_end
    periods = pd.DataFrame(
        [[passive[0], passive[0], passive[2], passive[4]], [passive[5], passive[1], passive[3], passive[5]]],
        index=["start", "stop"],
        columns=["passiveProtocol", "spontaneousActivity", "RFM", "taskReplay"],
    )
    gabors, sounds = _replay(float(passive[4]), float(passive[5]), rng)
    rfm_times = np.arange(passive[2], passive[3], 1 / 7.5)
    return Behaviour(trials, periods, rfm_times, gabors, sounds)


def make_events(behaviour: Behaviour, rng: np.random.Generator) -> dict[str, Events]:
    """Return what drives the units, by the names of `EVENT_KINDS`.

    Stimuli, tones and rewards of the passive replay are in with those of the task: units that
    respond in one respond in the other.
    """
    trials, gabors, sounds = behaviour.trials, behaviour.gabors, behaviour.sounds

    def finite(times: Array, weights: Array | None = None) -> Events:
        times = np.asarray(times, dtype=np.float64)
        weights = np.ones(times.size) if weights is None else np.asarray(weights, dtype=np.float64)
        keep = np.isfinite(times) & np.isfinite(weights)
        order = np.argsort(times[keep], kind="stable")
        return Events(times[keep][order], weights[keep][order])

    def stimuli(column: str, side: int) -> Events:
        shown = gabors[np.sign(gabors["position"]) == side]
        # Screens were on even where the onset was not recorded, so cells respond there too.
        onsets = trials["goCue_times"].to_numpy() - 0.001
        return finite(
            np.concatenate([onsets, shown["start"].to_numpy()]),
            np.concatenate([_drive(trials[column].to_numpy()), _drive(shown["contrast"].to_numpy())]),
        )

    rewarded = trials["feedbackType"].to_numpy() == 1
    feedback = trials["feedback_times"].to_numpy()
    rewards = np.concatenate([feedback[rewarded], sounds["valveOn"].to_numpy()])
    n_licks = 9
    irregular = rng.normal(0, 0.006, (int(rewarded.sum()), n_licks))
    licks = feedback[rewarded][:, None] + 0.12 + np.arange(n_licks) / 7.4 + irregular
    tones = np.concatenate([trials["goCue_times"].to_numpy(), sounds["toneOn"].to_numpy()])
    errors = np.concatenate([feedback[~rewarded], sounds["noiseOn"].to_numpy()])
    return {
        "stim right": stimuli("contrastRight", 1),
        "stim left": stimuli("contrastLeft", -1),
        "movement": finite(trials["firstMovement_times"].to_numpy()),
        "reward": finite(rewards),
        "error": finite(errors),
        "lick": finite(licks.ravel()),
        "tone": finite(tones),
        "flicker": finite(behaviour.rfm_times_s, np.full(behaviour.rfm_times_s.size, 0.5)),
    }


def _drive(contrast: Array) -> Array:
    """Response to a contrast relative to full contrast: hyperbolic ratio, half at 0.12."""
    powered = contrast**1.5
    drive: Array = powered / (powered + 0.12**1.5) * (1 + 0.12**1.5)
    return drive


def _blocks(n_trials: int, rng: np.random.Generator) -> Array:
    """Probability of the left side per trial: 0.5, then blocks of 20-100 that alternate."""
    left = np.full(n_trials, 0.5)
    start = UNBIASED_TRIALS
    value = float(rng.choice([0.2, 0.8]))
    while start < n_trials:
        length = 20 + int(rng.exponential(60))
        while length > 100:
            length = 20 + int(rng.exponential(60))
        left[start : start + length] = value
        start += length
        value = 1.0 - value
    return np.round(left, 1)


def _trials(end_s: float, rng: np.random.Generator) -> pd.DataFrame:
    n_max = max(8, int(end_s / 2.2))
    p_left = _blocks(n_max, rng)
    is_left = rng.random(n_max) < p_left
    contrast = rng.choice(CONTRASTS, n_max, p=CONTRAST_ODDS)
    signed = np.where(is_left, 1, -1) * contrast
    # A psychometric curve that the block shifts, with lapses: what makes the plots worth looking at.
    evidence = 9.0 * np.sign(signed) * np.abs(signed) ** 0.8 + 2.2 * (p_left - 0.5)
    goes_left = rng.random(n_max) < 0.04 + 0.92 / (1 + np.exp(-evidence))
    correct = goes_left == is_left
    no_go = rng.random(n_max) < 0.004
    reaction = np.exp(rng.normal(np.log(0.17 + 0.16 * (1 - contrast) ** 3), 0.42, n_max)) + 0.04
    quick = rng.random(n_max) < 0.05
    reaction = np.where(quick, rng.uniform(0.01, 0.08, n_max), reaction)
    slow = rng.random(n_max) < 0.04
    reaction = np.where(slow, rng.uniform(1.0, 8.0, n_max), reaction)
    travel = np.exp(rng.normal(np.log(0.16), 0.5, n_max))
    quiescence = 0.4 + np.minimum(rng.exponential(0.2, n_max), 0.3)
    restless = rng.exponential(0.7, n_max)
    after = np.where(correct & ~no_go, 1.56, 2.56) + rng.normal(0, 0.012, n_max)
    respond = np.where(no_go, NO_GO_S, reaction + travel)
    length = 0.06 + quiescence + restless + respond + after
    gap = 0.03 + rng.exponential(0.012, n_max)
    start = FIRST_TRIAL_S + np.concatenate([[0.0], np.cumsum(length + gap)[:-1]])
    n = int(np.searchsorted(start + length, end_s, side="right"))
    start, length = start[:n], length[:n]
    stim_on = start + 0.06 + quiescence[:n] + restless[:n]
    go_cue = stim_on + 0.001
    response = stim_on + respond[:n]
    correct, no_go, is_left = correct[:n] & ~no_go[:n], no_go[:n], is_left[:n]
    feedback = response + rng.uniform(0.0001, 0.0015, n)
    unseen = rng.random(n) < 0.008  # photodiode missed the onset, as in real tables
    # IBL: +1 is a turn that brings a left stimulus to the centre, -1 a right one, 0 none in time.
    choice = np.where(no_go, 0, np.where(goes_left[:n], 1, -1))
    return pd.DataFrame(
        {
            "stimOff_times": feedback + np.where(correct, 1.0, 2.0),
            "intervals_0": start,
            "intervals_1": start + length,
            "goCueTrigger_times": go_cue - 0.0004,
            "goCue_times": go_cue,
            "response_times": response,
            "choice": choice.astype(np.int64),
            "stimOn_times": np.where(unseen, np.nan, stim_on),
            "contrastLeft": np.where(is_left, contrast[:n], np.nan),
            "contrastRight": np.where(is_left, np.nan, contrast[:n]),
            "feedback_times": feedback,
            "feedbackType": np.where(correct, 1, -1).astype(np.int64),
            "rewardVolume": np.where(correct, REWARD_UL, 0.0),
            "probabilityLeft": p_left[:n],
            "firstMovement_times": np.where(no_go, np.nan, stim_on + reaction[:n]),
            "quiescencePeriod": quiescence[:n],
        }
    )


def _replay(start_s: float, stop_s: float, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Gabors, valve clicks, tones and noise in random order, in IBL's proportions (9:2:2:2)."""
    n_slots = max(15, int((stop_s - start_s) / 0.75))
    kinds = np.resize(np.repeat(np.array(["G", "V", "T", "N"]), [9, 2, 2, 2]), n_slots)
    rng.shuffle(kinds)
    slot = (stop_s - start_s) / n_slots
    onsets = start_s + slot * (np.arange(n_slots) + rng.uniform(0.0, 0.2, n_slots))
    gabor = onsets[kinds == "G"]
    gabors = pd.DataFrame(
        {
            "start": gabor,
            "stop": gabor + min(0.3, 0.4 * slot),
            "position": rng.choice([-35.0, 35.0], gabor.size),
            "contrast": rng.choice(CONTRASTS, gabor.size, p=CONTRAST_ODDS),
            "phase": rng.uniform(0, 2 * np.pi, gabor.size),
        }
    )
    columns: dict[str, pd.Series] = {}
    for name, kind, width in (("valve", "V", 0.088), ("tone", "T", 0.1), ("noise", "N", 0.5)):
        times = onsets[kinds == kind]
        columns[f"{name}On"] = pd.Series(times)
        columns[f"{name}Off"] = pd.Series(times + width)
    return gabors, pd.DataFrame(columns)

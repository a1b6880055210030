"""The demo's population: where each unit sits, how fast it fires, how well it is isolated, what drives it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.sources.demo.behaviour import EVENT_KINDS
from dashboard.sources.demo.channels import GROUPS, TRACK, make_channels, nearest_channels, region_rows, region_tops_um

FULL_UNITS = 914
FULL_SPIKES = 17_575_242
FULL_DURATION_S = 4500.0
MIN_UNITS = 40
MIN_DURATION_S = 60.0
MAX_RATE_HZ = 75.0
"""No unit fires faster on average; what the rates would need above it goes to the others."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Size:
    """How large a demo of some number of spikes is.

    Attributes
    ----------
    n_spikes, n_units : int
    duration_s : float
    """

    n_spikes: int
    n_units: int
    duration_s: float


def size_for(n_spikes: int) -> Size:
    """Return the size of a demo of `n_spikes`.

    From the default size up it is 914 units in 4,500 s. Below, units and duration shrink alike
    (with the square root), so that rates stay those of the default and small demos look like it:
    20,000 spikes are 40 units in 117 s, 200,000 are 97 units in 482 s.
    """
    n_units = round(FULL_UNITS * (n_spikes / FULL_SPIKES) ** 0.5)
    n_units = int(np.clip(n_units, MIN_UNITS, FULL_UNITS))
    mean_rate = FULL_SPIKES / FULL_UNITS / FULL_DURATION_S
    duration = float(np.clip(n_spikes / n_units / mean_rate, MIN_DURATION_S, FULL_DURATION_S))
    return Size(n_spikes, n_units, round(duration, 3))


@dataclass(frozen=True, slots=True)
class Response:
    """How a unit's rate follows one kind of event.

    Attributes
    ----------
    kind : str
        One of `EVENT_KINDS`.
    gain : float
        Peak change of the rate relative to baseline: 2.0 triples it, -0.6 takes away 60 %.
    latency_s : float
        From the event to the onset; negative for activity that leads a movement.
    tau_s : float
        Time from onset to peak; the response has mostly decayed after five of them.
    """

    kind: str
    gain: float
    latency_s: float
    tau_s: float


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of the plan.

    Attributes
    ----------
    index : int
        Cluster id in the default sorting.
    depth_um, lateral_um : float
    channel : int
        The site with the largest amplitude.
    region : int
        Row of `TRACK`.
    n_spikes : int
    amp_uv : float
        Mean amplitude at the start of the session.
    amp_cv : float
        Spread of amplitudes relative to their mean.
    threshold_uv : float
        Smaller spikes were not detected.
    jitter_um : float
        Standard deviation of the depths of single spikes.
    refractory_s : float
    contamination : float
        Share of spikes that belong to other cells.
    burst : float
        Probability that a spike starts or goes on with a burst.
    coupling : float
        How closely the unit follows its group's fluctuations.
    fade : float
        Share of its amplitude that the unit has lost at the end of the session.
    alive : tuple of (float, float)
        Parts of the session, as fractions, during which the unit is recorded at all.
    tracking_um : float
        Share of the residual motion that moves it; clusters of mixed spikes move less.
    responses : tuple of Response
    """

    index: int
    depth_um: float
    lateral_um: float
    channel: int
    region: int
    n_spikes: int
    amp_uv: float
    amp_cv: float
    threshold_uv: float
    jitter_um: float
    refractory_s: float
    contamination: float
    burst: float
    coupling: float
    fade: float
    alive: tuple[float, float]
    tracking_um: float
    responses: tuple[Response, ...]

    @property
    def group(self) -> int:
        """Row of `GROUPS`."""
        return GROUPS.index(TRACK[self.region].group)


def plan_units(size: Size, rng: np.random.Generator) -> tuple[Unit, ...]:
    """Return the population, ordered by channel as sorters number their clusters.

    Parameters
    ----------
    size : Size
    rng : numpy.random.Generator

    Returns
    -------
    tuple of Unit
        Their spikes add up to ``size.n_spikes`` exactly.
    """
    n = size.n_units
    channels = make_channels()
    depths = np.sort(_depths(n, rng))
    lateral = rng.uniform(8.0, 62.0, n)
    channel = nearest_channels(np.column_stack([lateral, depths]), channels)
    order = np.lexsort((depths, channel))
    depths, lateral, channel = depths[order], lateral[order], channel[order]
    region = region_rows(depths)

    # Three kinds: well isolated, mixed (multi-unit), and what hardly leaves the noise.
    kind = rng.permutation(np.searchsorted([0.52, 0.86], (np.arange(n) + 0.5) / n))
    amp = np.select(
        [kind == 0, kind == 1],
        [np.exp(rng.normal(np.log(125.0), 0.48, n)), np.exp(rng.normal(np.log(82.0), 0.34, n))],
        np.exp(rng.normal(np.log(46.0), 0.16, n)),
    )
    amp = np.clip(amp, 32.0, 520.0)
    rates = np.array([TRACK[row].rate_hz for row in region]) * np.exp(rng.normal(0.0, 1.05, n))
    rates *= np.select([kind == 0, kind == 1], [1.0, 1.7], 0.9)
    counts = _counts(rates, size)
    fastest = np.argsort(-counts, kind="stable")
    # In small demos few units have the spikes that a verdict takes: these make every label occur.
    exemplary = fastest[kind[fastest] == 0][: max(3, n // 20)]
    hopeless = fastest[kind[fastest] == 2][: max(1, n // 100)]
    amp[exemplary] = np.maximum(amp[exemplary], 80.0)
    amp[hopeless] = np.minimum(amp[hopeless], 42.0)

    cut = np.select([kind == 0, kind == 1], [rng.random(n) < 0.10, rng.random(n) < 0.42], rng.random(n) < 0.75)
    cut = cut.astype(bool)
    cut[exemplary], cut[hopeless] = False, True
    cv = rng.uniform(0.11, 0.20, n) + np.where(cut, 0.08, 0.0)
    floor = np.maximum(18.0, 0.3 * amp)
    threshold = np.where(cut, amp * (1 - cv * rng.uniform(-0.2, 0.7, n)), floor)
    clean = np.where(rng.random(n) < 0.7, rng.uniform(0.0, 0.012, n), rng.uniform(0.02, 0.12, n))
    mixed = rng.uniform(0.12, 0.9, n)
    contamination = np.select([kind == 0, kind == 1], [clean, mixed], rng.uniform(0.3, 1.0, n))
    contamination[exemplary] = 0.0
    jitter = np.select([kind == 0, kind == 1], [3.0 + 260.0 / amp, 8.0 + 560.0 / amp], 14.0 + 900.0 / amp)
    jitter = np.clip(jitter * rng.uniform(0.75, 1.3, n), 3.0, 42.0)
    fades = rng.random(n) < 0.05
    fades[exemplary] = False
    fade = np.where(fades, rng.uniform(0.3, 0.62, n), rng.uniform(-0.06, 0.08, n))
    alive = _lifetimes(n, rng)
    bursty = np.array([TRACK[row].group in ("hippocampus", "dentate", "pulvinar", "thalamus") for row in region])
    burst = np.where((kind == 0) & bursty & (rng.random(n) < 0.45), rng.uniform(0.06, 0.24, n), 0.0)
    refractory = np.where(rng.random(n) < 0.2, rng.uniform(0.0013, 0.0018, n), rng.uniform(0.0019, 0.0032, n))
    coupling = np.clip(rng.normal(0.9, 0.4, n), 0.15, 1.9)
    tracking = np.where(kind == 0, rng.uniform(0.85, 1.1, n), rng.uniform(0.3, 0.9, n))
    return tuple(
        Unit(
            index=i,
            depth_um=float(depths[i]),
            lateral_um=float(lateral[i]),
            channel=int(channel[i]),
            region=int(region[i]),
            n_spikes=int(counts[i]),
            amp_uv=float(amp[i]),
            amp_cv=float(cv[i]),
            threshold_uv=float(threshold[i]),
            jitter_um=float(jitter[i]),
            refractory_s=float(refractory[i]),
            contamination=float(contamination[i]),
            burst=float(burst[i]),
            coupling=float(coupling[i]),
            fade=float(fade[i]),
            alive=alive[i],
            tracking_um=float(tracking[i]),
            responses=_responses(TRACK[region[i]].acronym, rng),
        )
        for i in range(n)
    )


def _depths(n: int, rng: np.random.Generator) -> Array:
    """Draw depths by the density of the regions and of the cell layers in them."""
    heights = np.array([region.height_um for region in TRACK])
    tops = region_tops_um()
    weights = heights * np.array([region.density for region in TRACK])
    rows = rng.choice(len(TRACK), n, p=weights / weights.sum())
    depths = tops[rows] - heights[rows] * rng.random(n)
    for row, region in enumerate(TRACK):
        if region.layer is None:
            continue
        inside = np.flatnonzero((rows == row) & (rng.random(n) < 0.72))
        centre = tops[row] - region.height_um * (1 - region.layer[0])
        packed = rng.normal(centre, region.layer[1], inside.size)
        depths[inside] = np.clip(packed, tops[row] - region.height_um + 1, tops[row] - 1)
    return np.clip(depths, 6.0, 3836.0)


def _counts(rates: Array, size: Size) -> npt.NDArray[np.int64]:
    """Share out exactly ``size.n_spikes`` in proportion to `rates`, none above `MAX_RATE_HZ`."""
    least = min(20, size.n_spikes // size.n_units)
    most = MAX_RATE_HZ * size.duration_s
    spikes = size.n_spikes - least * size.n_units
    share = rates / rates.sum() * spikes
    for _ in range(50):
        over = share > most - least
        excess = float((share[over] - (most - least)).sum())
        if excess < 0.5:
            break
        share[over] = most - least
        share[~over] *= 1 + excess / share[~over].sum()
    counts = np.floor(share).astype(np.int64)
    rest = spikes - int(counts.sum())
    np.add.at(counts, np.argsort(counts - share, kind="stable")[: max(rest, 0)], 1)
    counts[np.argmax(counts)] += spikes - int(counts.sum())
    return np.asarray(counts + least, dtype=np.int64)


def _lifetimes(n: int, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Return from when to when each unit is recorded: most always, some lost or found midway."""
    fate = rng.random(n)
    moment = rng.uniform(0.25, 0.9, n)
    # Several go at once, when the probe moves (see demo_motion.STEP_AT).
    moment = np.where(rng.random(n) < 0.4, 0.62, moment)
    lost, found = fate < 0.05, fate > 0.97
    return [(float(m) if f else 0.0, float(m) if x else 1.0) for m, f, x in zip(moment, found, lost, strict=True)]


_DRIVEN = {
    # Per group: kind of event -> probability of a response, mean gain, latency, time to peak.
    "upper cortex": {
        "stim right": (0.5, 2.4, 0.055, 0.04),
        "stim left": (0.1, 0.8, 0.07, 0.05),
        "flicker": (0.35, 1.2, 0.05, 0.02),
    },
    "deep cortex": {
        "stim right": (0.42, 1.8, 0.05, 0.045),
        "movement": (0.35, 1.1, -0.08, 0.1),
        "flicker": (0.25, 1.0, 0.045, 0.02),
        "reward": (0.12, 0.8, 0.06, 0.15),
    },
    "white": {},
    "hippocampus": {
        "reward": (0.22, 1.2, 0.08, 0.25),
        "movement": (0.2, 0.8, 0.0, 0.2),
        "error": (0.12, 1.0, 0.1, 0.2),
    },
    "dentate": {"reward": (0.15, 0.9, 0.1, 0.25), "movement": (0.15, 0.7, 0.0, 0.2)},
    "pulvinar": {
        "stim right": (0.5, 2.0, 0.045, 0.05),
        "stim left": (0.15, 0.9, 0.06, 0.05),
        "movement": (0.35, 1.2, -0.1, 0.1),
        "flicker": (0.3, 1.0, 0.04, 0.02),
    },
    "thalamus": {
        "movement": (0.5, 1.9, -0.06, 0.08),
        "lick": (0.3, 1.6, 0.01, 0.02),
        "tone": (0.22, 1.8, 0.015, 0.02),
        "error": (0.2, 1.4, 0.02, 0.12),
        "reward": (0.15, 1.0, 0.05, 0.1),
    },
}


def _responses(acronym: str, rng: np.random.Generator) -> tuple[Response, ...]:
    group = next(region.group for region in TRACK if region.acronym == acronym)
    found = []
    for kind, (probability, gain, latency, tau) in _DRIVEN[group].items():
        if rng.random() >= probability:
            continue
        strength = gain * float(np.exp(rng.normal(0.0, 0.5)))
        if rng.random() < 0.22:
            strength = -min(0.9, 0.45 * strength)
        found.append(
            Response(
                kind=kind,
                gain=min(strength, 9.0),
                latency_s=latency + float(rng.normal(0.0, 0.008)),
                tau_s=tau * float(np.exp(rng.normal(0.0, 0.3))),
            )
        )
    if any(response.kind not in EVENT_KINDS for response in found):
        raise AssertionError("a response to an event that the behaviour does not have")
    return tuple(found)

"""Compiled inner loops of the demo's writer; each is a pure function of its arguments and of given draws."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dashboard.sources.compile import inlined, kernel

SAMPLING_HZ = 30_000
BIN_S = 0.01
"""Step of the firing rates; fine enough for a visual response, whose rise takes 20 ms."""

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt32 = npt.NDArray[np.uint32]
UInt16 = npt.NDArray[np.uint16]


@kernel
def shape_rate(
    rate: Float64, track: Float32, coupling: float, knots: Float64, first: int, last: int, gain: Float32
) -> None:
    """Fill `rate` (relative, per bin): the group's track, the unit's own slow changes and its responses.

    `knots` are evenly spaced over the session; outside of bins ``first .. last`` the unit is not there.
    """
    n = rate.size
    step = (knots.size - 1) / n
    for i in range(n):
        if i < first or i >= last:
            rate[i] = 0.0
            continue
        at = i * step
        low = int(at)
        part = at - low
        slow = knots[low] * (1 - part) + knots[low + 1] * part
        shared = max(0.03, 1.0 + coupling * (track[i] - 1.0))
        rate[i] = slow * shared * max(0.03, 1.0 + gain[i])


@kernel
def add_responses(gain: Float32, times_s: Float64, weights: Float64, shape: Float64, latency_s: float) -> None:
    """Add ``weight * shape`` to `gain` from each event's bin on."""
    n = gain.size
    for e in range(times_s.size):
        start = int(np.floor((times_s[e] + latency_s) / BIN_S))
        for j in range(shape.size):
            if 0 <= start + j < n:
                gain[start + j] += weights[e] * shape[j]


@kernel
def renewal_train(
    relative: Float64,
    scale_hz: float,
    refractory_s: float,
    burst: float,
    end_s: float,
    waits: Float64,
    chances: Float32,
    out: Int32,
) -> int:
    """Draw a spike train with a rate that changes, a dead time after each spike, and bursts.

    Each spike waits, in units of the integrated rate, for one of the exponential `waits` (a Poisson
    process with dead time); `chances` decide on bursts, whose intervals are 2.6 - 7 ms. The rate aimed
    for in a bin is ``relative * scale_hz``.

    Returns
    -------
    int
        Number of spikes written to `out` (samples), or -1 where the draws did not last.
    """
    n_bins = relative.size
    now = 0.0
    k = 0
    follows = False
    for draw in range(waits.size):
        if follows:
            # `chances` is uniform below `burst` here, so it serves twice.
            now += max(refractory_s, 0.0026) + 0.0044 * (chances[draw - 1] / burst) - refractory_s
        else:
            wait = waits[draw]
            while k < n_bins:
                rate = relative[k] * scale_hz
                # Dead time d after each spike lowers a rate r to r / (1 + r d): this is the inverse.
                rate /= 1.0 - min(rate * refractory_s, 0.8)
                edge = (k + 1) * BIN_S
                room = rate * (edge - now)
                if wait < room:
                    now += wait / rate
                    break
                wait -= room
                now = edge
                k += 1
        if k >= n_bins or now >= end_s:
            return draw
        out[draw] = int(now * SAMPLING_HZ)
        follows = chances[draw] < burst
        now += refractory_s
        k = min(int(now / BIN_S), n_bins)
    return -1


@kernel
def thin_train(train: Int32, dropped: Int64, out: Int32) -> None:
    """Copy a train without the spikes at the sorted positions `dropped`."""
    d = 0
    at = 0
    for i in range(train.size):
        if d < dropped.size and dropped[d] == i:
            d += 1
        elif at < out.size:
            out[at] = train[i]
            at += 1


@kernel
def merge_trains(first: Int32, second: Int32, out: Int32) -> None:
    """Merge two sorted trains."""
    i = 0
    j = 0
    for k in range(out.size):
        if j >= second.size or (i < first.size and first[i] <= second[j]):
            out[k] = first[i]
            i += 1
        else:
            out[k] = second[j]
            j += 1


@kernel
def place_spikes(
    samples: Int32,
    normals: Float32,
    amp_normals: Float32,
    depth_um: float,
    jitter_um: float,
    motion_um: Float64,
    tracking: float,
    amp_uv: float,
    amp_cv: float,
    threshold_uv: float,
    fade: float,
    duration_s: float,
    depths: Float32,
    amps: Float32,
) -> None:
    """Fill the depth (um) and amplitude (V) of each spike of one unit.

    `motion_um` is given once a second. Amplitudes fall with `fade` over the session, with the
    distance that the unit has moved from its site, and within bursts. What would lie below the
    threshold was not detected, so it is folded back above it: an amplitude histogram with an edge.
    """
    last = -SAMPLING_HZ
    for i in range(samples.size):
        t = samples[i] / SAMPLING_HZ
        second = min(int(t), motion_um.size - 2)
        part = t - second
        moved = tracking * (motion_um[second] * (1 - part) + motion_um[second + 1] * part)
        depths[i] = min(max(depth_um + moved + jitter_um * normals[i], 0.5), 3859.5)
        level = (1 - fade * t / duration_s) * (1 - 0.004 * abs(moved))
        if samples[i] - last < 0.008 * SAMPLING_HZ:
            level *= 0.86
        last = samples[i]
        height = amp_uv * level * (1 + amp_cv * amp_normals[i])
        amps[i] = (threshold_uv + abs(height - threshold_uv)) * 1e-6


@kernel
def chunk_bounds(samples: Int32, offsets: Int64, edges: Int64, bounds: Int64) -> None:
    """Fill ``bounds[u, c]``: where unit `u`'s spikes of chunk `c` start, in the array ordered by unit."""
    for u in range(offsets.size - 1):
        at = offsets[u]
        for c in range(edges.size):
            while at < offsets[u + 1] and samples[at] < edges[c]:
                at += 1
            bounds[u, c] = at


@inlined
def session_time(sample: int) -> float:
    """Convert a sample of the probe to seconds of the session: its clock runs fast by 4 ppm, 12 ms late."""
    return sample / SAMPLING_HZ * 0.999996 + 0.012


@kernel
def session_times(samples: Int32, out: Float64) -> None:
    """Convert samples of the probe to seconds of the session."""
    for i in range(samples.size):
        out[i] = session_time(samples[i])


@kernel
def order_chunk(
    samples: Int32,
    amps_v: Float32,
    depths_um: Float32,
    starts: Int64,
    stops: Int64,
    first: int,
    n_samples: int,
    times: Float64,
    clusters: UInt32,
    amps: Float64,
    depths: Float64,
    out_samples: Int64,
    templates: UInt16,
) -> None:
    """Fill the columns of one chunk of `n_samples` in the order of time, ties by cluster: a counting sort.

    ``starts[u]:stops[u]`` are cluster `u`'s spikes of the chunk in the arrays ordered by cluster; the
    outputs have room for exactly all of them.
    """
    tally = np.zeros(n_samples + 1, dtype=np.int32)
    for u in range(starts.size):
        for i in range(starts[u], stops[u]):
            tally[samples[i] - first + 1] += 1
    for s in range(1, n_samples + 1):
        tally[s] += tally[s - 1]
    for u in range(starts.size):
        for i in range(starts[u], stops[u]):
            s = samples[i]
            at = tally[s - first]
            tally[s - first] += 1
            times[at] = session_time(s)
            clusters[at] = u
            amps[at] = amps_v[i]
            depths[at] = depths_um[i]
            out_samples[at] = s
            templates[at] = u


@kernel
def presence(times_s: Float64, start_s: float, window_s: float, n_windows: int) -> Int64:
    """Count spikes per window, as ``iblutil.numerical.bincount2D`` does."""
    out = np.zeros(n_windows, dtype=np.int64)
    for i in range(times_s.size):
        out[int(np.floor((times_s[i] - start_s) / window_s))] += 1
    return out


@kernel
def correlogram_start(samples: Int64, out: Int64) -> None:
    """Add the autocorrelogram of a sorted train to `out`, from lag 0 on, in bins of one sample."""
    for i in range(samples.size):
        j = i + 1
        while j < samples.size and samples[j] - samples[i] < out.size:
            out[samples[j] - samples[i]] += 1
            j += 1


@kernel
def pairs_between(samples: Int64, low: int, high: int) -> int:
    """Count the pairs of a sorted train whose distance is ``low <= d < high``."""
    total = 0
    near = 0
    far = 0
    for i in range(samples.size):
        while near < samples.size and samples[near] - samples[i] < low:
            near += 1
        while far < samples.size and samples[far] - samples[i] < high:
            far += 1
        total += far - near
    return total


@kernel
def interval_sums(
    times_s: Float64, depths_um: Float32, refractory_s: float, min_isi_s: float
) -> tuple[float, int, int, int]:
    """Sum what the metrics need of successive spikes.

    Returns
    -------
    travel, short, alone, close
        Summed depth changes; intervals below `refractory_s`; spikes that are no duplicates (more
        than `min_isi_s` after the one before); intervals below `refractory_s` among those.
    """
    travel = 0.0
    short = 0
    alone = 1
    close = 0
    last = times_s[0]
    for i in range(1, times_s.size):
        travel += abs(np.float64(depths_um[i]) - np.float64(depths_um[i - 1]))
        interval = times_s[i] - times_s[i - 1]
        if interval < refractory_s:
            short += 1
        if interval > min_isi_s:
            alone += 1
            if times_s[i] - last < refractory_s:
                close += 1
            last = times_s[i]
    return travel, short, alone, close


@kernel
def histogram_edges(values: Float64, edges: Float64) -> Int64:
    """Count values between evenly spaced edges exactly as ``numpy.histogram`` does: the last edge is closed."""
    n = edges.size - 1
    out = np.zeros(n, dtype=np.int64)
    scale = n / (edges[n] - edges[0])
    for i in range(values.size):
        v = values[i]
        if not (v >= edges[0] and v <= edges[n]):
            continue
        at = min(max(int((v - edges[0]) * scale), 0), n - 1)
        while v < edges[at]:
            at -= 1
        while at < n - 1 and v >= edges[at + 1]:
            at += 1
        out[at] += 1
    return out

"""Sortings that are broken or odd in one way each, and what must be said of them: by the command line and the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.library.alf_folder import N_CLUSTERS, sorting_arrays, write_session

#: Where a kind's sorting lies below the data folder; its subject is its name.
SESSION = "labx/Subjects/{}/2024-01-02/001"


@dataclass(frozen=True)
class Kind:
    """One way to be wrong.

    Attributes
    ----------
    says : tuple of str
        What the message, or the note, must hold: the file, what is wrong, the remedy.
    is_refused : bool
        Whether it cannot be opened; else it opens, and the words are among notes or what is missing.
    """

    says: tuple[str, ...]
    is_refused: bool = True
    without: tuple[str, ...] = ()
    changed: Callable[[], dict[str, Any]] = dict
    damage: Callable[[Path], object] = lambda folder: None

    def write(self, root: Path, subject: str) -> str:
        """Write the sorting; returns the key of its insertion."""
        session = SESSION.format(subject)
        self.damage(write_session(root, without=self.without, changed=self.changed(), session=session))
        return f"{subject}/2024-01-02/001/probe00"


def _cut(folder: Path, name: str, keep: int) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:keep])


def _longer() -> dict[str, Any]:
    depths = sorting_arrays()["spikes.depths"]
    return {"spikes.depths": np.r_[depths, depths[:5]]}


def _beyond() -> dict[str, Any]:
    ids = sorting_arrays()["spikes.clusters"]
    ids[7] = N_CLUSTERS
    return {"spikes.clusters": ids}


def _shuffled() -> dict[str, Any]:
    times = sorting_arrays()["spikes.times"]
    return {"spikes.times": np.random.default_rng(1).permutation(times)}


def _opinions(scale: float) -> dict[str, Any]:
    arrays = sorting_arrays()
    labels = {"label": [1.0, 0.0] * (N_CLUSTERS // 2), "KSLabel": ["good", "mua"] * (N_CLUSTERS // 2)}
    return {
        "clusters.metrics": arrays["clusters.metrics"].assign(**labels),
        "spikes.amps": arrays["spikes.amps"] * scale,
    }


def _with_nan() -> dict[str, Any]:
    depths = sorting_arrays()["spikes.depths"]
    depths[:42] = np.nan
    return {"spikes.depths": depths}


KINDS: dict[str, Kind] = {
    "lengths": Kind(("spikes.times.npy", "spikes.depths", "3,000 rows", "3,005"), changed=_longer),
    "truncated": Kind(
        ("spikes.times.npy", "Truncated", "again"), damage=lambda folder: _cut(folder, "spikes.times.npy", 4000)
    ),
    "corrupt": Kind(
        ("spikes.clusters.npy", "again"),
        damage=lambda folder: (folder / "spikes.clusters.npy").write_bytes(b"\x00nothing\xff" * 40),
    ),
    "truncated_table": Kind(
        ("clusters.metrics.pqt", "again", "computed from the spikes"),
        is_refused=False,
        damage=lambda folder: _cut(folder, "clusters.metrics.pqt", 100),
    ),
    "ids": Kind(("spikes.clusters.npy", "clusters.channels.npy", f"up to {N_CLUSTERS}"), changed=_beyond),
    "empty": Kind(
        ("spikes.times.npy", "no spikes"),
        changed=lambda: {name: sorting_arrays()[name][:0] for name in sorting_arrays() if name.startswith("spikes.")},
    ),
    "timeless": Kind(
        ("spikes.times.npy", "None of the 3,000 spikes has a time", "again"),
        changed=lambda: {"spikes.times": sorting_arrays()["spikes.times"] * np.nan},
    ),
    "samples": Kind(
        ("spikes.times.npy", "cannot be in seconds", "Export it in seconds"),
        changed=lambda: {"spikes.times": sorting_arrays()["spikes.times"] * 30_000},
    ),
    "words": Kind(
        ("channels.localCoordinates.npy", "should be numbers"),
        is_refused=False,
        changed=lambda: {"channels.localCoordinates": sorting_arrays()["channels.localCoordinates"].astype(str)},
    ),
    "no_times": Kind(("spikes.times is missing",), without=("spikes.times",)),
    "no_depths": Kind(("depth of its cluster's channel",), is_refused=False, without=("spikes.depths",)),
    "no_amps": Kind(("spikes.amps",), is_refused=False, without=("spikes.amps",)),
    "no_volts": Kind(
        ("arbitrary units",), is_refused=False, changed=lambda: {"spikes.amps": sorting_arrays()["spikes.amps"] * 1e6}
    ),
    "unsorted": Kind(("sorted",), is_refused=False, changed=_shuffled),
    "nan": Kind(
        ("42 of 3,000 spikes have no depth", "depth of its cluster's channel"), is_refused=False, changed=_with_nan
    ),
    "no_metrics": Kind(("computed from the spikes",), is_refused=False, without=("clusters.metrics",)),
    "kilosorts": Kind(("Kilosort's own opinion",), is_refused=False, changed=lambda: _opinions(1.0)),
    "kilosorts_no_volts": Kind(
        ("Kilosort's own opinion", "in volts"), is_refused=False, changed=lambda: _opinions(1e6)
    ),
    "templates": Kind(
        ("templates.waveforms.npy", "damaged"),
        is_refused=False,
        changed=lambda: {"templates.waveformsChannels": np.zeros((N_CLUSTERS, 5), np.int64)},
        damage=lambda folder: (folder / "templates.waveforms.npy").write_bytes(b"\x93NUMPY nothing"),
    ),
    "no_sites": Kind(
        ("channels.localCoordinates",),
        is_refused=False,
        without=("channels.localCoordinates", "channels.rawInd", "clusters.channels", "clusters.depths"),
    ),
    "nowhere": Kind(
        ("no spike can be placed",),
        is_refused=False,
        without=(
            "spikes.depths",
            "channels.localCoordinates",
            "channels.rawInd",
            "clusters.channels",
            "clusters.depths",
        ),
    ),
}

"""The drift that a sorter estimated and removed, with the depths of its columns."""

from __future__ import annotations

import numpy as np

from dashboard.model.references import SortingRef
from dashboard.model.sorting import Drift, Missing
from dashboard.model.texts import counted
from dashboard.sources.alf.arrays import read_numbers


def load_drift(ref: SortingRef) -> tuple[Drift | None, tuple[Missing, ...]]:
    """Return the drift of a sorting, or why there is none.

    Parameters
    ----------
    ref : SortingRef
        Its datasets have paths.

    Returns
    -------
    drift : Drift or None
        ``um`` is always two-dimensional; ``depths_um`` is None where the file is absent or of another
        length.
    missing : tuple of Missing

    Raises
    ------
    DatasetInvalid
        A file is damaged.
    """
    times, um = (ref.datasets.get(name) for name in ("drift.times", "drift.um"))
    if times is None or um is None or times.path is None or um.path is None:
        absent = "drift.um" if um is None or um.path is None else "drift.times"
        return None, (Missing("drift", f"no file {absent}"),)
    times_s, values = read_numbers(times.path).reshape(-1), read_numbers(um.path)
    if values.ndim == 1:
        values = values[:, np.newaxis]
    if values.ndim != 2 or len(values) != len(times_s):
        return None, (Missing("drift", f"drift.um is of shape {values.shape} for {counted(len(times_s), 'time')}"),)
    depths = ref.datasets.get("drift_depths.um")
    if depths is None or depths.path is None:
        return Drift(times_s, values), ()
    depths_um = read_numbers(depths.path).reshape(-1)
    if len(depths_um) != values.shape[1]:
        reason = f"{counted(len(depths_um), 'depth')} for {values.shape[1]} columns of drift.um"
        return Drift(times_s, values), (Missing("drift_depths.um", reason),)
    return Drift(times_s, values, depths_um), ()

"""Mean waveforms, in any of the three layouts of real insertions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import DatasetInvalid
from dashboard.model.references import SortingRef
from dashboard.model.sorting import Missing, Templates
from dashboard.sources.alf.arrays import map_array, read_archive
from dashboard.sources.alf.choose import TEMPLATES

# The layout in which samples are the last axis on disk.
_SAMPLES_LAST = "waveforms.templates"


def load_templates(
    ref: SortingRef, n_clusters: int, n_channels: int = 0
) -> tuple[Templates | None, tuple[Missing, ...]]:
    """Return the templates of a sorting, or why there are none.

    Parameters
    ----------
    ref : SortingRef
        Its datasets have paths.
    n_clusters : int
        Rows of the clusters object.
    n_channels : int
        Rows of the channels object: waveforms of so many channels need no file that says which.

    Returns
    -------
    templates : Templates or None
        Memory-mapped where the file is a ``.npy``; ``waveforms.templates`` is (templates, channels,
        samples) on disk (``ibldsp.waveform_extraction``) and turned, without a copy.
    missing : tuple of Missing

    Raises
    ------
    DatasetInvalid
        A file is damaged, or its channels do not fit its waveforms.
    """
    for name, channels_name in TEMPLATES:
        waves, chans = ref.datasets.get(name), ref.datasets.get(channels_name)
        if waves is None or waves.path is None:
            continue
        waveforms = _array(waves.path, name)
        if chans is not None and chans.path is not None:
            channels = _array(chans.path, channels_name)
        elif waveforms.ndim == 3 and n_channels and waveforms.shape[2] == n_channels:
            channels = np.broadcast_to(np.arange(n_channels), (len(waveforms), n_channels))  # on all channels
        else:
            return None, (Missing("templates", f"{name} without {channels_name}"),)
        paths = [d.path for d in (waves, chans) if d is not None and d.path is not None]
        if waveforms.ndim == 3 and name == _SAMPLES_LAST:
            waveforms = np.swapaxes(waveforms, 1, 2)
        if waveforms.dtype.kind not in "iuf" or channels.dtype.kind not in "iuf":
            what = f"{name} should hold numbers, and {channels_name} too"
            raise DatasetInvalid(what, paths, "Fetch them again")
        if waveforms.ndim != 3 or channels.shape != (waveforms.shape[0], waveforms.shape[2]):
            what = f"{channels_name} is of shape {channels.shape} for waveforms of shape {waveforms.shape}"
            raise DatasetInvalid(what, paths, "Fetch them again")
        if channels.dtype.kind not in "iu":
            # older files hold float channels with NaN where a template has fewer of them
            channels = np.where(np.isfinite(channels), channels, -1).astype(np.int64)
        if len(waveforms) < n_clusters and not name.startswith("templates."):
            reason = f"{name} has {len(waveforms)} rows for {n_clusters} clusters"
            return None, (Missing("templates", reason),)
        return Templates(waveforms, channels, name), ()
    return None, (Missing("templates", "no templates.waveforms, clusters.waveforms or waveforms.templates"),)


def _array(path: Path, name: str) -> npt.NDArray[Any]:
    if path.suffix != ".npz":
        return map_array(path)
    arrays = read_archive(path)
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    wanted = name.partition(".")[2]
    if wanted in arrays:
        return arrays[wanted]
    raise DatasetInvalid(f"Holds arrays {', '.join(arrays)}, and none called {wanted}", [path], "Fetch it again")

"""Depths of spikes from the principal components of their waveforms, as phylib computes them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import Cancelled

BLOCK = 50_000
"""Spikes at a time: 29 MB of 12 features of 12 channels."""


def depths_from_features(
    features: npt.NDArray[Any],
    columns: npt.NDArray[Any],
    templates: npt.NDArray[Any],
    depths_um: npt.NDArray[Any],
    out: npt.NDArray[np.float64],
    report: Callable[[int], None] | None = None,
    cancel: threading.Event | None = None,
) -> None:
    """Write the depth of each spike: the mean of the channels', weighted by the squared positive first component.

    ``TemplateModel.get_depths`` of phylib 2.7.

    Parameters
    ----------
    features : ndarray, shape (n_spikes, n_components, n_near)
    columns : ndarray, shape (n_templates, n_near)
        Row of the channel of each feature of a template's spikes.
    templates : ndarray, shape (n_spikes,), integer
    depths_um : ndarray, shape (n_channels,), in um
    out : ndarray, shape (n_spikes,), float64
        NaN where no component is positive.
    report : callable or None
        Called with the number of spikes done.
    cancel : threading.Event or None

    Raises
    ------
    Cancelled
        `cancel` was set.
    """
    known = np.asarray(columns).astype(np.int64)
    is_channel = (known >= 0) & (known < len(depths_um))
    at = np.where(is_channel, np.asarray(depths_um, np.float64)[np.where(is_channel, known, 0)], 0.0)
    for start in range(0, len(out), BLOCK):
        if cancel is not None and cancel.is_set():
            raise Cancelled("Computing depths was cancelled")
        rows = slice(start, start + BLOCK)
        of = np.asarray(templates[rows]).astype(np.int64)
        weights = np.maximum(features[rows, 0, :], 0) ** 2
        weights = np.where(is_channel[of], weights, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            out[rows] = np.sum(np.transpose(at[of] * weights) / np.sum(weights, axis=1), axis=0)
        if report is not None:
            report(min(start + BLOCK, len(out)))

"""Columns that only the page's table has: which tests failed, and the rate over the session as a line."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dashboard.model.conventions import LabelKind
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.alf.clusters import label_tests

TESTS = {"max_confidence": "refractory", "noise_cutoff": "noise cut-off", "amp_median": "amplitude"}
"""Words for the tests behind the IBL label."""

N_BINS = 40
WIDTH_PX, HEIGHT_PX = 84, 16


def failed_tests(sorting: SpikeSorting) -> list[str] | None:
    """Return which of the IBL tests each cluster fails, in words; None where there is no IBL label.

    Returns
    -------
    list of str, one per row of the clusters, or None
        Empty for a cluster that passes all; a dash for one whose metrics are not known.
    """
    if sorting.why_no_labels or sorting.label_kind is not LabelKind.IBL:
        return None
    tests = label_tests(sorting.clusters)
    if not len(tests.columns):
        return None
    passed = tests.to_numpy()
    known = np.isfinite(np.asarray(sorting.labels, dtype=np.float64))
    words = [TESTS[str(name)] for name in tests.columns]
    return [
        ", ".join(word for word, ok in zip(words, row, strict=True) if not ok) if is_known else "–"
        for row, is_known in zip(passed, known, strict=True)
    ]


def sparklines(rate_hz: npt.NDArray[np.floating]) -> list[str]:
    """Return a small picture of each row, from zero to the row's own maximum.

    Parameters
    ----------
    rate_hz : ndarray, shape (n_clusters, n_bins), in Hz

    Returns
    -------
    list of str
        SVG; empty for a cluster without spikes. Nothing in it but numbers.
    """
    if not rate_hz.size:
        return []
    top = rate_hz.max(axis=1, keepdims=True)
    heights = np.round((1 - rate_hz / np.where(top > 0, top, 1)) * (HEIGHT_PX - 1) + 0.5, 1)
    steps = np.round(np.linspace(0, WIDTH_PX, rate_hz.shape[1]), 1)
    return [
        (
            f'<svg width="{WIDTH_PX}" height="{HEIGHT_PX}" role="img" aria-label="up to {peak:.3g} Hz">'
            f"<title>up to {peak:.3g} Hz</title>"
            '<polyline fill="none" stroke="currentColor" stroke-width="1" points="'
            + " ".join(f"{x:g},{y:g}" for x, y in zip(steps, row, strict=True))
            + '"/></svg>'
            if peak > 0
            else ""
        )
        for row, peak in zip(heights, top[:, 0], strict=True)
    ]

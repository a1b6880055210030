"""Signal to noise of units in whitened voltage, of which Kilosort makes the standard deviation of each channel 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.sources.waveforms import is_mixing

SCALE = 1 / 200
"""By which Kilosort 2 to 3 divide a whitening matrix before they write it (``ops.scaleproc``)."""

MIN_FACTOR = 2.0
"""Spikes of Kilosort 2 and 2.5 are at least 4 (``ops.Th``) standard deviations along their template."""

_IN_WHITENED = (
    "the largest magnitude of the unit's whitened template{times}, in standard deviations of the whitened voltage of a "
    "channel: of all that was sorted, its spikes with it, before drift correction"
)
OF_MEANS = f"snr is {_IN_WHITENED.format(times='')}"
"""Kilosort 4's templates are mean waveforms."""
OF_FACTORS = f"snr is {_IN_WHITENED.format(times=', times the mean factor of its spikes')}"


def why_no_scale(arrays: Mapping[str, npt.NDArray[Any]], is_ks4: bool, has_features: bool) -> str:
    """Return why the files do not say that templates are in standard deviations; empty where they do.

    By ``get_whitening_matrix``, ``rezToPhy`` and ``rezToPhy2`` of Kilosort 2, 2.5 and 3 and ``save_to_phy`` of
    Kilosort 4; see docs/decisions/0026-signal-to-noise-of-kilosort.md.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        ``whitening_mat``, ``whitening_mat_dat``, those that there are.
    is_ks4 : bool
    has_features : bool
        Whether there are ``pc_features.npy`` or ``template_features.npy``, which Kilosort 3 does not write.
    """
    name = "whitening_mat_dat" if is_ks4 and "whitening_mat_dat" in arrays else "whitening_mat"
    matrix = arrays.get(name)
    if matrix is None:
        return f"without {name}.npy nothing says that templates are whitened"
    if is_mixing(matrix):
        return ""
    if is_ks4 or not np.allclose(np.diag(matrix), SCALE, rtol=1e-3):
        return f"{name}.npy whitens nothing, and no file says the noise of what was sorted"
    if not has_features:
        return "Kilosort 3's amplitudes.npy holds norms of features, with their noise, and its templates have no size"
    return ""


def why_no_factors(norms: npt.NDArray[np.float64], factors: npt.NDArray[np.float64]) -> str:
    """Return why factors of templates are no standard deviations; empty where they are.

    Parameters
    ----------
    norms : ndarray, shape (n_templates,)
        0 for a template that is not used.
    factors : ndarray, shape (n_templates,)
        Mean factor of the spikes of each; NaN for none.
    """
    if not np.allclose(norms[norms > 0], 1, rtol=0.01):
        return "templates.npy is not of norm 1, as Kilosort's are before its version 4"
    if not np.isfinite(factors).any() or np.nanmedian(factors) < MIN_FACTOR:
        return "amplitudes.npy is smaller than any threshold of Kilosort's, so not in standard deviations"
    return ""

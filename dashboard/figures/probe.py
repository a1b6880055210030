"""Figures of the whole probe."""

from __future__ import annotations

from dashboard.analysis.anatomy.correlation import DepthCorrelation
from dashboard.figures.figure import Axis, Figure, Matrix


def depth_correlation_figure(found: DepthCorrelation) -> Figure:
    """Return which depths fire together: a matrix, the tip at the lower left."""
    ends = float(found.depth_edges_um[0]), float(found.depth_edges_um[-1])
    axis = Axis("Depth along probe", "µm", ends)
    limits = (-found.limit, found.limit)
    matrix = Matrix(found.values, ends, ends, "diverging", limits, label="Correlation")
    return Figure("probe-correlation", "Correlation of firing rates between depths", axis, axis, (matrix,))

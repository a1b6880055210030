"""Address that exported code of earlier versions names."""

from __future__ import annotations

from dashboard.analysis.filters.clusters import filter_clusters

__all__ = ["filter_clusters"]

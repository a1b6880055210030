"""Address that exported code of earlier versions names."""

from __future__ import annotations

from dashboard.analysis.filters.words import read_words

__all__ = ["read_words"]

"""What the Compare tab shows."""

from __future__ import annotations

import param


class CompareState(param.Parameterized):
    """Own state of the Compare tab."""

    compare = param.String("", doc="The other side, as dashboard.page.tabs.compare.words reads it; empty: none.")

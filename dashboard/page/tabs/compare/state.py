"""What the Compare tab shows."""

from __future__ import annotations

import param

from dashboard.analysis.compare.tables import KINDS

EVERY = "all"


class CompareState(param.Parameterized):
    """Own state of the Compare tab."""

    compare = param.String("", doc="The other side, as dashboard.page.tabs.compare.words reads it; empty: none.")
    groups = param.Selector(default=EVERY, objects=[EVERY, *KINDS], doc="Which groups of units the table has.")

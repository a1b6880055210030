"""What the Probe tab shows."""

from __future__ import annotations

import param

MARKS = ("label", "rate", "duration")
BESIDE = ("units", "spikes", "rate", "amplitude")


class ProbeState(param.Parameterized):
    """Own state of the Probe tab."""

    marks = param.Selector(default="label", objects=list(MARKS), doc="What the colour of a unit means.")
    beside = param.Selector(default="units", objects=list(BESIDE), doc="What stands beside the map.")

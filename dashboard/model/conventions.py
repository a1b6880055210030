"""What the numbers of a sorting mean: the clock of its times, the kind of its depths and of its labels."""

from __future__ import annotations

from enum import StrEnum


class Clock(StrEnum):
    """Clock of the times of spikes."""

    SESSION = "session"
    PROBE = "probe"


class DepthKind(StrEnum):
    """What the depth of a spike is."""

    SPIKE = "per spike"
    UNIT = "per unit"


class LabelKind(StrEnum):
    """Whose opinion of the units a sorting comes with."""

    IBL = "IBL tests"
    CURATED = "curated groups"
    KILOSORT = "Kilosort's"
    FILE = "of the file"
    NONE = "none"

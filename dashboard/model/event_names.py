"""Columns of a table of trials or events that hold times, by their names."""

from __future__ import annotations

import re

_TIMES = re.compile(r"(?:^|[_ ])(?:times?|onsets?|timestamps?|t|intervals_0)(?:[_ ]\(?s\)?)?$|Times?$|Onset$")


def is_time_name(name: str) -> bool:
    """Return whether a column of this name holds times of events, in seconds: ``time``, ``tone_times``, ``onset_s``."""
    return bool(_TIMES.search(name))

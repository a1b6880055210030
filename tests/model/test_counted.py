"""A number agrees with its noun."""

from __future__ import annotations

from dashboard.model.texts import counted


def test_one_has_no_s() -> None:
    assert [counted(n, "dataset") for n in (0, 1, 2, 1234)] == [
        "0 datasets", "1 dataset", "2 datasets", "1,234 datasets"
    ]  # fmt: skip

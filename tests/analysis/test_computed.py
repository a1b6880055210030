"""Values are computed once, when they are read; one that fails leaves the others."""

from __future__ import annotations

import pytest

from dashboard.analysis.computed import Computed, compute_all, computed_names, value_of
from dashboard.model.errors import BadRequest, Cancelled


class Result:
    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.read = error, 0

    @Computed
    def fails(self) -> int:
        self.read += 1
        if self.error is not None:
            raise self.error
        return 1

    @Computed
    def other(self) -> list[int]:
        return []


def test_a_value_is_computed_once() -> None:
    result = Result()
    assert (result.fails, result.fails, result.read) == (1, 1, 1)
    assert result.other is result.other
    assert computed_names(Result) == ["fails", "other"]


def test_a_failure_is_kept_and_leaves_the_others() -> None:
    result = Result(IndexError("of no use"))
    compute_all(result)
    assert "other" in vars(result)
    for _ in range(2):
        with pytest.raises(IndexError):
            _ = result.fails
    assert (value_of(result, "fails"), result.read) == (None, 1)


@pytest.mark.parametrize("error", [Cancelled(), BadRequest("Bins make no sense")])
def test_what_is_of_no_use_at_all_ends_it(error: Exception) -> None:
    with pytest.raises(type(error)):
        compute_all(Result(error))


def test_what_was_cancelled_is_computed_anew() -> None:
    result = Result(Cancelled())
    with pytest.raises(Cancelled):
        _ = result.fails
    result.error = None
    assert result.fails == 1

"""Objects that the spikes can be shown without: a damaged file of theirs is reported, and the rest opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from dashboard.model.errors import DatasetInvalid
from dashboard.model.sorting import Missing

Found = TypeVar("Found")
Arguments = ParamSpec("Arguments")


def unless_damaged(
    dataset: str,
    load: Callable[Arguments, tuple[Found | None, tuple[Missing, ...]]],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> tuple[Found | None, tuple[Missing, ...]]:
    """Return what `load` returns, or None and the reason where one of its files cannot be right.

    Parameters
    ----------
    dataset : str
        Name of the object in `Missing`.
    load : callable
        Returns the object, or None, and what is missing; raises `DatasetInvalid`.
    *args, **kwargs
        Arguments of `load`.
    """
    try:
        return load(*args, **kwargs)
    except DatasetInvalid as error:
        return None, (Missing(dataset, str(error)),)

"""Values of a result that are computed one by one, so that one that fails leaves the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

from dashboard.model.errors import BadRequest, Cancelled

Value = TypeVar("Value")


class Computed(Generic[Value]):
    """An attribute of an object that is computed when it is first read, and kept.

    What it failed with is kept, too, and raised by every further reading. `Cancelled` is not kept.

    Parameters
    ----------
    compute : callable (object) -> Value
    """

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...

    def __get__(self, instance: object | None, owner: type) -> Self | Value:
        """Compute it, or raise what it failed with; a value that is kept hides this method."""
        if instance is None:
            return self
        failures = vars(instance).setdefault("_failures", {})
        if self._name in failures:
            raise failures[self._name]
        try:
            value = self._compute(instance)
        except Cancelled:
            raise
        except Exception as error:
            failures[self._name] = error
            raise
        vars(instance)[self._name] = value
        return value


def computed_names(owner: type) -> list[str]:
    """Return the names of what a class computes, in the order in which they are written."""
    return [name for name, value in vars(owner).items() if isinstance(value, Computed)]


def compute_all(instance: object) -> None:
    """Compute what was not yet read; what fails raises when it is read.

    Raises
    ------
    BadRequest
        What was asked for makes no sense: nothing of it is of use.
    Cancelled
        It is no longer wanted.
    """
    for name in computed_names(type(instance)):
        try:
            getattr(instance, name)
        except (BadRequest, Cancelled):
            raise
        except Exception:  # noqa: BLE001 - whoever reads it is told
            continue


def value_of(instance: object, name: str) -> Any:
    """Return a value that was computed, or could be; None where that fails."""
    try:
        return getattr(instance, name)
    except Cancelled:
        raise
    except Exception:  # noqa: BLE001 - whoever draws it says so
        return None

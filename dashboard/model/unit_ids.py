"""Ids of units as their source has them, and the indexes that arrays and kernels are addressed by."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import BadRequest, DatasetInvalid
from dashboard.model.texts import counted

#: An id outside of the process: a whole number, or a text.
UnitId = int | str

#: Spans of ids up to which spikes are looked up in a table, of 8 bytes an id; beyond it in a sorted list.
MAX_TABLE = 1 << 20
# Of an error about unknown ids, so many are named.
_NAMED = 8
# Of a whole number between -2 ** 63 and 2 ** 63; Python takes seconds for very many.
_DIGITS = 20
# One id of a list: in double quotes, where one stands for two, or as it is up to the next comma.
_LISTED = re.compile(r'\s*"((?:[^"]|"")*)"\s*(?:,|$)|([^,]*)(?:,|$)')


class UnitIds:
    """Ids of the units of a sorting, in the order of their indexes.

    Parameters
    ----------
    ids : array-like, shape (n_units,), integer or text
        No two alike. Where some are texts, all are.

    Attributes
    ----------
    values : ndarray, shape (n_units,), int64 or str
        Id of each index; read-only.
    are_indexes : bool
        Whether the ids are 0 to n_units - 1 in this order, so that nothing has to be looked up.

    Raises
    ------
    DatasetInvalid
        An id stands twice, is an empty text, or is neither a text nor a whole number between -2 ** 63 and 2 ** 63.
    """

    def __init__(self, ids: npt.ArrayLike) -> None:
        self.values = _whole_or_text(np.asarray(ids))
        self.values.flags.writeable = False
        n = len(self.values)
        self.are_indexes = self.values.dtype.kind == "i" and np.array_equal(self.values, np.arange(n))
        if not self.are_indexes and len(np.unique(self.values)) < n:
            alike, counts = np.unique(self.values, return_counts=True)
            raise DatasetInvalid(f"Two units have the id {alike[counts > 1][0]}", [], "Export the sorting again")

    def __len__(self) -> int:
        return len(self.values)

    def __contains__(self, unit: object) -> bool:
        return self._key(unit) in self._places

    @property
    def are_text(self) -> bool:
        """Whether ids are texts."""
        return self.values.dtype.kind == "U"

    def of(self, index: int) -> UnitId:
        """Return the id of an index, as int or str."""
        return index if self.are_indexes else self.values[index].item()

    def at(self, indexes: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the ids of indexes, of the shape of `indexes`, int64 or str."""
        wanted = np.asarray(indexes, dtype=np.int64)
        return wanted if self.are_indexes else self.values[wanted]

    def find(self, ids: Iterable[object]) -> npt.NDArray[np.int64]:
        """Return the indexes of those of `ids` that exist, in their order, each once.

        Whole numbers stand for texts and texts for numbers where they are written alike: a link does not say which
        of the two ``12`` is.
        """
        found = (self._places.get(self._key(unit)) for unit in ids)
        return np.array(list(dict.fromkeys(index for index in found if index is not None)), dtype=np.int64)

    def indexes(self, ids: Iterable[object]) -> npt.NDArray[np.int64]:
        """Return the index of each of `ids`, shape (n_ids,), int64.

        Raises
        ------
        BadRequest
            An id does not exist; the message names those that do not, and says how many units there are.
        """
        wanted = list(ids)
        places = [self._places.get(self._key(unit)) for unit in wanted]
        if None in places:
            unknown = [str(unit) for unit, place in zip(wanted, places, strict=True) if place is None]
            named = ", ".join(unknown[:_NAMED]) + (f" and {len(unknown) - _NAMED} more" * (len(unknown) > _NAMED))
            raise BadRequest("No such unit", named, self._say())
        return np.array(places, dtype=np.int64)

    def in_spikes(self, ids: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return the index of the unit of each spike.

        Parameters
        ----------
        ids : ndarray, shape (n_spikes,), integer
            Ids as in ``spikes.clusters``.

        Raises
        ------
        DatasetInvalid
            A spike has an id that no unit has.
        """
        given = np.asarray(ids).astype(np.int64, copy=False)
        if not len(given):
            return given
        if self.are_text or not len(self):
            raise DatasetInvalid(f"No unit has the id {given[0]} of a spike", [], self._say())
        ordered, order, table = self._lookup
        shifted = given - ordered[0]
        if table is not None:
            inside = (given >= ordered[0]) & (given <= ordered[-1])
            found = table[np.where(inside, shifted, 0)]
            wrong = ~inside | (found < 0)
        else:
            places = np.minimum(np.searchsorted(ordered, given), len(ordered) - 1)
            found = order[places]
            wrong = ordered[places] != given
        if wrong.any():
            raise DatasetInvalid(f"No unit has the id {given[wrong][0]} of a spike", [], self._say())
        return found

    @cached_property
    def _places(self) -> dict[UnitId | None, int]:
        return {unit: index for index, unit in enumerate(self.values.tolist())}

    @cached_property
    def _lookup(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
        """Ids in ascending order, the index of each, and the index of each id from the least where they are close."""
        order = np.argsort(self.values)
        ordered = self.values[order]
        if int(ordered[-1]) - int(ordered[0]) >= MAX_TABLE:
            return ordered, order, None
        table = np.full(int(ordered[-1] - ordered[0]) + 1, -1, dtype=np.int64)
        table[ordered - ordered[0]] = order
        return ordered, order, table

    def _key(self, unit: object) -> UnitId | None:
        if self.are_text:
            return str(unit)
        if isinstance(unit, int | np.integer):
            return int(unit)
        found = _number_or_text(unit) if isinstance(unit, str) else None
        return found if isinstance(found, int) else None

    def _say(self) -> str:
        n = len(self)
        if not n:
            return "There are no units"
        if self.are_indexes:
            return f"Ids run from 0 to {n - 1}"
        some = ", ".join(map(str, self.values[:_NAMED].tolist()))
        return f"There are {counted(n, 'unit')}: {some}{', ...' * (n > _NAMED)}"


def _whole_or_text(ids: npt.NDArray[Any]) -> npt.NDArray[Any]:
    listed: list[Any] = ids.tolist()
    if all(isinstance(unit, int) and not isinstance(unit, bool) for unit in listed):
        if any(abs(unit) >= 2**63 for unit in listed):  # the least int64 stands for no unit
            raise DatasetInvalid("An id of a unit is beyond 2 ** 63", [], "Give the units other ids")
        return np.array(listed, dtype=np.int64)
    if not all(isinstance(unit, int | str) and unit != "" for unit in listed):
        raise DatasetInvalid("Ids of units are whole numbers or texts, none empty", [], "Give the units other ids")
    return np.array([str(unit) for unit in listed])


def read_ids(text: str) -> list[UnitId]:
    """Return the ids of a list between commas, each once; `write_ids` wrote it, or a person.

    An id that holds a comma or a double quote, that begins or ends with a space, or is empty, stands in double quotes,
    a double quote in it twice. What is a whole number is one, unless it stands in quotes.

    Raises
    ------
    ValueError
        A quote is not closed.
    """
    found: list[UnitId] = []
    place = 0
    while place < len(text):
        match = _LISTED.match(text, place)
        assert match is not None  # the second half of the pattern takes whatever there is
        place = match.end()
        quoted, plain = match.groups()
        if quoted is not None:
            found.append(quoted.replace('""', '"'))
        elif '"' in plain:
            raise ValueError("a double quote in an id is written twice, and the id stands in double quotes")
        elif plain.strip():
            found.append(_number_or_text(plain.strip()))
    return list(dict.fromkeys(found))


def write_ids(ids: Iterable[UnitId], separator: str = ",") -> str:
    """Return ids as a list that `read_ids` reads; in a file, with spaces for commas."""
    return separator.join(_written(unit, separator) for unit in ids)


def _number_or_text(plain: str) -> UnitId:
    try:
        return int(plain) if len(plain) <= _DIGITS else plain
    except ValueError:
        return plain


def _written(unit: UnitId, separator: str) -> str:
    text = str(unit)
    if isinstance(unit, int):
        return text
    is_plain = text and text == text.strip() and not set(text) & {separator, '"'}
    # A text such as 007 or 1_0, which would be read as another number.
    if is_plain and str(_number_or_text(text)) == text:
        return text
    return '"' + text.replace('"', '""') + '"'

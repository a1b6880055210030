"""Regions by acronym: what lies within a region, and what it is called at another level."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from dashboard.analysis.anatomy.probe import LEVELS, brain_regions
from dashboard.model.errors import BadRequest


@cache
def _ids() -> dict[str, int]:
    """Return the id of each acronym, of the right hemisphere; the left one has the same acronyms."""
    regions = brain_regions()
    return {str(name): int(number) for name, number in zip(regions.acronym, regions.id, strict=True) if number >= 0}


@cache
def _names_at(level: str) -> dict[str, str]:
    regions = brain_regions()
    names = regions.acronym[regions.mappings[LEVELS[level]]]
    return {str(name): str(at) for name, at in zip(regions.acronym, names, strict=True)}


def check_region(acronym: str) -> str:
    """Return the acronym, spelt as in the ontology.

    Raises
    ------
    BadRequest
        There is no such region; the message names similar ones.
    """
    if acronym in _ids():
        return acronym
    by_case = {name.casefold(): name for name in _ids()}
    if acronym.casefold() in by_case:
        return by_case[acronym.casefold()]
    similar = get_close_matches(acronym.casefold(), by_case, n=3, cutoff=0.5)
    remedy = f"Similar: {', '.join(by_case[name] for name in similar)}" if similar else "Use an Allen acronym, CA1"
    raise BadRequest("No such region", acronym[:40], remedy)


@cache
def acronyms(level: str) -> tuple[str, ...]:
    """Return the names of the regions at a level, by the alphabet.

    Parameters
    ----------
    level : {'allen', 'beryl', 'cosmos'}
    """
    return tuple(sorted(set(_names_at(level).values()) - {"void", "root"}))


@lru_cache(maxsize=2048)
def descendants(acronym: str) -> frozenset[str]:
    """Return the acronyms of a region and of all that it contains in the Allen ontology.

    Raises
    ------
    BadRequest
        There is no such region.
    """
    found = brain_regions().descendants(_ids()[check_region(acronym)])["acronym"]
    return frozenset(str(name) for name in np.atleast_1d(found))


def at_level(acronyms: npt.ArrayLike, level: str) -> npt.NDArray[np.object_]:
    """Return what regions are called at a level.

    Parameters
    ----------
    acronyms : array-like of str, shape (n,)
        Allen acronyms; anything else (NaN, None, unknown) becomes ``''``.
    level : {'allen', 'beryl', 'cosmos'}

    Raises
    ------
    BadRequest
        No such level.
    """
    if level not in LEVELS:
        raise BadRequest("No such level of regions", level[:40], f"One of: {', '.join(LEVELS)}")
    names = _names_at(level)
    values = np.asarray(acronyms, dtype=object).ravel()
    return np.array([names.get(value, "") if isinstance(value, str) else "" for value in values], dtype=object)


def within(acronyms: npt.ArrayLike, region: str, level: str = "allen") -> npt.NDArray[np.bool_]:
    """Return which regions lie within another one, itself and all its descendants.

    Parameters
    ----------
    acronyms : array-like of str, shape (n,)
        Allen acronyms, of the clusters.
    region : str
    level : {'allen', 'beryl', 'cosmos'}
        At which `acronyms` are compared: at ``'beryl'`` a cluster in VISp1 counts as one in VISp.

    Raises
    ------
    BadRequest
        There is no such region or level.
    """
    inside = descendants(region)
    return np.array([name in inside for name in at_level(acronyms, level)], dtype=np.bool_)

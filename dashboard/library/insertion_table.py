"""Lists of insertions as tables: narrowed by facets, counted; pure functions of a DataFrame."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.anatomy.regions import at_level, check_region, within
from dashboard.model.errors import BadRequest
from dashboard.model.facets import SEPARATOR, Facets

COLUMNS = (
    "key", "pid", "eid", "subject", "date", "number", "probe", "lab", "projects", "task", "model", "histology", "qc",
    "source", "opens",
)  # fmt: skip
"""Of a list of insertions; all text, ``''`` where unknown, except number."""

ONLY_LISTED = "only listed"
"""What an insertion opens from that no source has: nothing; else the kind of its files, or a server."""

SEARCHED = ("key", "pid", "eid", "lab")
FACETS = ("lab", "subject", "projects", "task", "probe", "model", "histology", "opens")
"""Columns whose values a search page offers."""

NOTHING_SAID: Mapping[str, str] = MappingProxyType({})
NO_TAGS: Mapping[str, Collection[str]] = MappingProxyType({})


def insertion_table(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Return rows as a list of insertions: one per key, newest session first.

    Parameters
    ----------
    rows : iterable of mapping
        With some of `COLUMNS`; where two have one key, the first value that is not empty is kept. The source is the
        first that an insertion can be opened from.
    """
    merged: dict[str, dict[str, object]] = {}
    for row in rows:
        key = str(row["key"])
        mine = merged.setdefault(key, dict.fromkeys(COLUMNS, ""))
        if row.get("opens") and not mine["opens"]:
            mine["source"] = row.get("source") or mine["source"]
        for name in COLUMNS:
            if mine[name] in ("", 0) and row.get(name) not in (None, ""):
                mine[name] = row[name]
    table = pd.DataFrame(list(merged.values()), columns=list(COLUMNS), dtype=object)
    table["number"] = pd.to_numeric(table["number"], errors="coerce").fillna(0).astype(np.int64)
    for name in COLUMNS:
        if name != "number":
            table[name] = table[name].astype(str)
    table.loc[table["opens"] == "", "opens"] = ONLY_LISTED
    return table.sort_values(["date", "key"], ascending=[False, True], kind="stable", ignore_index=True)


def in_region(
    table: pd.DataFrame, regions: pd.DataFrame | None, region: str, level: str = "allen"
) -> npt.NDArray[np.bool_]:
    """Return which insertions have clusters in a region or its descendants.

    Parameters
    ----------
    table : DataFrame
        As `insertion_table` returns it.
    regions : DataFrame or None
        ``pid``, ``region`` (Allen acronym), ``n_clusters``.
    region : str
    level : {'allen', 'beryl'}

    Raises
    ------
    BadRequest
        There is no such region.
    """
    acronym = check_region(region)
    if regions is None or regions.empty:
        return np.zeros(len(table), np.bool_)
    if level == "beryl":
        acronym = str(at_level([acronym], "beryl")[0]) or acronym
    names = regions["region"].unique()
    inside = set(names[within(names, acronym, level)])
    pids = regions.loc[regions["region"].isin(inside) & (regions["n_clusters"] > 0), "pid"]
    return np.asarray(table["pid"].isin(set(pids)), np.bool_)


def asked_region(facets: Facets) -> str:
    """Return the acronym of the region to ask a database for: at the level of Beryl, what holds the one that is named.

    Raises
    ------
    BadRequest
        There is no such region.
    """
    acronym = check_region(facets.region)
    return (str(at_level([acronym], "beryl")[0]) or acronym) if facets.level == "beryl" else acronym


def check_facets(facets: Facets) -> None:
    """Refuse a region or a day that is none.

    Raises
    ------
    BadRequest
    """
    if facets.region:
        check_region(facets.region)
    for day in (facets.first, facets.last):
        if day and pd.isna(pd.to_datetime(day, format="%Y-%m-%d", errors="coerce")):
            raise BadRequest("Not a date", day[:20], "Write it as 2020-09-21")


def narrow(
    table: pd.DataFrame,
    facets: Facets,
    regions: pd.DataFrame | None = None,
    tags: Mapping[str, Collection[str]] = NO_TAGS,
    regions_known: Mapping[str, Collection[str]] = NO_TAGS,
    favourites: Collection[str] = (),
    said: Mapping[str, str] = NOTHING_SAID,
) -> pd.DataFrame:
    """Return the rows that meet every facet, in their order.

    Parameters
    ----------
    table : DataFrame
        As `insertion_table` returns it.
    facets : Facets
    regions : DataFrame or None
        As for `in_region`.
    tags, regions_known : mapping of str to pids
        What a database said has a tag, or lies in a region.
    favourites : collection of str
        Keys.
    said : mapping of str to str
        What people say, by key; nothing of those that are not in it.

    Raises
    ------
    BadRequest
        There is no such region, or a date is none.
    """
    keep = np.ones(len(table), np.bool_)
    for word in facets.text.casefold().split():
        found = np.zeros(len(table), np.bool_)
        for name in SEARCHED:
            found |= _contains(table[name], word)
        keep &= found
    for name, value in (("lab", facets.lab), ("probe", facets.probe), ("model", facets.model),
                        ("histology", facets.histology), ("opens", facets.opens)):  # fmt: skip
        if value:
            keep &= (table[name] == value).to_numpy(np.bool_)
    for name, value in (("subject", facets.subject), ("projects", facets.project), ("task", facets.task)):
        if value:
            keep &= _contains(table[name], value.strip().casefold())
    check_facets(facets)
    if facets.first:
        keep &= (table["date"] >= facets.first).to_numpy(np.bool_)
    if facets.last:
        keep &= ((table["date"] <= facets.last) & (table["date"] != "")).to_numpy(np.bool_)
    if facets.region:
        inside = in_region(table, regions, facets.region, facets.level)
        known = regions_known.get(asked_region(facets), ())
        keep &= inside | table["pid"].isin(set(known)).to_numpy(np.bool_)
    if facets.tag:
        keep &= table["pid"].isin(set(tags.get(facets.tag, ()))).to_numpy(np.bool_)
    if facets.favourites:
        keep &= table["key"].isin(set(favourites)).to_numpy(np.bool_)
    if facets.verdict:
        keep &= np.array([said.get(key, "none") == facets.verdict for key in table["key"]], dtype=np.bool_)
    return table[keep]


def facet_counts(table: pd.DataFrame, name: str) -> dict[str, int]:
    """Return how many insertions have each value of a column, by value; unknown ones are left out.

    Parameters
    ----------
    table : DataFrame
    name : str
        One of `FACETS`.
    """
    values = table[name]
    if name == "projects":
        values = values.str.split(SEPARATOR).explode()
    counts = values[values != ""].value_counts()
    return {str(value): int(counts[value]) for value in sorted(counts.index, key=str)}


def region_counts(table: pd.DataFrame, regions: pd.DataFrame) -> dict[str, int]:
    """Return how many insertions of a list have clusters in each region, by its acronym; descendants not included.

    Parameters
    ----------
    table, regions : DataFrame
        As for `in_region`.
    """
    inside = regions[(regions["n_clusters"] > 0) & regions["pid"].isin(set(table["pid"]))]
    counts = inside.groupby("region")["pid"].nunique()
    return {str(name): int(n) for name, n in counts.sort_index().items()}


def _contains(values: pd.Series, word: str) -> npt.NDArray[np.bool_]:
    return np.array([word in value.casefold() for value in values], dtype=np.bool_)

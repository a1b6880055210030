"""The channels object with its brain locations, from the files or from a database."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from iblatlas.regions import BrainRegions

from dashboard.model.errors import DatasetInvalid
from dashboard.model.references import DatasetRef, Histology, InsertionRecord, SortingRef
from dashboard.model.sorting import Missing
from dashboard.model.texts import counted
from dashboard.sources.alf.arrays import read_array

_UM = 1e6
_BRAIN_LOCATIONS = "brainLocationIds_ccf_2017"
#: Columns of the attributes that have a meaning of their own.
_WIDTHS = MappingProxyType({"localCoordinates": 2, "mlapdv": 3, _BRAIN_LOCATIONS: 1})
#: Ends the names of columns with what ibllib takes for the places of channels, where that is another.
IN_IBLLIB = "_in_ibllib"
#: Id of what is outside of the brain.
_VOID = 0


@lru_cache(maxsize=1)
def regions() -> Any:
    """Return ``iblatlas.regions.BrainRegions()``: names, colours and mappings; nothing is downloaded."""
    return BrainRegions()


def acronyms(atlas_ids: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.object_]:
    """Return the Allen acronym of each region id, as ``BrainRegions.get`` gives it.

    Raises
    ------
    ValueError
        An id is not in the atlas.
    """
    try:
        return np.asarray(regions().get(atlas_ids)["acronym"], dtype=object)
    except (KeyError, IndexError) as error:
        raise ValueError("a region id is not in the Allen atlas") from error


def load_channels(ref: SortingRef) -> tuple[pd.DataFrame, Histology, tuple[Missing, ...], tuple[str, ...]]:
    """Return the channels of a sorting as its files describe them.

    ``electrodeSites`` of the probe prevail over ``channels`` of the sorting. Where the two differ in length and
    ``channels`` say which electrode each is of, by ``rawInd`` or by their coordinates, they are at their electrodes;
    what ibllib takes for them, electrode n for channel n, is in columns of its own (`IN_IBLLIB`). Else electrodeSites
    stand alone, with ``rawInd`` counted up (``SpikeSortingLoader.load_channels``).

    Parameters
    ----------
    ref : SortingRef
        Its datasets have paths.

    Returns
    -------
    channels : DataFrame, one row per channel
        ``x``, ``y``, ``z`` (m), ``acronym``, ``atlas_id`` where brain locations are in the files, then
        ``axial_um``, ``lateral_um``, ``rawInd``, ``labels`` and whatever else of one column there is.
    histology : Histology
        ``alf`` where brain locations are in the files, else ``none``.
    missing : tuple of Missing
        What is not there, and what is left out since it is damaged, or not as it should be.
    notes : tuple of str

    Raises
    ------
    DatasetMissing
        A file is gone.
    """
    columns, odd = _read(ref, "channels")
    sites, of_sites = _read(ref, "electrodeSites")
    odd += of_sites
    columns, odd = _of_one_length(columns, odd, "channels")
    by_row: dict[str, npt.NDArray[Any]] = {}
    sites, odd = _of_one_length(sites, odd, "electrodeSites")
    notes: tuple[str, ...] = ()
    if sites:
        merged = columns | sites
        notes = ("Channels and brain locations are from electrodeSites of the probe",)
        n_sites = len(next(iter(sites.values())))
        n = len(next(iter(columns.values()))) if columns else n_sites
        if n != n_sites:
            if (rows := _electrodes(columns, sites)) is not None:
                merged = columns | {name: column[rows] for name, column in sites.items()}
                notes += (_moved_note(rows, n_sites),)
                by_row = {name: column[:n] for name, column in sites.items()}
            else:
                merged = dict(sites)
                merged.setdefault("rawInd", np.arange(n_sites))
                electrodes = counted(n_sites, "electrode")
                notes += (f"Of {electrodes} the sorting has {n}: channel n is at electrode n, as in ibllib",)
        columns = merged
    missing = tuple(odd)
    if "localCoordinates" not in columns and not any(item.dataset.endswith(".localCoordinates") for item in odd):
        missing += (Missing("channels.localCoordinates", "no file channels.localCoordinates"),)
    table: dict[str, npt.NDArray[Any]] = {}
    histology = Histology.NONE
    ids = columns.pop(_BRAIN_LOCATIONS, None)
    mlapdv = columns.pop("mlapdv", None)
    if ids is not None:
        histology = Histology.ALF
        if mlapdv is None:
            missing += (Missing("channels.mlapdv", "no file channels.mlapdv: regions without coordinates"),)
        else:
            for i, axis in enumerate("xyz"):
                table[axis] = mlapdv[:, i].astype(np.float64) / _UM
        if (n_outside := int(np.count_nonzero(~np.isfinite(ids)))) > 0:
            notes += (f"{n_outside} of {counted(len(ids), 'channel')} have no brain location, and count as void",)
        whole = _whole(ids)
        table["acronym"], table["atlas_id"] = acronyms(whole), whole
    local = columns.pop("localCoordinates", None)
    if local is not None:
        table["axial_um"] = np.asarray(local[:, 1])
        table["lateral_um"] = np.asarray(local[:, 0])
    table |= {name: np.asarray(column) for name, column in columns.items() if column.ndim == 1}
    if "localCoordinates" in by_row:
        table["axial_um" + IN_IBLLIB] = np.asarray(by_row["localCoordinates"][:, 1])
        table["lateral_um" + IN_IBLLIB] = np.asarray(by_row["localCoordinates"][:, 0])
    if _BRAIN_LOCATIONS in by_row:
        table["acronym" + IN_IBLLIB] = acronyms(_whole(by_row[_BRAIN_LOCATIONS]))
    return pd.DataFrame(table), histology, missing, notes


def with_brain_locations(channels: pd.DataFrame, locations: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return channels with the brain locations that a database has for them.

    Parameters
    ----------
    channels : DataFrame, one row per channel
        As `load_channels` gives them, without brain locations.
    locations : DataFrame
        ``axial_um``, ``lateral_um``, ``x``, ``y``, ``z`` (m), ``atlas_id``, in any order.

    Returns
    -------
    channels : DataFrame
        Brain columns first. Rows are matched by site; sites that the database does not have take the
        coordinates interpolated along the probe and the region of the nearest one
        (``channel_locations_interpolation`` of ibllib).
    notes : tuple of str
        Says so where it was done.

    Raises
    ------
    ValueError
        A region id is not in the atlas.
    """
    if "axial_um" not in channels:
        table = locations.reset_index(drop=True)
        table.insert(3, "acronym", acronyms(table["atlas_id"].to_numpy()))
        return table, ("Channels are those of the database; the sorting has no channels.localCoordinates",)
    rows = _match(channels, locations)
    notes: tuple[str, ...] = ()
    if rows is not None:
        values = {name: locations[name].to_numpy()[rows] for name in ("x", "y", "z", "atlas_id")}
    else:
        values = _interpolate(channels["axial_um"].to_numpy(np.float64), locations)
        notes = ("Brain locations are interpolated: the sites of the database differ from those of the sorting",)
    table = pd.DataFrame({axis: values[axis] for axis in "xyz"}, index=channels.index)
    table["acronym"] = acronyms(values["atlas_id"])
    table["atlas_id"] = values["atlas_id"]
    return pd.concat([table, channels.drop(columns=list(table.columns), errors="ignore")], axis=1), notes


def histology_of(record: InsertionRecord | None) -> Histology:
    """Return the state of the brain locations by the insertion's record; none without a database."""
    return record.histology if record is not None else Histology.NONE


def _whole(ids: npt.NDArray[Any]) -> npt.NDArray[np.integer[Any]]:
    """Return region ids as whole numbers; what is none is void."""
    return np.where(np.isfinite(ids), ids, _VOID).astype(np.int64) if ids.dtype.kind == "f" else np.asarray(ids)


def _electrodes(
    columns: dict[str, npt.NDArray[Any]], sites: dict[str, npt.NDArray[Any]]
) -> npt.NDArray[np.int64] | None:
    """Return the electrode of each channel; None where nothing says it, or channel n is at electrode n.

    Coordinates decide where each of the channels has those of one electrode; else ``rawInd``.
    """
    n_sites = len(next(iter(sites.values())))
    raw, rows = columns.get("rawInd"), None
    if "localCoordinates" in columns and "localCoordinates" in sites:
        own, of_sites = (c["localCoordinates"][:, :2].astype(np.float64).tolist() for c in (columns, sites))
        places = {tuple(place): row for row, place in enumerate(of_sites)}
        found = [places.get(tuple(place), -1) for place in own]
        if len(places) == n_sites and min(found, default=-1) >= 0 and len(set(found)) == len(found):
            rows = np.array(found, dtype=np.int64)
    if rows is None and raw is not None and raw.ndim == 1 and raw.dtype.kind in "iuf" and np.isfinite(raw).all():
        whole = raw.astype(np.int64)
        is_of_one = bool((whole == raw).all()) and 0 < len(whole) == len(np.unique(whole))
        if is_of_one and whole.min() >= 0 and whole.max() < n_sites:
            rows = whole
    return None if rows is None or np.array_equal(rows, np.arange(len(rows))) else rows


def _moved_note(rows: npt.NDArray[np.int64], n_sites: int) -> str:
    n_moved = int(np.count_nonzero(rows != np.arange(len(rows))))
    return (
        f"The {counted(len(rows), 'channel')} of the sorting are at their own electrodes, of {n_sites}; ibllib takes "
        f"electrode n for channel n, which is another for {n_moved} of them: its places are in the columns that end "
        f"in {IN_IBLLIB}"
    )


def _read(ref: SortingRef, obj: str) -> tuple[dict[str, npt.NDArray[Any]], list[Missing]]:
    """Return the attributes of an object that can be used, and why the others cannot."""
    columns: dict[str, npt.NDArray[Any]] = {}
    odd: list[Missing] = []
    for name, dataset in ref.datasets.items():
        if dataset.path is None or name.partition(".")[0] != obj:
            continue
        try:
            columns[dataset.attribute] = _checked(dataset, read_array(dataset.path), dataset.path)
        except DatasetInvalid as error:
            odd.append(Missing(name, str(error)))
    return columns, odd


def _checked(dataset: DatasetRef, column: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    """Return an attribute; those with a meaning of their own are refused where they cannot have it."""
    name, remedy = dataset.attribute, "Fetch or export it again"
    if name in _WIDTHS and column.dtype.kind not in "iuf":
        raise DatasetInvalid(f"{dataset.name} should be numbers, and is {column.dtype}", [path], remedy)
    width = _WIDTHS.get(name, 0)
    if (width == 1 and column.ndim != 1) or (width > 1 and (column.ndim != 2 or column.shape[1] < width)):
        columns = counted(width, "column")
        raise DatasetInvalid(f"{dataset.name} should have {columns}, and is of shape {column.shape}", [path], remedy)
    if name == _BRAIN_LOCATIONS:
        finite = column[np.isfinite(column)]
        try:
            acronyms(finite.astype(np.int64))
        except ValueError as error:
            raise DatasetInvalid("A brain location is no region of the Allen atlas", [path], remedy) from error
    return column


def _of_one_length(
    columns: dict[str, npt.NDArray[Any]], odd: list[Missing], obj: str
) -> tuple[dict[str, npt.NDArray[Any]], list[Missing]]:
    """Leave out attributes that are not as long as the coordinates, or as the first of them."""
    reference = next((name for name in ("localCoordinates", *columns) if name in columns), None)
    if reference is None:
        return columns, odd
    n = len(columns[reference])
    other = {name: len(column) for name, column in columns.items() if column.ndim == 0 or len(column) != n}
    has = f"and {obj}.{reference} has {n:,}"
    odd = odd + [Missing(f"{obj}.{k}", f"{counted(m, 'row')}, {has}") for k, m in other.items()]
    return {name: column for name, column in columns.items() if name not in other}, odd


def _match(channels: pd.DataFrame, locations: pd.DataFrame) -> npt.NDArray[np.intp] | None:
    """Return the row of `locations` for each channel, None where a site is not among them."""
    sites = {
        (axial, lateral): row
        for row, (axial, lateral) in enumerate(
            zip(locations["axial_um"].astype(float), locations["lateral_um"].astype(float), strict=True)
        )
    }
    wanted = zip(channels["axial_um"].astype(float), channels["lateral_um"].astype(float), strict=True)
    rows = [sites.get(site, -1) for site in wanted]
    return np.array(rows, dtype=np.intp) if -1 not in rows else None


def _interpolate(axial_um: npt.NDArray[np.float64], locations: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
    known, first = np.unique(locations["axial_um"].to_numpy(np.float64), return_index=True)
    values: dict[str, npt.NDArray[Any]] = {
        axis: np.interp(axial_um, known, locations[axis].to_numpy(np.float64)[first]) for axis in "xyz"
    }
    nearest = np.searchsorted((known[1:] + known[:-1]) / 2, axial_um)
    return values | {"atlas_id": locations["atlas_id"].to_numpy()[first][nearest]}

"""The channels object with its brain locations, from the files or from a database."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from iblatlas.regions import BrainRegions

from dashboard.model.errors import DatasetInvalid
from dashboard.model.references import DatasetRef, Histology, InsertionRecord, SortingRef
from dashboard.model.sorting import Missing
from dashboard.sources.alf.arrays import read_array

_UM = 1e6
_BRAIN_LOCATIONS = "brainLocationIds_ccf_2017"


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

    ``electrodeSites`` of the probe prevail over ``channels`` of the sorting; where the two differ in
    length the former stand alone, with ``rawInd`` counted up (``SpikeSortingLoader.load_channels``).

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
    notes : tuple of str

    Raises
    ------
    DatasetInvalid
        A file is damaged, or the attributes differ in length.
    """
    columns, files = _read(ref, "channels")
    sites, site_files = _read(ref, "electrodeSites")
    notes: tuple[str, ...] = ()
    if sites:
        merged = columns | sites
        if len({len(c) for c in merged.values()}) > 1:
            merged = dict(sites)
            merged.setdefault("rawInd", np.arange(len(next(iter(sites.values())))))
        columns, files = merged, files | site_files
        notes = ("Channels and brain locations are from electrodeSites of the probe",)
    missing: tuple[Missing, ...] = ()
    if "localCoordinates" not in columns:
        missing = (Missing("channels.localCoordinates", "no file channels.localCoordinates"),)
    _check(columns, files)
    table: dict[str, npt.NDArray[Any]] = {}
    histology = Histology.NONE
    ids = columns.pop(_BRAIN_LOCATIONS, None)
    mlapdv = columns.pop("mlapdv", None)
    if ids is not None and mlapdv is not None:
        histology = Histology.ALF
        for i, axis in enumerate("xyz"):
            table[axis] = mlapdv[:, i].astype(np.float64) / _UM
        table["acronym"] = _acronyms_of(ids, files)
        table["atlas_id"] = np.asarray(ids)
    elif ids is not None:
        histology = Histology.ALF
        table["acronym"] = _acronyms_of(ids, files)
        table["atlas_id"] = np.asarray(ids)
        missing = (*missing, Missing("channels.mlapdv", "no file channels.mlapdv: regions without coordinates"))
    local = columns.pop("localCoordinates", None)
    if local is not None:
        table["axial_um"] = np.asarray(local[:, 1])
        table["lateral_um"] = np.asarray(local[:, 0])
    table |= {name: np.asarray(column) for name, column in columns.items() if column.ndim == 1}
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


def _read(ref: SortingRef, obj: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, DatasetRef]]:
    columns, files = {}, {}
    for name, dataset in ref.datasets.items():
        if dataset.path is not None and name.partition(".")[0] == obj:
            columns[dataset.attribute] = read_array(dataset.path)
            files[dataset.attribute] = dataset
    return columns, files


def _check(columns: Mapping[str, npt.NDArray[Any]], files: Mapping[str, DatasetRef]) -> None:
    n = len(columns.get("localCoordinates", next(iter(columns.values()), np.empty(0))))
    widths = {"localCoordinates": 2, "mlapdv": 3}
    for name, column in columns.items():
        paths = [p for key in ("localCoordinates", name) if key in files and (p := files[key].path) is not None]
        if len(column) != n:
            what = f"channels.{name} has {len(column)} rows and channels.localCoordinates has {n}"
            raise DatasetInvalid(what, paths, "Choose another revision, or fetch them again")
        if name in widths | {_BRAIN_LOCATIONS: 1} and column.dtype.kind not in "iuf":
            what = f"channels.{name} should be numbers, and is {column.dtype}"
            raise DatasetInvalid(what, paths[-1:], "Fetch or export it again")
        if name == _BRAIN_LOCATIONS and column.ndim != 1:
            what = f"channels.{name} should be one column, and is of shape {column.shape}"
            raise DatasetInvalid(what, paths[-1:], "Fetch or export it again")
        if name in widths and (column.ndim != 2 or column.shape[1] < widths[name]):
            what = f"channels.{name} should have {widths[name]} columns, and is of shape {column.shape}"
            raise DatasetInvalid(what, paths[-1:], "Fetch or export it again")


def _acronyms_of(ids: npt.NDArray[Any], files: Mapping[str, DatasetRef]) -> npt.NDArray[np.object_]:
    try:
        return acronyms(ids)
    except ValueError as error:
        path = files[_BRAIN_LOCATIONS].path
        what = "A brain location is no region of the Allen atlas"
        raise DatasetInvalid(what, [path] if path else [], "Fetch or export it again") from error


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
    nearest = np.abs(axial_um[:, np.newaxis] - known).argmin(axis=1)
    return values | {"atlas_id": locations["atlas_id"].to_numpy()[first][nearest]}

"""The clusters object merged with its metrics and with the channel of each cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model.errors import DatasetInvalid
from dashboard.model.references import DatasetRef, SortingRef
from dashboard.model.sorting import Missing, Spikes
from dashboard.sources.alf.arrays import is_table, read_array, read_table
from dashboard.sources.alf.spikes import Validation

# The order of the columns; ibllib's own order varies from run to run (it goes through a set).
_FIRST = ("channels", "depths", "uuids")
#: More units than this are a mistake in the file: each has a row in tables.
MAX_UNITS = 1 << 20
#: Ids below this are found by a table, of a byte an id.
MAX_TABLE = 1 << 24
#: Spikes read together where a whole column is looked at.
BLOCK = 1 << 20
# What Kilosort and Phy call a unit; an IBL label is a number.
_KILOSORT_WORDS = ("good", "mua", "noise", "unsorted")
#: What ``cluster_id`` of the metrics is called where it holds other numbers than ``spikes.clusters``.
ROW_IDS = "cluster_id_in_metrics"
#: Said where ``label`` is no IBL label, until the IBL tests have been made.
KILOSORTS_LABEL = "label repeats Kilosort's own opinion (good or mua); the IBL tests behind it were not made"
_OTHER_SORTING = "The files are of different sortings or revisions; choose another revision, or fetch them again"


def load_clusters(
    ref: SortingRef, attributes: Sequence[str] = ()
) -> tuple[pd.DataFrame, pd.DataFrame | None, tuple[Missing, ...]]:
    """Return the clusters object and its metrics table, not yet merged.

    Parameters
    ----------
    ref : SortingRef
        Its datasets have paths.
    attributes : sequence of str
        Further clusters datasets by name, ``clusters.amps``.

    Returns
    -------
    clusters : DataFrame, one row per cluster
        ``channels`` (int), ``depths`` (um), ``uuids`` and what was asked for, as far as they exist.
        Empty, without columns, where the sorting has no clusters files.
    metrics : DataFrame or None
        As in the file, whatever its length.
    missing : tuple of Missing

    Raises
    ------
    DatasetInvalid
        A file is damaged, or the attributes differ in length.
    """
    found: dict[str, npt.NDArray[Any]] = {}
    metrics = None
    files: dict[str, DatasetRef] = {}
    for name, dataset in ref.datasets.items():
        if not name.startswith("clusters.") or dataset.path is None or "aveforms" in name:
            continue
        if name == "clusters.metrics":
            metrics = read_table(dataset.path) if is_table(dataset.path) else None
            continue
        column = _column(dataset)
        if column.ndim == 1:  # what has several values per cluster is found through its path
            found[dataset.attribute] = column
            files[dataset.attribute] = dataset
    _check_lengths(found, files)
    order = [name for name in _FIRST if name in found] + sorted(set(found).difference(_FIRST))
    clusters = pd.DataFrame({name: found[name] for name in order})
    wanted = [f"clusters.{name}" for name in ("channels", "depths", "uuids")]
    wanted += [n for n in attributes if n.startswith("clusters.") and "aveforms" not in n and not n.endswith("*")]
    missing = tuple(
        Missing(n, "several values per cluster" if n in ref.datasets else f"no file {n}")
        for n in wanted
        if n.removeprefix("clusters.") not in found
    )
    return clusters, metrics, missing


def check_ids(ref: SortingRef, found: Validation, n_clusters: int) -> None:
    """Refuse spikes that name clusters which do not exist.

    Parameters
    ----------
    ref : SortingRef
    found : Validation
    n_clusters : int
        Rows of the clusters object, 0 where there is none.

    Raises
    ------
    DatasetInvalid
        An id is negative, not a whole number, or not below `n_clusters`; both files are named.
    """
    ids = ref.datasets.get("spikes.clusters") or ref.datasets["passingSpikes.table"]
    rows = next((ref.datasets[n] for n in ("clusters.channels", "clusters.depths") if n in ref.datasets), None)
    paths = [d.path for d in (ids, rows) if d is not None and d.path is not None]
    if not found.whole_ids:
        raise DatasetInvalid("A cluster id is not a whole number", paths[:1], "Fetch or export it again")
    if found.lowest_id < 0:
        raise DatasetInvalid(f"A cluster id is negative ({found.lowest_id})", paths[:1], "Fetch or export it again")
    if n_clusters and found.highest_id >= n_clusters:
        raise DatasetInvalid(
            f"spikes.clusters goes up to {found.highest_id} and the clusters object has {n_clusters} rows",
            paths,
            _OTHER_SORTING,
        )


def check_channels(ref: SortingRef, clusters: pd.DataFrame, n_channels: int) -> None:
    """Refuse clusters on channels that do not exist.

    Parameters
    ----------
    ref : SortingRef
    clusters : DataFrame
    n_channels : int
        Rows of the channels object, 0 where there is none.

    Raises
    ------
    DatasetInvalid
        A channel is negative or not below `n_channels`; the files are named.
    """
    if "channels" not in clusters or not len(clusters) or not n_channels:
        return
    low, high = int(clusters["channels"].min()), int(clusters["channels"].max())
    if low < 0 or high >= n_channels:
        names = ("clusters.channels", "electrodeSites.localCoordinates", "channels.localCoordinates", "channels.rawInd")
        files = [path for name in names if name in ref.datasets and (path := ref.datasets[name].path) is not None]
        raise DatasetInvalid(
            f"clusters.channels goes from {low} to {high}, and there are {n_channels} channels",
            files[:2],
            _OTHER_SORTING,
        )


def fill_in(ref: SortingRef, clusters: pd.DataFrame, spikes: Spikes, found: Validation) -> pd.DataFrame:
    """Return the clusters object, with a row per id that a spike has where there is no such object on disk.

    Raises
    ------
    DatasetInvalid
        There are more than `MAX_UNITS` ids.
    """
    if len(clusters) or found.highest_id < 0:
        return clusters
    ids = _ids_in(spikes.clusters, found.highest_id)
    if len(ids) > MAX_UNITS:
        dataset = ref.datasets.get("spikes.clusters") or ref.datasets["passingSpikes.table"]
        paths = [dataset.path] if dataset.path is not None else []
        raise DatasetInvalid(f"spikes.clusters names {len(ids):,} clusters", paths, "Fetch or export it again")
    dense = pd.RangeIndex(len(ids))
    return pd.DataFrame(index=dense if len(ids) == found.highest_id + 1 else pd.Index(ids))


def _ids_in(clusters: npt.NDArray[Any], highest: int) -> npt.NDArray[np.int64]:
    """Return the ids of spikes, none of them negative, ascending."""
    blocks = (np.asarray(clusters[i : i + BLOCK]).astype(np.int64) for i in range(0, len(clusters), BLOCK))
    if highest >= MAX_TABLE:
        return np.unique(np.concatenate([np.unique(block) for block in blocks]))
    present = np.zeros(highest + 1, dtype=np.bool_)
    for block in blocks:
        present[block] = True
    return np.flatnonzero(present)


def by_id(metrics: pd.DataFrame | None, n_clusters: int) -> tuple[pd.DataFrame | None, list[str]]:
    """Return the metrics in the order of the clusters, where their ``cluster_id`` says another, and what to say of it.

    Parameters
    ----------
    metrics : DataFrame or None
    n_clusters : int
        Rows of the clusters object. Metrics of another length are returned as they are.

    Returns
    -------
    DataFrame or None
        With `ROW_IDS` in place of ``cluster_id`` where that does not number the clusters.
    list of str
    """
    if metrics is None or len(metrics) != n_clusters or "cluster_id" not in metrics:
        return metrics, []
    ids = pd.to_numeric(metrics["cluster_id"], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if np.array_equal(ids, np.arange(n_clusters)):
        return metrics, []
    if np.array_equal(np.sort(ids), np.arange(n_clusters)):
        said = "clusters.metrics is in another order than the clusters; its rows are found by cluster_id"
        return metrics.iloc[np.argsort(ids)].reset_index(drop=True), [said]
    said = f"cluster_id in clusters.metrics does not number the clusters; it is called {ROW_IDS}, and rows go by order"
    return metrics.rename(columns={"cluster_id": ROW_IDS}), [said]


def metrics_are_stale(clusters: pd.DataFrame, metrics: pd.DataFrame | None) -> bool:
    """Return whether the metrics have to be recomputed: missing, or of another length (ibllib's rule)."""
    return metrics is None or len(metrics) != len(clusters)


def label_is_kilosorts(clusters: pd.DataFrame) -> bool:
    """Return whether ``label`` repeats Kilosort's own opinion and is not the fraction of IBL's tests passed.

    Parameters
    ----------
    clusters : DataFrame
        Merged; Kilosort's opinion (good, mua) is ``KSLabel`` or ``ks2_label``.
    """
    if "label" in clusters and set(clusters["label"].dropna().astype(str)) & set(_KILOSORT_WORDS):
        return True
    opinion = next((clusters[name] for name in ("KSLabel", "ks2_label") if name in clusters), None)
    if opinion is None or "label" not in clusters or not len(clusters):
        return False
    return bool(np.array_equal(clusters["label"].to_numpy(), (opinion == "good").to_numpy()))


def merge_clusters(clusters: pd.DataFrame, metrics: pd.DataFrame | None, channels: pd.DataFrame) -> pd.DataFrame:
    """Return clusters, metrics and each cluster's channel in one table; nothing that is given changes.

    Parameters
    ----------
    clusters : DataFrame, one row per cluster
        With ``channels``, the row of each cluster's channel; without it no channel columns are added.
    metrics : DataFrame or None
        Left out where it is of another length. Its columns replace those of `clusters` in place.
    channels : DataFrame, one row per channel
        Its columns replace those of both.

    Returns
    -------
    DataFrame, index = that of `clusters`
        Columns as ``SpikeSortingLoader.merge_clusters`` (ibllib) gives them.
    """
    merged: dict[str, Any] = {str(name): clusters[name].to_numpy() for name in clusters.columns}
    if metrics is not None and len(metrics) == len(clusters):
        merged |= {str(name): metrics[name].to_numpy() for name in metrics.columns}
    if "channels" in clusters and len(channels):
        rows = clusters["channels"].to_numpy()
        merged |= {str(name): channels[name].to_numpy()[rows] for name in channels.columns}
    return pd.DataFrame(merged, index=clusters.index.rename("cluster"))


def cluster_depths(clusters: pd.DataFrame, channels: pd.DataFrame) -> npt.NDArray[np.float64] | None:
    """Return the depth of each cluster: of its channel, or where that is not known its own.

    Returns
    -------
    ndarray, shape (n_clusters,), float64, in um, or None
    """
    if "channels" in clusters and "axial_um" in channels:
        depths: npt.NDArray[np.float64] = channels["axial_um"].to_numpy(np.float64)[clusters["channels"].to_numpy()]
        return depths
    if "depths" in clusters:
        return clusters["depths"].to_numpy(np.float64)
    return None


def depths_from_clusters(spikes: Spikes, depths_um: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return the depth of each spike's cluster, for sortings without spikes.depths.

    Parameters
    ----------
    spikes : Spikes
    depths_um : ndarray, shape (n_clusters,), in um
        Checked before to reach beyond the highest id (`check_ids`).

    Returns
    -------
    ndarray, shape (n_spikes,), float32, in um
    """
    ids = spikes.clusters if spikes.clusters.dtype.kind in "iu" else spikes.clusters.astype(np.int64)
    depths: npt.NDArray[np.float32] = depths_um.astype(np.float32)[ids]
    return depths


def _column(dataset: DatasetRef) -> npt.NDArray[Any]:
    assert dataset.path is not None
    column = read_array(dataset.path)
    if column.ndim != 1 and dataset.attribute in ("channels", "depths"):
        what = f"{dataset.name} should be one column, and is of shape {column.shape}"
        raise DatasetInvalid(what, [dataset.path], "Fetch or export it again")
    if column.dtype.kind not in "iuf" and dataset.attribute in ("channels", "depths"):
        what = f"{dataset.name} should be numbers, and is {column.dtype}"
        raise DatasetInvalid(what, [dataset.path], "Fetch or export it again")
    if dataset.attribute == "channels":
        if column.dtype.kind == "f" and not np.all(np.floor(column) == column):
            raise DatasetInvalid("A channel index is not a whole number", [dataset.path], "Fetch or export it again")
        if column.dtype.kind not in "iu":
            column = column.astype(np.int64)
    return np.asarray(column)


def _check_lengths(found: dict[str, npt.NDArray[Any]], files: dict[str, DatasetRef]) -> None:
    reference = next((name for name in ("channels", "depths") if name in found), None)
    if reference is None:
        return
    n = len(found[reference])
    for name, column in found.items():
        if len(column) != n:
            paths = [path for key in (reference, name) if (path := files[key].path) is not None]
            raise DatasetInvalid(
                f"clusters.{reference} has {n} rows and clusters.{name} has {len(column)}",
                paths,
                _OTHER_SORTING,
            )

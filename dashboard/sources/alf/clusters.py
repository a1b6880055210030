"""The clusters object merged with its metrics and with the channel of each cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model.conventions import LabelKind
from dashboard.model.errors import DatasetInvalid
from dashboard.model.references import DatasetRef, SortingRef
from dashboard.model.sorting import Missing, Spikes
from dashboard.model.texts import counted
from dashboard.sources.alf.arrays import is_table, read_array, read_table
from dashboard.sources.alf.spikes import Validation

# The order of the columns; ibllib's own order varies from run to run (it goes through a set).
_FIRST = ("channels", "depths", "uuids")
#: More units than this are a mistake in the file: each has a row in tables.
MAX_UNITS = 1 << 20
#: Ids below this are found by a table, of a byte an id.
MAX_TABLE = 1 << 24
#: Of a note about units, so many are named.
MAX_NAMED = 8
#: Share of the rows of two tables that have to agree for the tables to be of one sorting.
MIN_AGREEMENT = 0.95
#: Spikes read together where a whole column is looked at.
BLOCK = 1 << 20
# What Kilosort and Phy call a unit; an IBL label is a number.
_KILOSORT_WORDS = ("good", "mua", "noise", "unsorted")
#: What ``cluster_id`` of the metrics is called where it holds other numbers than ``spikes.clusters``.
ROW_IDS = "cluster_id_in_metrics"
#: Said where ``label`` is no IBL label, until the IBL tests have been made.
KILOSORTS_LABEL = "label repeats Kilosort's own opinion (good or mua); the IBL tests behind it were not made"
#: METRICS_PARAMS of brainbox.metrics.single_units.
MAX_CONFIDENCE_PCT = 90.0
NOISE_CUTOFF = 5.0
AMP_MEDIAN_V = 50 / 1e6
#: Tests behind ``label``, which is the fraction passed, by the column that each looks at.
TESTS: Mapping[str, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.bool_]]] = MappingProxyType(
    {
        "max_confidence": lambda values: values >= MAX_CONFIDENCE_PCT,
        "noise_cutoff": lambda values: values < NOISE_CUTOFF,
        "amp_median": lambda values: values > AMP_MEDIAN_V,
    }
)
#: Said where ``label`` is of whoever wrote the file.
FILES_LABEL = "label is from the file (0 or 1); the IBL tests are not in the file"
LABEL_NOTES = MappingProxyType({LabelKind.KILOSORT: (KILOSORTS_LABEL,), LabelKind.FILE: (FILES_LABEL,)})
#: What ``label`` of a file is called once the IBL tests have been made.
LABEL_IN_FILE = "label_in_file"
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
        What is not there, and what is left out since it is damaged or not a value per cluster.

    Raises
    ------
    DatasetInvalid
        Channels and depths of the clusters differ in length.
    """
    found: dict[str, npt.NDArray[Any]] = {}
    metrics = None
    odd: list[Missing] = []
    for name, dataset in ref.datasets.items():
        if not name.startswith("clusters.") or dataset.path is None or "aveforms" in name:
            continue
        try:
            if name == "clusters.metrics":
                metrics = read_table(dataset.path) if is_table(dataset.path) else None
            else:
                found[dataset.attribute] = _column(dataset)
        except DatasetInvalid as error:
            odd.append(Missing(name, str(error)))
    odd += [
        Missing(f"clusters.{name}", "several values per cluster") for name, column in found.items() if column.ndim != 1
    ]
    found = {name: column for name, column in found.items() if column.ndim == 1}
    _check_lengths(found, ref)
    odd += _of_other_length(found)
    order = [name for name in _FIRST if name in found] + sorted(set(found).difference(_FIRST))
    clusters = pd.DataFrame({name: found[name] for name in order})
    wanted = [f"clusters.{name}" for name in ("channels", "depths", "uuids")]
    wanted += [n for n in attributes if n.startswith("clusters.") and "aveforms" not in n and not n.endswith("*")]
    known = {item.dataset for item in odd}
    missing = tuple(
        Missing(n, f"no file {n}") for n in wanted if n.removeprefix("clusters.") not in found and n not in known
    )
    return clusters, metrics, (*odd, *missing)


def check_ids(ref: SortingRef, found: Validation, units: pd.Index, spikes: Spikes) -> None:
    """Refuse spikes that name clusters which do not exist.

    Parameters
    ----------
    ref : SortingRef
    found : Validation
    units : Index
        Ids of the units; empty where nothing says which there are.
    spikes : Spikes

    Raises
    ------
    DatasetInvalid
        An id is negative, not a whole number, or not of a unit; both files are named.
    """
    ids = ref.datasets.get("spikes.clusters") or ref.datasets["passingSpikes.table"]
    rows = next((ref.datasets[n] for n in ("clusters.channels", "clusters.depths") if n in ref.datasets), None)
    paths = [d.path for d in (ids, rows) if d is not None and d.path is not None]
    if not found.whole_ids:
        raise DatasetInvalid("A cluster id is not a whole number", paths[:1], "Fetch or export it again")
    if found.lowest_id < 0:
        raise DatasetInvalid(f"A cluster id is negative ({found.lowest_id})", paths[:1], "Fetch or export it again")
    is_range = isinstance(units, pd.RangeIndex)
    if len(units) and is_range and found.highest_id >= len(units):
        raise DatasetInvalid(
            f"spikes.clusters goes up to {found.highest_id} and the clusters object has {counted(len(units), 'row')}",
            paths,
            _OTHER_SORTING,
        )
    if not is_range and (gone := np.setdiff1d(_ids_in(spikes.clusters, found.highest_id), units.to_numpy())).size:
        raise DatasetInvalid(f"spikes.clusters names {gone[0]}, which is no unit of the sorting", paths, _OTHER_SORTING)


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
            f"clusters.channels goes from {low} to {high}, and there are {counted(n_channels, 'channel')}",
            files[:2],
            _OTHER_SORTING,
        )


def fill_in(
    ref: SortingRef, clusters: pd.DataFrame, metrics: pd.DataFrame | None, spikes: Spikes, found: Validation
) -> pd.DataFrame:
    """Return the clusters object with the ids of its units as index.

    Where there is no clusters object on disk there is a row per unit of the metrics, if their ``cluster_id`` names
    every unit that has spikes, else a row per id that a spike has. Where there is one, rows are ids, unless spikes have
    ids beyond them and ``cluster_id`` of as many metrics names them.

    Raises
    ------
    DatasetInvalid
        There are more than `MAX_UNITS` ids.
    """
    if found.highest_id < 0 or (len(clusters) and found.highest_id < len(clusters)):
        return clusters
    named = _named_ids(metrics)
    if len(clusters) and (named is None or len(named) != len(clusters)):
        return clusters
    ids = _ids_in(spikes.clusters, found.highest_id)
    if named is not None and np.isin(ids, named).all():
        return clusters.set_axis(pd.Index(named)) if len(clusters) else pd.DataFrame(index=pd.Index(np.sort(named)))
    if len(clusters):
        return clusters
    if len(ids) > MAX_UNITS:
        dataset = ref.datasets.get("spikes.clusters") or ref.datasets["passingSpikes.table"]
        paths = [dataset.path] if dataset.path is not None else []
        raise DatasetInvalid(f"spikes.clusters names {counted(len(ids), 'cluster')}", paths, "Fetch or export it again")
    dense = pd.RangeIndex(len(ids))
    return pd.DataFrame(index=dense if len(ids) == found.highest_id + 1 else pd.Index(ids))


def _named_ids(metrics: pd.DataFrame | None) -> npt.NDArray[np.int64] | None:
    """Return ``cluster_id`` of the metrics; None where they are not different whole numbers from 0 on."""
    if metrics is None or "cluster_id" not in metrics or not 0 < len(metrics) <= MAX_UNITS:
        return None
    ids = pd.to_numeric(metrics["cluster_id"], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if not (np.isfinite(ids) & (ids >= 0) & (ids < 1 << 53) & (ids == np.floor(ids))).all():
        return None
    whole = ids.astype(np.int64)
    return whole if len(np.unique(whole)) == len(whole) else None


def _ids_in(clusters: npt.NDArray[Any], highest: int) -> npt.NDArray[np.int64]:
    """Return the ids of spikes, none of them negative, ascending."""
    blocks = (np.asarray(clusters[i : i + BLOCK]).astype(np.int64) for i in range(0, len(clusters), BLOCK))
    if highest >= MAX_TABLE:
        return np.unique(np.concatenate([np.unique(block) for block in blocks]))
    present = np.zeros(highest + 1, dtype=np.bool_)
    for block in blocks:
        present[block] = True
    return np.flatnonzero(present)


def by_id(metrics: pd.DataFrame | None, units: pd.Index, spikes: Spikes) -> tuple[pd.DataFrame | None, list[str]]:
    """Return the metrics in the order of the units, by their ``cluster_id``, and what to say of it.

    Parameters
    ----------
    metrics : DataFrame or None
    units : Index
        Ids of the units, in the order of the clusters object.
    spikes : Spikes
        Looked at where the metrics have fewer rows than there are units.

    Returns
    -------
    DataFrame or None
        With `ROW_IDS` in place of ``cluster_id`` where that does not name the units. Fewer metrics than units come with
        a row of NaN for the others; they are returned as they are where they are of another sorting.
    list of str
    """
    if metrics is None or "cluster_id" not in metrics:
        return metrics, []
    ids, known = _named_ids(metrics), units.to_numpy()
    if ids is not None and len(ids) == len(known):
        if np.array_equal(ids, known):
            return metrics, []
        if np.array_equal(np.sort(ids), np.sort(known)):
            said = "clusters.metrics is in another order than the clusters; its rows are found by cluster_id"
            return _reordered(metrics, ids, known), [said]
    if ids is not None and len(ids) < len(known) and _are_of_units(metrics, ids, known, spikes):
        without = ", ".join(map(str, (lacking := np.setdiff1d(known, ids))[:MAX_NAMED]))
        more = f" and {len(lacking) - MAX_NAMED:,} more" if len(lacking) > MAX_NAMED else ""
        said = (
            f"clusters.metrics has {counted(len(ids), 'row')} for {counted(len(known), 'cluster')}; "
            "they are found by cluster_id, "
            f"and there are none for {without}{more}"
        )
        return _reordered(metrics, ids, known), [said]
    if len(metrics) != len(known):
        return metrics, []
    said = f"cluster_id in clusters.metrics does not number the clusters; it is called {ROW_IDS}, and rows go by order"
    return metrics.rename(columns={"cluster_id": ROW_IDS}), [said]


def _reordered(metrics: pd.DataFrame, ids: npt.NDArray[np.int64], units: npt.NDArray[Any]) -> pd.DataFrame:
    """Return the metrics of each unit, its own id in ``cluster_id``."""
    found = metrics.set_axis(pd.Index(ids)).reindex(units).reset_index(drop=True)
    return found.assign(cluster_id=units)


def _are_of_units(metrics: pd.DataFrame, ids: npt.NDArray[np.int64], units: npt.NDArray[Any], spikes: Spikes) -> bool:
    """Return whether fewer metrics than units are of this sorting, and not those of another with fewer units.

    They are where they count as many spikes as the units have. Where they count none they are unless they number
    the first units and others have spikes.
    """
    places = np.searchsorted(np.sort(units), ids)
    if not np.array_equal(np.sort(units)[np.minimum(places, len(units) - 1)], ids):
        return False
    counts = _counts(spikes.clusters, units)
    said = next((metrics[name] for name in ("spike_count", "num_spikes") if name in metrics), None)
    if said is not None:
        return bool(np.mean(counts[np.argsort(units)[places]] == said.to_numpy()) >= MIN_AGREEMENT)
    are_first = np.array_equal(np.sort(ids), np.sort(units)[: len(ids)])
    return not are_first or not counts[~np.isin(units, ids)].any()


def _counts(clusters: npt.NDArray[Any], units: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return how many spikes each unit has; spikes of no unit are left out."""
    order = np.argsort(units)
    counts = np.zeros(len(units), dtype=np.int64)
    for start in range(0, len(clusters), BLOCK):
        ids, n = np.unique(np.asarray(clusters[start : start + BLOCK]).astype(np.int64), return_counts=True)
        places = np.minimum(np.searchsorted(units[order], ids), len(units) - 1)
        is_unit = units[order][places] == ids
        counts[order[places[is_unit]]] += n[is_unit]
    return counts


def metrics_are_stale(clusters: pd.DataFrame, metrics: pd.DataFrame | None) -> bool:
    """Return whether the metrics have to be recomputed: missing, or of another length (ibllib's rule)."""
    return metrics is None or len(metrics) != len(clusters)


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


def depths_from_clusters(
    spikes: Spikes, units: pd.Index, depths_um: npt.NDArray[np.float64]
) -> npt.NDArray[np.floating[Any]]:
    """Return the depth of each spike, that of its cluster where it has none of its own.

    Parameters
    ----------
    spikes : Spikes
    units : Index
        Ids of the units; every spike has one of them (`check_ids`).
    depths_um : ndarray, shape (n_units,), in um
        Of the clusters, in the order of `units`.

    Returns
    -------
    ndarray, shape (n_spikes,), in um
        float32 where there is no spikes.depths, else the type of that.
    """
    own = spikes.depths_um
    found = np.empty(len(spikes), np.float32 if own is None or own.dtype.kind != "f" else own.dtype)
    order = None if isinstance(units, pd.RangeIndex) else np.argsort(units.to_numpy())
    for start in range(0, len(spikes), BLOCK):
        rows = slice(start, start + BLOCK)
        ids = np.asarray(spikes.clusters[rows]).astype(np.int64, copy=False)
        if order is not None:
            ids = order[np.searchsorted(units.to_numpy()[order], ids)]
        of_clusters = depths_um[ids]
        found[rows] = of_clusters if own is None else np.where(np.isfinite(own[rows]), own[rows], of_clusters)
    return found


def label_kind(clusters: pd.DataFrame) -> LabelKind:
    """Return whose ``label`` is, by what the columns hold.

    It is IBL's where it is the fraction of the three tests of the same table that pass, or thirds occur. It is
    Kilosort's where it repeats ``KSLabel`` or ``ks2_label``, or is words, and the tests are absent or contradict it.
    Other zeros and ones, without the tests, are of whoever wrote the file.

    Parameters
    ----------
    clusters : DataFrame
        Merged with the metrics.
    """
    if "label" not in clusters or not clusters["label"].notna().any():
        return LabelKind.NONE
    if set(clusters["label"].dropna().astype(str)) & set(_KILOSORT_WORDS):
        return LabelKind.KILOSORT
    label = pd.to_numeric(clusters["label"], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(label)
    passed = label_tests(clusters)
    if passed.shape[1] == len(TESTS):
        agree = np.isclose(label, passed.mean(axis=1))[known]
        if agree.mean() >= MIN_AGREEMENT:
            return LabelKind.IBL
    if not np.isin(label[known], (0.0, 1.0)).all():
        return LabelKind.IBL
    opinion = next((clusters[name] for name in ("KSLabel", "ks2_label") if name in clusters), None)
    if opinion is not None and np.array_equal(label == 1, (opinion == "good").to_numpy()):
        return LabelKind.KILOSORT
    return LabelKind.IBL if passed.shape[1] else LabelKind.FILE


def label_tests(clusters: pd.DataFrame) -> pd.DataFrame:
    """Return which of the tests behind ``label`` each cluster passes.

    Parameters
    ----------
    clusters : DataFrame
        With some of ``max_confidence`` (%), ``noise_cutoff`` and ``amp_median`` (V).

    Returns
    -------
    DataFrame of bool
        A column per test that can be made: ``max_confidence`` (at least 90), ``noise_cutoff`` (below 5),
        ``amp_median`` (above 50 uV), in the order of the bits of ``bitwise_fail``. NaN fails.
        From ``compute_labels`` of ibllib.
    """
    tests = {
        name: passes(pd.to_numeric(clusters[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))
        for name, passes in TESTS.items()
        if name in clusters
    }
    return pd.DataFrame(tests, index=clusters.index)


def _column(dataset: DatasetRef) -> npt.NDArray[Any]:
    """Return the values of an attribute; channels and depths are numbers, one per cluster."""
    assert dataset.path is not None
    name, remedy = dataset.attribute, "Fetch or export it again"
    if name == "uuids" and is_table(dataset.path):
        table = read_table(dataset.path)
        if table.shape[1] > 1 and "uuids" in table:  # with an id beside it, which says no more than the row
            return table["uuids"].to_numpy()
    column = read_array(dataset.path)
    if name not in ("channels", "depths"):
        return np.asarray(column)
    if column.ndim != 1:
        raise DatasetInvalid(f"{dataset.name} should be one column, and is of shape {column.shape}", [dataset.path])
    if column.dtype.kind not in "iuf":
        raise DatasetInvalid(f"{dataset.name} should be numbers, and is {column.dtype}", [dataset.path], remedy)
    if name == "channels" and column.dtype.kind == "f":
        if not np.all(np.floor(column) == column):
            raise DatasetInvalid("A channel index is not a whole number", [dataset.path], remedy)
        column = column.astype(np.int64)
    return np.asarray(column)


def _check_lengths(found: dict[str, npt.NDArray[Any]], ref: SortingRef) -> None:
    lengths = {name: len(found[name]) for name in ("channels", "depths") if name in found}
    if len(set(lengths.values())) > 1:
        paths = [path for name in lengths if (path := ref.datasets[f"clusters.{name}"].path) is not None]
        what = f"clusters.channels has {lengths['channels']} rows and clusters.depths has {lengths['depths']}"
        raise DatasetInvalid(what, paths, _OTHER_SORTING)


def _of_other_length(found: dict[str, npt.NDArray[Any]]) -> list[Missing]:
    """Take out of the columns those that are not as long as the channels, or the depths, of the clusters."""
    reference = next((name for name in _FIRST if name in found), next(iter(found), None))
    if reference is None:
        return []
    n = len(found[reference])
    other = {name: len(column) for name, column in found.items() if len(column) != n}
    for name in other:
        del found[name]
    return [
        Missing(f"clusters.{name}", f"{counted(length, 'row')}, and clusters.{reference} has {n:,}")
        for name, length in other.items()
    ]

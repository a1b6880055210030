"""Which clusters pass: quality, metrics, regions, depth, rate, amplitude, ids, an expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.anatomy.regions import check_region, within
from dashboard.analysis.filters.expressions import Expression
from dashboard.model.errors import BadRequest
from dashboard.model.shanks import SHANK, UNKNOWN_SHANK
from dashboard.model.sorting import SpikeSorting
from dashboard.model.unit_ids import UnitId, UnitIds

#: Two labels are the same within this: people write 2/3 as 0.66.
LABEL_TOLERANCE = 0.01
#: Columns that hold a cluster's amplitude in V, the first that is there: the website's, then the
#: median over the spikes.
AMPLITUDE_COLUMNS = ("amps", "amp_median")
DEPTH_COLUMNS = ("depths", "axial_um")
MICROVOLT = 1e6

BoolArray = npt.NDArray[np.bool_]
#: Lower and upper limit, both inside; None leaves an end open.
Limits = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class ClusterFilter:
    """What clusters have to be like; a field that is None or empty asks for nothing.

    A value that is missing (NaN) is in no range, has no label and lies in no region: it never
    passes a criterion that looks at it.

    Attributes
    ----------
    labels : tuple of float
        Values of ``label`` that pass; ``(1.0,)`` for IBL's good units.
    regions : tuple of str
        Acronyms; a cluster passes in any of them or their descendants.
    level : {'allen', 'beryl', 'cosmos'}
        At which the clusters' regions are looked up; see `region_tree.within`.
    shanks : tuple of int
        Numbers of shanks, from 0 at the left; a unit passes on any of them.
    depth_um, rate_hz, amplitude_uv : (float or None, float or None) or None
        Limits, both inside.
    metrics : mapping of str to (float or None, float or None)
        Limits of any numeric column, in the column's own unit.
    ids : tuple of int or str, or None
        Ids of units that pass; an empty tuple passes none.
    where : str
        An expression over the table's columns; see `expressions`.
    """

    labels: tuple[float, ...] = ()
    regions: tuple[str, ...] = ()
    level: str = "allen"
    shanks: tuple[int, ...] = ()
    depth_um: Limits | None = None
    rate_hz: Limits | None = None
    amplitude_uv: Limits | None = None
    metrics: Mapping[str, Limits] = field(default_factory=lambda: MappingProxyType({}))
    ids: tuple[UnitId, ...] | None = None
    where: str = ""

    def __post_init__(self) -> None:
        if self.where:
            Expression(self.where)
        for region in self.regions:
            check_region(region)
        for name, limits in (*self.metrics.items(), *self._ranges()):
            _check_limits(name, limits)
        if any(not np.isfinite(label) for label in self.labels):
            raise BadRequest("Labels are numbers", str(self.labels), "For example 1, or 0.66,1")

    def __hash__(self) -> int:
        values = (getattr(self, item.name) for item in fields(self) if item.name != "metrics")
        return hash((*values, frozenset(self.metrics.items())))

    def _ranges(self) -> list[tuple[str, Limits]]:
        named = {"depth": self.depth_um, "rate": self.rate_hz, "amplitude": self.amplitude_uv}
        return [(name, limits) for name, limits in named.items() if limits is not None]

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing."""
        return self == replace(ClusterFilter(), level=self.level)

    def without(self, criterion: str) -> ClusterFilter:
        """Return the filter with one criterion cleared.

        Parameters
        ----------
        criterion : str
            `Criterion.name`: a field, or the name of a metric.

        Raises
        ------
        BadRequest
            It has no such criterion.
        """
        if criterion in self.metrics:
            rest = {name: limits for name, limits in self.metrics.items() if name != criterion}
            return replace(self, metrics=MappingProxyType(rest))
        default = {item.name: getattr(ClusterFilter(), item.name) for item in fields(ClusterFilter)}
        if criterion not in default or criterion in ("metrics", "level"):
            raise BadRequest("No such criterion", criterion[:40], f"One of: {', '.join(default)}")
        return replace(self, **{criterion: default[criterion]})


@dataclass(frozen=True, slots=True, eq=False)
class Criterion:
    """One criterion and what it does on its own.

    Attributes
    ----------
    name : str
        What `ClusterFilter.without` clears.
    text : str
        In words, for the page: ``label 1``, ``firing rate ≥ 2 Hz``.
    mask : ndarray, shape (n_clusters,), bool, or None
        None where it cannot act.
    n_missing : int
        Clusters whose value is missing, which therefore do not pass.
    reason : str
        Why it cannot act; it then passes every cluster, and the page says so.
    """

    name: str
    text: str
    mask: BoolArray | None
    n_missing: int = 0
    reason: str = ""

    @property
    def n_pass(self) -> int | None:
        """Clusters that pass this criterion, whatever the others say; None where it cannot act."""
        return None if self.mask is None else int(self.mask.sum())


@dataclass(frozen=True, slots=True, eq=False)
class FilterResult:
    """Which clusters pass a filter.

    Attributes
    ----------
    mask : ndarray, shape (n_rows,), bool
        In the order of the table's rows.
    ids : ndarray, shape (n_pass,), int64 or str
        Ids of the units that pass.
    criteria : tuple of Criterion
    n_spikes, n_spikes_total : int or None
        Spikes of the clusters that pass, and of all; None where no counts were given.
    """

    mask: BoolArray
    ids: npt.NDArray[Any]
    criteria: tuple[Criterion, ...]
    n_spikes: int | None = None
    n_spikes_total: int | None = None

    @property
    def n_pass(self) -> int:
        """How many clusters pass."""
        return int(self.mask.sum())

    def by_index(self, n_units: int) -> BoolArray:
        """Return the mask as kernels take it, of `n_units`; units without a row do not pass."""
        return np.pad(self.mask, (0, n_units - len(self.mask)))


def _check_limits(name: str, limits: Limits) -> None:
    low, high = limits
    if any(limit is not None and np.isnan(limit) for limit in limits):
        raise BadRequest(f"The limits of {name} are not numbers", str(limits))
    if low is not None and high is not None and low > high:
        raise BadRequest(f"The limits of {name} are the wrong way round", f"{low:g} to {high:g}")


def _say_limits(what: str, limits: Limits, unit: str = "") -> str:
    low, high = limits
    suffix = f" {unit}" if unit else ""
    if low is not None and high is not None:
        return f"{low:g} ≤ {what} ≤ {high:g}{suffix}"
    if low is not None:
        return f"{what} ≥ {low:g}{suffix}"
    return f"any {what}" if high is None else f"{what} ≤ {high:g}{suffix}"


def _numbers(table: pd.DataFrame, names: tuple[str, ...]) -> npt.NDArray[np.float64] | None:
    for name in names:
        if name in table.columns and pd.api.types.is_numeric_dtype(table[name].dtype):
            return table[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return None


def _absent(names: tuple[str, ...]) -> str:
    return f"the units have no {' or '.join(names)}"


def _range_criterion(
    table: pd.DataFrame, name: str, text: str, columns: tuple[str, ...], limits: Limits, scale: float = 1.0
) -> Criterion:
    values = _numbers(table, columns)
    if values is None:
        return Criterion(name, text, None, reason=_absent(columns))
    scaled = values * scale
    mask = ~np.isnan(scaled)
    if limits[0] is not None:
        mask &= scaled >= limits[0]
    if limits[1] is not None:
        mask &= scaled <= limits[1]
    return Criterion(name, text, mask, int(np.isnan(scaled).sum()))


def _label_criterion(table: pd.DataFrame, labels: tuple[float, ...]) -> Criterion:
    text = f"label {', '.join(f'{label:.2g}' for label in labels)}"
    values = _numbers(table, ("label",))
    if values is None:
        return Criterion("labels", text, None, reason=_absent(("label",)))
    near = np.abs(values[:, np.newaxis] - np.array(labels)) <= LABEL_TOLERANCE
    return Criterion("labels", text, near.any(axis=1), int(np.isnan(values).sum()))


def _region_criterion(table: pd.DataFrame, regions: tuple[str, ...], level: str) -> Criterion:
    text = f"within {', '.join(regions)}" + ("" if level == "allen" else f" ({level.capitalize()})")
    if "acronym" not in table.columns:
        return Criterion("regions", text, None, reason="brain locations are not known")
    acronyms = table["acronym"]
    mask = np.zeros(len(table), dtype=np.bool_)
    for region in regions:
        mask |= within(acronyms.to_numpy(dtype=object), region, level)
    return Criterion("regions", text, mask, int(acronyms.isna().sum()))


def _shank_criterion(table: pd.DataFrame, shanks: tuple[int, ...]) -> Criterion:
    text = f"shank{'s' * (len(shanks) != 1)} {', '.join(map(str, shanks))}"
    if SHANK not in table.columns:
        return Criterion("shanks", text, None, reason="the probe is not known to have several shanks")
    of = table[SHANK].to_numpy()
    return Criterion("shanks", text, np.isin(of, shanks), int((of == UNKNOWN_SHANK).sum()))


def _id_criterion(units: UnitIds, ids: tuple[UnitId, ...]) -> Criterion:
    found = units.find(ids)
    text = f"{len(ids)} unit id{'s' * (len(ids) != 1)}"
    if unknown := [str(unit) for unit in ids if unit not in units]:
        text += f" ({len(unknown)} not in this sorting: {', '.join(unknown[:4])}{' …' * (len(unknown) > 4)})"
    return Criterion("ids", text, np.isin(np.arange(len(units)), found))


def _criteria(wanted: ClusterFilter, table: pd.DataFrame, units: UnitIds, amps_are_volts: bool) -> list[Criterion]:
    criteria: list[Criterion] = []
    in_range = partial(_range_criterion, table)
    if wanted.labels:
        criteria.append(_label_criterion(table, wanted.labels))
    if wanted.regions:
        criteria.append(_region_criterion(table, wanted.regions, wanted.level))
    if wanted.shanks:
        criteria.append(_shank_criterion(table, wanted.shanks))
    if wanted.depth_um is not None:
        text = _say_limits("depth", wanted.depth_um, "µm")
        criteria.append(in_range("depth_um", text, DEPTH_COLUMNS, wanted.depth_um))
    if wanted.rate_hz is not None:
        text = _say_limits("firing rate", wanted.rate_hz, "Hz")
        criteria.append(in_range("rate_hz", text, ("firing_rate",), wanted.rate_hz))
    if wanted.amplitude_uv is not None:
        unit, scale = ("µV", MICROVOLT) if amps_are_volts else ("a.u.", 1.0)
        text = _say_limits("amplitude", wanted.amplitude_uv, unit)
        criteria.append(in_range("amplitude_uv", text, AMPLITUDE_COLUMNS, wanted.amplitude_uv, scale))
    for name, limits in wanted.metrics.items():
        criteria.append(in_range(name, _say_limits(name, limits), (name,), limits))
    if wanted.ids is not None:
        criteria.append(_id_criterion(units, wanted.ids))
    if wanted.where:
        regions: Callable[[str], BoolArray] | None = None
        if "acronym" in table.columns:
            regions = partial(within, table["acronym"].to_numpy(dtype=object))
        criteria.append(Criterion("where", wanted.where, Expression(wanted.where).evaluate(table, regions)))
    return criteria


def filtered_table(sorting: SpikeSorting) -> pd.DataFrame:
    """Return the clusters as filters see them: ``label`` is `SpikeSorting.labels`, or is not there."""
    table = sorting.clusters
    if sorting.why_no_labels:
        return table.drop(columns="label", errors="ignore")
    return table.assign(label=sorting.labels)


def filter_clusters(
    wanted: ClusterFilter,
    table: pd.DataFrame,
    spike_counts: npt.ArrayLike | None = None,
    *,
    amps_are_volts: bool = True,
    strict: bool = False,
) -> FilterResult:
    """Say which clusters pass a filter, and what each criterion does on its own.

    Parameters
    ----------
    wanted : ClusterFilter
    table : DataFrame, one row per unit, index = id of the unit
        ibllib's merged columns; `SpikeSorting.clusters`.
    spike_counts : array-like, shape (n_units,), integer, or None
        Spikes of each unit, in the order of the rows; more than there are rows where units have none.
    amps_are_volts : bool
        As `SpikeSorting.amps_are_volts`: else amplitudes are compared in their own unit.
    strict : bool
        Whether a criterion whose column is missing is an error, as in a batch, rather than one
        that cannot act and says so, as on the page.

    Raises
    ------
    BadRequest
        The expression asks for a column that the table lacks; or, with `strict`, a criterion does.
    """
    units = UnitIds(table.index.to_numpy())
    criteria = tuple(_criteria(wanted, table, units, amps_are_volts))
    mask = np.ones(len(table), dtype=np.bool_)
    for criterion in criteria:
        if criterion.mask is not None:
            mask &= criterion.mask
        elif strict:
            raise BadRequest(f"Cannot filter by {criterion.text}: {criterion.reason}")
    ids = units.values[mask]
    if spike_counts is None:
        return FilterResult(mask, ids, criteria)
    counts = np.asarray(spike_counts)
    n = min(len(mask), len(counts))
    return FilterResult(mask, ids, criteria, int(counts[:n][mask[:n]].sum()), int(counts.sum()))

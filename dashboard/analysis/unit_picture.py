"""What is shown of one unit or a few: correlograms, intervals, tests, amplitudes, depths, rates, template."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from dashboard.analysis.computed import Computed
from dashboard.analysis.events.align import Range
from dashboard.analysis.inputs import UnitSpikes, session_rates, unit_spikes, within
from dashboard.analysis.units.amplitudes import AmplitudeHistogram, amplitude_histogram
from dashboard.analysis.units.bins import DEFAULT_BINS, UnitBins
from dashboard.analysis.units.clouds import Cloud, cloud
from dashboard.analysis.units.correlograms import Correlogram, autocorrelogram, crosscorrelogram
from dashboard.analysis.units.isi import IsiHistogram, RefractoryTest, isi_histogram, refractory_test
from dashboard.analysis.units.templates import TemplatePicture, unit_template
from dashboard.analysis.units.turns import shared_time
from dashboard.engine.build import SpikeColumns
from dashboard.model.colours import selection_colours
from dashboard.model.errors import BadRequest, Cancelled
from dashboard.model.sorting import SpikeSorting
from dashboard.model.unit_ids import UnitId

MAX_AMP_BINS = 1_000
"""Bars that the browser can draw beside the amplitudes, and a few times the pixels that they have."""


MAX_PAIRS = 6
"""Pairs that are drawn: those of four units."""


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """Units that one is merged of, in the sorting before.

    Attributes
    ----------
    sorting : SpikeSorting
    columns : SpikeColumns
    indexes : tuple of int
    """

    sorting: SpikeSorting
    columns: SpikeColumns
    indexes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class UnitPicture:
    """Everything of one look at units; parts that the sorting has no data for are None, with a reason.

    Each part is computed when it is first read, and kept; one that fails raises its error wherever it is read, and
    leaves the others.

    Attributes
    ----------
    sorting : SpikeSorting
    columns : SpikeColumns
    units : tuple of UnitSpikes
        In the order of selection; those within the limits of single spikes, where there are any. Those that the one
        before them is merged of stand last, with indexes below 0.
    whole : tuple of UnitSpikes
        All spikes of the units, whatever their amplitude.
    place : int
        Of the unit that the single figures show, among `units`.
    names : tuple of UnitId
        Their ids.
    colours : ndarray, shape (n_units, 3), uint8
        Those that the units have in the raster.
    bins : UnitBins
    amp_range_uv : (float, float) or None
        Limits of single spikes.
    cancel : threading.Event or None
    beside : Members or None
        Units that `focus` is merged of.
    acg, close_acg, isi, refractory
        Of `focus`.
    amplitudes : AmplitudeHistogram or None
        Of all its spikes: the low end of a distribution that was cut tells nothing.
    amplitude_cloud : Cloud or None
        Of all spikes of the units.
    depth_cloud : Cloud
    rates : (edges, rates)
        As `session_rates` returns them.
    template_or_why : (TemplatePicture or None, str)
    """

    sorting: SpikeSorting
    columns: SpikeColumns
    units: tuple[UnitSpikes, ...]
    whole: tuple[UnitSpikes, ...]
    place: int
    names: tuple[UnitId, ...]
    colours: npt.NDArray[np.uint8]
    bins: UnitBins
    amp_range_uv: Range | None
    cancel: threading.Event | None = None
    beside: Members | None = None

    @property
    def n_beside(self) -> int:
        """Of the units, how many are those that another one is merged of."""
        return 0 if self.beside is None else len(self.beside.indexes)

    @property
    def focus(self) -> UnitSpikes:
        """The unit that the single figures show."""
        return self.units[self.place]

    @property
    def n_whole(self) -> int:
        """Spikes of `focus`, whatever their amplitude."""
        return len(self.whole[self.place])

    @property
    def amp_unit(self) -> str:
        """Unit of amplitudes."""
        return self.sorting.amp_unit

    @property
    def time_range_s(self) -> Range:
        """Of the recording."""
        return self.columns.time_range_s

    @property
    def why_no_amplitudes(self) -> str:
        """Empty where there are some."""
        if all(unit.amps_uv is not None for unit in self.whole):
            return ""
        return self.sorting.missing_reason("spikes.amps") or "there are no amplitudes"

    def mean_hz(self, unit: int) -> float:
        """Return the mean rate of one of the units over the recording, by its index."""
        first, last = self.time_range_s
        return sum(len(own) for own in self.units if own.unit == unit) / max(last - first, 1e-9)

    @Computed
    def acg(self) -> Correlogram:
        """Lags of the unit's spikes."""
        self._check()
        return autocorrelogram(self.focus.times_s, self.bins.lag_bin_s, 2 * self.bins.lag_half_s)

    @Computed
    def close_acg(self) -> Correlogram:
        """Short lags of the unit's spikes."""
        self._check()
        return autocorrelogram(self.focus.times_s, self.bins.close_bin_s, 2 * self.bins.close_half_s)

    @Computed
    def isi(self) -> IsiHistogram:
        """Intervals of the unit's spikes."""
        return isi_histogram(self.focus.times_s, self.bins.isi_bin_s, self.bins.isi_window_s)

    @Computed
    def refractory(self) -> RefractoryTest:
        """Sliding refractory test of the unit."""
        self._check()
        return refractory_test(self.focus.times_s)

    @Computed
    def amplitudes(self) -> AmplitudeHistogram | None:
        """Histogram of the amplitudes of all the unit's spikes."""
        amps = self.whole[self.place].amps_uv
        return None if amps is None else amplitude_histogram(amps, self.bins.n_amp_bins)

    @Computed
    def amplitude_cloud(self) -> Cloud | None:
        """Amplitudes of all spikes of the units over the session."""
        self._check()
        amps = [unit.amps_uv for unit in self.whole if unit.amps_uv is not None]
        if self.why_no_amplitudes:
            return None
        times = [unit.times_s for unit in self.whole]
        return cloud(times, amps, self.time_range_s, from_zero=True, colours=self.colours)

    @Computed
    def depth_cloud(self) -> Cloud:
        """Depths of the units' spikes over the session."""
        self._check()
        times, depths = [unit.times_s for unit in self.units], [unit.depths_um for unit in self.units]
        return cloud(times, depths, self.time_range_s, colours=self.colours)

    @Computed
    def rates(self) -> tuple[npt.NDArray[np.float64], tuple[npt.NDArray[np.float64], ...]]:
        """Edges of bins in s, shape (n_bins + 1,), and the rate of each unit in Hz, shape (n_bins,)."""
        return session_rates([unit.times_s for unit in self.units], self.time_range_s, self.bins.rate_bin_s)

    @Computed
    def template_or_why(self) -> tuple[TemplatePicture | None, str]:
        """The template of `focus`, or why there is none."""
        self._check()
        return unit_template(self.sorting, self.columns, self.focus.unit)

    @Computed
    def templates(self) -> list[tuple[int, TemplatePicture]]:
        """Places of the units that have a template of as many samples as `focus`, and the templates."""
        self._check()
        own = (self.sorting, self.columns)
        beside = own if self.beside is None else (self.beside.sorting, self.beside.columns)
        pictures = [
            unit_template(*own, unit.unit)[0] if unit.unit >= 0 else unit_template(*beside, -1 - unit.unit)[0]
            for unit in self.units
        ]
        n = None if self.template is None else self.template.waveforms_uv.shape[1]
        return [(k, one) for k, one in enumerate(pictures) if one is not None and one.waveforms_uv.shape[1] == n]

    @property
    def rate_edges_s(self) -> npt.NDArray[np.float64]:
        """Edges of the bins of `rates_hz`, shape (n_bins + 1,)."""
        return self.rates[0]

    @property
    def rates_hz(self) -> tuple[npt.NDArray[np.float64], ...]:
        """Rate of each unit over the session, shape (n_bins,)."""
        return self.rates[1]

    @property
    def template(self) -> TemplatePicture | None:
        """Mean waveforms of `focus`."""
        return self.template_or_why[0]

    @property
    def why_no_template(self) -> str:
        """Empty where there is one."""
        return self.template_or_why[1]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Places of both units of the pairs that are drawn: all, or those with `focus` where these are too many.

        Of a merged unit and those that it is merged of: each of these with itself, and their pairs where there is room.
        """
        n = len(self.units)
        if self.n_beside:
            members = range(n - self.n_beside, n)
            alone, others = [(k, k) for k in members], list(combinations(members, 2))
            return alone + others if len(alone) + len(others) <= MAX_PAIRS else alone
        found = list(combinations(range(n), 2))
        return found if len(found) <= MAX_PAIRS else [(self.place, k) for k in range(n) if k != self.place]

    @property
    def n_pairs(self) -> int:
        """Pairs of units that are drawn."""
        return len(self.pairs)

    def pair(self, k: int) -> tuple[int, int, Correlogram]:
        """Return indexes of reference and other of one pair, and the lags of the other's spikes.

        Raises
        ------
        Cancelled
            It is no longer wanted.
        """
        self._check()
        first, second = (self.units[place] for place in self.pairs[k])
        window = (self.bins.lag_bin_s, 2 * self.bins.lag_half_s)
        if first is second:
            return first.unit, first.unit, autocorrelogram(first.times_s, *window)
        lags = crosscorrelogram(first.times_s, second.times_s, *window)
        return first.unit, second.unit, lags

    def shared_time(self, k: int) -> float:
        """Return how much of their time the units of a pair share: see `dashboard.analysis.units.turns`."""
        first, second = (self.units[place] for place in self.pairs[k])
        return shared_time(first.times_s, second.times_s, self.time_range_s)

    def _check(self) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled


def unit_picture(
    sorting: SpikeSorting,
    columns: SpikeColumns,
    indexes: tuple[int, ...],
    focus: int,
    bins: UnitBins = DEFAULT_BINS,
    *,
    ranks: tuple[int, ...] = (),
    amp_range_uv: Range | None = None,
    beside: Members | None = None,
    cancel: threading.Event | None = None,
) -> UnitPicture:
    """Return what is shown of some units; each part of it is computed when it is first read.

    Parameters
    ----------
    sorting : SpikeSorting
    columns : SpikeColumns
    indexes : tuple of int
        Of the units.
    focus : int
        The one of them that the single figures show.
    bins : UnitBins
    ranks : tuple of int
        Places of the units among all that are selected, which decide their colours; empty: in their order.
    amp_range_uv : (float, float) or None
        Limits of single spikes.
    beside : Members or None
        Units that `focus` is merged of, to be drawn beside it.
    cancel : threading.Event or None
        Once it is set, what is not computed yet raises `Cancelled`.

    Raises
    ------
    BadRequest
        There is no such unit, or bins make no sense.
    """
    if not 1 <= bins.n_amp_bins <= MAX_AMP_BINS:
        raise BadRequest("The histogram of amplitudes needs bins", str(bins.n_amp_bins), f"1 to {MAX_AMP_BINS:,}")
    whole = tuple(unit_spikes(columns, index) for index in indexes)
    names = tuple(sorting.units.of(index) for index in indexes)
    if beside is not None:
        whole += tuple(replace(unit_spikes(beside.columns, one), unit=-1 - one) for one in beside.indexes)
        names += tuple(beside.sorting.units.of(one) for one in beside.indexes)
    return UnitPicture(
        sorting,
        columns,
        tuple(within(unit, amp_range_uv) for unit in whole),
        whole,
        indexes.index(focus),
        names,
        selection_colours(len(names), () if beside is not None else ranks),
        bins,
        amp_range_uv,
        cancel,
        beside,
    )

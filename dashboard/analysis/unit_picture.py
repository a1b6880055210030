"""What is shown of one unit or a few: correlograms, intervals, tests, amplitudes, depths, rates, template."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from dashboard.analysis.events.align import Range
from dashboard.analysis.inputs import UnitSpikes, session_rates, unit_spikes, within
from dashboard.analysis.units.amplitudes import AmplitudeHistogram, amplitude_histogram
from dashboard.analysis.units.bins import DEFAULT_BINS, UnitBins
from dashboard.analysis.units.clouds import Cloud, cloud
from dashboard.analysis.units.correlograms import Correlogram, autocorrelogram, crosscorrelogram
from dashboard.analysis.units.isi import IsiHistogram, RefractoryTest, isi_histogram, refractory_test
from dashboard.analysis.units.templates import TemplatePicture, unit_template
from dashboard.engine.build import SpikeColumns
from dashboard.model.colours import selection_colours
from dashboard.model.errors import BadRequest, Cancelled
from dashboard.model.sorting import SpikeSorting
from dashboard.model.unit_ids import UnitId

MAX_AMP_BINS = 1_000
"""Bars that the browser can draw beside the amplitudes, and a few times the pixels that they have."""


@dataclass(frozen=True, slots=True, eq=False)
class UnitPicture:
    """Everything of one look at units; parts that the sorting has no data for are None, with a reason.

    Attributes
    ----------
    units : tuple of UnitSpikes
        In the order of selection; those within the limits of single spikes, where there are any.
    names : tuple of UnitId
        Their ids.
    colours : ndarray, shape (n_units, 3), uint8
        Those that the units have in the raster.
    focus : UnitSpikes
        The one of `units` that the single figures show.
    whole : tuple of UnitSpikes
        All spikes of the units, whatever their amplitude.
    n_whole : int
        Spikes of `focus`, whatever their amplitude.
    bins : UnitBins
    amp_range_uv : (float, float) or None
        Limits of single spikes.
    amp_unit : str
    why_no_amplitudes : str
    time_range_s : (float, float)
        Of the recording.
    acg, close_acg, isi, refractory
        Of `focus`.
    amplitudes : AmplitudeHistogram or None
        Of all its spikes: the low end of a distribution that was cut tells nothing.
    pairs : tuple of (int, int, Correlogram)
        Indexes of reference and other, lags of the other's spikes.
    amplitude_cloud : Cloud or None
        Of all spikes of the units.
    depth_cloud : Cloud
    rate_edges_s : ndarray, shape (n_bins + 1,), float64
    rates_hz : tuple of ndarray, shape (n_bins,), one per unit
    template : TemplatePicture or None
    why_no_template : str
    """

    units: tuple[UnitSpikes, ...]
    names: tuple[UnitId, ...]
    colours: npt.NDArray[np.uint8]
    focus: UnitSpikes
    whole: tuple[UnitSpikes, ...]
    n_whole: int
    bins: UnitBins
    amp_range_uv: Range | None
    amp_unit: str
    why_no_amplitudes: str
    time_range_s: Range
    acg: Correlogram
    close_acg: Correlogram
    isi: IsiHistogram
    refractory: RefractoryTest
    amplitudes: AmplitudeHistogram | None
    pairs: tuple[tuple[int, int, Correlogram], ...]
    amplitude_cloud: Cloud | None
    depth_cloud: Cloud
    rate_edges_s: npt.NDArray[np.float64]
    rates_hz: tuple[npt.NDArray[np.float64], ...]
    template: TemplatePicture | None
    why_no_template: str

    def mean_hz(self, unit: int) -> float:
        """Return the mean rate of one of the units over the recording, by its index."""
        first, last = self.time_range_s
        return sum(len(own) for own in self.units if own.unit == unit) / max(last - first, 1e-9)


def unit_picture(
    sorting: SpikeSorting,
    columns: SpikeColumns,
    indexes: tuple[int, ...],
    focus: int,
    bins: UnitBins = DEFAULT_BINS,
    *,
    ranks: tuple[int, ...] = (),
    amp_range_uv: Range | None = None,
    cancel: threading.Event | None = None,
) -> UnitPicture:
    """Compute everything that is shown of some units.

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
    cancel : threading.Event or None

    Raises
    ------
    BadRequest
        There is no such unit, or bins make no sense.
    Cancelled
        `cancel` was set.
    """
    if not 1 <= bins.n_amp_bins <= MAX_AMP_BINS:
        raise BadRequest("The histogram of amplitudes needs bins", str(bins.n_amp_bins), f"1 to {MAX_AMP_BINS:,}")
    whole = tuple(unit_spikes(columns, index) for index in indexes)
    units = tuple(within(unit, amp_range_uv) for unit in whole)
    place = indexes.index(focus)
    own = units[place]
    _check(cancel)
    window = 2 * bins.lag_half_s
    acg = autocorrelogram(own.times_s, bins.lag_bin_s, window)
    close = autocorrelogram(own.times_s, bins.close_bin_s, 2 * bins.close_half_s)
    _check(cancel)
    refractory = refractory_test(own.times_s)
    _check(cancel)
    pairs = []
    for first, second in combinations(units, 2):
        lags = crosscorrelogram(first.times_s, second.times_s, bins.lag_bin_s, window)
        pairs.append((first.unit, second.unit, lags))
        _check(cancel)
    span = columns.time_range_s
    amps = [unit.amps_uv for unit in whole if unit.amps_uv is not None]
    own_amps = whole[place].amps_uv
    edges, rates = session_rates([unit.times_s for unit in units], span, bins.rate_bin_s)
    template, why = unit_template(sorting, columns, focus)
    colours = selection_colours(len(units), ranks)
    has_amps = len(amps) == len(whole)
    return UnitPicture(
        units=units,
        names=tuple(sorting.units.of(index) for index in indexes),
        colours=colours,
        focus=own,
        whole=whole,
        n_whole=len(whole[place]),
        bins=bins,
        amp_range_uv=amp_range_uv,
        amp_unit=sorting.amp_unit,
        why_no_amplitudes="" if has_amps else sorting.missing_reason("spikes.amps") or "there are no amplitudes",
        time_range_s=span,
        acg=acg,
        close_acg=close,
        isi=isi_histogram(own.times_s, bins.isi_bin_s, bins.isi_window_s),
        refractory=refractory,
        amplitudes=None if own_amps is None else amplitude_histogram(own_amps, bins.n_amp_bins),
        pairs=tuple(pairs),
        amplitude_cloud=cloud([unit.times_s for unit in whole], amps, span, from_zero=True, colours=colours)
        if has_amps
        else None,
        depth_cloud=cloud([unit.times_s for unit in units], [unit.depths_um for unit in units], span, colours=colours),
        rate_edges_s=edges,
        rates_hz=rates,
        template=template,
        why_no_template=why,
    )


def _check(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled

"""Figures of an opened sorting for notebooks and scripts: `sorting.plot.unit(12)`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dashboard.analysis.alignment import DEFAULT_BINS as EVENT_BINS
from dashboard.analysis.alignment import EventBins, align
from dashboard.analysis.anatomy.correlation import depth_correlation
from dashboard.analysis.change.change import ChangeRequest, render_change
from dashboard.analysis.compare.difference import count_both, subtract
from dashboard.analysis.events.align import Selection
from dashboard.analysis.events.trials import has_mask
from dashboard.analysis.inputs import unit_spikes
from dashboard.analysis.raw.many import many_spikes
from dashboard.analysis.raw.maps import quality_maps
from dashboard.analysis.raw.picture import snippet_picture
from dashboard.analysis.unit_picture import unit_picture
from dashboard.analysis.units.bins import DEFAULT_BINS, UnitBins
from dashboard.config.settings import load as load_settings
from dashboard.engine.build import SpikeColumns, build_columns
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.heatmap import firing_rate
from dashboard.engine.count.registry import AGGREGATES
from dashboard.figures.change import change_by_depth
from dashboard.figures.probe import depth_correlation_figure
from dashboard.figures.quality import quality_figures
from dashboard.figures.raw import many_figure, snippet_figure
from dashboard.figures.registry import Declared
from dashboard.figures.unit import declare
from dashboard.library.render import render
from dashboard.model.errors import BadRequest
from dashboard.model.noise import Noise
from dashboard.model.raw import HIGH_PASS, PALETTES
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import counted
from dashboard.model.unit_ids import UnitId

if TYPE_CHECKING:
    from dashboard.figures.figure import Range


class Plots:
    """Figures as elements of HoloViews, which compose with ``+``, ``*`` and ``.opts``.

    Parameters
    ----------
    sorting : SpikeSorting
    cache : str, Path or None
        As in `dashboard.open_insertion`.
    """

    def __init__(self, sorting: SpikeSorting, cache: str | Path | None = None) -> None:
        self._sorting, self._cache = sorting, cache

    @property
    def _columns(self) -> SpikeColumns:
        folder = Path(self._cache).expanduser() if self._cache is not None else load_settings().cache
        return build_columns(self._sorting, folder)

    def raster(
        self, aggregate: str = "count", clusters: npt.ArrayLike | None = None, *, width: int = 800, height: int = 400
    ) -> Any:
        """Return the raster as a DynamicMap: each window of its axes is counted by the engine, from every spike.

        Parameters
        ----------
        aggregate : str
            Name of one that is measured: ``count``, ``rate``, ``amp_mean``, ``amp_max``.
        clusters : array-like or None
            Units to keep, as in `dashboard.render`.
        width, height : int
            Pixels.

        Raises
        ------
        BadRequest
            An argument cannot be used, or the aggregate shows names and no numbers.
        """
        from dashboard.figures.elements import live

        entry = AGGREGATES[aggregate]
        if entry.categories:
            raise BadRequest(f"{entry.title} has names and no numbers", aggregate, "Use dashboard.render for its ids")

        def draw(time_range: Range | None, depth_range: Range | None) -> Aggregate:
            return render(
                self._sorting, time_range, depth_range, width, height, aggregate, clusters, cache=self._cache
            )  # fmt: skip

        return live(draw, self._sorting.title)

    def heatmap(self, time_bin_s: float = 0.05, depth_bin_um: float = 10.0) -> Any:
        """Return the firing rate in bins of one grid as a DynamicMap; too many bins are made wider in time."""
        from dashboard.figures.elements import live

        columns = self._columns
        return live(
            lambda times, depths: firing_rate(columns, time_bin_s, depth_bin_um, times, depths), self._sorting.title
        )

    def unit(self, *units: UnitId, bins: UnitBins = DEFAULT_BINS) -> Any:
        """Return all figures of a unit as a Layout; of several, those of the last, the pairs, and all over time.

        Raises
        ------
        BadRequest
            No unit is named, or the sorting has none of that id.
        """
        from dashboard.figures.elements import layout

        indexes = tuple(int(index) for index in self._sorting.units.indexes(list(units)))
        if not indexes:
            raise BadRequest("No unit is named", self._sorting.title, "Give its id: sorting.plot.unit(12)")
        found = unit_picture(self._sorting, self._columns, indexes, indexes[-1], bins)
        return layout(declare(found).values())

    def psth(self, unit: UnitId, event: str = "stimOn", split: str = "none", bins: EventBins = EVENT_BINS) -> Any:
        """Return rate, trials and population around an event as a Layout.

        Parameters
        ----------
        unit : UnitId
        event, split : str
            What the spikes are aligned to, and trials are split by, as on the Events tab.
        bins : EventBins

        Raises
        ------
        BadRequest
            There is no such unit, event or split, or there are no trials.
        """
        from dashboard.figures.elements import layout

        sorting, columns = self._sorting, self._columns
        (index,) = sorting.units.indexes([unit])
        spikes = unit_spikes(columns, int(index))
        found = align(
            sorting, columns, Selection.of(spikes.times_s), f"unit {unit}, {counted(len(spikes), 'spike')}", event,
            split,
            bins=bins, is_masked=sorting.trials is not None and has_mask(sorting.trials.table), is_single=True,
        )  # fmt: skip
        return layout(Declared("event", found).values())

    def raw(
        self,
        at_s: float,
        width_s: float = 0.07,
        *,
        band: str = "ap",
        step: str = HIGH_PASS,
        depth_range: tuple[float, float] | None = None,
        units: Sequence[UnitId] = (),
        palette: str = PALETTES[0],
    ) -> Any:
        """Return the raw voltage around a time by channel, with the spikes in it.

        Parameters
        ----------
        at_s, width_s : float
            Middle and length, in s of the session.
        band, step : str
            ``ap`` or ``lf``; ``raw``, ``high-pass`` or ``destriped``, as in ``sorting.raw.read``.
        depth_range : (float, float) or None
            In um; None: the whole probe.
        units : sequence
            Ids of the units whose spikes are marked; none: all.
        palette : str
            ``grey`` or ``PuOr``.

        Raises
        ------
        DashboardError
            There are no raw data, or none at that time; or there is no such palette.
        """
        from dashboard.figures.elements import element

        if palette not in PALETTES:
            raise BadRequest("There is no such palette of voltage", palette, f"One of: {', '.join(PALETTES)}")

        columns, keep = self._columns, None
        if units:
            keep = np.zeros(columns.n_clusters, np.bool_)
            keep[self._sorting.units.indexes(list(units))] = True
        found = snippet_picture(
            self._sorting, columns, at_s, width_s, band, step, depth_range or (-np.inf, np.inf), keep
        )  # fmt: skip
        return element(snippet_figure(self._sorting, found, at_s, palette=palette))

    def quality(self) -> Any:
        """Return the quality of the recording by depth as a Layout, from its small files (``_iblqc_*``).

        RMS of AP and LF over time, their spectra, and the power of LF by band, with the bad channels; what a file is
        missing for says which.

        Raises
        ------
        DashboardError
            A server that has the files does not give them.
        """
        from dashboard.figures.elements import layout

        return layout(quality_figures(quality_maps(self._sorting, self._sorting.noise or Noise())).values())

    def waveforms(self, unit: UnitId, n: int = 50, *, step: str = HIGH_PASS) -> Any:
        """Return single spikes of a unit laid over each other, with their mean and the template.

        They are those of ``waveforms.traces``, else they are cut out of the raw recording.

        Parameters
        ----------
        unit : UnitId
        n : int
            How many at most, chosen at random.
        step : str
            ``raw``, ``high-pass`` or ``destriped``: what is done to the raw recording.

        Raises
        ------
        DashboardError
            There is no such unit, or neither can be read.
        """
        from dashboard.figures.elements import element

        (index,) = self._sorting.units.indexes([unit])
        return element(many_figure(many_spikes(self._sorting, self._columns, int(index), n, step)))

    def probe(self) -> Any:
        """Return the correlation of firing rates between depths."""
        from dashboard.figures.elements import element

        return element(depth_correlation_figure(depth_correlation(self._columns)))

    def change(self, before: Range, after: Range) -> Any:
        """Return how far units moved between two spans of the session, in s, by their depth.

        Raises
        ------
        BadRequest
            The spans overlap, or no unit fires in one of them.
        """
        from dashboard.figures.elements import element

        sorting = self._sorting
        request = ChangeRequest(self._columns, before, after, sorting.amps_are_volts, sorting.drift)
        units = np.arange(sorting.n_clusters)
        names = sorting.units.at(units)
        return element(change_by_depth(render_change(request, threading.Event()), units, names))

    def compare(self, other: SpikeSorting, *, width: int = 400, height: int = 200) -> Any:
        """Return spikes of this sorting minus those of another per bin, as a DynamicMap that follows its axes.

        Raises
        ------
        BadRequest
            A window makes no sense.
        """
        from dashboard.figures.elements import live

        mine, its = self._columns, Plots(other, self._cache)._columns

        def draw(time_range: Range | None, depth_range: Range | None) -> Aggregate:
            times, depths = time_range or mine.time_range_s, depth_range or mine.depth_range_um
            return subtract(*count_both((mine, None), (its, None), times, depths, width, height))

        title = f"{self._sorting.title} − {other.title}"
        return live(draw, title, is_signed=True)

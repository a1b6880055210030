"""Cross-correlograms of the selected units, in pairs, on paper and as numbers."""

from __future__ import annotations

from itertools import combinations_with_replacement

from matplotlib.figure import Figure

from dashboard.analysis.units.bins import DEFAULT_BINS, UnitBins
from dashboard.analysis.units.correlograms import Correlogram, autocorrelogram, crosscorrelogram
from dashboard.export.origin import Subject, own_spikes, provenance, whole_recording
from dashboard.export.paper import draw_figure
from dashboard.export.sheet import Sheet, SheetStyle, lay_out_between
from dashboard.figures.unit import lags
from dashboard.model.errors import BadRequest
from dashboard.model.texts import counted

MAX_UNITS = 4
"""As many as the page correlates: more pairs cannot be read."""

Pair = tuple[int, int, Correlogram]


NOTE = "“b from a”: rate of b around the spikes of a\ngrey: a unit with itself\ndashed: mean rate, as if independent"


def paired_units(subject: Subject) -> tuple[int, ...]:
    """Return the indexes of the units whose pairs are correlated: the last few that were selected.

    Raises
    ------
    BadRequest
        Fewer than two are selected.
    """
    units = subject.selected[-MAX_UNITS:]
    if len(units) < 2:
        raise BadRequest("A pair takes two selected units", f"{len(units)} selected", "Shift-click adds one")
    return units


def correlate(subject: Subject, bins: UnitBins = DEFAULT_BINS) -> tuple[Pair, ...]:
    """Return the correlogram of each pair, and of each unit with itself: reference, other, lags of the other.

    Raises
    ------
    BadRequest
        Fewer than two units are selected, or bins make no sense.
    """
    units = paired_units(subject)
    times = {unit: own_spikes(subject, unit).times_s for unit in units}
    window = 2 * bins.lag_half_s
    return tuple(
        (
            first,
            second,
            autocorrelogram(times[first], bins.lag_bin_s, window)
            if first == second
            else crosscorrelogram(times[first], times[second], bins.lag_bin_s, window),
        )
        for first, second in combinations_with_replacement(units, 2)
    )


def pair_sheet(subject: Subject, style: SheetStyle, bins: UnitBins = DEFAULT_BINS) -> Sheet:
    """Compute a sheet of correlograms: units along the diagonal, pairs above it.

    Raises
    ------
    BadRequest
        Fewer than two units are selected, or bins make no sense.
    """
    units, pairs = paired_units(subject), correlate(subject, bins)
    names = ", ".join(map(subject.unit_name, units))
    n_spikes = {unit: len(own_spikes(subject, unit)) for unit in units}
    words = provenance(subject, clusters=names, bins=f"correlograms {bins.lag_bin_s:g} s") | {
        "spikes": whole_recording(
            subject, f"{sum(n_spikes.values()):,} of {counted(subject.columns.n_spikes, 'spike')}, units {names}"
        )
    }
    seconds = max(subject.columns.time_range_s[1] - subject.columns.time_range_s[0], 1e-9)

    def draw(figure: Figure) -> None:
        lay_out_between(figure, style)
        grid = figure.subplots(len(units), len(units), sharex=True, squeeze=False)
        for axes in grid.flat:
            axes.set_visible(False)
        for first, second, found in pairs:
            axes, is_self = grid[units.index(first), units.index(second)], first == second
            axes.set_visible(True)
            name, other = subject.unit_name(first), subject.unit_name(second)
            title = f"{name}, {counted(n_spikes[first], 'spike')}" if is_self else f"{other} from {name}"
            shown = lags("", title, found, n_spikes[second] / seconds, "quiet" if is_self else "bar")
            draw_figure(axes, shown, style)
            axes.tick_params(labelbottom=is_self)
            if not is_self:
                axes.set(xlabel="", ylabel="")
        note = grid[-1, 0]
        note.set_visible(True)
        note.set_axis_off()
        words = note.text(0.0, 0.0, NOTE, transform=note.transAxes, va="bottom", fontsize="small")
        words.set(color=style.colours.dim, in_layout=False)  # over the empty cells beside it

    return Sheet(f"{subject.sorting.title} · units {names}", words, style, draw)

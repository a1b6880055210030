"""What is exported: one view of one sorting, and where it came from in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from dashboard.analysis.filters.words import say_spike_amp
from dashboard.analysis.inputs import UnitSpikes, unit_spikes, within
from dashboard.analysis.raw.heat import HeatImage
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.filter import Kept, kept_spikes
from dashboard.engine.count.categories import Categories
from dashboard.engine.count.queries import count_in
from dashboard.model.curation import ALL_LABELS, CURATED, MY_LABEL
from dashboard.model.references import Histology
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import counted, place_text
from dashboard.version import __version__

Range = tuple[float, float]

OF_NUMBERS = ("clock", "amplitude", "depth", "labels")
"""Of `SpikeSorting.differences`: what numbers that leave the page mean."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One view, as it was on the screen when an export began.

    Attributes
    ----------
    sorting : SpikeSorting
    columns : SpikeColumns
        Of the same sorting.
    time_range, depth_range : (float, float)
        What is in view, in s and um.
    mask : ndarray, shape (n_clusters,), bool, or None
        Units that pass the filters, by index; None lets all pass.
    filters : mapping of str to str
        The filter in the words of `dashboard.analysis.filters.words`; empty where all pass.
    level : {'allen', 'beryl', 'cosmos'}
    kind : str
        What the raster's colour means: an aggregate of `dashboard.engine.count.registry`.
    scale : {'linear', 'log', 'eq'}
    limits : (float, float)
        Of the raster's colours: spikes per s and um for counts, Hz per um for rates, else in the aggregate's unit.
    cmap : str
    categories : Categories or None
        Of the clusters, for kinds whose colours name something.
    heat : HeatImage or None
        What the heatmap shows of the recording; None: rates.
    heat_bins : (float, float)
        Of the heatmap, in s and um.
    rate_limits : (float, float)
        Of the heatmap's colours, in Hz.
    selected : tuple of int
        Indexes of the selected units.
    selection_colours : ndarray, shape (n_selected, 3), uint8
    asked : (str or None, str or None)
        Sorter and revision that were asked for; None is the default.
    event : str or None
        What spikes are aligned to; None takes the first that the session has.
    test : str
        The test of responses whose columns the clusters have, in words; empty where there is none.
    curation : str
        Whose labels the columns of decisions show, in words; empty where nobody has decided.
    applied_for : str
        Whose decisions go first of those that are applied to the sorting, see `SpikeSorting.curation`.
    link : str
        Address that opens the view; empty where it is not known.
    amp_range_uv : (float, float) or None
        Limits of single spikes, the upper one outside; None: all.
    """

    sorting: SpikeSorting
    columns: SpikeColumns
    time_range: Range
    depth_range: Range
    mask: npt.NDArray[np.bool_] | None = None
    filters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    level: str = "allen"
    kind: str = "count"
    scale: str = "linear"
    limits: Range = (0.0, 1.0)
    cmap: str = "binary"
    categories: Categories | None = None
    heat: HeatImage | None = None
    heat_bins: Range = (0.05, 10.0)
    rate_limits: Range = (0.0, 1.0)
    selected: tuple[int, ...] = ()
    selection_colours: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 3), np.uint8))
    asked: tuple[str | None, str | None] = (None, None)
    event: str | None = None
    test: str = ""
    curation: str = ""
    applied_for: str = ""
    link: str = ""
    amp_range_uv: Range | None = None

    @cached_property
    def kept(self) -> Kept:
        """The filter that `mask` and `amp_range_uv` describe, validated."""
        return kept_spikes(self.columns, self.mask, self.amp_range_uv)

    def unit_name(self, unit: int) -> str:
        """Return the id of a unit, by its index, as text."""
        return str(self.sorting.units.of(unit))

    @property
    def of_cluster(self) -> npt.NDArray[np.int32] | None:
        """Category of each cluster, as the engine takes them."""
        return None if self.categories is None else self.categories.of_cluster

    @property
    def n_in_view(self) -> int:
        """Spikes in the window that pass the filters, all four edges of the window inside."""
        return count_in(self.columns, self.time_range, self.depth_range, kept=self.kept)

    @property
    def filter_text(self) -> str:
        """The filter in one line."""
        if not self.filters:
            return "all units"
        text = "; ".join(f"{word} {text}" for word, text in self.filters.items())
        is_curated = any(name in text for name in (MY_LABEL, CURATED, ALL_LABELS))
        return f"{text} ({self.curation})" if is_curated and self.curation else text

    @property
    def stem(self) -> str:
        """Name for files: ``SWC_043_2020-09-21_001_probe00``, of letters that every system takes."""
        insertion = self.sorting.ref.insertion
        parts = (insertion.subject, insertion.date, f"{insertion.number:03d}", insertion.probe)
        return in_file_name("_".join(part for part in parts if part)).strip("-.") or "insertion"


def in_file_name(text: str) -> str:
    """Return a text in letters that names of files take on every system."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)


def last_unit(subject: Subject) -> str:
    """Return the id of the unit that was selected last as text; empty where none is."""
    return subject.unit_name(subject.selected[-1]) if subject.selected else ""


def provenance(subject: Subject, **more: str) -> dict[str, str]:
    """Return where an export came from, by names that stay: what files carry and stamps show.

    Parameters
    ----------
    subject : Subject
    **more : str
        What only this export has, such as its bins.
    """
    sorting, insertion, trials = subject.sorting, subject.sorting.ref.insertion, subject.sorting.trials
    numbers = [sentence for name, (_, sentence) in sorting.differences.items() if name in OF_NUMBERS]
    dropped = f" ({sorting.n_dropped:,} dropped: {sorting.drop_reason})" if sorting.n_dropped else ""
    return {
        "insertion": insertion.key,
        "pid": insertion.pid or "none",
        "eid": insertion.eid or "none",
        "subject": insertion.subject,
        "date": insertion.date or "none",
        "number": f"{insertion.number:03d}",
        "probe": insertion.probe,
        "sorter": sorting.ref.sorter.value or "base",
        "revision": sorting.ref.revision.value or "original",
        "histology": words_of_histology(sorting.histology),
        "time": f"{_say(subject.time_range)} s",
        "depth": f"{_say(subject.depth_range)} um",
        "filters": subject.filter_text,
        "spikes": f"{subject.n_in_view:,} of {counted(subject.columns.n_spikes, 'spike')}{dropped}",
        **({"incomplete": f"without {', '.join(sorting.incomplete)}"} if sorting.incomplete else {}),
        **({"numbers": "; ".join(numbers)} if numbers else {}),
        **({"events": trials.origin} if trials is not None and trials.origin else {}),
        **({"responses": subject.test} if subject.test else {}),
        **({"curation": subject.curation} if subject.curation else {}),
        **({"applied": sorting.curation} if sorting.curation else {}),
        **more,
        "version": f"spike-dashboard {__version__}",
        "link": subject.link or "none",
    }


def words_of_histology(state: Histology) -> str:
    """Return what brain locations rest on, and whether that is not final."""
    is_final = state in (Histology.NONE, Histology.UNKNOWN) or state.is_final
    return f"{state}{'' if is_final else ', not final'}"


def stamp(words: Mapping[str, str]) -> str:
    """Return the line that a figure carries where people can read it."""
    where = f"{words['subject']} {words['date']}/{words['number']} {words['probe']}"
    shown = [where, f"pid {words['pid']}", f"{words['sorter']} {words['revision']}", f"histology {words['histology']}"]
    named = (
        "time",
        "depth",
        "filters",
        "trials",
        "events",
        "bins",
        "spikes",
        "incomplete",
        "applied",
        "compared",
        "version",
    )
    shown += [words[name] for name in named if name in words]
    return " · ".join(shown).replace(" um", " µm")


def whole_recording(subject: Subject, what: str) -> str:
    """Return what was counted over the whole recording, in words, with the limits of single spikes."""
    limits, unit = subject.amp_range_uv, subject.sorting.amp_unit
    return f"{what}, whole recording" + ("" if limits is None else f", {say_spike_amp(limits, unit)}")


def own_spikes(subject: Subject, unit: int) -> UnitSpikes:
    """Return the spikes of one unit, by its index, over the whole recording, within the limits of single spikes.

    Raises
    ------
    BadRequest
        No unit has that index.
    """
    return within(unit_spikes(subject.columns, unit), subject.amp_range_uv)


def _say(limits: Range) -> str:
    return " to ".join(map(place_text, limits))

"""The aggregates of the raster: what the colour of a pixel in time and depth can mean.

To add one, write its kernel in a file of this folder and its entry here; or do both in another package, with an entry
point of the group ``spike_dashboard.aggregates`` (docs/extending.md). Choices of the page and the command line, link
words, legends, colour bars, read-outs and exports are made from the entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboard.model.registry import Registry, load

if TYPE_CHECKING:
    from dashboard.engine.columns.columns import SpikeColumns
    from dashboard.engine.count.categories import Categories
    from dashboard.model.sorting import SpikeSorting

#: The unit of what is in that of the sorting's amplitudes: uV, or a.u.
AMPLITUDE = "amplitude"
#: For `AggregateKind.needs`: reasons why a sorting has no amplitudes, brain locations, IBL labels, curated
#: ones, several shanks.
AMPLITUDES = "dashboard.engine.count.needs:no_amplitudes"
LOCATIONS = "dashboard.engine.count.needs:no_locations"
LABELS = "dashboard.engine.count.needs:no_labels"
CURATION = "dashboard.engine.count.needs:no_curation"
SHANKS = "dashboard.engine.count.shanks:why_off"


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateKind:
    """What a pixel shows. Texts are filled in with ``{bin}``, the size of a pixel, and ``{unit}``.

    Attributes
    ----------
    name : str
        What links, the command line and `dashboard.render` call it.
    title : str
        What the page calls it.
    kernel : str
        ``"module:name"`` of a function that takes a `dashboard.engine.count.aggregate.PixelRequest` and returns the
        value of each pixel and how many spikes were used.
    bar, paper : str
        What the colour bar says on the page, and on figures where that is not the same.
    reads, reads_one : str
        How a value reads under the cursor, with ``{value}`` (of one: `reads_one`), and ``{category}``, its name.
    unit : str
        Of the values; `AMPLITUDE` for that of the sorting's amplitudes.
    palette : str
        Of figures that name none.
    needs : str
        ``"module:name"`` of a function that takes a sorting and returns why it cannot be shown, or an empty text.
    grows_with : {'', 'area', 'height'}
        What a value grows with: the area of a pixel where spikes are counted, its height where they are counted per
        time. Limits of colours are then densities, so that the picture keeps its contrast when bins change.
    zero_is_empty : bool
        Whether zero stands for no spike, and stays transparent; else NaN does.
    categories : str
        ``"module:name"`` of a function that takes a sorting, its columns and the level of region names and returns
        `dashboard.engine.count.categories.Categories`. Empty: values measure something.
    ids : str
        ``"module:name"`` of a function of the same arguments for what `dashboard.render` writes for each cluster where
        that is not the index of its category.
    legend : str
        Title of the legend that figures have in place of a colour bar; empty: categories are too many for one.
    shows_units : bool
        Whether categories are the units themselves: `dashboard.render` writes their ids, and counts in grey are drawn
        in its place while units are selected, since it has a colour for each.
    """

    name: str
    title: str
    kernel: str
    bar: str
    reads: str
    paper: str = ""
    reads_one: str = ""
    unit: str = ""
    palette: str = "viridis"
    needs: str = ""
    grows_with: str = ""
    zero_is_empty: bool = False
    categories: str = ""
    ids: str = ""
    legend: str = ""
    shows_units: bool = False

    def why_off(self, sorting: SpikeSorting) -> str:
        """Return why a sorting cannot be shown so; empty where it can."""
        return str(load(self.needs)(sorting)) if self.needs else ""

    def categories_of(self, sorting: SpikeSorting, columns: SpikeColumns, level: str) -> Categories | None:
        """Return the categories of the clusters; None where values measure something."""
        found: Categories | None = load(self.categories)(sorting, columns, level) if self.categories else None
        return found

    def words(self, value: Any, *, category: str = "", **words: str) -> str:
        """Return how a value reads under the cursor."""
        text = self.reads_one if self.reads_one and value == 1 else self.reads
        return text.format(value=value, category=category, **words)


AGGREGATES = Registry(
    "aggregate",
    "spike_dashboard.aggregates",
    (
        AggregateKind(
            name="count", title="Spike count", kernel="dashboard.engine.count.counts:count",
            unit="spikes", bar="spikes per {bin}", reads="{value:,} spikes in {bin}", reads_one="1 spike in {bin}",
            palette="binary", grows_with="area", zero_is_empty=True,
        ),
        AggregateKind(
            name="rate", title="Firing rate", kernel="dashboard.engine.count.counts:rate",
            unit="Hz", bar="Hz per {bin}", paper="firing rate (Hz) in {bin}", reads="{value:.4g} Hz",
            palette="binary", grows_with="height", zero_is_empty=True,
        ),
        AggregateKind(
            name="amp_mean", title="Mean amplitude", kernel="dashboard.engine.count.amplitudes:mean", needs=AMPLITUDES,
            unit=AMPLITUDE, bar="mean amplitude ({unit}) in {bin}", reads="{value:.1f} {unit}",
        ),
        AggregateKind(
            name="amp_max", title="Largest amplitude", kernel="dashboard.engine.count.amplitudes:largest",
            needs=AMPLITUDES, unit=AMPLITUDE, bar="largest amplitude ({unit}) in {bin}", reads="{value:.1f} {unit}",
        ),
        AggregateKind(
            name="region", title="Brain region", kernel="dashboard.engine.count.majority:majority", needs=LOCATIONS,
            categories="dashboard.analysis.anatomy.probe:unit_regions", ids="dashboard.analysis.anatomy.probe:unit_ids",
            bar="most spikes in {bin}", paper="region of most spikes in {bin}", reads="{category}",
        ),
        AggregateKind(
            name="shank", title="Shank", kernel="dashboard.engine.count.majority:majority", needs=SHANKS,
            categories="dashboard.engine.count.shanks:categories", ids="dashboard.engine.count.shanks:numbers",
            legend="shank",
            bar="most spikes in {bin}", paper="shank of most spikes in {bin}", reads="{category}",
        ),
        AggregateKind(
            name="label", title="Label (tests passed)", kernel="dashboard.engine.count.majority:majority", needs=LABELS,
            categories="dashboard.engine.count.labels:categories", legend="label",
            bar="most spikes in {bin}", reads="{category}",
        ),
        AggregateKind(
            name="curated", title="Curated label", kernel="dashboard.engine.count.majority:majority", needs=CURATION,
            categories="dashboard.engine.count.labels:curated", legend="curated label",
            bar="most spikes in {bin}", reads="{category}",
        ),
        AggregateKind(
            name="unit_rate", title="Firing rate of the unit", kernel="dashboard.engine.count.majority:majority",
            categories="dashboard.engine.count.rate_classes:categories", legend="unit's rate",
            bar="most spikes in {bin}", reads="{category}",
        ),
        AggregateKind(
            name="cluster", title="Unit", kernel="dashboard.engine.count.majority:leading_unit", shows_units=True,
            categories="dashboard.engine.count.categories:units", reads="mostly unit {category}",
            bar="colour: the unit with most spikes in the pixel (seven colours)",
            paper="unit (seven colours) of most spikes in {bin}",
        ),
    ),
)  # fmt: skip

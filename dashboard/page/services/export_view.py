"""One look at the page, as exports take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from dashboard.analysis.filters.words import acting
from dashboard.analysis.raw.heat import HeatImage, heat_of_files
from dashboard.export.kinds.rows import Rows
from dashboard.export.origin import Subject
from dashboard.model.colours import selection_colours
from dashboard.model.curation import CURATED
from dashboard.page.core.scene import UNKNOWN, Scene, drawn_kind
from dashboard.page.plot.unit_rows import row_limits, rows_in_view
from dashboard.page.services.response_test import read_test, response_columns

NO_FILTERS = (("quality", "all"), ("level", "allen"))
"""Words that ask for nothing."""

Found = TypeVar("Found")


class ExportView:
    """One look at the page, as it was when an export began; what is expensive is computed when it is asked for.

    Parameters
    ----------
    scene : Scene
    values : dict
        Of every parameter of every state, as they were.
    link : str
        Address that opens it; empty where it is not known.
    of_tabs : mapping of str to object
        What tabs, and the heatmap, have for exports beside the state, by the names of their entries.
    """

    def __init__(
        self, scene: Scene, values: dict[str, Any], link: str = "", of_tabs: Mapping[str, Any] | None = None
    ) -> None:
        self.scene, self.values, self.link, self.of_tabs = scene, values, link, of_tabs or {}
        self._found: dict[object, Any] = {}

    @cached_property
    def subject(self) -> Subject:
        """What is on the screen."""
        return make_subject(self.scene, self.values, self.link, self.of_tabs.get("heatmap"))

    @cached_property
    def rows(self) -> Rows:
        """Rows of units in view, as the page has or would have them."""
        scene, values = self.scene, self.values
        order = scene.depth_order
        first, last = rows_in_view(values["rows"], len(order))
        ids = order[first:last]
        return Rows(
            ids, first, len(order), row_limits(scene, values["color"], values["limits"]),
            tuple(name.replace(UNKNOWN, "") for name in scene.region_names(ids)),
            scene.regions.colours[scene.regions.of_cluster[ids]],
        )  # fmt: skip

    def once(self, make: Callable[[Any], Found]) -> Found:
        """Return what `make` makes of this look; it is made once."""
        if make not in self._found:
            self._found[make] = make(self)
        found: Found = self._found[make]
        return found


def make_subject(scene: Scene, values: dict[str, Any], link: str = "", heat: HeatImage | None = None) -> Subject:
    """Return what is exported of a scene.

    Parameters
    ----------
    scene : Scene
    values : dict
        Of every parameter of `ViewState`, as they were.
    link : str
    heat : HeatImage or None
        What the heatmap shows of the recording.
    """
    kind, cmap, selected = values["color"], values["cmap"], scene.indexes(values["selected"])
    if (drawn := drawn_kind(kind, selected)) != kind:  # as on the page: clusters stand aside in greys
        kind, cmap = drawn, "binary"
    filters = {"quality": values["quality"], "level": values["level"], **values["filters"]}
    filters = {word: text for word, text in filters.items() if (word, text) not in NO_FILTERS}
    filters = acting(filters, scene.sorting)
    if set(filters) <= {"level"}:  # which names regions, and keeps nobody out
        filters = {}
    return Subject(
        scene.sorting,
        scene.columns,
        values["time_range"],
        values["depth_range"],
        scene.mask,
        MappingProxyType(filters),
        level=values["level"],
        kind=kind,
        scale=values["scale"],
        limits=values["limits"] or scene.limits(kind),
        cmap=cmap,
        categories=scene.categories(kind),
        heat=None if values["heat_of"] == "rate" else heat or heat_of_files(scene.sorting, values["heat_of"]),
        heat_bins=(values["time_bin_s"], values["depth_bin_um"]),
        rate_limits=scene.rate_limits(values["depth_bin_um"]),
        selected=selected,
        selection_colours=np.asarray(selection_colours(len(selected)), np.uint8),
        asked=(values["sorter"], values["revision"]),
        event=values["event"],
        test=read_test(values["test"]).words if values["test"] and response_columns(scene.sorting) else "",
        curation=values.get("shown_by", "") if CURATED in scene.sorting.clusters else "",
        applied_for=values.get("applied_for", "") if scene.sorting.curation else "",
        link=link,
        amp_range_uv=scene.amp_range_uv,
    )

"""What a browser is told of the table of units when it is given it."""

from __future__ import annotations

import pandas as pd
import pytest

from dashboard.page.tabs.clusters.widget import ClusterRows


@pytest.mark.parametrize("page", [1, 2])
@pytest.mark.parametrize("sorters", [[], [{"field": "depth", "dir": "desc"}]])
@pytest.mark.parametrize("selection", [[], [1], [4, 1]])
def test_selected_rows_are_those_of_the_page_as_it_is_sorted(
    page: int, sorters: list[dict[str, str]], selection: list[int]
) -> None:
    units = [3, 5, 8, 9, 12]
    table = pd.DataFrame({"cluster_id": units, "depth": [30.0, 50.0, 10.0, 40.0, 20.0]}, index=units)
    widget = ClusterRows(table, sorters=sorters, pagination="remote", page_size=3, page=page, show_index=False)
    widget.selection = selection  # before any browser has it
    source = widget.get_root().source
    shown = source.data["cluster_id"]
    marked = {int(shown[place]) for place in source.selected.indices}
    assert marked == {int(table.index[row]) for row in selection} & set(map(int, shown))

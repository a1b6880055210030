"""The code of a view for ONE and ibllib, run with them. Needs ibllib: `make parity`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

brainbox_io = pytest.importorskip("brainbox.io.one", reason="ibllib is not installed (make parity)")

from iblatlas.regions import BrainRegions  # noqa: E402
from one.alf.cache import make_parquet_db  # noqa: E402
from one.api import One  # noqa: E402

from dashboard.engine.build import build_columns  # noqa: E402
from dashboard.export.code import ibllib_snippet  # noqa: E402
from dashboard.export.origin import Subject  # noqa: E402
from dashboard.library.open import open_insertion  # noqa: E402
from dashboard.library.render import render  # noqa: E402
from dashboard.sources.demo.source import DemoSource  # noqa: E402

pytestmark = [
    pytest.mark.parity,
    # ibllib, ONE and what they import warn freely; ours is held to `error` everywhere else
    pytest.mark.filterwarnings("ignore"),
]


@pytest.mark.parametrize(
    ("is_filtered", "sorter", "revision"),
    [
        (False, None, None), (True, None, None), (False, "pykilosort", None), (True, "pykilosort", ""),
        (False, "pykilosort", "2024-05-06"),
    ],
)  # fmt: skip
def test_the_snippet_gives_the_numbers_of_the_view(
    is_filtered: bool, sorter: str | None, revision: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = DemoSource(tmp_path / "cache", n_spikes=100_000)
    insertion = source.find("demo")
    assert insertion is not None
    source.fetch_files(insertion, source.datasets(insertion))  # which writes the files
    root = source.session.parents[4]
    make_parquet_db(root, hash_files=False)
    # ONE() is as the user set it up; the rest of the atlas would be downloaded.
    monkeypatch.setattr("one.api.ONE", lambda: One(cache_dir=root, mode="local"))
    monkeypatch.setattr(brainbox_io, "AllenAtlas", lambda *args, **kwargs: type("A", (), {"regions": BrainRegions()})())
    sorting = open_insertion("demo", source=source, cache=tmp_path / "ours", sorter=sorter, revision=revision)
    columns = build_columns(sorting, tmp_path / "ours")
    mask = None
    if is_filtered:
        mask = np.zeros(columns.n_clusters, np.bool_)
        mask[: sorting.n_clusters] = sorting.labels == 1
    words = {"quality": "good"} if is_filtered else {}
    subject = Subject(sorting, columns, (10.0, 100.0), (200.0, 3000.0), mask, words, asked=(sorter, revision))
    world: dict[str, object] = {}
    exec(compile(ibllib_snippet(subject), "snippet", "exec"), world)
    assert world["n_spikes"] == subject.n_in_view
    picture = render(sorting, subject.time_range, subject.depth_range, clusters=mask, cache=tmp_path / "ours")
    np.testing.assert_array_equal(world["counts"], picture.values)

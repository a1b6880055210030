"""Small pictures of insertions that have been opened."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from dashboard.engine.build import SpikeColumns
from dashboard.engine.count.raster import aggregate
from dashboard.library.store import InsertionStore
from dashboard.library.thumbnails import SIZE, draw_thumbnail, find_thumbnail, keep_thumbnail
from dashboard.sources.demo.source import DemoSource
from tests.replay.downloading import until


def opacity(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))[..., 3]


def test_it_is_the_raster_with_the_tip_at_the_bottom(small_columns: SpikeColumns) -> None:
    drawn = opacity(draw_thumbnail(small_columns))
    assert drawn.shape == (SIZE[1], SIZE[0])
    counts = aggregate(small_columns, None, None, 8, 4).values[::-1]
    seen = drawn.reshape(4, SIZE[1] // 4, 8, SIZE[0] // 8).mean(axis=(1, 3))
    assert np.corrcoef(seen.ravel(), counts.ravel())[0, 1] > 0.9


def test_opening_an_insertion_keeps_its_picture(tmp_path: Path) -> None:
    assert find_thumbnail(tmp_path, "demo") is None
    store = InsertionStore([DemoSource(tmp_path, n_spikes=20_000)], tmp_path)
    opened = store.open("demo")
    key = opened.sorting.ref.insertion.key
    until(lambda: find_thumbnail(tmp_path, key) is not None)
    store.close()
    found = find_thumbnail(tmp_path, key)
    assert found == draw_thumbnail(opened.columns)
    assert len(found) < 16_000


def test_what_cannot_be_drawn_or_kept_is_left_out(small_columns: SpikeColumns, tmp_path: Path) -> None:
    keep_thumbnail(tmp_path, "a", replace(small_columns, is_placed=False))
    assert find_thumbnail(tmp_path, "a") is None
    (tmp_path / "thumbnails").write_text("a file where the folder would be")
    keep_thumbnail(tmp_path, "a", small_columns)
    assert find_thumbnail(tmp_path, "a") is None

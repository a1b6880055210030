"""The live raster away from any page: what a session keeps of a picture, and what it makes of it again."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from dashboard.compute.rasters import Aggregate, aggregate
from dashboard.sources.demo import DemoSource
from dashboard.store import InsertionStore
from dashboard.views.raster import RasterRequest, narrowed, render
from dashboard.views.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    cache: Path = tmp_path_factory.mktemp("cache")
    store = InsertionStore([DemoSource(cache, n_spikes=20_000)], cache, 1 << 30)
    yield Scene(store.open("demo"), None, "allen")
    store.close()


def request(scene: Scene, **changes: object) -> RasterRequest:
    whole = RasterRequest(scene, (0.0, 40.0), (0.0, 3840.0), 60, 40, "count", "linear", None, ())
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_a_session_keeps_its_counts_in_no_more_bytes_than_they_need(scene: Scene) -> None:
    picture = render(request(scene), threading.Event())
    exact = aggregate(scene.columns, (0.0, 40.0), (0.0, 3840.0), 60, 40, snap=True)
    assert exact.values.max() > 0
    np.testing.assert_array_equal(picture.aggregate.values, exact.values)
    assert picture.aggregate.values.dtype == np.uint8


@pytest.mark.parametrize(("most", "narrowest"), [(255, np.uint8), (256, np.uint16), (65_536, np.uint32)])
def test_counts_are_kept_in_the_narrowest_type(most: int, narrowest: type) -> None:
    values = np.array([[0, most]], dtype=np.uint32)
    edges = np.arange(3.0)
    kept = narrowed(Aggregate(values, edges, edges[:2], "count", "spikes", most))
    assert kept.values.dtype == narrowest and kept.values.tolist() == values.tolist()


@pytest.mark.parametrize("scale", ["linear", "log", "eq"])
def test_another_scale_of_a_kept_picture_is_what_counting_again_gives(scene: Scene, scale: str) -> None:
    kept = render(request(scene), threading.Event())
    again = render(request(scene, scale=scale, before=kept), threading.Event())
    anew = render(request(scene, scale=scale), threading.Event())
    assert again.levels is not None and anew.levels is not None
    np.testing.assert_array_equal(again.levels.image, anew.levels.image)
    assert (again.n_in_view, again.limits) == (anew.n_in_view, anew.limits)

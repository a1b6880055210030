"""What leaves for the browser: pictures without loss, coarser on a slow line while it moves, dense for such screens."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from dashboard.page.core.line import Line
from dashboard.sources.demo.source import DemoSource
from tests.browser.driver import Visit
from tests.browser.test_page import frame_of, wait_until
from tests.serving import serving

BUDGET = 20_000
IMAGE = """() => {
  const { image } = Bokeh.documents[0].get_model_by_name("raster-image").data
  return { values: [...image[0]], shape: [...image[0].shape] }
}"""
SHAPE = "() => [...Bokeh.documents[0].get_model_by_name('raster-image').data.image[0].shape]"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    cache = tmp_path_factory.mktemp("cache")
    with serving([DemoSource(cache, n_spikes=200_000)], cache) as running:
        yield running


def address(server: Any) -> str:
    return f"http://127.0.0.1:{server.port}{server.prefix}/?insertion=demo&show=raster"


def newest(server: Any) -> Any:
    """Return the session of the page that was opened last."""
    return list(server.process.sessions)[-1]


def is_shown(visit: Visit, raster: Any) -> bool:
    """Whether the browser has the picture of the server, level by level."""
    if raster.picture is None or raster.coarser > 1:
        return False
    found = visit.page.evaluate(IMAGE)
    levels = raster.picture.levels.image
    return tuple(found["shape"]) == levels.shape and np.array_equal(found["values"], levels.ravel())


@pytest.mark.walk
def test_a_slow_line_has_coarser_pictures_while_the_hand_moves_and_the_whole_one_at_rest(
    server: Any, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Line, "is_fast", property(lambda line: False))
    monkeypatch.setattr(Line, "budget", property(lambda line: BUDGET))
    page, sizes = visit.page, []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: sizes.append(data)))
    visit.open(address(server))
    visit.wait_for_spikes()
    session = newest(server)
    raster = session.raster
    wait_until(visit, lambda: is_shown(visit, raster))
    assert sum(data == "deflated text" for data in sizes) > 0
    said: list[str] = []
    session.centre.status.param.watch(lambda event: said.append(event.new), "object")
    shapes: list[tuple[int, int, int]] = []
    show = raster._show

    def record(request: Any, picture: Any) -> None:
        shapes.append((raster.coarser, raster._made.n_bytes, picture.levels.image.size))
        show(request, picture)

    monkeypatch.setattr(raster, "_show", record)
    x, y, width, height = frame_of(visit, "raster")
    page.mouse.move(x + width / 2, y + height / 2)

    turns = count()

    def turn() -> bool:
        page.mouse.wheel(0, 20 if next(turns) % 2 else -20)
        return any(coarser > 1 for coarser, *_ in shapes) and "coarser bins" in " ".join(said)

    wait_until(visit, turn)
    wait_until(visit, lambda: is_shown(visit, raster))
    moving = [found for found in shapes if found[0] > 1]
    assert max(n_bytes for _, n_bytes, _ in moving) <= BUDGET
    assert shapes[-1][0] == 1
    assert shapes[-1][2] > max(size for *_, size in moving)
    wait_until(visit, lambda: "coarser" not in page.locator(".status-line").inner_text())


def test_pictures_are_the_same_level_by_level_and_as_dense_as_the_screen(server: Any, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, device_scale_factor=2)
    visit = Visit(context.new_page())
    visit.open(address(server))
    visit.wait_for_spikes()
    raster = newest(server).raster
    width, height = (round(side) for side in frame_of(visit, "raster")[2:])
    wait_until(visit, lambda: raster.pixel_ratio == 2 and is_shown(visit, raster))
    wait_until(visit, lambda: visit.page.evaluate(SHAPE)[1] > width and visit.page.evaluate(SHAPE)[0] > height)
    assert visit.complaints == []
    context.close()

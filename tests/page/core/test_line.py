"""What is known of the line to a browser, and what a picture weighs on it."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass

import numpy as np
import pytest

from dashboard.page.core.line import FAST, MAX_BUDGET, MIN_BUDGET, WIDE, Line, PackedImage, deflate, packed
from dashboard.page.core.live_image import MIN_PIXELS, Order, make

ROUND_TRIP_S = 0.03


def carry(line: Line, n_bytes: int, rate: float, at: float) -> float:
    """Send bytes over a line of a rate, and return when their receipt came."""
    number = line.send(n_bytes, at)
    came = at + n_bytes / rate + ROUND_TRIP_S
    line.receive(number, came)
    return came


@pytest.mark.parametrize("rate", [0.5e6, 2.5e6, 12e6, 100e6])
def test_a_rate_is_read_from_receipts(rate: float) -> None:
    line = Line()
    at = carry(line, 0, rate, 10.0)
    assert line.rate is None
    for _ in range(3):
        at = carry(line, 1_000_000, rate, at + 0.1)
    assert line.rate == pytest.approx(rate, rel=0.01) or (rate > FAST and line.is_fast)
    assert line.is_fast == (rate > FAST)
    assert (line.budget is None) == (rate > WIDE)
    assert line.on_the_way == 0


def test_messages_that_wait_behind_others_do_not_look_slow() -> None:
    line, rate = Line(), 2.5e6
    carry(line, 0, rate, 10.0)
    first, second = line.send(250_000, 11.0), line.send(250_000, 11.0)
    assert line.on_the_way == 500_000
    line.receive(first, 11.0 + 0.1 + ROUND_TRIP_S)
    line.receive(second, 11.0 + 0.2 + ROUND_TRIP_S)
    assert line.rate == pytest.approx(rate, rel=0.01)


def test_a_browser_that_was_busy_once_does_not_look_slow() -> None:
    line = Line()
    at = carry(line, 0, 100e6, 10.0)
    for rate in (100e6, 1e6, 100e6):
        at = carry(line, 1_000_000, rate, at + 0.1)
    assert line.budget is None


def test_a_line_of_which_nothing_is_known_is_not_fast_unless_its_end_is_near() -> None:
    line = Line()
    assert not line.is_fast
    assert line.budget is None
    line.receive(line.send(0, 10.0), 10.0005)
    assert line.is_fast


def test_the_budget_of_a_picture_stays_within_its_limits() -> None:
    for rate in (1e4, 1e6, 7e6):
        line = Line()
        at = carry(line, 0, rate, 10.0)
        carry(line, 1_000_000, rate, at)
        assert line.budget is not None
        assert MIN_BUDGET <= line.budget <= MAX_BUDGET


def test_a_line_is_full_until_what_is_on_it_has_arrived() -> None:
    line = Line()
    at = carry(line, 0, 1e6, 10.0)
    carry(line, 200_000, 1e6, at)
    assert not line.is_full
    number = line.send(200_000)
    assert line.is_full
    line.receive(number)
    assert not line.is_full


def test_nothing_waits_for_a_browser_that_has_gone() -> None:
    line = Line()
    at = carry(line, 0, 1e6, 10.0)
    carry(line, 200_000, 1e6, at)
    line.send(200_000, now=at)  # long ago
    assert not line.is_full


def test_what_is_compressed_comes_back_as_it_was() -> None:
    image = np.random.default_rng(0).poisson(0.2, (300, 400)).astype(np.uint8)
    small = deflate(image, is_picture=True)
    assert len(small) < image.nbytes / 3
    assert zlib.decompress(small, -zlib.MAX_WBITS) == image.tobytes()
    assert zlib.decompress(deflate("µm".encode()), -zlib.MAX_WBITS).decode() == "µm"


def test_an_image_carries_its_compressed_form_only_where_it_has_one() -> None:
    image = np.zeros((2, 3), np.uint8)
    assert packed(image, None) is image
    carried = packed(image, b"x")
    assert isinstance(carried, PackedImage)
    assert carried.deflated == b"x"
    np.testing.assert_array_equal(np.asarray(carried), image)


@dataclass(frozen=True)
class Noise:
    """A request for a picture that cannot be compressed."""

    width: int
    height: int


def noise(request: Noise, cancel: threading.Event) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (request.height, request.width)).astype(np.uint8)


def images(request: Noise, picture: np.ndarray) -> list[np.ndarray]:
    return [picture]


def test_a_picture_becomes_coarser_until_it_has_no_more_bytes_than_it_may() -> None:
    made = make(noise, images, Order(Noise(1600, 800), 1, 100_000), threading.Event())
    assert made.n_bytes <= 100_000
    assert made.coarser == 4
    assert made.picture.shape == (200, 400)
    assert made.request == Noise(400, 200)
    again = make(noise, images, Order(Noise(1600, 800), made.coarser, 100_000), threading.Event())
    assert again.picture.shape == (200, 400)


def test_a_picture_at_rest_has_every_pixel_of_the_screen() -> None:
    made = make(noise, images, Order(Noise(1600, 800)), threading.Event())
    assert (made.coarser, made.picture.shape) == (1, (800, 1600))
    raw = make(noise, images, Order(Noise(1600, 800), is_packed=False), threading.Event())
    assert not raw.deflated


def test_a_picture_is_not_made_smaller_than_one_can_see() -> None:
    made = make(noise, images, Order(Noise(300, 200), 1, 10), threading.Event())
    assert min(made.picture.shape) >= MIN_PIXELS / 2

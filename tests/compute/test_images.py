"""Memory of pictures is used again, and never while anyone can still see it."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

from dashboard.compute import images
from dashboard.compute.images import new_image

SHAPE = (600, 700)


@pytest.fixture(autouse=True)
def _nothing_waits():
    gc.collect()
    images._waiting.clear()
    yield
    images._waiting.clear()


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("dtype", [np.uint32, np.float64, np.int32, np.float32])
def test_an_image_is_a_plain_writable_array(dtype):
    for shape in (SHAPE, (3, 4), (0, 5)):
        image = new_image(shape, dtype, 7)
        assert image.shape == shape and image.dtype == dtype
        assert image.flags.c_contiguous and image.flags.writeable and image.flags.aligned
        assert (image == 7).all()


def test_memory_is_used_again_when_the_last_view_is_gone():
    image = new_image(SHAPE, np.uint32, 1)
    place, view = address(image), image[5:, ::2].T
    del image
    other = new_image(SHAPE, np.uint32, 2)
    assert address(other) != place and (view == 1).all()
    del view
    assert address(new_image(SHAPE, np.uint32)) == place


def test_images_that_live_never_share_memory():
    alive = [new_image(SHAPE, np.uint32, k) for k in range(5)]
    del alive[1], alive[2]
    alive += [new_image(SHAPE, np.uint32, 10 + k) for k in range(4)]
    assert [int(image.min()) for image in alive] == [int(image.max()) for image in alive] == [0, 2, 4, 10, 11, 12, 13]
    for k, image in enumerate(alive):
        assert not any(np.shares_memory(image, other) for other in alive[k + 1 :])


def test_no_more_than_the_limit_waits(monkeypatch):
    monkeypatch.setattr(images, "WAITING_BYTES", 5 << 20)
    alive = [new_image(SHAPE, np.uint32) for _ in range(6)]
    alive.clear()
    assert 0 < sum(buffer.nbytes for buffer in images._waiting) <= 5 << 20


def test_a_small_image_does_not_hold_the_memory_of_a_large_one():
    large = new_image((4000, 4000), np.uint32)
    place = address(large)
    del large
    assert address(new_image(SHAPE, np.uint32)) != place


def test_threads_never_get_the_same_memory():
    wrong = []

    def draw(k: int) -> None:
        for step in range(60):
            image = new_image(SHAPE, np.uint32, 100 * k + step)
            if not (image == 100 * k + step).all():
                wrong.append((k, step))

    threads = [threading.Thread(target=draw, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong

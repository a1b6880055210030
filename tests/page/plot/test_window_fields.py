"""What can be typed for a window, and how a window is written."""

from __future__ import annotations

import pytest

from dashboard.page.plot.window_fields import read_window, window_text

NOW = (0.0, 60.0)


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("1000-1002", (1000, 1002)),
        ("1000 – 1002 s", (1000, 1002)),
        ("1000 +- 1", (999, 1001)),
        ("1000 ± 0.5", (999.5, 1000.5)),
        ("1,000-1,002", (1000, 1002)),
        ("400,900", (400, 900)),
        ("400 to 900 µm", (400, 900)),
        ("-20-100", (-20, 100)),
        ("1000", (970, 1030)),
        ("1,000", (970, 1030)),
    ],
)
def test_a_window_is_read(text: str, window: tuple[float, float]) -> None:
    assert read_window(text, NOW) == window


@pytest.mark.parametrize("text", ["", "soon", "1002-1000", "5-5", "1 +- 0", "1-2-3", "nan"])
def test_what_is_no_window_is_refused(text: str) -> None:
    assert read_window(text, NOW) is None


@pytest.mark.parametrize(
    ("window", "text"),
    [(None, ""), ((0.0, 1519.53), "0-1520"), ((1000.0, 1002.0), "1000-1002"), ((10.1234, 10.6234), "10.123-10.623")],
)
def test_a_window_is_written_as_it_can_be_read(window: tuple[float, float] | None, text: str) -> None:
    assert window_text(window) == text
    if window is not None:
        assert read_window(text, NOW) == pytest.approx(window, abs=(window[1] - window[0]) / 500)

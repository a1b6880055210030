"""Figures: the picture is the counts, and the file says where it came from."""

from __future__ import annotations

import base64
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from dashboard.engine.build import SpikeColumns
from dashboard.engine.count.raster import aggregate
from dashboard.export import drawing
from dashboard.export.drawing import bin_text
from dashboard.export.figure import FigureRequest, colour_limits, figure_sheet, style_of, subject_of
from dashboard.export.kinds.raster import lay_out
from dashboard.export.origin import stamp
from dashboard.export.save import render_figure, write_figure
from dashboard.model.errors import BadRequest
from dashboard.model.references import Histology
from dashboard.model.sorting import SpikeSorting
from dashboard.version import __version__

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"


@pytest.fixture(autouse=True)
def _no_marks(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The small demo has few spikes: draw it as counts unless a test is about marks."""
    if "marks" not in request.node.name:
        monkeypatch.setattr(drawing, "MAX_PAPER_MARKS", 0)


def raster_box(width: int, height: int) -> tuple[int, int, int, int]:
    style = style_of(width, height)
    return lay_out(style.preset, ("raster",), style.room).rows["raster"]


def drawn(sorting: SpikeSorting, columns: SpikeColumns, kind: str = "png", **asked: object) -> bytes:
    file = BytesIO()
    render_figure(file, sorting, columns, FigureRequest(**asked), kind)  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize("size", [(1600, 1000), (1601, 997), (640, 480), (2400, 1000)])
def test_every_pixel_of_the_png_is_a_count(
    small_demo: SpikeSorting, small_columns: SpikeColumns, size: tuple[int, int]
) -> None:
    """Bin by bin, against the aggregate that `dashboard.render` gives for the same window and size."""
    width, height = size
    window, depths = (1.0, 9.0), (100.0, 3500.0)
    content = drawn(
        small_demo, small_columns, time_range=window, depth_range=depths, width=width, height=height, limits=(0, 4)
    )
    pixels = np.asarray(Image.open(BytesIO(content)).convert("L"))
    assert pixels.shape == (height, width)
    left, bottom, wide, high = raster_box(width, height)
    raster = pixels[height - bottom - high : height - bottom, left : left + wide][::-1]
    counts = aggregate(small_columns, window, depths, wide, high).values
    assert counts.sum() > 1000
    levels = np.array([round(255 * value) for value in mpl.colormaps["binary"](np.arange(5) / 4)[:, 0]])
    expected = levels[np.minimum(counts, 4)]
    inside = (slice(3, -3), slice(3, -3))  # the lines of the axes lie on the outermost pixels
    np.testing.assert_allclose(raster[inside], expected[inside], atol=1)


def test_the_png_says_where_it_came_from(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    text = Image.open(BytesIO(drawn(small_demo, small_columns))).info
    insertion = small_demo.ref.insertion
    assert text["Title"] == small_demo.title
    assert text["Software"] == f"spike-dashboard {__version__}"
    for part in (insertion.key, insertion.pid, "sorter iblsorter", "revision original", "histology alf"):
        assert str(part) in text["Description"]
    assert "50,000 of 50,000 spikes" in text["Description"]


def test_text_in_svg_is_text_and_the_raster_is_embedded(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    root = ElementTree.fromstring(drawn(small_demo, small_columns, "svg", level="beryl"))
    texts = {"".join(node.itertext()).strip() for node in root.iter(f"{SVG}text")}
    assert small_demo.title in texts
    assert {"time (s)", "depth along the probe (µm)", "VISp", "CA1"} <= texts
    assert any("spikes per" in text for text in texts)
    _, _, wide, high = raster_box(1600, 1000)
    embedded = [
        Image.open(BytesIO(base64.b64decode(node.attrib[f"{XLINK}href"].partition("base64,")[2]))).size
        for node in root.iter(f"{SVG}image")
    ]
    assert (wide, high) in embedded, "the raster was resampled"
    described = b"50,000 of 50,000 spikes"
    assert described in ElementTree.tostring(root)


def test_pdf_has_fonts_and_metadata(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    content = drawn(small_demo, small_columns, "pdf")
    assert content.startswith(b"%PDF")
    assert b"/Subtype /Type0" in content or b"/CIDFontType2" in content, "text is not text"
    assert re.search(rb"/Creator \(spike-dashboard [\d.]+\)", content)


def test_the_same_figure_gives_the_same_png(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    assert drawn(small_demo, small_columns) == drawn(small_demo, small_columns)


def test_the_style_of_the_user_does_not_matter_and_is_kept(
    small_demo: SpikeSorting, small_columns: SpikeColumns
) -> None:
    plain = drawn(small_demo, small_columns)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert drawn(small_demo, small_columns) == plain
        assert mpl.rcParams["font.size"] == 30


def test_figures_are_drawn_from_many_threads(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    windows = [(float(start), start + 5.0) for start in range(4)]
    alone = [drawn(small_demo, small_columns, time_range=window, width=500, height=400) for window in windows]
    barrier = threading.Barrier(len(windows))

    def together(window: tuple[float, float]) -> bytes:
        barrier.wait()
        return drawn(small_demo, small_columns, time_range=window, width=500, height=400)

    with ThreadPoolExecutor(len(windows)) as pool:
        assert list(pool.map(together, windows)) == alone


def test_few_spikes_are_marks(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    n_spikes = subject_of(small_demo, small_columns, FigureRequest(time_range=(2.0, 2.5))).n_in_view
    assert n_spikes > 0
    content = drawn(small_demo, small_columns, "svg", time_range=(2.0, 2.5)).decode()
    assert "one mark per spike" in content
    uses = re.findall(r'<use xlink:href="#(\w+)" x="([\d.]+)" y="([\d.]+)"', content)
    names = [name for name, _, _ in uses]
    most = max(set(names), key=names.count)
    assert names.count(most) == n_spikes


def test_good_units_only(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    said = stamp(figure_sheet(small_demo, small_columns, FigureRequest(good_units=True)).words)
    good = small_demo.clusters.index[small_demo.clusters["label"] == 1]
    expected = int(np.isin(np.asarray(small_columns.clusters), good).sum())
    assert 0 < expected < small_columns.n_spikes
    assert "good units (label 1)" in said
    assert f"{expected:,} of 50,000 spikes" in said


def test_what_was_dropped_is_said(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    sorting = replace(small_demo, n_dropped=42, drop_reason="no depth")
    said = stamp(figure_sheet(sorting, small_columns, FigureRequest()).words)
    assert "50,000 of 50,000 spikes (42 dropped: no depth)" in said


@pytest.mark.parametrize("state", [Histology.TRACED, Histology.RESOLVED, Histology.NONE])
def test_the_strip_says_what_the_locations_are_worth(
    small_demo: SpikeSorting, small_columns: SpikeColumns, state: Histology
) -> None:
    content = drawn(replace(small_demo, histology=state), small_columns, "svg").decode()
    assert ("not final" in content) == (state is Histology.TRACED)


def test_without_brain_locations_the_strip_says_so(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    bare = replace(small_demo, channels=small_demo.channels[["axial_um", "lateral_um"]], histology=Histology.NONE)
    assert "brain locations not known" in drawn(bare, small_columns, "svg").decode()


def test_default_limits_are_four_standard_deviations(small_columns: SpikeColumns) -> None:
    picture = aggregate(small_columns, width=100, height=50)
    assert colour_limits(picture) == (0.0, 4 * float(np.std(picture.values, dtype=np.float64)))
    sparse = aggregate(small_columns, (2.0, 2.1), (0.0, 4000.0), 500, 500)
    assert colour_limits(sparse) == (0.0, 1.0), "one spike is not past the scale"


def test_bins_are_written_for_people(small_columns: SpikeColumns) -> None:
    assert bin_text(aggregate(small_columns, (0.0, 100.0), (0.0, 3840.0), 50, 384)) == "2 s × 10 µm"
    assert bin_text(aggregate(small_columns, (0.0, 1.0), (0.0, 4000.0), 1250, 800)) == "0.8 ms × 5 µm"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"aggregate": "median"}, "No such aggregate: 'median'"),
        ({"cmap": "rainbows"}, "No such colour map: rainbows"),
        ({"width": 300}, "too few"),
        ({"time_range": (5.0, 5.0)}, "time"),
    ],
)
def test_what_cannot_be_drawn_is_named(
    small_demo: SpikeSorting, small_columns: SpikeColumns, asked: dict[str, object], said: str
) -> None:
    with pytest.raises(BadRequest, match=re.escape(said)):
        drawn(small_demo, small_columns, **asked)


def test_a_file_appears_whole_or_not_at_all(
    small_demo: SpikeSorting, small_columns: SpikeColumns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "figure.png"
    write_figure(out, small_demo, small_columns, FigureRequest(width=500, height=400))
    before = out.read_bytes()
    with Image.open(out) as picture:
        assert picture.size == (500, 400)

    def broken(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", broken)
    with pytest.raises(BadRequest, match=r"figure.png. No space left on device"):
        write_figure(out, small_demo, small_columns, FigureRequest(width=500, height=400))
    assert out.read_bytes() == before
    assert list(tmp_path.iterdir()) == [out]

"""Sheets: the picture is the counts, text is text, and files tell where they came from."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import threading
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from dashboard.analysis.change.change import ChangeRequest, render_change
from dashboard.engine.build import SpikeColumns
from dashboard.engine.count.categories import Categories
from dashboard.export import drawing
from dashboard.export.kinds.change import change_sheet
from dashboard.export.kinds.pairs import pair_sheet
from dashboard.export.kinds.raster import LAYOUTS, lay_out, raster_sheet
from dashboard.export.kinds.unit import unit_sheet
from dashboard.export.origin import Subject, own_spikes, provenance
from dashboard.export.sheet import PRESETS, Sheet, SheetStyle, write_sheet
from dashboard.library.render import render
from dashboard.model.errors import BadRequest
from dashboard.model.sorting import SpikeSorting

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"
LINK = "http://127.0.0.1:5006/?insertion=DEMO_001/2024-01-15/001/probe00&t=1,9"


@pytest.fixture
def subject(small_demo: SpikeSorting, small_columns: SpikeColumns) -> Subject:
    area = 9.0 / 1000 * 3400 / 800
    return Subject(small_demo, small_columns, (1.0, 600.0), (100.0, 3500.0), limits=(0.0, 0.05 / area), link=LINK)


@pytest.fixture(autouse=True)
def _no_marks(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The small demo has few spikes: draw it as counts unless a test is about marks."""
    if "mark" not in request.node.name:
        monkeypatch.setattr(drawing, "MAX_PAPER_MARKS", 0)


def drawn(sheet: Sheet, kind: str = "png") -> bytes:
    file = BytesIO()
    write_sheet(file, sheet, kind)
    return file.getvalue()


@pytest.mark.parametrize(("layout", "preset"), [("layout", "slide"), ("raster", "column"), ("layout", "double")])
def test_every_pixel_of_the_png_is_a_count_of_render(layout: str, preset: str, subject: Subject, cache: Path) -> None:
    style = SheetStyle(PRESETS[preset])
    content = drawn(raster_sheet(subject, layout, style))
    pixels = np.asarray(Image.open(BytesIO(content)).convert("L"))
    assert pixels.shape == (style.preset.height, style.preset.width)
    left, bottom, wide, high = lay_out(style.preset, LAYOUTS[layout], style.room).rows["raster"]
    low = style.preset.height - bottom
    raster = pixels[low - high : low, left : left + wide][::-1]
    image = render(subject.sorting, subject.time_range, subject.depth_range, wide, high, cache=cache)
    assert image.values.sum() > 5000
    # What the limits of the subject mean for a pixel of this size.
    top = max(subject.limits[1] * (599.0 / wide) * (3400.0 / high), 1.0)
    expected = 255 - np.floor(np.minimum(image.values / top, 1) * 255.999)
    inside = (slice(4, -4), slice(4, -4))  # the lines of the axes lie on the outermost pixels
    np.testing.assert_allclose(raster[inside], expected[inside], atol=1.5)


def test_the_png_says_where_it_came_from_with_or_without_a_stamp(subject: Subject) -> None:
    for is_stamped in (True, False):
        text = Image.open(
            BytesIO(drawn(raster_sheet(subject, "raster", SheetStyle(PRESETS["column"], "light", is_stamped))))
        ).text
        insertion = subject.sorting.ref.insertion
        assert text["Source"] == LINK
        assert text["pid"] == insertion.pid
        for part in (insertion.key, "sorter iblsorter", "revision original", "histology alf", "time 1 to 600 s"):
            assert part in text["Description"]
        assert re.search(r"spikes [\d,]+ of 50,000 spikes", text["Description"])
        assert re.search(r"bins raster [\d.]+ s x [\d.]+ um", text["Description"])


def test_svg_has_text_as_text_and_the_counts_as_a_picture(subject: Subject) -> None:
    style = SheetStyle(PRESETS["double"])
    root = ElementTree.fromstring(drawn(raster_sheet(subject, "layout", style), "svg"))
    texts = {"".join(node.itertext()).strip() for node in root.iter(f"{SVG}text")}
    assert {"time (s)", "depth along the probe (µm)", "CA1"} <= texts
    assert any(LINK in text.replace("\n", "") for text in texts)
    assert LINK in ElementTree.tostring(root.find(f"{SVG}metadata"), encoding="unicode").replace("&amp;", "&")
    _, _, wide, high = lay_out(style.preset, LAYOUTS["layout"], style.room).rows["raster"]
    sizes = []
    for node in root.iter(f"{SVG}image"):
        content = base64.b64decode(node.attrib[f"{XLINK}href"].split(",", 1)[1])
        sizes.append(Image.open(BytesIO(content)).size)
    assert (wide, high) in sizes
    assert float(root.attrib["width"].removesuffix("pt")) == pytest.approx(183 / 25.4 * 72, abs=0.3)


def test_the_pdf_opens_in_a_reader_and_says_where_it_came_from(subject: Subject, tmp_path: Path) -> None:
    if shutil.which("pdfinfo") is None:
        pytest.skip("pdfinfo is not installed (poppler-utils)")
    path = tmp_path / "a.pdf"
    path.write_bytes(drawn(raster_sheet(subject, "layout", SheetStyle(PRESETS["column"])), "pdf"))
    said = subprocess.run(["pdfinfo", path], check=True, capture_output=True, text=True).stdout
    assert LINK in said
    assert f"pid {subject.sorting.ref.insertion.pid}" in said
    width, height = (float(size) for size in re.search(r"Page size:\s+([\d.]+) x ([\d.]+)", said).groups())  # type: ignore[union-attr]
    assert (width, height) == pytest.approx((89 / 25.4 * 72, 80 / 25.4 * 72), abs=0.3)
    text = subprocess.run(["pdftotext", path, "-"], check=True, capture_output=True, text=True).stdout
    assert "time (s)" in text


@pytest.mark.parametrize(
    ("kind", "scale"), [("rate", "linear"), ("rate", "log"), ("count", "eq"), ("amp_mean", "log"), ("amp_max", "eq")]
)
def test_every_scale_of_every_picture_draws(kind: str, scale: str, subject: Subject) -> None:
    wanted = replace(subject, kind=kind, scale=scale, limits=(0.0, 100.0), selected=(3, 4))
    wanted = replace(wanted, selection_colours=np.array([[255, 0, 0], [0, 0, 255]], np.uint8))
    pixels = np.asarray(
        Image.open(BytesIO(drawn(raster_sheet(wanted, "raster", SheetStyle(PRESETS["column"], "dark")))))
    )
    assert tuple(pixels[2, 2, :3]) == (0x12, 0x12, 0x12)
    assert ((pixels[..., 0] == 255) & (pixels[..., 1] == 0) & (pixels[..., 2] == 0)).sum() > 5


@pytest.mark.parametrize("kind", ["label", "cluster", "region"])
def test_categories_keep_their_colours(kind: str, subject: Subject) -> None:
    n = subject.columns.n_clusters
    colours = np.array([[10 * i, 200, 30] for i in range(4)], np.uint8)
    if kind == "cluster":
        categories = Categories(np.arange(n, dtype=np.int32), np.resize(colours, (n, 3)))
    else:
        categories = Categories((np.arange(n) % 4).astype(np.int32), colours, ("a", "b", "c", "d"))
    wanted = replace(subject, kind=kind, categories=categories)
    pixels = np.asarray(Image.open(BytesIO(drawn(raster_sheet(wanted, "raster", SheetStyle(PRESETS["column"]))))))
    for colour in colours:
        assert (pixels[..., :3] == colour).all(axis=-1).sum() > 100


def test_a_logarithmic_bar_has_plain_numbers(subject: Subject) -> None:
    sheet = raster_sheet(replace(subject, scale="log"), "raster", SheetStyle(PRESETS["column"]))
    root = ElementTree.fromstring(drawn(sheet, "svg"))
    texts = {"".join(node.itertext()).strip() for node in root.iter(f"{SVG}text")}
    assert {"1", "2"} <= texts
    assert not any("$" in text for text in texts)


def test_few_spikes_are_marks(subject: Subject) -> None:
    few = replace(subject, time_range=(1.0, 2.0))
    root = ElementTree.fromstring(drawn(raster_sheet(few, "raster", SheetStyle(PRESETS["slide"])), "svg"))
    assert "one mark per spike" in {"".join(node.itertext()).strip() for node in root.iter(f"{SVG}text")}


@pytest.mark.parametrize(("kind", "theme"), [("png", "light"), ("svg", "dark"), ("pdf", "light")])
def test_units_draw(kind: str, theme: str, subject: Subject) -> None:
    style = SheetStyle(PRESETS["slide"], theme)
    chosen = replace(subject, selected=(5,))
    content = drawn(unit_sheet(chosen, style), kind)
    assert len(content) > 10_000
    if kind == "svg":
        words = {"".join(node.itertext()).strip() for node in ElementTree.fromstring(content).iter(f"{SVG}text")}
        assert {"Depth (µm)", "Confidence (%)", "Template, orange: peak channel", "Amplitude (µV)"} <= words


def test_what_cannot_be_drawn_is_one_line(subject: Subject) -> None:
    style = SheetStyle(PRESETS["slide"])
    with pytest.raises(BadRequest, match="No unit is selected"):
        unit_sheet(subject, style)
    with pytest.raises(BadRequest, match="raster, layout"):
        raster_sheet(subject, "poster", style)
    with pytest.raises(BadRequest, match="no room"):
        lay_out(replace(PRESETS["column"], height=200), ("raster",), 0)


def test_no_path_of_the_server_is_said(subject: Subject) -> None:
    said = " ".join(provenance(subject).values())
    for dataset in subject.sorting.ref.datasets.values():
        assert dataset.path is None or str(dataset.path) not in said
    assert "/tmp" not in said


def test_limits_of_single_spikes_hold_for_units_and_are_said(subject: Subject) -> None:
    style = SheetStyle(PRESETS["slide"])
    limited = replace(subject, selected=(5, 7), amp_range_uv=(250.0, np.inf))
    n_passing = len(own_spikes(limited, 7))
    assert 0 < n_passing < len(own_spikes(subject, 7))
    words = unit_sheet(limited, style).words["spikes"]
    assert f"{n_passing:,} of 50,000 spikes, unit 7, whole recording, spike amplitude ≥ 250 µV" in words
    both = n_passing + len(own_spikes(limited, 5))
    assert f"{both:,} of 50,000 spikes, units 5, 7" in pair_sheet(limited, style).words["spikes"]
    assert "amplitude" not in unit_sheet(replace(limited, amp_range_uv=None), style).words["spikes"]
    assert len(drawn(unit_sheet(limited, style))) > 10_000


def test_selected_units_are_named_in_their_colours_and_drift_by_what_it_is(subject: Subject) -> None:
    colours = np.array([[213, 94, 0], [0, 114, 178]], np.uint8)
    chosen = replace(subject, selected=(3, 8), selection_colours=colours)
    svg = ElementTree.fromstring(drawn(raster_sheet(chosen, "layout", SheetStyle(PRESETS["double"])), "svg"))
    texts = {"".join(text.itertext()).strip(): text.get("style", "") for text in svg.iter(f"{SVG}text")}
    assert "#d55e00" in texts["● 3"]
    assert "#0072b2" in texts["● 8"]
    assert "removed by the sorter; dark: tip" in texts


def test_a_change_has_a_mark_for_each_unit_that_passes_and_names_both_spans(subject: Subject) -> None:
    columns, mask = subject.columns, np.arange(subject.columns.n_clusters) < 12
    change = render_change(ChangeRequest(columns, (0.0, 80.0), (150.0, 230.0), True), threading.Event())
    sheet = change_sheet(replace(subject, mask=mask, selected=(3,)), SheetStyle(PRESETS["double"], "dark"), change)
    assert (sheet.words["before"], sheet.words["after"]) == ("0–80 s", "150–230 s")
    svg = ElementTree.fromstring(drawn(sheet, "svg"))
    texts = {"".join(text.itertext()).strip() for text in svg.iter(f"{SVG}text")}
    assert {"Change of depth, after − before (µm)", "Depth before (µm)", "moved alone", "lost (at zero)"} <= texts
    marks = [group for group in svg.iter(f"{SVG}g") if (group.get("id") or "").startswith("PathCollection")]
    assert 0 < sum(max(len(list(group.iter(f"{SVG}{tag}"))) for tag in ("use", "path")) for group in marks) <= 12

"""A source of another package, which is not ALF: found, opened, drawn, exported like any other, and gone again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import dashboard
from dashboard.cli.main import main
from dashboard.config.plugins import add_plugins
from dashboard.config.settings import Settings
from dashboard.engine.build import build_columns
from dashboard.library.catalogue import Catalogue
from dashboard.library.store import InsertionStore
from dashboard.model.conventions import Clock, DepthKind, LabelKind
from dashboard.model.errors import BadRequest, Cancelled, DatasetInvalid, NoSpikeSorting, SorterMissing
from dashboard.model.progress import Progress
from dashboard.sources.locate import configured_sources, locate
from dashboard.sources.registry import SOURCES
from tests.recipes.installed import installed, recipe

if TYPE_CHECKING:
    from tests.browser.driver import Visit

NAME, KEY = "npz", "mouse/probeA"
N, TEXT_IDS, GAPPED_IDS = 4000, np.array(["su 1", "su,2", "µ3", "m-4"]), np.array([3, 70, 12, 5000])


def write(folder: Path, subject: str = "mouse", ids: np.ndarray = TEXT_IDS, **changes: np.ndarray) -> Path:
    """Write a file of the lab; return it."""
    rng = np.random.default_rng(1)
    arrays = {
        "times": np.sort(rng.uniform(0, 120, N)),
        "units": rng.integers(0, 4, N).astype(np.uint32),
        "ids": ids,
        "depths": np.array([100.0, 900.0, 1800.0, 3000.0]),
        "groups": np.array(["good", "mua", "good", "noise"]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{subject}_probeA.sorting.npz"
    np.savez(path, **(arrays | changes))
    return path


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    code = recipe("A source")
    with installed(tmp_path / "site", "lab_npz", code, "spike_dashboard.sources", NAME) as folder:
        yield folder


@pytest.fixture
def _named(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKE_DASHBOARD_PLUGINS", NAME)
    add_plugins((NAME,))


def test_a_package_that_no_setting_names_does_not_act(tmp_path: Path, package: Path) -> None:
    path = write(tmp_path / "data")
    with pytest.raises(NoSpikeSorting, match=r"No spike sorting in the file: .*\. Supported are ALF \("):
        dashboard.open_insertion(path, cache=tmp_path / "cache")
    assert NAME not in SOURCES


@pytest.mark.usefixtures("_named")
@pytest.mark.parametrize("ids", [TEXT_IDS, GAPPED_IDS], ids=["text", "gaps"])
def test_it_opens_with_what_it_says_of_itself(tmp_path: Path, ids: np.ndarray) -> None:
    path = write(tmp_path / "data", ids=ids)
    reports: list[Progress] = []
    sorting = dashboard.open_insertion(path, cache=tmp_path / "cache", progress=reports.append)
    assert (sorting.n_spikes, sorting.unit_ids.tolist()) == (N, ids.tolist())
    assert (sorting.clock, sorting.depth_kind) == (Clock.PROBE, DepthKind.UNIT)
    assert sorting.label_kind is LabelKind.CURATED
    assert list(sorting.differences) == ["clock", "depth", "labels"]
    assert "reading spikes" in {report.stage for report in reports}
    image = dashboard.render(sorting, (0, 120), (0, 3840), 24, 16, cache=tmp_path / "cache")
    assert image.values.sum() == N
    with np.load(path) as arrays:
        depths = arrays["depths"][arrays["units"]]
        expected, _, _ = np.histogram2d(depths, arrays["times"], (image.depth_edges_um, image.time_edges_s))
    np.testing.assert_array_equal(image.values, expected)


@pytest.mark.usefixtures("_named")
def test_a_second_opening_maps_the_columns_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = write(tmp_path / "data"), tmp_path / "cache"
    first = build_columns(dashboard.open_insertion(path, cache=cache), cache)
    monkeypatch.setattr("dashboard.engine.build._compose", lambda *args: pytest.fail("columns are built anew"))
    again = build_columns(dashboard.open_insertion(path, cache=cache), cache)
    np.testing.assert_array_equal(first.clusters, again.clusters)
    assert len(list((cache / "columns").iterdir())) == 1


@pytest.mark.usefixtures("_named")
def test_a_file_that_changed_is_read_anew(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    one = build_columns(dashboard.open_insertion(write(tmp_path / "data"), cache=cache), cache)
    other = write(tmp_path / "data", units=np.zeros(N, np.uint32))
    assert one.clusters.any()
    assert not build_columns(dashboard.open_insertion(other, cache=cache), cache).clusters.any()


@pytest.mark.usefixtures("_named")
def test_it_can_be_cancelled_and_asked_for_what_it_has_not(tmp_path: Path) -> None:
    path, cancel = write(tmp_path / "data"), threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        dashboard.open_insertion(path, cache=tmp_path / "cache", cancel=cancel)
    with pytest.raises(SorterMissing, match="Available sorters: npz"):
        dashboard.open_insertion(path, cache=tmp_path / "cache", sorter="kilosort")
    with pytest.raises(BadRequest, match="in ALF only"):
        dashboard.open_insertion(path, cache=tmp_path / "cache", good_units=True)


@pytest.mark.usefixtures("_named")
def test_damaged_data_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "data", times=np.arange(3.0))
    with pytest.raises(DatasetInvalid, match="different lengths"):
        dashboard.open_insertion(path, cache=tmp_path / "cache")
    path.write_bytes(path.read_bytes()[:200])
    assert main(["check", str(path), "--cache", str(tmp_path / "cache")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "damaged" in line
    assert str(path) in line


@pytest.mark.usefixtures("package")
def test_the_commands_take_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, cache = write(tmp_path / "data"), tmp_path / "cache"
    more = ["--plugin", NAME, "--cache", str(cache)]
    assert main(["check", str(path), "--json", *more]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["n_spikes"], answer["sorter"], set(answer["differences"])) == (
        N,
        "npz",
        {"clock", "depth", "labels"},
    )
    assert main(["check", str(path.parent), *more]) == 0
    assert "clock       times are on the probe's own clock, not on the session's\n" in capsys.readouterr().out
    assert main(["fetch", KEY, "--data", str(path.parent), *more]) == 0
    assert f"{N:,} spikes" in capsys.readouterr().out
    assert main(["render", str(path), "--out", str(tmp_path / "figure.png"), *more]) == 0
    with Image.open(tmp_path / "figure.png") as picture:
        assert KEY in picture.info["Description"]
    assert main(["units", str(path), "--out", str(tmp_path / "units.csv"), *more]) == 0
    assert '"su,2"' in (tmp_path / "units.csv").read_text()


@pytest.mark.usefixtures("_named")
def test_a_data_folder_lists_it_beside_others(tmp_path: Path) -> None:
    write(tmp_path / "data"), write(tmp_path / "data", "rat")
    settings = replace(Settings(cache=tmp_path / "cache"), data=(tmp_path / "data",), spikes=20_000)
    sources = configured_sources(settings)
    assert [source.name for source in sources] == ["data", "demo"]
    catalogue = Catalogue(sources)
    catalogue.start()
    for _ in range(200):
        if not catalogue.note:
            break
        threading.Event().wait(0.05)
    assert {KEY, "rat/probeA"} < set(catalogue.table["key"])
    store = InsertionStore(sources, tmp_path / "cache")
    assert store.open("rat/probeA").columns.n_spikes == N


def test_nothing_is_left_of_it(tmp_path: Path) -> None:
    before, path = SOURCES.names, write(tmp_path / "data")
    with installed(tmp_path / "site", "lab_npz", recipe("A source"), "spike_dashboard.sources", NAME):
        add_plugins((NAME,))
        assert SOURCES.names == (*before, NAME)
        assert locate(path, settings=Settings(cache=tmp_path))[1].key == KEY
    assert SOURCES.names == before
    with pytest.raises(NoSpikeSorting):
        locate(path, settings=Settings(cache=tmp_path))


@pytest.mark.browser
@pytest.mark.usefixtures("_named")
def test_the_page_finds_opens_and_exports_it(tmp_path: Path, visit: Visit) -> None:
    from playwright.sync_api import expect

    from tests.browser.driver import served

    page, cache = visit.page, tmp_path / "cache"
    write(tmp_path / "data")
    settings = replace(Settings(cache=cache), data=(tmp_path / "data",), spikes=20_000)
    with served(configured_sources(settings), cache, plugins=(NAME,)) as site:
        visit.open(f"{site}/?insertion={KEY}")
        visit.wait_for_spikes()
        expect(page.get_by_text("probe's clock, depth per unit, curated groups")).to_be_visible()
        expect(page.get_by_text(f"{N:,} of {N:,} spikes").first).to_be_visible()
        page.get_by_role("button", name="Export").click()
        page.get_by_role("tab", name="Data").click()
        with page.expect_download() as data:
            page.get_by_role("button", name="CSV", exact=True).first.click()
        assert Path(data.value.path()).stat().st_size > 0
        page.goto("about:blank")  # or it would look for a server that is gone

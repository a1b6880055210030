"""Figures and data of the tabs, of one look at the page: what they hold is what NumPy counts."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dashboard.analysis.compare.tables import pair_table
from dashboard.analysis.compare.units import compare_units
from dashboard.analysis.events.align import PSTH_BIN_S, Selection, psth, usable_events
from dashboard.analysis.events.trials import split_trials
from dashboard.analysis.inputs import matchable
from dashboard.analysis.units.correlograms import autocorrelogram, crosscorrelogram
from dashboard.engine.build import build_columns
from dashboard.export.process import ExportProcess
from dashboard.export.sheet import PRESETS, SheetStyle, save_sheet, write_sheet
from dashboard.library.open import open_insertion
from dashboard.library.render import render
from dashboard.library.store import OpenInsertion, StoreKey
from dashboard.model.errors import BadRequest
from dashboard.model.progress import ignore_progress
from dashboard.page.core.scene import Scene
from dashboard.page.export.snapshot import Snapshot, sheets
from dashboard.page.services.difference import OtherSide
from dashboard.page.services.response_test import read_test, run_test, with_responses
from dashboard.page.tabs.raw.picture import SnippetRequest, render_snippet
from dashboard.page.tabs.registry import page_state
from dashboard.sources.demo.source import DemoSource

WINDOW, DEPTHS = (10.0, 400.0), (200.0, 3600.0)
UNITS = [3, 7, 8]


def values(**changed: Any) -> dict[str, Any]:
    return page_state(time_range=WINDOW, depth_range=DEPTHS, selected=UNITS, **changed).values()


@pytest.fixture(scope="module")
def opened(cache: Path) -> list[OpenInsertion]:
    """Both sortings of the small demo."""
    source = DemoSource(cache, n_spikes=50_000)
    found = []
    for sorter in (None, "pykilosort"):
        sorting = open_insertion("demo", sorter=sorter, source=source, cache=cache)
        key = StoreKey("demo", "demo", sorter, None)
        found.append(OpenInsertion(key, sorting, build_columns(sorting, cache), source, 0.0))
    return found


@pytest.fixture(scope="module")
def other_side(opened: list[OpenInsertion]) -> OtherSide:
    table = pair_table(compare_units(*(matchable(side.columns) for side in opened)))
    return OtherSide(Scene(opened[1]), "pykilosort · original", True, table, "")


def look(opened: list[OpenInsertion], other_side: OtherSide | None = None, **changed: Any) -> Snapshot:
    return Snapshot(
        Scene(opened[0]), values(**changed), "http://host/?x=1", {"compare": other_side, "raw": raw(opened)}
    )


def raw(opened: list[OpenInsertion]) -> Any:
    """Return what the tab Raw would show."""
    request = SnippetRequest(Scene(opened[0]), 20.0, 0.01, "ap", "raw", DEPTHS, ())
    return request, render_snippet(request, threading.Event())


def written(found: Snapshot, tmp_path: Path, name: str, kind: str) -> Any:
    path = tmp_path / f"{name}.{kind}"
    found.write(path, name, kind, ignore_progress, threading.Event())
    if kind == "csv":
        return pd.read_csv(path)
    with np.load(path) as archive:
        return {key: archive[key] for key in archive.files}


@pytest.fixture(scope="module")
def process() -> Iterator[ExportProcess]:
    """Where the server draws sheets."""
    process = ExportProcess()
    yield process
    process.close()


@pytest.mark.parametrize("what", sheets())
def test_every_figure_is_drawn_and_says_where_it_came_from(
    what: str, opened: list[OpenInsertion], other_side: OtherSide, process: ExportProcess, tmp_path: Path
) -> None:
    """And is the same, byte by byte, wherever it is drawn."""
    for preset, theme in (("slide", "light"), ("column", "dark")):
        view = look(opened, other_side, split="side", before=(0.0, 80.0), after=(150.0, 230.0))
        view.of_tabs = {**view.of_tabs, **({"raw": raw(opened)} if what == "raw" else {})}
        sheet = view.sheet(what, SheetStyle(PRESETS[preset], theme))
        file = io.BytesIO()
        write_sheet(file, sheet, "png")
        process.run(partial(save_sheet, tmp_path / f"{preset}.png", sheet, "png"))
        assert (tmp_path / f"{preset}.png").read_bytes() == file.getvalue()
        image = Image.open(file)
        assert image.text["Source"] == "http://host/?x=1"
        assert len(np.unique(np.asarray(image.convert("L")))) > 50
    expected = {
        "raw": ("raw_at", "20.000000 s"), "pairs": ("clusters", "3, 7, 8"), "event": ("split", "side"),
        "compare": ("matched", "units: in both"), "change": ("after", "150–230 s"),
        "probe": ("bins", "correlation"),
    }  # fmt: skip
    if what in expected:
        name, words = expected[what]
        assert words in sheet.words[name]


def test_clusters_stand_aside_in_figures_as_they_do_on_the_page(opened: list[OpenInsertion]) -> None:
    subject = look(opened, color="cluster", cmap="viridis").subject
    assert subject.selected
    assert (subject.kind, subject.cmap, subject.categories) == ("count", "binary", None)
    nobody = {**values(color="cluster", cmap="viridis"), "selected": []}
    assert Snapshot(Scene(opened[0]), nobody).subject.kind == "cluster"


def test_what_is_not_there_is_one_line(opened: list[OpenInsertion]) -> None:
    bare = Snapshot(Scene(opened[0]), {**values(), "selected": [3]})
    for what, words in (("pairs", "two selected units"), ("compare", "Nothing is compared")):
        with pytest.raises(BadRequest, match=words):
            bare.sheet(what, SheetStyle(PRESETS["slide"], "light"))
    notes = bare.notes()
    assert notes["pairs"][1] == notes["compare"][1] == ()
    assert notes["psth"][1] == ("csv", "npz")


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_rates_by_group_are_those_of_the_spikes(kind: str, opened: list[OpenInsertion], tmp_path: Path) -> None:
    found = look(opened, split="outcome", masked=False, spikes_of="filter", bins={"end": 0.5})
    got = written(found, tmp_path, "psth", kind)
    columns, trials = opened[0].columns, opened[0].sorting.trials
    assert trials is not None
    table = trials.table
    for index, group in enumerate(split_trials(table, "outcome")):
        events = usable_events(table["stimOn_times"], (-0.4, 0.5), columns.time_range_s, group.mask)
        expected = psth(Selection.of(columns.times_s), events, PSTH_BIN_S, (-0.4, 0.5))
        mine = got[got["group"] == group.label] if kind == "csv" else {
            name: got[name][index] for name in ("mean_hz", "sem_hz", "n_trials")
        }  # fmt: skip
        np.testing.assert_allclose(mine["mean_hz"], expected.mean_hz)
        np.testing.assert_allclose(mine["sem_hz"], expected.sem_hz)
        assert np.unique(np.asarray(mine["n_trials"])) == len(events)
    if kind == "npz":
        assert got["counts"].shape == (got["n_trials"].sum(), 90)
        assert json.loads(str(got["provenance"]))["split"] == "outcome"


def test_the_units_sheet_has_the_split_mask_and_event_of_the_page(opened: list[OpenInsertion]) -> None:
    sheet = look(opened, split="side", event="feedback", masked=False, bins={"psth_bin": 20.0}).sheet(
        "unit", SheetStyle(PRESETS["slide"], "light")
    )
    assert (sheet.words["event"], sheet.words["split"]) == ("feedback", "side")
    assert "PSTH 0.02 s" in sheet.words["bins"]
    file = io.BytesIO()
    write_sheet(file, sheet, "svg")
    trials = opened[0].sorting.trials
    assert trials is not None
    events = usable_events(trials.table["feedback_times"], (-0.4, 1.0), opened[0].columns.time_range_s)
    for group in split_trials(trials.table, "side"):
        assert f">{group.label} ({group.mask[events.trials].sum():,})<" in file.getvalue().decode()
    bare = [replace(opened[0], sorting=replace(opened[0].sorting, trials=None))]
    write_sheet(io.BytesIO(), look(bare).sheet("unit", SheetStyle(PRESETS["slide"], "light")), "svg")


def test_rows_of_units_are_counts_of_their_spikes(opened: list[OpenInsertion], tmp_path: Path) -> None:
    columns = opened[0].columns
    mask = np.zeros(columns.n_clusters, np.bool_)
    mask[3:60] = True
    found = Snapshot(Scene(opened[0], mask), values(show="clusters", rows=(2.0, 20.0)))
    got = written(found, tmp_path, "rows", "npz")
    ids = Scene(opened[0], mask).depth_order[2:20]
    assert got["cluster_id"].tolist() == ids.tolist()
    edges = got["time_edges_s"]
    assert got["values"].shape == (18, len(edges) - 1)
    for row in (0, 17):
        own = columns.times_s[np.asarray(columns.clusters) == ids[row]]
        assert got["values"][row].tolist() == np.histogram(own, edges)[0].tolist()
    words = json.loads(str(got["provenance"]))
    assert words["units"] == f"18 of {mask.sum()} that pass"
    assert words["spikes"].startswith(f"{got['values'].sum():,} of ")

    # More units than pixels share a row; categories and selected units have their colours.
    sheet = Snapshot(Scene(opened[0]), values(color="region")).sheet("rows", SheetStyle(PRESETS["column"], "dark"))
    assert sheet.words["depth"] == "units in order of depth"
    write_sheet(io.BytesIO(), sheet, "png")
    nobody = Snapshot(Scene(opened[0], np.zeros(columns.n_clusters, np.bool_)), values())
    with pytest.raises(BadRequest, match="No unit passes"):
        nobody.sheet("rows", SheetStyle(PRESETS["column"], "light"))
    with pytest.raises(BadRequest, match="No unit passes"):
        written(nobody, tmp_path, "rows", "npz")


def test_files_of_units_keep_the_limits_of_single_spikes(opened: list[OpenInsertion], tmp_path: Path) -> None:
    columns = opened[0].columns
    assert columns.amps_uv is not None
    keep = (columns.amps_uv >= 60) & (columns.amps_uv < 120)
    times = {unit: columns.times_s[keep & (np.asarray(columns.clusters) == unit)] for unit in UNITS}
    limited = Snapshot(Scene(opened[0], amp_range_uv=(60.0, 120.0)), values(filters={"spike_amp": "60,120"}))
    alone = written(limited, tmp_path, "correlogram", "csv")
    np.testing.assert_array_equal(alone["count"], autocorrelogram(times[8]).counts)
    assert set(alone["n_spikes"]) == {len(times[8])}
    assert (alone["amp_from"][0], alone["amp_below"][0]) == (60, 120)
    pairs = written(limited, tmp_path, "pairs", "npz")
    row = np.flatnonzero((pairs["reference"] == 3) & (pairs["other"] == 8))[0]
    np.testing.assert_array_equal(pairs["count"][row], crosscorrelogram(times[3], times[8]).counts)
    rates = written(limited, tmp_path, "psth", "csv")
    assert rates["spikes_of"].str.contains("60 ≤ spike amplitude < 120 µV").all()


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_pairs_are_those_of_the_spikes(kind: str, opened: list[OpenInsertion], tmp_path: Path) -> None:
    got = written(look(opened, bins={"lag_half": 10.0}), tmp_path, "pairs", kind)
    spikes = opened[0].sorting.spikes
    times = {unit: np.asarray(spikes.times_s)[np.asarray(spikes.clusters) == unit] for unit in UNITS}
    expected = crosscorrelogram(times[3], times[8], 0.001, 0.02)
    if kind == "csv":
        mine = got[(got["reference"] == 3) & (got["other"] == 8)]
        assert len(got) == 6 * 21
    else:
        row = np.flatnonzero((got["reference"] == 3) & (got["other"] == 8))[0]
        mine = {"count": got["count"][row], "lag_s": got["lag_s"]}
    np.testing.assert_array_equal(mine["count"], expected.counts)
    np.testing.assert_allclose(mine["lag_s"], expected.lags_s)


def test_both_sides_are_those_of_render(
    opened: list[OpenInsertion], other_side: OtherSide, tmp_path: Path, cache: Path
) -> None:
    got = written(look(opened, other_side), tmp_path, "compare", "npz")
    a, b = (render(side.sorting, WINDOW, DEPTHS, cache=cache).values for side in opened)
    np.testing.assert_array_equal(got["a"], a)
    np.testing.assert_array_equal(got["b"], b)
    np.testing.assert_array_equal(got["a_minus_b"], a.astype(float) - b)
    table = written(look(opened, other_side), tmp_path, "compare", "csv")
    assert other_side.table is not None
    assert table["kind"].tolist() == other_side.table["kind"].tolist()
    assert table["n_shared"].sum() == other_side.table["n_shared"].sum()


def test_two_probes_have_no_difference_and_say_why(opened: list[OpenInsertion], tmp_path: Path) -> None:
    other = OtherSide(Scene(opened[1]), "probe01", False, None, "other neurons")
    found = look(opened, other)
    assert found.notes()["compare"][1] == ("npz",)
    assert "a_minus_b" not in written(found, tmp_path, "compare", "npz")
    with pytest.raises(BadRequest, match="other neurons"):
        written(found, tmp_path, "compare", "csv")
    sheet = found.sheet("compare", SheetStyle(PRESETS["slide"], "light"))
    assert sheet.words["matched"] == "other neurons"


def test_columns_of_the_test_are_exported_with_its_words(opened: list[OpenInsertion], tmp_path: Path) -> None:
    test = "feedback,none,all,-0.4,0,0,0.4"
    choice = read_test(test)
    table, _ = run_test(opened[0], choice, ignore_progress, threading.Event())
    tested = replace(opened[0], sorting=with_responses(opened[0].sorting, table))
    found = Snapshot(Scene(tested), values(test=test))
    clusters = written(found, tmp_path, "clusters", "csv")
    np.testing.assert_allclose(clusters["resp_auc"], table["resp_auc"].iloc[: len(clusters)])
    assert found.subject.test == choice.words
    assert "responses" in found.notes()["clusters"][0]

    # No file has these columns, so code that is run elsewhere names the clusters.
    mask = np.zeros(tested.columns.n_clusters, np.bool_)
    mask[: len(table)] = (table["resp_auc"] > 0.5).to_numpy()[: tested.columns.n_clusters]
    filtered = Snapshot(Scene(tested, mask), values(test=test, filters={"where": "resp_auc > 0.5"}))
    for code in filtered.codes().values():
        assert f"the {mask.sum()} clusters that pass: where resp_auc > 0.5" in code
        assert "read_words" not in code

"""Folders as people have them, in the page: what it shows of each is what the files say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dashboard.cli.main import main
from dashboard.engine.build import build_columns
from dashboard.export.origin import provenance
from dashboard.export.spikes import cluster_table as exported_clusters
from dashboard.library.completion import titles
from dashboard.library.open import open_insertion
from dashboard.library.store import OpenInsertion, StoreKey
from dashboard.page import link as links
from dashboard.page.core.scene import Scene
from dashboard.page.services.difference import Sides
from dashboard.page.services.export_view import make_subject
from dashboard.page.tabs.clusters.tab import cluster_table
from tests.library.alf_folder import DURATION_S, N_CLUSTERS, N_SPIKES, sorting_arrays, write_session
from tests.library.test_cases import LABELS
from tests.page.driving import driven_page

KEY = "MOUSE_1/2024-01-02/001/probe00"


@pytest.mark.parametrize("offset_s", [2000.0, -300.0, 1.7e9])
def test_a_clock_may_start_anywhere(
    offset_s: float, tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first view is that of the spikes; rates are those of a clock that starts at the first spike."""
    times = sorting_arrays()["spikes.times"] + offset_s
    write_session(tmp_path, changed={"spikes.times": times})
    with driven_page(tmp_path, cache) as page:
        page.open(KEY)
        axes, session = page.session.axes, page.session
        assert page.do(lambda: (axes.time.start, axes.time.end)) == (times[0], times[-1])
        picture = page.do(lambda: session.raster.picture)
        assert picture is not None
        assert picture.n_in_view == N_SPIKES
        line = page.wait(lambda: session.profile.line.data if len(session.profile.line.data["value"]) else None)
        assert np.sum(line["value"][::2]) == pytest.approx(N_SPIKES / (times[-1] - times[0]))
        window = (offset_s + 60.0, offset_s + 60.25)
        page.do(lambda: session.state.param.update(time_range=window))
        shown = page.wait(lambda: session.raster.picture if session.raster.picture is not picture else None)
        n_in_view = np.count_nonzero((times >= window[0]) & (times <= window[1]))
        assert shown.n_in_view == n_in_view
        # Links, exports and the command line name the same window, to the millisecond.
        link = links.parse(page.do(lambda: links.write(session.states)))
        assert (link.problems, link.values["time_range"]) == ((), window)
        subject = page.do(lambda: make_subject(session._scene, session.states.values()))
        assert provenance(subject)["time"] == f"{window[0]:.16g} to {window[1]:.16g} s"
    picture = tmp_path / "window.png"
    asked = ["render", str(tmp_path / "labx"), "--cache", str(cache), "--out", str(picture)]
    assert main([*asked, f"--t={window[0]:.16g},{window[1]:.16g}"]) == 0
    assert f"{window[0]:.16g} to {window[1]:.16g} s" in capsys.readouterr().out
    with Image.open(picture) as image:
        assert image.info["spikes"] == f"{n_in_view:,} of {N_SPIKES:,} spikes"
        assert image.info["time"] == f"{window[0]:.16g} to {window[1]:.16g} s"
    assert times[-1] - times[0] < DURATION_S


def test_a_unit_of_any_number_of_spikes_is_drawn(tmp_path: Path, cache: Path) -> None:
    """Units of no spike, of few, and of amplitudes that are none: no figure is left waiting."""
    arrays = sorting_arrays()
    counts = dict(enumerate((0, 1, 2, 3, 5, 8, 12, 20, 40)))
    keep = np.ones(N_SPIKES, bool)
    for cluster, n in counts.items():
        keep[np.flatnonzero(arrays["spikes.clusters"] == cluster)[n:]] = False
    changed = {name: values[keep] for name, values in arrays.items() if name.startswith("spikes.")}
    changed["spikes.amps"] = np.where(changed["spikes.clusters"] == 10, 0.0, changed["spikes.amps"])
    write_session(tmp_path, changed=changed)
    with driven_page(tmp_path, cache) as page:
        page.open(KEY)
        for cluster in (*counts, 10):
            tab = page.select("Unit", cluster)
            picture = page.wait(
                lambda tab=tab, cluster=cluster: (
                    tab.refusal.object or (tab.picture if tab.picture and tab.picture.focus.unit == cluster else None)
                ),
                f"unit {cluster}",
            )
            assert len(picture.focus) == np.count_nonzero(changed["spikes.clusters"] == cluster)
            assert page.do(lambda tab=tab: (tab.busy.panel.object, tab.refusal.object)) == ("", "")
            assert f"all {len(picture.focus):,} spike" in page.do(lambda tab=tab: tab.head.object)


def test_good_units_are_the_same_everywhere(tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check`, `units`, `render`, the page's filter and table, and exports: whosever the labels are."""
    keys = {kind: f"M{k}/2024-01-02/001" for k, kind in enumerate(LABELS)}
    for kind, key in keys.items():
        table = LABELS[kind][0]()
        write_session(tmp_path / "data", session=f"labx/Subjects/{key}", changed={"clusters.metrics": table})
    with driven_page(tmp_path / "data", cache) as page:
        session = page.session
        for k, (kind, key) in enumerate(keys.items()):
            folder = tmp_path / "data" / "labx/Subjects" / key
            asked, picture, listed = ["--cache", str(cache)], tmp_path / f"{k}.png", tmp_path / f"{k}.csv"
            capsys.readouterr()
            assert main(["check", str(folder), "--json", *asked]) == 0
            n_good = json.loads(capsys.readouterr().out)["n_good"]
            page.do(lambda key=key: session.open(f"{key}/probe00"))
            page.wait(lambda key=key: session.state.insertion == f"{key}/probe00" and session._scene, kind)
            page.wait(lambda: not titles(session._scene.sorting), f"the metrics of {kind}")
            page.do(lambda: session.state.param.update(quality="good"))
            scene = page.do(lambda: session._scene)
            code = main(["render", str(folder), "--quality", "good", "--out", str(picture), *asked])
            assert (n_good is None) == (kind == "none") == (code == 2), kind
            if n_good is None:
                assert scene.n_clusters_passing == N_CLUSTERS
                continue
            assert main(["units", str(folder), "--where", "label == 1", "--out", str(listed), *asked]) == 0
            with Image.open(picture) as image:
                assert image.info["spikes"].startswith(f"{scene.n_spikes_passing:,} of "), kind
            subject = page.do(lambda: make_subject(session._scene, session.states.values()))
            found = [scene.n_clusters_passing, len(pd.read_csv(listed)), len(exported_clusters(subject))]
            assert [*found, (cluster_table(scene.sorting)["label"] == 1).sum()] == [n_good] * 4, kind


@pytest.mark.parametrize("column", ["spikes.times", "spikes.depths"])
def test_spikes_of_one_moment_or_place_have_a_difference(column: str, tmp_path: Path) -> None:
    write_session(tmp_path / "data", changed={column: np.full(N_SPIKES, 12.5)})
    sorting = open_insertion(tmp_path / "data", cache=tmp_path / "cache")
    scene = Scene(OpenInsertion(StoreKey("x", "x", None, None), sorting, build_columns(sorting, None), None, 0.0))
    assert Sides(scene, scene).density() == 0.0
    half = Scene(scene.opened, np.arange(N_CLUSTERS) % 2 == 0)
    assert Sides(scene, half).density() > 0.0

"""The code of a view runs as pasted, in a process of its own, and gives the numbers of the view."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from dashboard.analysis.filters.clusters import filter_clusters
from dashboard.analysis.filters.words import read_spike_amp, read_words
from dashboard.engine.build import SpikeColumns
from dashboard.export.code import dashboard_snippet, ibllib_snippet
from dashboard.export.origin import Subject
from dashboard.library.render import render
from dashboard.model.errors import DashboardError
from dashboard.model.references import InsertionRef
from dashboard.model.sorting import SpikeSorting
from tests.conftest import SMALL_DEMO_SPIKES
from tests.hostile import PYTHON

FILTERS = {
    "all": {},
    "good": {"quality": "good"},
    "limits": {"label": "1", "rate": "0.5,", "band": ",3000", "metrics": "presence_ratio:0.5:"},
    "expression": {"where": "firing_rate > 1 and within('TH')", "regions": "TH,HPF", "amp": "60,"},
    "spikes": {"quality": "good", "spike_amp": "80,150"},
    "only spikes": {"spike_amp": ",90.5"},
}


def subject_of(name: str, sorting: SpikeSorting, columns: SpikeColumns) -> Subject:
    """Return a window of the demo through one of the filters."""
    words = FILTERS[name]
    mask = None
    if set(words) - {"spike_amp"}:
        result = filter_clusters(read_words(words), sorting.clusters.assign(label=sorting.labels))
        mask = result.by_index(columns.n_clusters)
    return Subject(sorting, columns, (20.5, 301.25), (123.0, 3456.5), mask, words, amp_range_uv=read_spike_amp(words))


@pytest.mark.parametrize("name", ["all", "limits", "expression", "spikes"])
def test_the_snippet_gives_the_numbers_of_the_view(
    name: str, small_demo: SpikeSorting, small_columns: SpikeColumns, cache: Path, tmp_path: Path
) -> None:
    subject = subject_of(name, small_demo, small_columns)
    code = dashboard_snippet(subject) + f"\nimport numpy\nnumpy.save({str(tmp_path / 'values.npy')!r}, image.values)\n"
    settings = {"SPIKE_DASHBOARD_CACHE": str(cache), "SPIKE_DASHBOARD_SPIKES": str(SMALL_DEMO_SPIKES)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=os.environ | settings,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert 100 < int(done.stdout) == subject.n_in_view
    picture = render(
        small_demo, subject.time_range, subject.depth_range, clusters=subject.mask, amp_range_uv=subject.amp_range_uv,
        cache=cache,
    )  # fmt: skip
    np.testing.assert_array_equal(np.load(tmp_path / "values.npy"), picture.values)


@pytest.mark.parametrize("name", FILTERS)
def test_the_ibllib_snippet_counts_as_plain_arrays_do(
    name: str, small_demo: SpikeSorting, small_columns: SpikeColumns
) -> None:
    """With ibllib's loader replaced by the arrays it returns: the loader itself is in the parity tests."""
    subject = subject_of(name, small_demo, small_columns)
    code = ibllib_snippet(subject)
    begin = code.index("t0, t1, d0, d1")
    spikes = small_demo.spikes
    arrays = {"times": spikes.times_s, "depths": spikes.depths_um, "clusters": spikes.clusters, "amps": spikes.amps_v}
    world = {
        "np": np,
        "spikes": arrays,
        "clusters": {column: small_demo.clusters[column].to_numpy() for column in small_demo.clusters},
    }
    exec(compile(code[begin:], "snippet", "exec"), world)
    assert world["n_spikes"] == subject.n_in_view
    picture = render(
        small_demo, subject.time_range, subject.depth_range, clusters=subject.mask, amp_range_uv=subject.amp_range_uv
    )
    np.testing.assert_array_equal(world["counts"], picture.values)


def test_what_was_asked_for_is_named(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    subject = Subject(small_demo, small_columns, (0.0, 1.0), (0.0, 1.0), asked=("iblsorter", ""))
    assert "sorter='iblsorter', revision=''" in dashboard_snippet(subject)
    assert "spike_sorter='iblsorter'" in ibllib_snippet(subject)


def test_snippets_name_no_path_and_no_secret(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    for name in FILTERS:
        subject = subject_of(name, small_demo, small_columns)
        for code in (dashboard_snippet(subject), ibllib_snippet(subject)):
            assert "/tmp" not in code
            assert "password" not in code


@pytest.mark.parametrize("name", PYTHON, ids=ascii)
def test_no_name_of_a_folder_becomes_code(
    name: str, small_demo: SpikeSorting, small_columns: SpikeColumns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every snippet is run with a hostile name in every place: nothing happens but the count."""
    bitten: list[int] = []
    ref = small_demo.ref
    for source, pid in (("folder", None), ("folder", name), ("alyx", name)):
        insertion = InsertionRef(name, name, 1, name, source=source, lab=name, pid=pid, eid=name)
        named = replace(
            ref, insertion=insertion, sorter=replace(ref.sorter, value=name), revision=replace(ref.revision, value=name)
        )
        clusters = small_demo.clusters.assign(**{name: 1.0})
        sorting = replace(small_demo, ref=named, clusters=clusters)
        n = small_columns.n_clusters
        for filters, mask in (
            ({}, None),
            ({"metrics": f"{name}:0:2"}, np.ones(n, bool)),
            ({"where": "firing_rate > 0", "resp_": name, name: name}, np.arange(n) < 40),
            ({"metrics": f"{name}:0:2", name: name}, np.arange(n) < 40),
        ):
            subject = Subject(
                sorting, small_columns, (20.5, 31.25), (123.0, 3456.5), mask, filters, asked=(name, name),
                amp_range_uv=(np.float64(1.0), np.inf),
            )  # fmt: skip
            for write in (dashboard_snippet, ibllib_snippet):
                counted = run_with_stubs(write(subject), sorting, bitten, monkeypatch)
                assert bitten == []
                assert counted <= 1


def run_with_stubs(code: str, sorting: SpikeSorting, bitten: list[int], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a snippet where opening and counting are recorded and nothing else is there; return how often it printed."""
    printed: list[object] = []
    spikes = {"times": np.zeros(3), "depths": np.zeros(3), "clusters": np.zeros(3, int), "amps": np.zeros(3)}
    table = {column: np.ones(1) for column in map(str, sorting.clusters)}
    loader = SimpleNamespace(
        load_spike_sorting=lambda **words: (spikes, table, None), merge_clusters=lambda *parts: table
    )
    modules = {
        "one": ModuleType("one"), "brainbox": ModuleType("brainbox"), "brainbox.io": ModuleType("brainbox.io"),
        "one.api": SimpleNamespace(ONE=lambda: SimpleNamespace(to_eid=str)),
        "brainbox.io.one": SimpleNamespace(SpikeSortingLoader=lambda **words: loader),
    }  # fmt: skip
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("dashboard.open_insertion", lambda *words, **more: sorting)
    picture = SimpleNamespace(values=None, n_spikes=0)
    monkeypatch.setattr("dashboard.render", lambda *words, **more: picture)
    with suppress(DashboardError):  # a column or region that is not there is said, and ends the snippet
        exec(compile(code, "snippet", "exec"), {"BITTEN": bitten, "print": printed.append})
    return len(printed)


def test_code_that_earlier_versions_exported_still_runs() -> None:
    from dashboard.analysis.filters.clusters import filter_clusters
    from dashboard.analysis.filters.words import read_words
    from dashboard.compute.filter_words import read_words as old_words
    from dashboard.compute.filters import filter_clusters as old_filter

    assert (old_words, old_filter) == (read_words, filter_clusters)

"""Which labels are IBL's, which are Kilosort's; what was chosen and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard.analysis.quality.metrics import recompute, with_metrics
from dashboard.cli import main
from dashboard.library.open import open_insertion
from dashboard.library.render import render
from dashboard.model.conventions import LabelKind
from dashboard.model.errors import BadRequest, RevisionMissing, SorterMissing
from dashboard.model.sorting import SpikeSorting
from dashboard.page.plot.texts import notes
from dashboard.page.tabs.clusters.tab import cluster_table
from dashboard.sources.alf.clusters import KILOSORTS_LABEL
from tests.library.alf_folder import N_CLUSTERS, sorting_arrays, write_session

OPINIONS = ["good", "mua"] * (N_CLUSTERS // 2)
KILOSORTS: dict[str, Callable[[], dict[str, Any]]] = {
    "numbers beside words": lambda: {"label": [1.0, 0.0] * (N_CLUSTERS // 2), "KSLabel": OPINIONS},
    "numbers beside ks2_label": lambda: {"label": [1.0, 0.0] * (N_CLUSTERS // 2), "ks2_label": OPINIONS},
    "words": lambda: {"label": OPINIONS},
}


def with_columns(root: Path, columns: dict[str, Any], *, lazy: bool = True, **words: Any) -> SpikeSorting:
    metrics = sorting_arrays()["clusters.metrics"].assign(**columns)
    write_session(root / "data", changed={"clusters.metrics": metrics} | words)
    return open_insertion(root / "data", cache=root / "cache", lazy=lazy)


@pytest.mark.parametrize("kind", KILOSORTS)
def test_kilosorts_opinion_is_no_ibl_label(kind: str, tmp_path: Path) -> None:
    sorting = with_columns(tmp_path, KILOSORTS[kind]())
    assert sorting.label_kind is LabelKind.KILOSORT
    assert np.isnan(sorting.labels).all()
    assert "Kilosort's own opinion" in sorting.why_no_labels
    assert sorting.metrics_wanted
    assert not sorting.metrics_stale
    with pytest.raises(BadRequest, match="Kilosort's own opinion"):
        render(sorting, aggregate="label", cache=tmp_path / "cache")
    table = cluster_table(sorting)
    assert "label" not in table
    assert {"KSLabel", "ks2_label"} & set(table)


@pytest.mark.parametrize("kind", KILOSORTS)
def test_computed_labels_take_the_place_of_kilosorts(kind: str, tmp_path: Path) -> None:
    sorting = with_columns(tmp_path, KILOSORTS[kind]())
    done = with_columns(tmp_path, KILOSORTS[kind](), lazy=False)
    pd.testing.assert_frame_equal(done.clusters, with_metrics(sorting, recompute(sorting)).clusters)
    assert not done.why_no_labels
    assert not done.metrics_wanted
    assert set(np.round(done.labels * 3)) <= {0.0, 1.0, 2.0, 3.0}
    assert "label" in cluster_table(done)
    assert KILOSORTS_LABEL in sorting.notes
    assert KILOSORTS_LABEL not in done.notes
    assert any("recomputed from the spikes" in note for note in done.notes)


def test_without_volts_there_is_nothing_to_compute_labels_from(tmp_path: Path) -> None:
    amps = sorting_arrays()["spikes.amps"] * 1e6
    sorting = with_columns(tmp_path, KILOSORTS["words"](), **{"spikes.amps": amps})
    assert not sorting.metrics_wanted
    assert not with_columns(tmp_path, KILOSORTS["words"](), lazy=False, **{"spikes.amps": amps}).metrics_made
    assert "amplitudes in volts" in sorting.why_no_labels


def test_the_real_sorting_has_no_ibl_labels(real_alf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["check", str(real_alf), "--json", "--cache", str(tmp_path)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["n_good"] is None
    reasons = {item["dataset"]: item["reason"] for item in report["missing"]}
    assert "Kilosort's own opinion" in reasons["label"]
    picture = tmp_path / "picture.png"
    assert main.main(["render", str(real_alf), "--quality", "good", "--out", str(picture)]) == 2
    assert "Kilosort's own opinion" in capsys.readouterr().err
    assert not picture.exists()


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ([7.0] * N_CLUSTERS, "not a fraction"),
        ([None] * N_CLUSTERS, "no label"),
        ([-1.0] * N_CLUSTERS, "not a fraction"),
    ],
)
def test_labels_that_are_none(label: list[Any], says: str, tmp_path: Path) -> None:
    sorting = with_columns(tmp_path, {"label": label})
    assert says in sorting.why_no_labels
    assert np.isnan(sorting.labels).all()


def test_some_labels_are_enough(tmp_path: Path) -> None:
    sorting = with_columns(tmp_path, {"label": pd.array([1, None] * (N_CLUSTERS // 2), dtype="Int64")})
    assert not sorting.why_no_labels
    assert np.count_nonzero(sorting.labels == 1) == N_CLUSTERS // 2


# -- choices ----------------------------------------------------------------------------------------


def test_what_was_chosen_and_why_is_in_the_result_and_on_the_page(tmp_path: Path) -> None:
    write_session(tmp_path / "data")
    write_session(tmp_path / "data", sorter="iblsorter", revision="2024-05-06")
    write_session(tmp_path / "data", sorter="iblsorter", revision="2024-07-08")
    sorting = open_insertion(tmp_path / "data", cache=tmp_path / "cache", revision="2024-06-01")
    choices = {name: (value, reason) for name, value, reason in sorting.choices}
    assert choices["sorter"] == (
        "iblsorter", "default order: iblsorter, pykilosort, then the shortest collection")  # fmt: skip
    assert choices["revision"] == ("2024-05-06", "the greatest not after '2024-06-01' that was asked for")
    assert choices["histology"][0] == "unknown"
    assert "not in the files" in choices["histology"][1]
    page = notes(sorting)
    for value, reason in choices.values():
        assert value in page
        assert reason.replace("'", "&#x27;") in page
    assert page.count("without a database") == 1


def test_check_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_session(tmp_path / "data")
    assert main.main(["check", str(tmp_path / "data"), "--cache", str(tmp_path / "cache")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "sorter      pykilosort (the only sorting)" in lines
    assert "revision    original (the only revision)" in lines
    assert any(line.startswith("histology   unknown (Brain locations are not in the files") for line in lines)


def test_every_state_of_the_histology_has_its_reason(small_demo: SpikeSorting) -> None:
    assert ("histology", "alf", "brain locations are in the files") in small_demo.choices


def test_a_word_that_is_no_revision_is_a_mistake_and_a_later_date_is_not(tmp_path: Path) -> None:
    write_session(tmp_path / "data", revision="2024-05-06")
    cache = tmp_path / "cache"
    for wrong in ("nosuch", "v2", "2024-05-05"):
        with pytest.raises(RevisionMissing, match="Available revisions: 2024-05-06"):
            open_insertion(tmp_path / "data", revision=wrong, cache=cache)
    for right in ("2024-05-06", "2024-05-06a", "2030-01-01"):
        assert open_insertion(tmp_path / "data", revision=right, cache=cache).ref.revision.value == "2024-05-06"


def test_a_sorter_that_does_not_exist_lists_those_that_do(tmp_path: Path) -> None:
    write_session(tmp_path / "data")
    with pytest.raises(SorterMissing, match="Available sorters: pykilosort"):
        open_insertion(tmp_path / "data", sorter="kilosort4", cache=tmp_path / "cache")


def test_trials_of_several_tasks_say_which_are_shown(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "data")
    for task in ("task_00", "task_01"):
        home = folder.parents[1] / task
        home.mkdir()
        pd.DataFrame({"stimOn_times": [1.0], "choice": [1.0]}).to_parquet(home / "_ibl_trials.table.pqt")
    sorting = open_insertion(tmp_path / "data", cache=tmp_path / "cache")
    assert sorting.trials is not None
    assert "Trials are those of alf/task_00; there are others in alf/task_01" in sorting.notes
    assert not any("there are others" in note for note in replace(sorting, notes=()).notes)

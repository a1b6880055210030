"""What the Events tab draws, against NumPy; whose spikes, which trials."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dashboard.analysis.anatomy.probe import region_names
from dashboard.analysis.events.picture import EventPicture, pooled, theme_ink, trials_per_row
from dashboard.analysis.events.trials import brainwide_mask
from dashboard.model.errors import BadRequest
from dashboard.page.core.scene import Scene
from dashboard.page.services.alignment import DEPTHS, FILTER, REGION, UNIT, EventRequest, render_events
from dashboard.page.services.trial_browser import trial_words


def request(scene: Scene, subject: str = UNIT, **values: Any) -> EventRequest:
    settings: dict[str, Any] = {
        "units": (7,), "depth_range_um": (500.0, 900.0), "region": "LP", "event": "stimOn", "split": "none",
        "is_masked": True,
    }  # fmt: skip
    return EventRequest(scene, subject, **{**settings, **values})


def draw(scene: Scene, subject: str = UNIT, **values: Any) -> EventPicture:
    return render_events(request(scene, subject, **values), threading.Event())


def expected_counts(scene: Scene, keep: np.ndarray[Any, Any], picture: EventPicture) -> list[list[int]]:
    """Count by NumPy in each trial and bin of the raster."""
    times = np.asarray(scene.columns.times_s)[keep]
    return [
        np.diff(np.searchsorted(times, event + picture.raster_edges_s, side="left")).tolist()
        for event in picture.events.times_s
    ]


def test_a_units_trials_are_those_of_numpy(scene: Scene) -> None:
    picture = draw(scene)
    keep = np.asarray(scene.columns.clusters) == 7
    assert picture.groups[0].counts.tolist() == expected_counts(scene, keep, picture)
    assert picture.is_single


def test_the_psth_is_the_mean_of_the_trials(scene: Scene) -> None:
    picture = draw(scene, FILTER)
    group = picture.groups[0]
    five = group.counts.reshape(len(group.counts), -1, 5).sum(axis=2)  # bins of 10 ms to those of 50 ms
    assert group.psth.mean_hz == pytest.approx(five.mean(axis=0) / 0.05)
    assert group.psth.sem_hz == pytest.approx(five.std(axis=0) / np.sqrt(len(five)) / 0.05)


def test_a_band_of_depths_holds_the_spikes_in_it(scene: Scene) -> None:
    picture = draw(scene, DEPTHS)
    depths = np.asarray(scene.columns.depths_um)
    keep = (depths >= 500) & (depths < 900)
    assert picture.groups[0].counts.tolist() == expected_counts(scene, keep, picture)
    assert "between 500 and 900 µm" in picture.subject


def test_a_region_holds_its_units_among_those_that_pass(scene: Scene) -> None:
    ids = scene.sorting.clusters["atlas_id"].to_numpy().astype(np.int64)
    inside = region_names(ids, "beryl") == "LP"
    assert inside.any()
    passing = np.zeros(scene.columns.n_clusters, dtype=np.bool_)
    passing[::2] = True
    filtered = Scene(scene.opened, passing, "beryl")
    keep = np.zeros(scene.columns.n_clusters, dtype=np.bool_)
    keep[: len(inside)] = inside
    keep &= passing
    picture = draw(filtered, REGION)
    assert picture.groups[0].counts.tolist() == expected_counts(scene, keep[scene.columns.clusters], picture)
    assert "among those that pass" in picture.subject


@pytest.mark.parametrize("subject", [UNIT, DEPTHS, REGION, FILTER])
def test_limits_of_single_spikes_hold_around_events(subject: str, scene: Scene) -> None:
    limited = Scene(scene.opened, level="beryl", amp_range_uv=(60.0, 120.0))
    columns = scene.columns
    assert columns.amps_uv is not None
    keep = (columns.amps_uv >= 60) & (columns.amps_uv < 120)
    by_map = int(keep.sum())
    if subject == UNIT:
        keep = keep & (np.asarray(columns.clusters) == 7)
    elif subject == DEPTHS:
        keep = keep & (columns.depths_um >= 500) & (columns.depths_um < 900)
    elif subject == REGION:
        names = region_names(scene.sorting.clusters["atlas_id"].to_numpy().astype(np.int64), "beryl")
        inside = np.zeros(columns.n_clusters, dtype=np.bool_)
        inside[: len(names)] = names == "LP"
        keep = keep & inside[columns.clusters]
    picture = draw(limited, subject)
    assert picture.groups[0].counts.tolist() == expected_counts(scene, keep, picture)
    assert "60 ≤ spike amplitude < 120 µV" in picture.subject
    assert 0 < picture.map.n_spikes < draw(scene, subject).map.n_spikes
    assert by_map


def test_every_trial_is_counted_once(scene: Scene) -> None:
    assert scene.sorting.trials is not None
    table = scene.sorting.trials.table
    picture = draw(scene, split="contrast")
    drawn = np.concatenate([group.trials for group in picture.groups])
    assert len(set(drawn)) == len(drawn) == len(picture.events) - picture.n_unsplit
    assert picture.n_masked == int((~brainwide_mask(table)).sum())
    assert len(drawn) + picture.n_masked + picture.events.n_missing + picture.events.n_outside == len(table)
    words = picture.trials_text("stimOn")
    assert f"{len(drawn)} of {len(table)} trials" in words
    assert f"{picture.n_masked} left out by the mask" in words


def test_without_the_mask_all_trials_are_used(scene: Scene) -> None:
    picture = draw(scene, is_masked=False)
    assert picture.n_masked == 0
    assert picture.n_trials == len(picture.events) + picture.events.n_missing + picture.events.n_outside


def test_a_click_finds_the_trial_that_is_drawn_there(scene: Scene) -> None:
    picture = draw(scene, split="side")
    first = len(picture.groups[0].trials)
    assert picture.trial_at(0.5) == picture.groups[0].trials[0]
    assert picture.trial_at(first + 0.5) == picture.groups[1].trials[0]
    assert picture.trial_at(-1) is None
    assert picture.trial_at(1e6) is None


def test_the_map_is_kept_while_it_would_be_the_same(scene: Scene) -> None:
    first = draw(scene)
    assert draw(scene, DEPTHS, before=first).map is first.map
    assert draw(scene, event="feedback", before=first).map is not first.map
    assert draw(Scene(scene.opened), before=first).map is not first.map


def test_what_cannot_be_aligned_is_one_line(scene: Scene) -> None:
    with pytest.raises(BadRequest, match="No unit is selected"):
        draw(scene, units=())
    bare = Scene(replace(scene.opened, sorting=replace(scene.sorting, trials=None)))
    with pytest.raises(BadRequest, match="no trials"):
        draw(bare)
    assert scene.sorting.trials is not None
    table = scene.sorting.trials.table.drop(columns="probabilityLeft")
    trials = replace(scene.sorting.trials, table=table)
    with pytest.raises(BadRequest, match="probabilityLeft"):
        draw(Scene(replace(scene.opened, sorting=replace(scene.sorting, trials=trials))), split="block")


def test_pooled_rows_lose_no_spike_of_a_unit() -> None:
    counts = np.array([[0, 1], [1, 0], [0, 0], [0, 2]], np.uint32)
    assert pooled(counts, 3, is_single=True).tolist() == [[1, 1], [0, 2]]
    assert pooled(counts, 2, is_single=False).tolist() == [[0.5, 0.5], [0, 1]]
    assert (trials_per_row(200), trials_per_row(201)) == (1, 2)


def test_greys_turn_round_in_the_dark_and_colours_stay() -> None:
    assert theme_ink("#333333", dark=True) == "#cccccc"
    assert theme_ink("#333333", dark=False) == "#333333"
    assert theme_ink("#1f77b4", dark=True) == "#1f77b4"


def test_a_trial_is_told_in_words(scene: Scene) -> None:
    assert scene.sorting.trials is not None
    table = scene.sorting.trials.table.copy()
    table.loc[0, ["contrastLeft", "contrastRight", "choice", "feedbackType", "probabilityLeft"]] = [
        0.25, np.nan, 1, 1, 0.8
    ]  # fmt: skip
    table.loc[0, ["stimOn_times", "firstMovement_times"]] = [10.0, 10.25]
    words = trial_words(table, 0)
    assert words == "contrast 25 % left, choice left, correct, block 0.8, first movement 0.25 s after stimulus"

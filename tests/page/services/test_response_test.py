"""The test of responses as columns of the cluster table."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bokeh.document import Document

from dashboard.analysis.events.responses import paired_events, response_test
from dashboard.analysis.events.trials import brainwide_mask
from dashboard.analysis.filters.clusters import ClusterFilter, filter_clusters
from dashboard.library.store import OpenInsertion
from dashboard.model.errors import BadRequest, Cancelled
from dashboard.model.progress import Progress, ignore_progress
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.services.alignment import AlignmentState
from dashboard.page.services.response_test import (
    ResponseTester,
    ResponseTestRequest,
    ResponseTestState,
    carry,
    read_test,
    response_columns,
    run_test,
    suffix_of,
    with_responses,
)
from dashboard.page.tabs.clusters.tab import cluster_table
from dashboard.page.tabs.registry import page_state


def run(opened: OpenInsertion, split: str = "none", **values: Any) -> tuple[pd.DataFrame, str]:
    settings: dict[str, Any] = {"is_masked": True, "baseline_s": (-0.1, 0.0), "response_s": (0.0, 0.1)}
    threads = {"progress": ignore_progress, "cancel": threading.Event()}
    threads |= {name: values.pop(name) for name in tuple(values) if name in threads}
    return run_test(opened, ResponseTestRequest("stimOn", split, **{**settings, **values}), **threads)


@pytest.fixture(scope="module")
def tested(opened: OpenInsertion) -> tuple[pd.DataFrame, str]:
    return run(opened)


def test_a_window_that_ends_before_it_starts_is_said_under_its_fields_and_not_tested() -> None:
    tester = ResponseTester(page_state(), DocumentQueue(Document()), lambda opened: None)
    fields = tester._form.windows
    fields[3].value = "-1"
    tester._start()
    assert [field.helper_text for field in fields] == ["", "", "Below -1", f"Above {fields[2].value}"]
    assert not tester._job.is_running
    tester.close()


def test_the_columns_are_those_of_the_test(opened: OpenInsertion, tested: tuple[pd.DataFrame, str]) -> None:
    columns, trials = opened.columns, opened.sorting.trials
    assert trials is not None
    mask = brainwide_mask(trials.table)
    _, events = paired_events(trials.table, "stimOn", (-0.1, 0.0), (0.0, 0.1), columns.time_range_s, mask)
    expected = response_test(columns.times_s, columns.clusters, columns.n_clusters, events)
    pd.testing.assert_frame_equal(tested[0], expected.table(opened.sorting.clusters.index))
    assert f"in {len(events)} trials" in tested[1]


def test_they_stand_after_the_label_and_can_be_filtered_by(
    opened: OpenInsertion, tested: tuple[pd.DataFrame, str]
) -> None:
    sorting = with_responses(opened.sorting, tested[0])
    names = list(cluster_table(sorting).columns)
    assert names[2:7] == ["resp_change_hz", "resp_abs_change_hz", "resp_auc", "resp_p", "resp_q"]
    passing = filter_clusters(ClusterFilter(where="resp_p < 0.5 and resp_auc > 0.5"), sorting.clusters)
    values = tested[0].loc[sorting.clusters.index]
    assert passing.mask.tolist() == ((values["resp_p"] < 0.5) & (values["resp_auc"] > 0.5)).tolist()
    limits = filter_clusters(ClusterFilter(metrics={"resp_q": (None, 0.05)}), sorting.clusters)
    assert limits.n_pass == int((values["resp_q"] <= 0.05).sum())


def test_a_second_test_takes_the_place_of_the_first(opened: OpenInsertion, tested: tuple[pd.DataFrame, str]) -> None:
    table, words = run(opened, "outcome")
    both = with_responses(with_responses(opened.sorting, tested[0]), table)
    assert set(response_columns(both)) == set(table.columns)
    assert "resp_q_correct" in table
    assert "resp_q_incorrect" in table
    assert "correct: " in words


def test_columns_stay_when_metrics_come_later(opened: OpenInsertion, tested: tuple[pd.DataFrame, str]) -> None:
    before = with_responses(opened.sorting, tested[0])
    after = carry(before, opened.sorting)
    pd.testing.assert_frame_equal(after.clusters, before.clusters)
    assert carry(opened.sorting, opened.sorting) is opened.sorting


def test_ids_without_a_row_are_left_out_and_rows_without_an_id_are_missing(opened: OpenInsertion) -> None:
    table = pd.DataFrame({"resp_q": [0.1, 0.2]}, index=[0, 10_000])
    clusters = with_responses(opened.sorting, table).clusters
    assert len(clusters) == opened.sorting.n_clusters
    assert clusters["resp_q"].notna().sum() == 1
    assert clusters["resp_q"].dtype == np.float64


def test_names_of_groups_can_stand_in_expressions() -> None:
    assert suffix_of("6.25 %") == "_6_25"
    assert suffix_of("block 0.2") == "_block_0_2"
    assert suffix_of("no go") == "_no_go"


def test_progress_goes_on_over_the_groups(opened: OpenInsertion) -> None:
    steps: list[Progress] = []
    run(opened, "side", progress=lambda progress: steps.append(progress))
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert steps[-1].done == steps[-1].total


def test_it_can_be_cancelled(opened: OpenInsertion) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        run(opened, cancel=cancel)


@pytest.mark.parametrize("values", [{"baseline_s": (0.0, -0.5)}, {"response_s": (0.0, 1e5)}])
def test_windows_that_make_no_sense_are_one_line(opened: OpenInsertion, values: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        run(opened, **values)


class Place:
    """The test of one browser tab, whose turns come one after the other in the thread that works."""

    def __init__(self, opened: OpenInsertion, **values: Any) -> None:
        self.states = page_state(**values)
        self.opened = opened
        self.seen: list[tuple[bool, str]] = []
        queue = DocumentQueue(Document())
        queue.later = self._later  # type: ignore[method-assign]
        self.response_test = ResponseTester(self.states, queue, self._take)

    def _later(self, change: Callable[[], None]) -> None:
        change()
        aside = self.response_test.aside
        self.seen.append((aside.visible, aside[0][0].object if len(aside) else ""))

    def _take(self, opened: OpenInsertion) -> None:
        self.opened = opened

    def wait(self) -> None:
        self.response_test._job._threads.submit(int).result(60)

    @property
    def columns(self) -> list[str]:
        return response_columns(self.opened.sorting)


TEST = "stimOn,none,mask,-0.1,0,0,0.1"


@pytest.fixture
def place(opened: OpenInsertion) -> Iterator[Place]:
    made = Place(opened, test=TEST, tab="Clusters")
    yield made
    made.response_test.close()


def test_a_test_of_a_link_says_in_the_rail_how_far_it_is(place: Place) -> None:
    place.response_test.resume(place.opened)
    place.wait()
    assert any(is_there and "testing responses" in words for is_there, words in place.seen)
    assert "resp_q" in place.columns
    assert not place.response_test.aside.visible
    assert "Every spike" in place.response_test._said


def test_a_step_back_takes_the_columns_away_and_one_forward_brings_them_at_once(place: Place) -> None:
    place.response_test.resume(place.opened)
    place.wait()
    tested = place.opened
    place.states[ResponseTestState].test = ""
    place.response_test.step(tested)
    assert place.columns == []
    assert place.states[ResponseTestState].test == ""
    place.seen.clear()
    place.states[ResponseTestState].test = TEST
    place.response_test.step(place.opened)
    pd.testing.assert_frame_equal(place.opened.sorting.clusters, tested.sorting.clusters)
    assert place.seen == [], "it was tested again"

    # A test that a step interrupts leaves nothing.
    place.states[ResponseTestState].test = TEST.replace("stimOn", "feedback")
    place.response_test.step(place.opened)
    place.states[ResponseTestState].test = ""
    place.response_test.step(place.opened)
    place.wait()
    assert place.columns == []
    assert not place.response_test.aside.visible


def test_a_step_stops_no_test_that_was_asked_for_by_hand(place: Place) -> None:
    place.states.update(tab="Events", test="")
    assert place.response_test.panel is not None
    place.response_test.step(place.opened)
    place.response_test._start()
    place.response_test.step(place.opened)
    place.wait()
    assert "resp_q" in place.columns
    assert place.states[ResponseTestState].test == TEST


def test_another_event_has_its_windows_until_others_are_typed(place: Place) -> None:
    place.states.update(tab="Events", test="")
    assert place.response_test.panel is not None
    fields, alignment = place.response_test._windows, place.states[AlignmentState]
    alignment.event = "feedback"
    assert [field.value for field in fields] == ["-0.2", "0", "0", "0.2"]
    alignment.event = "firstMovement"
    assert [field.value for field in fields] == ["-0.1", "0", "-0.1", "0"]
    fields[3].value = "0.05"
    alignment.event = "stimOn"
    assert [field.value for field in fields] == ["-0.1", "0", "-0.1", "0.05"]


def test_the_baseline_is_named_where_the_test_is(opened: OpenInsertion) -> None:
    words = run_test(opened, read_test("feedback,none,all,-0.2,0,0,0.2"), ignore_progress, threading.Event())[1]
    assert "baseline -0.2 to 0 s of stimOn, response 0 to 0.2 s of feedback" in words
    assert "at least 20 spikes" in words

"""Each line of the table in docs/troubleshooting.md is held by tests, and quotes words that the package says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

WORLD, PAGE = "library/test_world.py", "page/test_world.py"
MATRIX = "test_fault_matrix.py"
BROWSER, ALYX = "browser/test_world.py", "browser/test_alyx.py"
#: Beginning of a line -> the tests that hold it, by file.
HELD_BY = {
    "A file does not come": {
        MATRIX: ["test_with_it_and_after_it"],
        WORLD: ["test_it_opens_and_says_what_is_missing", "test_a_batch_tries_again_in_the_next_run",
                "test_every_dataset_is_named_while_it_does_not_come"],
        PAGE: ["test_what_could_not_be_had_is_named_and_comes_with_try_again"],
        ALYX: ["test_a_passing_failure_is_said_over_the_pictures_and_passes"],
        "sources/download/test_faults.py": ["test_waits_grow_and_end"],
    },
    "`spikes.times` or `spikes.clusters`": {
        WORLD: ["test_every_dataset_is_named_while_it_does_not_come"],
        ALYX: ["test_without_the_times_there_is_an_error_and_a_second_try"],
    },
    "The data server has no such file": {
        WORLD: ["test_what_the_server_does_not_have_does_not_exist"],
        ALYX: ["test_a_dataset_that_does_not_come_is_named_and_can_come_later"],
    },
    "The database does not answer": {
        WORLD: ["test_unknown_histology_is_known_once_the_database_answers"],
        ALYX: ["test_unknown_histology_is_asked_for_again_by_itself"],
    },
    "A page of a proxy": {
        PAGE: ["test_what_could_not_be_had_is_named_and_comes_with_try_again"],
        "sources/alyx/test_client.py": ["test_a_login_page_of_the_network"],
    },
    "The database is down": {
        WORLD: ["test_a_batch_on_remembered_records_is_incomplete",
                "test_a_batch_that_is_done_is_not_done_again_for_what_cannot_be_compared"],
        MATRIX: ["test_with_it_and_after_it"],
        ALYX: ["test_without_the_server_what_was_fetched_opens_and_says_so"],
        "server/test_faults.py": ["test_alyx_down_opens_what_was_fetched_and_comes_back_by_itself"],
    },
    "The database hangs (accepts": {
        WORLD: ["test_what_is_cached_opens_before_the_server_answers", "test_a_late_answer_is_taken_when_it_comes"],
    },
    "The database hangs; the": {
        WORLD: ["test_what_is_not_cached_ends_with_a_line", "test_a_command_says_whom_it_waits_for"],
        PAGE: ["test_who_is_waited_for_is_named_and_for_how_long_at_most"],
        BROWSER: ["test_who_hangs_is_named_and_need_not_be_waited_for"],
    },
    "The database refuses the login": {
        "sources/alyx/test_client.py": ["test_refused", "test_an_expired_token_is_renewed_once"],
    },
    "The database asks to wait": {
        WORLD: ["test_a_batch_waits_and_logs_in_once", "test_processes_share_one_login", "test_a_page_gives_up"],
        PAGE: ["test_a_server_that_asks_to_wait_long_is_named_with_how_long"],
        BROWSER: ["test_a_short_wait_is_waited_and_a_long_one_is_named"],
    },
    "A download stands still": {
        WORLD: ["test_a_stalled_download_is_named_as_stalled"],
        MATRIX: ["test_a_download_that_stands_still_is_named_in_the_log_and_goes_on"],
        PAGE: ["test_a_download_that_stands_still_is_named"],
        BROWSER: ["test_a_download_that_stands_still_says_so"],
    },
    "A file was replaced": {
        MATRIX: ["test_with_it_and_after_it", "test_what_another_process_fetches_is_taken_here_and_what_is_open_stays"],
        WORLD: ["test_is_fetched_again", "test_a_replaced_file_is_read_when_the_insertion_is_opened_again",
                "test_a_batch_that_is_done_is_done_again_where_what_is_on_record_has_changed",
                "test_a_replaced_file_of_a_folder_is_read_when_the_insertion_is_opened_again"],
        PAGE: ["test_a_replaced_dataset_is_offered_and_taken_when_asked_for",
               "test_a_replaced_file_is_offered_by_itself"],
        BROWSER: ["test_a_replaced_file_is_offered_under_an_open_page"],
    },
    "ONE's own cache": {WORLD: ["test_is_fetched_beside_a_cache_that_is_only_read"]},
    "A new insertion": {
        WORLD: ["test_a_new_insertion_of_a_server_is_listed", "test_folders_are_looked_through_by_themselves"],
    },
    "An insertion is removed": {
        MATRIX: ["test_with_it_and_after_it"],
        PAGE: ["test_an_insertion_that_goes_is_said_and_what_is_shown_stays",
               "test_an_insertion_is_registered_and_removed_under_an_open_page"],
    },
    "A data folder is gone": {PAGE: ["test_a_disk_that_is_gone_is_said_and_its_list_stays_until_it_is_back"]},
    "A folder is a link": {
        "sources/test_links.py": ["test_a_link_out_is_said_at_every_level"],
        "page/test_shared_cases.py": ["test_the_page_says_why_a_link_is_not_followed",
                                      "test_check_refuses_in_one_line"],
    },
    "A file of a folder": {
        PAGE: ["test_a_file_that_cannot_be_read_is_read_once_it_can"],
        "library/test_damage.py": ["test_any_damage_is_refused_by_name_or_opens"],
    },
    "A folder has no brain locations": {
        "sources/alf/test_loading.py": ["test_without_brain_locations_a_folder_cannot_know"],
        "cli/test_labels_and_choices.py": ["test_check_says_why"],
    },
    "The process is killed": {
        "server/test_faults.py": ["test_a_process_killed_while_it_prepares_leaves_nothing_to_be_taken_for_whole"],
        "sources/download/test_processes.py": ["test_killed_in_mid_download"],
        "library/test_cache_upkeep.py": ["test_what_was_interrupted_is_found_and_what_runs_is_left"],
    },
    "The disk of the cache is full": {
        "server/test_faults.py": ["test_a_full_volume_ends_a_download_with_one_line_and_it_goes_on_later",
                                  "test_a_full_cache_volume_costs_speed_and_nothing_else"],
    },
    "A file of the cache is damaged": {
        WORLD: ["test_a_file_that_was_touched_is_read_again"],
        "library/test_cache_upkeep.py": ["test_files_are_held_against_the_records"],
        "server/test_faults.py": ["test_a_corrupt_fetched_file_is_said_and_comes_anew"],
    },
}  # fmt: skip
#: What stands for something else in a quoted text: names, numbers, dates, states, and what is left out.
CHANGING = re.compile(r"\.\.\.|HOST|unknown|replaced|\d[\d-]*|spikes\.\w+|[()]")


def lines(repository: Path) -> list[str]:
    text = (repository / "docs" / "troubleshooting.md").read_text()
    return [line for line in text.splitlines() if line.startswith("| ")][1:]


def test_each_line_is_held_by_tests_that_exist(repository: Path) -> None:
    found = [[start for start in HELD_BY if line.startswith(f"| {start}")] for line in lines(repository)]
    assert [len(starts) for starts in found] == [1] * len(HELD_BY)
    for start, files in HELD_BY.items():
        for file, names in files.items():
            tree = ast.parse((repository / "tests" / file).read_text())
            known = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            assert set(names) <= known, (start, file)


def test_what_is_quoted_is_what_the_package_says(repository: Path) -> None:
    # the parts of a text that stands on several lines, or has values between, are one after the other
    source = "".join(path.read_text() for path in sorted((repository / "dashboard").rglob("*.py")))
    source += "".join(path.read_text() for path in sorted((repository / "assets").rglob("*.js")))
    said = re.sub(r'"\s*\n\s*f?"', "", source)
    for line in lines(repository):
        for quoted in re.findall(r'"([^"]+)"', line):
            for part in CHANGING.split(quoted):
                assert part.strip(" :,") in said, (quoted, part)

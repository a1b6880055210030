"""What users keep, in SQLite."""

from __future__ import annotations

import csv
import io
import sqlite3
import threading
from pathlib import Path

import pytest

import dashboard.keeping as keeping
from dashboard.library.userdata import Desk, Keeper, KeepingFailed, together
from dashboard.model.errors import BadRequest

KEY = "S/2024-01-01/001/probe00"


def test_verdicts_survive_and_two_people_keep_their_word(tmp_path: Path) -> None:
    first, second = Keeper.in_folder(tmp_path), Keeper.in_folder(tmp_path)
    first.judge(KEY, "Ada", "pass")
    second.judge(KEY, "Bob", "fail", "noisy", "some-pid")
    first.judge(KEY, "Ada", "fail")
    for keeper in (first, second):
        keeper.close()
    said = Keeper.in_folder(tmp_path).verdicts(KEY)
    assert [(word.author, word.verdict, word.comment) for word in said] == [
        ("Ada", "pass", ""),
        ("Bob", "fail", "noisy"),
        ("Ada", "fail", ""),
    ]
    assert all(word.time.endswith("+00:00") for word in said)


def test_people_who_differ_and_people_who_changed_their_mind(tmp_path: Path) -> None:
    keeper = Keeper.in_folder(tmp_path)
    for author, verdict, expected in (
        ("Ada", "comment", "none"), ("Ada", "fail", "fail"), ("Bob", "pass", "mixed"), ("Ada", "pass", "pass"),
    ):  # fmt: skip
        keeper.judge(KEY, author, verdict, "a word")
        assert together(keeper.verdicts()) == expected


def test_two_at_a_time_lose_nothing(tmp_path: Path) -> None:
    keepers = [Keeper.in_folder(tmp_path) for _ in range(2)]

    def judge(keeper: Keeper, author: str) -> None:
        for _ in range(20):
            keeper.judge(KEY, author, "pass")

    threads = [threading.Thread(target=judge, args=(k, f"author {n}")) for n, k in enumerate(keepers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keepers[0].verdicts()) == 40


def test_a_locked_database_says_so_and_works_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "LOCK_WAIT_S", 0.05)
    keeper = Keeper.in_folder(tmp_path)
    keeper.judge(KEY, "Ada", "pass")
    other = sqlite3.connect(tmp_path / "kept.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(KeepingFailed, match=r"locked.*Try again"):
        keeper.judge(KEY, "Ada", "fail")
    other.execute("ROLLBACK")
    other.close()
    keeper.judge(KEY, "Ada", "fail")
    assert len(keeper.verdicts()) == 2


@pytest.mark.parametrize(
    ("author", "verdict", "comment"),
    [("", "pass", ""), (" ", "pass", ""), ("Ada", "maybe", ""), ("Ada", "comment", " ")],
)
def test_a_verdict_that_says_nothing_is_refused(tmp_path: Path, author: str, verdict: str, comment: str) -> None:
    keeper = Keeper.in_folder(tmp_path)
    with pytest.raises(BadRequest):
        keeper.judge(KEY, author, verdict, comment)
    assert keeper.verdicts() == []


def test_csv_has_every_word_and_no_formula(tmp_path: Path) -> None:
    keeper = Keeper.in_folder(tmp_path)
    keeper.judge(KEY, "Ada", "comment", '=HYPERLINK("x"), "quoted"')
    rows = list(csv.DictReader(io.StringIO(keeper.csv())))
    assert rows[0]["comment"] == '\'=HYPERLINK("x"), "quoted"'
    assert rows[0]["insertion"] == KEY


def test_recent_and_favourites_are_each_users_own(tmp_path: Path) -> None:
    keeper = Keeper.in_folder(tmp_path)
    keeper.remember("Ada", "a")
    keeper.star("Ada", "a", on=True)
    keeper.star("Bob", "b", on=True)
    keeper.star("Bob", "b", on=False)
    assert keeper.recent("Ada") == ["a"]
    assert keeper.recent("Bob") == []
    assert keeper.favourites("Ada") == {"a"}
    assert keeper.favourites("Bob") == set()


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(BadRequest) as caught:
        Keeper("nosuch://user:hunter2@host/db")
    assert "hunter2" not in str(caught.value)


def test_thresholds_are_each_users_own_and_survive(tmp_path: Path) -> None:
    keeper = Keeper.in_folder(tmp_path)
    keeper.keep_threshold("Ada", "ap_rms_max_uv", 30.0)
    keeper.keep_threshold("Ada", "ap_rms_max_uv", 35.0)
    keeper.keep_threshold("Bob", "yield_min", 0.2)
    keeper.close()
    again = Keeper.in_folder(tmp_path)
    assert again.thresholds("Ada") == {"ap_rms_max_uv": 35.0}
    assert again.thresholds("Bob") == {"yield_min": 0.2}
    again.keep_threshold("Ada", "ap_rms_max_uv", None)
    assert again.thresholds("Ada") == {}


def test_a_database_of_an_older_version_gets_the_tables_it_lacks(tmp_path: Path) -> None:
    Keeper.in_folder(tmp_path).judge(KEY, "Ada", "pass")
    with sqlite3.connect(tmp_path / "kept.sqlite") as old:
        old.execute("DROP TABLE thresholds")
    old.close()
    keeper = Keeper.in_folder(tmp_path)
    assert keeper.thresholds("Ada") == {}
    assert [said.author for said in keeper.verdicts()] == ["Ada"]


def test_a_desk_takes_the_name_a_browser_says_only_where_nobody_logs_in(tmp_path: Path) -> None:
    keeper, told = Keeper.in_folder(tmp_path), []
    desk, mine = Desk(keeper), Desk(keeper, "ann")
    desk.listen(lambda: told.append(desk.author))
    desk.say(" Ada ")
    desk.say("Ada")
    mine.say("Eve")
    assert (desk.author, desk.is_login, told) == ("Ada", False, ["Ada"])
    assert (mine.author, mine.is_login) == ("ann", True)

"""What users keep, in SQLite."""

from __future__ import annotations

import csv
import io
import sqlite3
import threading
from pathlib import Path

import pytest

import dashboard.library.database as database
from dashboard.library.database import UserDataUnavailable
from dashboard.library.userdata import UserData, UserSession, together
from dashboard.model.errors import BadRequest

KEY = "S/2024-01-01/001/probe00"


def test_verdicts_survive_and_two_people_keep_their_word(tmp_path: Path) -> None:
    first, second = UserData.in_folder(tmp_path), UserData.in_folder(tmp_path)
    first.judge(KEY, "Ada", "pass")
    second.judge(KEY, "Bob", "fail", "noisy", "some-pid")
    first.judge(KEY, "Ada", "fail")
    for user_data in (first, second):
        user_data.close()
    said = UserData.in_folder(tmp_path).verdicts(KEY)
    assert [(word.author, word.verdict, word.comment) for word in said] == [
        ("Ada", "pass", ""),
        ("Bob", "fail", "noisy"),
        ("Ada", "fail", ""),
    ]
    assert all(word.time.endswith("+00:00") for word in said)


def test_the_database_is_private(tmp_path: Path) -> None:
    """Also where an earlier version made it for all to read."""
    (tmp_path / "kept.sqlite").touch(0o644)
    UserData.in_folder(tmp_path).judge(KEY, "Ada", "pass")
    assert (tmp_path / "kept.sqlite").stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())


def test_people_who_differ_and_people_who_changed_their_mind(tmp_path: Path) -> None:
    user_data = UserData.in_folder(tmp_path)
    for author, verdict, expected in (
        ("Ada", "comment", "none"), ("Ada", "fail", "fail"), ("Bob", "pass", "mixed"), ("Ada", "pass", "pass"),
    ):  # fmt: skip
        user_data.judge(KEY, author, verdict, "a word")
        assert together(user_data.verdicts()) == expected


def test_two_at_a_time_lose_nothing(tmp_path: Path) -> None:
    keepers = [UserData.in_folder(tmp_path) for _ in range(2)]

    def judge(user_data: UserData, author: str) -> None:
        for _ in range(20):
            user_data.judge(KEY, author, "pass")

    threads = [threading.Thread(target=judge, args=(k, f"author {n}")) for n, k in enumerate(keepers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keepers[0].verdicts()) == 40


def test_a_locked_database_says_so_and_works_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_WAIT_S", 0.05)
    user_data = UserData.in_folder(tmp_path)
    user_data.judge(KEY, "Ada", "pass")
    other = sqlite3.connect(tmp_path / "kept.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UserDataUnavailable, match=r"locked.*Try again"):
        user_data.judge(KEY, "Ada", "fail")
    other.execute("ROLLBACK")
    other.close()
    user_data.judge(KEY, "Ada", "fail")
    assert len(user_data.verdicts()) == 2


@pytest.mark.parametrize(
    ("author", "verdict", "comment"),
    [("", "pass", ""), (" ", "pass", ""), ("Ada", "maybe", ""), ("Ada", "comment", " ")],
)
def test_a_verdict_that_says_nothing_is_refused(tmp_path: Path, author: str, verdict: str, comment: str) -> None:
    user_data = UserData.in_folder(tmp_path)
    with pytest.raises(BadRequest):
        user_data.judge(KEY, author, verdict, comment)
    assert user_data.verdicts() == []


def test_csv_has_every_word_and_no_formula(tmp_path: Path) -> None:
    user_data = UserData.in_folder(tmp_path)
    user_data.judge(KEY, "Ada", "comment", '=HYPERLINK("x"), "quoted"')
    rows = list(csv.DictReader(io.StringIO(user_data.csv())))
    assert rows[0]["comment"] == '\'=HYPERLINK("x"), "quoted"'
    assert rows[0]["insertion"] == KEY


def test_recent_and_favourites_are_each_users_own(tmp_path: Path) -> None:
    user_data = UserData.in_folder(tmp_path)
    user_data.remember("Ada", "a")
    user_data.star("Ada", "a", on=True)
    user_data.star("Bob", "b", on=True)
    user_data.star("Bob", "b", on=False)
    assert user_data.recent("Ada") == ["a"]
    assert user_data.recent("Bob") == []
    assert user_data.favourites("Ada") == {"a"}
    assert user_data.favourites("Bob") == set()


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(BadRequest) as caught:
        UserData("nosuch://user:hunter2@host/db")
    assert "hunter2" not in str(caught.value)


def test_thresholds_are_each_users_own_and_survive(tmp_path: Path) -> None:
    user_data = UserData.in_folder(tmp_path)
    user_data.keep_threshold("Ada", "ap_rms_max_uv", 30.0)
    user_data.keep_threshold("Ada", "ap_rms_max_uv", 35.0)
    user_data.keep_threshold("Bob", "yield_min", 0.2)
    user_data.close()
    again = UserData.in_folder(tmp_path)
    assert again.thresholds("Ada") == {"ap_rms_max_uv": 35.0}
    assert again.thresholds("Bob") == {"yield_min": 0.2}
    again.keep_threshold("Ada", "ap_rms_max_uv", None)
    assert again.thresholds("Ada") == {}


def test_a_desk_takes_the_name_a_browser_says_only_where_nobody_logs_in(tmp_path: Path) -> None:
    user_data, told = UserData.in_folder(tmp_path), []
    user_session, mine = UserSession(user_data), UserSession(user_data, "ann")
    user_session.listen(lambda: told.append(user_session.author))
    user_session.say(" Ada ")
    user_session.say("Ada")
    mine.say("Eve")
    assert (user_session.author, user_session.is_login, told) == ("Ada", False, ["Ada"])
    assert (mine.author, mine.is_login) == ("ann", True)

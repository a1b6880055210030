"""From the database of any version to the one of now."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

import dashboard.library.curation.decisions
from dashboard.library import migrations
from dashboard.library.database import TABLES, Database, UserDataUnavailable
from dashboard.library.migrations import DatabaseTooNew
from dashboard.library.userdata import UserData

BEFORE_VERSIONS = """
CREATE TABLE favourites (
    author VARCHAR(200) NOT NULL, insertion VARCHAR(400) NOT NULL, PRIMARY KEY (author, insertion));
CREATE TABLE opened (
    author VARCHAR(200) NOT NULL, insertion VARCHAR(400) NOT NULL, time VARCHAR(40) NOT NULL,
    PRIMARY KEY (author, insertion));
CREATE TABLE thresholds (
    author VARCHAR(200) NOT NULL, name VARCHAR(40) NOT NULL, value FLOAT NOT NULL, PRIMARY KEY (author, name));
CREATE TABLE verdicts (
    id INTEGER NOT NULL, insertion VARCHAR(400) NOT NULL, pid VARCHAR(40) NOT NULL, author VARCHAR(200) NOT NULL,
    verdict VARCHAR(10) NOT NULL, comment TEXT NOT NULL, time VARCHAR(40) NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_verdicts_insertion ON verdicts (insertion);
INSERT INTO verdicts VALUES (1, 'S/2024-01-01/001/probe00', '', 'Ada', 'pass', '', '2026-11-27T10:47:16.000+00:00');
INSERT INTO thresholds VALUES ('Ada', 'yield_min', 0.2);
"""
"""What the program made before versions of its database were counted."""


def make_old(folder: Path) -> Path:
    path = folder / "kept.sqlite"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(BEFORE_VERSIONS)
    return path


def columns(path: Path) -> dict[str, list[tuple[str, str, bool]]]:
    """Return name, type and whether it may be absent of each column, by table."""
    looked_at = sa.inspect(sa.create_engine(f"sqlite:///{path}"))
    return {
        name: [(one["name"], str(one["type"]), bool(one["nullable"])) for one in looked_at.get_columns(name)]
        for name in looked_at.get_table_names()
    }


@pytest.mark.parametrize("is_old", [True, False])
def test_the_steps_make_the_tables_of_now(tmp_path: Path, is_old: bool) -> None:
    assert dashboard.library.curation.decisions
    if is_old:
        make_old(tmp_path)
    UserData.in_folder(tmp_path).recent("Ada")
    found = columns(tmp_path / "kept.sqlite")
    TABLES.create_all(sa.create_engine(f"sqlite:///{tmp_path}/wanted.sqlite"))
    assert found.pop("schema_version")
    assert found == columns(tmp_path / "wanted.sqlite")


def test_an_old_database_keeps_its_rows_and_is_copied_before(tmp_path: Path) -> None:
    path = make_old(tmp_path)
    user_data = UserData.in_folder(tmp_path)
    assert [said.author for said in user_data.verdicts()] == ["Ada"]
    assert user_data.thresholds("Ada") == {"yield_min": 0.2}
    copy = path.with_name(f"kept.sqlite.before-{len(migrations.STEPS)}")
    assert copy.stat().st_mode & 0o077 == 0
    assert "schema_version" not in columns(copy)
    with closing(sqlite3.connect(copy)) as before:
        assert before.execute("SELECT author, verdict FROM verdicts").fetchall() == [("Ada", "pass")]


def test_a_database_that_lacks_a_table_gets_it(tmp_path: Path) -> None:
    with closing(sqlite3.connect(make_old(tmp_path))) as old:
        old.execute("DROP TABLE thresholds")
    assert UserData.in_folder(tmp_path).thresholds("Ada") == {}


def test_a_new_database_is_not_copied(tmp_path: Path) -> None:
    UserData.in_folder(tmp_path).recent("Ada")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.sqlite"]


def test_a_step_that_fails_leaves_the_database_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_old(tmp_path)
    before = columns(path)

    def fail(connection: sa.Connection) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(migrations, "STEPS", (*migrations.STEPS, fail))
        with pytest.raises(UserDataUnavailable, match="No space left"):
            UserData.in_folder(tmp_path).recent("Ada")
    assert columns(path) == before
    assert UserData.in_folder(tmp_path).verdicts()


def test_of_two_that_start_at_once_each_step_runs_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_old(tmp_path)
    ran: list[str] = []

    def note(connection: sa.Connection) -> None:
        ran.append("step")
        migrations.add_column(connection, "verdicts", sa.Column("more", sa.Text, nullable=False, server_default="-"))

    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, note))
    gate, n_done = threading.Barrier(3), []

    def start() -> None:
        gate.wait()
        n_done.append(len(UserData.in_folder(tmp_path).verdicts()))

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (ran, n_done) == (["step"], [1, 1, 1])
    with closing(sqlite3.connect(tmp_path / "kept.sqlite")) as now:
        assert now.execute("SELECT more FROM verdicts").fetchall() == [("-",)]


def test_a_database_of_a_later_version_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    UserData.in_folder(tmp_path).judge("S/2024-01-01/001/probe00", "Ada", "pass")
    monkeypatch.setattr(migrations, "STEPS", migrations.STEPS[:1])
    with (
        pytest.raises(DatabaseTooNew, match="later version"),
        Database(f"sqlite:///{tmp_path}/kept.sqlite").connection(),
    ):
        pass

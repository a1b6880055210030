"""Steps that bring the database of what users keep from one version to the next.

A step is a function at the end of `STEPS`, which is given a connection and changes tables with `create` and
`add_column`. It stands for good: it is never edited once a release has it, and names tables and columns as they were at
its time, not through the tables of `dashboard.library.userdata`, which are those of now. To add a column to a table:
write it into the table there and a step here::

    def _region_of_verdicts(connection: sa.Connection) -> None:
        add_column(connection, "verdicts", sa.Column("region", sa.String(40), nullable=False, server_default=""))

A test holds that the steps, one after the other, make the tables of now.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from dashboard.model.errors import DashboardError
from dashboard.model.files import whole_file

_version = sa.Table("schema_version", sa.MetaData(), sa.Column("version", sa.Integer, nullable=False))


class DatabaseTooNew(DashboardError):
    """A later version of this program has changed the database."""


def migrate(engine: sa.Engine) -> None:
    """Make the tables of now, from an empty database or that of any earlier version.

    All steps that are due are one transaction under the lock of the database: a program that is killed leaves the
    database of before, and of two that start at once one waits. A file of SQLite that holds something is copied first,
    as ``NAME.before-VERSION`` beside it.

    Raises
    ------
    DatabaseTooNew
        The database is of a version that has more steps.
    sqlalchemy.exc.SQLAlchemyError, OSError
        It cannot be read, copied or written; or another program holds it.
    """
    with engine.connect() as connection:
        if _version_of(connection, engine) == len(STEPS):
            return
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        if is_sqlite:  # whose driver would begin a transaction later than the first look
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            _bring_up(connection, engine)
        except BaseException:
            connection.exec_driver_sql("ROLLBACK") if is_sqlite else connection.rollback()
            raise
        connection.exec_driver_sql("COMMIT") if is_sqlite else connection.commit()


def _bring_up(connection: sa.Connection, engine: sa.Engine) -> None:
    connection.execute(CreateTable(_version, if_not_exists=True))
    version = _version_of(connection, engine, is_locking=True)
    if version < len(STEPS) and len(sa.inspect(connection).get_table_names()) > 1:
        _copy(engine, len(STEPS))
    for step in STEPS[version:]:
        step(connection)
    connection.execute(_version.delete())
    connection.execute(_version.insert().values(version=len(STEPS)))


def _version_of(connection: sa.Connection, engine: sa.Engine, *, is_locking: bool = False) -> int:
    """Return how many steps a database has had; 0 of an empty one and of those before versions were counted."""
    chosen = sa.select(_version.c.version)
    if is_locking:
        chosen = chosen.with_for_update()
    version = int(connection.scalar(chosen) or 0) if sa.inspect(connection).has_table(_version.name) else 0
    if version > len(STEPS):
        shown = engine.url.render_as_string(hide_password=True)
        raise DatabaseTooNew(
            "A later version of spike-dashboard has changed the database of what users keep", shown,
            f"Install that version again, or go back to {shown}.before-VERSION",
        )  # fmt: skip
    return version


def _copy(engine: sa.Engine, version: int) -> None:
    """Copy a database in a file beside itself; others may read it meanwhile, nobody writes."""
    database = engine.url.database
    if engine.dialect.name == "sqlite" and database and Path(database).is_file():
        copy_sqlite(Path(database), Path(database).with_name(f"{Path(database).name}.before-{version}"))


def copy_sqlite(path: Path, copy: Path) -> None:
    """Copy a database as it was at one moment, with what others have kept by then; they may go on meanwhile.

    Raises
    ------
    sqlite3.Error, OSError
        It cannot be read or written; no part of a copy is left.
    """
    with (
        whole_file(copy, 0o600) as draft,
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as before,
        closing(sqlite3.connect(draft)) as after,
    ):
        before.backup(after)


def create(connection: sa.Connection, name: str, *parts: Any) -> None:
    """Make a table of columns and indexes, where it is not."""
    table = sa.Table(name, sa.MetaData(), *parts)
    connection.execute(CreateTable(table, if_not_exists=True))
    for index in table.indexes:
        connection.execute(CreateIndex(index, if_not_exists=True))


def add_column(connection: sa.Connection, table: str, column: sa.Column[Any]) -> None:
    """Add a column to a table; rows of before get its `server_default`, or NULL."""
    sa.Table(table, sa.MetaData(), column)
    words = CreateColumn(column).compile(dialect=connection.dialect)
    connection.exec_driver_sql(f"ALTER TABLE {connection.dialect.identifier_preparer.quote(table)} ADD COLUMN {words}")


def _first(connection: sa.Connection) -> None:
    """Make what there was before versions were counted; databases may have all of it, or the first three tables."""
    create(
        connection, "opened",
        sa.Column("author", sa.String(200), primary_key=True),
        sa.Column("insertion", sa.String(400), primary_key=True),
        sa.Column("time", sa.String(40), nullable=False),
    )  # fmt: skip
    create(
        connection, "favourites",
        sa.Column("author", sa.String(200), primary_key=True),
        sa.Column("insertion", sa.String(400), primary_key=True),
    )  # fmt: skip
    create(
        connection, "thresholds",
        sa.Column("author", sa.String(200), primary_key=True),
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.Float, nullable=False),
    )  # fmt: skip
    create(
        connection, "verdicts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("insertion", sa.String(400), nullable=False, index=True),
        sa.Column("pid", sa.String(40), nullable=False),
        sa.Column("author", sa.String(200), nullable=False),
        sa.Column("verdict", sa.String(10), nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("time", sa.String(40), nullable=False),
    )  # fmt: skip


def _decisions(connection: sa.Connection) -> None:
    """Make the table of decisions about units."""
    create(
        connection, "decisions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("time", sa.String(40), nullable=False),
        sa.Column("author", sa.String(200), nullable=False),
        sa.Column("imported_by", sa.String(200), nullable=False),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("insertion", sa.String(400), nullable=False, index=True),
        sa.Column("collection", sa.String(400), nullable=False),
        sa.Column("revision", sa.String(100), nullable=False),
        sa.Column("spikes", sa.String(100), nullable=False),
        sa.Column("unit", sa.String(200), nullable=False),
        sa.Column("uuid", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )  # fmt: skip


def _sorting_of_verdicts(connection: sa.Connection) -> None:
    """Have verdicts name the sorting that was on the screen, and say where none was."""
    for column in (
        sa.Column("sorter", sa.String(200), nullable=False, server_default=""),
        sa.Column("revision", sa.String(200), nullable=False, server_default=""),
        sa.Column("unseen", sa.Boolean, nullable=False, server_default=sa.false()),
    ):
        add_column(connection, "verdicts", column)


STEPS: tuple[Callable[[sa.Connection], None], ...] = (_first, _decisions, _sorting_of_verdicts)
"""In order; the version of a database is how many of them it has had."""

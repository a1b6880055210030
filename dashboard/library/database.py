"""The database of what users keep: opened, brought up to date, and what went wrong said in a line."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from dashboard.library.migrations import copy_sqlite, migrate
from dashboard.model.errors import BadRequest, DashboardError
from dashboard.model.files import make_private

LOCK_WAIT_S = 5.0
"""A write of SQLite takes milliseconds; who holds the database longer than this is stuck."""

TABLES = sa.MetaData()
"""The tables as they are now; `dashboard.library.migrations` makes them."""


class UserDataUnavailable(DashboardError):
    """The database of what users keep cannot be read or written."""


class Database:
    """A database that several threads and processes may use at once.

    Parameters
    ----------
    url : str
        A SQLAlchemy address, ``sqlite:////data/kept.sqlite``; its tables are made, or brought up to date, at first use.

    Raises
    ------
    BadRequest
        There is no driver for the address, or it is none.
    """

    def __init__(self, url: str) -> None:
        try:
            address = sa.make_url(url)
            options = {"timeout": LOCK_WAIT_S} if address.get_backend_name() == "sqlite" else {}
            self._engine = sa.create_engine(address, connect_args=options)
        except (SQLAlchemyError, ImportError) as error:
            # the address may hold a password and is not shown
            raise BadRequest(
                "The database address cannot be used", "SPIKE_DASHBOARD_DATABASE", type(error).__name__
            ) from None
        self._is_ready = False

    @contextmanager
    def connection(self) -> Iterator[sa.Connection]:
        """Give a connection in a transaction, which is kept when the block ends without an error.

        Raises
        ------
        UserDataUnavailable
            It was not kept: the database is locked, the disk is full, the file is not to be written.
        """
        try:
            if not self._is_ready:
                database = self._engine.url.database
                if self._engine.dialect.name == "sqlite" and database and database != ":memory:":
                    Path(database).parent.mkdir(parents=True, exist_ok=True)
                    make_private(Path(database))
                migrate(self._engine)
                self._is_ready = True
            with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            reason = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or type(error).__name__)
            shown = self._engine.url.render_as_string(hide_password=True)
            if "locked" in reason:
                raise UserDataUnavailable("The database is locked by another program", shown, "Try again") from error
            raise UserDataUnavailable(
                f"The database did not take this: {reason}", shown, "Try again; see SPIKE_DASHBOARD_DATABASE"
            ) from error

    def backup(self, copy: Path) -> None:
        """Copy the database while others use it.

        Raises
        ------
        BadRequest
            This file exists already, or the database is not a file of SQLite.
        UserDataUnavailable
            It cannot be read, or the copy cannot be written.
        """
        database, address = self._engine.url.database, self._engine.url.render_as_string(hide_password=True)
        if self._engine.dialect.name != "sqlite" or not database or database == ":memory:":
            raise BadRequest("Only a file of SQLite is copied here", address, "Use the backup of the database's server")
        if not Path(database).is_file():
            raise BadRequest("Nothing was kept yet", address)
        if copy.exists():
            raise BadRequest("This file exists already", copy, "Name a file that is not there")
        try:
            copy_sqlite(Path(database), copy)
        except (sqlite3.Error, OSError) as error:
            raise UserDataUnavailable(f"The copy was not made: {error}", copy, "Try again") from error

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

"""The table of decisions about units, to which rows are only added."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import sqlalchemy as sa

from dashboard.library.database import TABLES, Database
from dashboard.model.curation import KINDS, SPLIT, WITHDRAWN, Decision
from dashboard.model.errors import BadRequest
from dashboard.model.texts import counted

MAX_TEXT = 4_000
"""Characters of a value or a reason; more is not a note."""
MAX_SPLIT_TEXT = 4_000_000
"""Characters of a split, which names the part of each spike: enough for 10 million spikes."""

# The columns stand here as they are now, and in a step of `dashboard.library.migrations` as they were when it was
# released: a step is never edited, so the two are written twice on purpose, and a test holds that they agree.
_decisions = sa.Table(
    "decisions", TABLES,
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
COLUMNS = tuple(column.name for column in _decisions.columns)
"""Names of the columns, which are those of a `Decision`."""


class Decisions:
    """Adds and reads decisions. Methods may be called from several threads and processes.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, decisions: Iterable[Decision]) -> tuple[Decision, ...]:
        """Add decisions as one step: all of them are kept, or none.

        Returns
        -------
        tuple of Decision
            As they are kept: with id, time and step.

        Raises
        ------
        BadRequest
            One has no author, is of no known kind, or is too long.
        UserDataUnavailable
            They were not kept.
        """
        now, step = datetime.now(UTC).isoformat(timespec="milliseconds"), uuid.uuid4().hex
        rows = [replace(one, author=one.author.strip(), time=one.time or now, step=step) for one in decisions]
        for one in rows:
            _check(one)
        kept = []
        with self._database.connection() as connection:
            for one in rows:
                values = {name: getattr(one, name) for name in COLUMNS if name != "id"}
                added = connection.execute(_decisions.insert(), values)
                assert added.inserted_primary_key is not None
                kept.append(replace(one, id=int(added.inserted_primary_key[0])))
        return tuple(kept)

    def read(self, insertion: str | None = None, after: int = 0) -> list[Decision]:
        """Return decisions in the order in which they were added.

        Parameters
        ----------
        insertion : str or None
            Key; None reads those of all.
        after : int, default 0
            Id of the last one that is known already.

        Raises
        ------
        UserDataUnavailable
        """
        chosen = sa.select(*(_decisions.c[name] for name in COLUMNS)).where(_decisions.c.id > after)
        if insertion is not None:
            chosen = chosen.where(_decisions.c.insertion == insertion)
        with self._database.connection() as connection:
            rows: Sequence[sa.Row[tuple[object, ...]]] = connection.execute(chosen.order_by(_decisions.c.id)).all()
        return [Decision(**row._asdict()) for row in rows]


def _check(one: Decision) -> None:
    if not one.author:
        raise BadRequest("A decision needs its author", "", "Write your name into the field Author")
    if one.kind not in KINDS:
        raise BadRequest("No such kind of decision", one.kind[:20], f"One of: {', '.join(KINDS)}")
    if not one.unit and one.kind not in ("merge", "span", WITHDRAWN):
        raise BadRequest("A decision names its unit", one.kind, "Select a unit")
    limit = MAX_SPLIT_TEXT if one.kind == SPLIT else MAX_TEXT
    if len(one.value) > limit or len(one.reason) > MAX_TEXT:
        raise BadRequest("The text is too long", f"{counted(limit, 'character')} at most", "Write less")

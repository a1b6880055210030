"""What users keep: insertions opened lately, favourites, verdicts, thresholds; one database for everybody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from weakref import WeakSet

import sqlalchemy as sa

from dashboard.library.curation.decisions import Decisions
from dashboard.library.database import TABLES, Database
from dashboard.model.curation import CurationRules
from dashboard.model.errors import BadRequest
from dashboard.model.tables import rows_csv

VERDICTS = ("pass", "fail", "comment")
MAX_RECENT = 30

_opened = sa.Table(
    "opened", TABLES,
    sa.Column("author", sa.String(200), primary_key=True),
    sa.Column("insertion", sa.String(400), primary_key=True),
    sa.Column("time", sa.String(40), nullable=False),
)  # fmt: skip
_favourites = sa.Table(
    "favourites", TABLES,
    sa.Column("author", sa.String(200), primary_key=True),
    sa.Column("insertion", sa.String(400), primary_key=True),
)  # fmt: skip
_thresholds = sa.Table(
    "thresholds", TABLES,
    sa.Column("author", sa.String(200), primary_key=True),
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
)  # fmt: skip
_verdicts = sa.Table(
    "verdicts", TABLES,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("insertion", sa.String(400), nullable=False, index=True),
    sa.Column("pid", sa.String(40), nullable=False),
    sa.Column("author", sa.String(200), nullable=False),
    sa.Column("verdict", sa.String(10), nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("time", sa.String(40), nullable=False),
    sa.Column("sorter", sa.String(200), nullable=False, server_default=""),
    sa.Column("revision", sa.String(200), nullable=False, server_default=""),
    sa.Column("unseen", sa.Boolean, nullable=False, server_default=sa.false()),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one person said of one insertion, once.

    Attributes
    ----------
    insertion : str
        Key.
    pid : str
        ``''`` where unknown.
    author : str
    verdict : {'pass', 'fail', 'comment'}
    comment : str
    time : str
        ISO, UTC.
    sorter, revision : str
        Of the sorting that was on the screen; ``''`` where none was, or it was not noted yet.
    unseen : bool
        Whether the insertion was never on the screen of who judged it.
    """

    insertion: str
    pid: str
    author: str
    verdict: str
    comment: str
    time: str
    sorter: str = ""
    revision: str = ""
    unseen: bool = False


class UserData:
    """Reads and writes what users keep. Methods may be called from several threads and processes.

    Parameters
    ----------
    url : str
        Of its database; see `Database`.

    Attributes
    ----------
    database : Database
    decisions : Decisions
        About units.
    rules : CurationRules
        How people decide about units.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.decisions, self.rules = Decisions(self.database), CurationRules()
        self._desks: WeakSet[UserSession] = WeakSet()
        self._lock = threading.Lock()

    @classmethod
    def in_folder(cls, folder: Path) -> UserData:
        """Return the default one: ``kept.sqlite`` in a folder."""
        return cls(f"sqlite:///{folder.absolute() / 'kept.sqlite'}")

    @classmethod
    def of(cls, url: str | None, folder: Path) -> UserData:
        """Return that of an address, else the default one in a folder."""
        return cls(url) if url else cls.in_folder(folder)

    def remember(self, author: str, insertion: str) -> None:
        """Note that somebody has opened an insertion now."""
        with self.database.connection() as connection:
            mine = (_opened.c.author == author) & (_opened.c.insertion == insertion)
            connection.execute(_opened.delete().where(mine))
            connection.execute(_opened.insert().values(author=author, insertion=insertion, time=_now()))

    def recent(self, author: str) -> list[str]:
        """Return the keys that somebody opened, newest first."""
        chosen = sa.select(_opened.c.insertion).where(_opened.c.author == author)
        with self.database.connection() as connection:
            return list(connection.scalars(chosen.order_by(_opened.c.time.desc()).limit(MAX_RECENT)))

    def star(self, author: str, insertion: str, *, on: bool) -> None:
        """Make an insertion one of somebody's favourites, or no longer."""
        with self.database.connection() as connection:
            mine = (_favourites.c.author == author) & (_favourites.c.insertion == insertion)
            connection.execute(_favourites.delete().where(mine))
            if on:
                connection.execute(_favourites.insert().values(author=author, insertion=insertion))

    def favourites(self, author: str) -> set[str]:
        """Return the keys of somebody's favourites."""
        with self.database.connection() as connection:
            return set(connection.scalars(sa.select(_favourites.c.insertion).where(_favourites.c.author == author)))

    def thresholds(self, author: str) -> dict[str, float]:
        """Return the thresholds that somebody has changed, by name."""
        chosen = sa.select(_thresholds.c.name, _thresholds.c.value).where(_thresholds.c.author == author)
        with self.database.connection() as connection:
            return {str(name): float(value) for name, value in connection.execute(chosen)}

    def keep_threshold(self, author: str, name: str, value: float | None) -> None:
        """Keep somebody's own threshold; None goes back to the default."""
        with self.database.connection() as connection:
            mine = (_thresholds.c.author == author) & (_thresholds.c.name == name)
            connection.execute(_thresholds.delete().where(mine))
            if value is not None:
                connection.execute(_thresholds.insert().values(author=author, name=name, value=value))

    def judge(
        self,
        insertion: str,
        author: str,
        verdict: str,
        comment: str = "",
        pid: str = "",
        sorter: str = "",
        revision: str = "",
        *,
        unseen: bool = False,
    ) -> Verdict:
        """Add a verdict, as `Verdict` has it; those before it stay.

        Raises
        ------
        BadRequest
            No author, no such verdict, or a comment without words.
        UserDataUnavailable
            It was not written.
        """
        author, comment = author.strip(), comment.strip()
        if not author:
            raise BadRequest("A verdict needs its author", "", "Write your name into the field Author")
        if verdict not in VERDICTS:
            raise BadRequest("No such verdict", verdict[:20], f"One of: {', '.join(VERDICTS)}")
        if verdict == "comment" and not comment:
            raise BadRequest("The comment is empty", "", "Write something")
        said = Verdict(insertion, pid, author, verdict, comment, _now(), sorter, revision, unseen)
        with self.database.connection() as connection:
            connection.execute(_verdicts.insert().values(asdict(said)))
        return said

    def verdicts(self, insertion: str | None = None) -> list[Verdict]:
        """Return every verdict, oldest first; of one insertion where it is given."""
        chosen = sa.select(*(_verdicts.c[name] for name in Verdict.__slots__)).order_by(_verdicts.c.id)
        if insertion is not None:
            chosen = chosen.where(_verdicts.c.insertion == insertion)
        with self.database.connection() as connection:
            return [Verdict(*row) for row in connection.execute(chosen)]

    def csv(self) -> str:
        """Return every verdict as CSV."""
        return rows_csv(Verdict.__slots__, map(asdict, self.verdicts()))

    def join(self, user_session: UserSession) -> None:
        """Tell a session what others say."""
        with self._lock:
            self._desks.add(user_session)

    def leave(self, user_session: UserSession) -> None:
        """Have it hear no more."""
        with self._lock:
            self._desks.discard(user_session)

    def tell(self) -> None:
        """Tell every session of this process that somebody has judged; call it in the thread of the sessions."""
        for user_session in list(self._desks):
            user_session.tell()

    def tell_decided(self, insertion: str) -> None:
        """Tell every session of this process that there are decisions about units; call it from any thread."""
        with self._lock:
            here = list(self._desks)
        for user_session in here:
            user_session.tell_decided(insertion)

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()


class UserSession:
    """Where one browser tab reads and writes what its user keeps.

    Parameters
    ----------
    user_data : UserData
    login : str or None
        Who has logged in: what is kept is theirs, whatever a browser says. None: nobody has to, and the browser says.

    Attributes
    ----------
    author : str
        Whose things are kept here; ``''`` while nobody has said.
    is_login : bool
    """

    def __init__(self, user_data: UserData, login: str | None = None) -> None:
        self.user_data = user_data
        self.is_login = login is not None
        self.author = _name(login or "")
        self._listeners: list[Callable[[], None]] = []
        self._of_decisions: list[Callable[[str], None]] = []
        user_data.join(self)

    def close(self) -> None:
        """Leave: the browser has gone."""
        self.user_data.leave(self)

    @property
    def login(self) -> str:
        """Who has logged in; ``''`` where nobody has to."""
        return self.author if self.is_login else ""

    def say(self, author: str) -> None:
        """Take the name that a browser says, where nobody has logged in."""
        author = _name(author)
        if self.is_login or author == self.author:
            return
        self.author = author
        self.tell()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` when the author has changed, or something was written here."""
        self._listeners.append(listener)

    @property
    def may_decide(self) -> bool:
        """Whether the rules let the author decide about units."""
        return self.user_data.rules.may_decide(self.author)

    def listen_to_decisions(self, listener: Callable[[str], None]) -> None:
        """Call `listener`, from any thread, with the key of an insertion that has new decisions about its units."""
        self._of_decisions.append(listener)

    def tell_decided(self, insertion: str) -> None:
        """Say that there are decisions."""
        for listener in self._of_decisions:
            listener(insertion)

    def tell(self) -> None:
        """Say that something was written."""
        for listener in self._listeners:
            listener()


def standing(words: Iterable[Verdict]) -> list[Verdict]:
    """Return what people say now of one insertion: of each the last pass or fail, and every comment, oldest first."""
    words = list(words)
    last = {word.author: n for n, word in enumerate(words) if word.verdict != "comment"}
    return [word for n, word in enumerate(words) if word.verdict == "comment" or last[word.author] == n]


def together(words: Iterable[Verdict]) -> str:
    """Return what people say all together of one insertion: none, pass, fail or mixed."""
    verdicts = {word.verdict for word in standing(words) if word.verdict != "comment"}
    return "none" if not verdicts else verdicts.pop() if len(verdicts) == 1 else "mixed"


def _name(text: str) -> str:
    return text.strip()[:200]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

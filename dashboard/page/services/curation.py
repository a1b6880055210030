"""Decisions about units: a key, a row in the database, and then what the page shows of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import param

from dashboard.analysis.curation.applied import Applied, CurationPlan, plan_of
from dashboard.analysis.curation.following import Followed
from dashboard.analysis.curation.proposals import Proposal, proposal_columns, proposals
from dashboard.analysis.curation.spans import BadSpan, bad_spans, write_span
from dashboard.analysis.curation.splits import parts_by_outline, write_split
from dashboard.analysis.curation.state import UnitState, history, take, unit_columns, unit_states, with_columns
from dashboard.analysis.curation.subject import Subject, write_merge
from dashboard.library.applied_insertion import AppliedInsertion, applied_insertion
from dashboard.library.curation.formats import read_uploaded
from dashboard.library.curation.subjects import subject_of
from dashboard.library.store import OpenInsertion
from dashboard.library.userdata import UserSession
from dashboard.model.curation import MERGE, REMOVED, SPLIT, WITHDRAWN, Category, Decision
from dashboard.model.errors import BadRequest, DashboardError
from dashboard.model.texts import counted
from dashboard.model.unit_ids import UnitId
from dashboard.page.core.document_queue import DocumentQueue, Rest
from dashboard.page.core.state import PageState
from dashboard.page.services.decision_keeper import DecisionKeeper, KeptDecisions

logger = logging.getLogger(__name__)

MAX_UNASKED = 20
"""A decision about more units at once is asked for a second time."""


TAB = "Curation"

MAX_BEHIND_S = 1.0
"""The table follows when no key comes any more, or when it has been behind for so long: others decide, too."""


class CurationState(param.Parameterized):
    """How a person walks through units to judge."""

    unjudged = param.Boolean(False, doc="Whether J and K stop only at units that the person has not judged yet.")
    applied = param.Boolean(
        False, doc="Whether units are shown merged and split, without removed units and spikes in bad spans."
    )
    together = param.List([], doc="Ids of units that are shown as one before that is decided.")
    shown_by = param.String("", doc="Whose labels the columns of decisions show, in words; for exports.")
    applied_for = param.String("", doc="Whose decisions go first of those that are applied; empty where none are.")


@dataclass(slots=True, eq=False)
class _Kept(KeptDecisions):
    """Decisions of one opened sorting, and what they made of it last."""

    shown: AppliedInsertion | None = None
    n_reduced: int = 0
    """Rows that the states of the units hold."""


class CurationService:
    """Takes decisions, has them kept, and gives the units their columns.

    Parameters
    ----------
    states : PageState
        `ViewState.selected` is what is decided about.
    queue : DocumentQueue
    user_session : UserSession
    changed : callable () -> None
        Called in the document's turn when columns are others.
    failed : callable (DashboardError) -> None
    step : callable (str) -> None
        Takes a key of the table: ``"j"``.
    cache : Path
        Folder for everything that is written.

    Attributes
    ----------
    states : dict of str to UnitState
        What holds of each unit that is shown and that somebody has decided about, by id as text.
    plan : CurationPlan
        What decisions change where they are applied.
    message : str
        What was kept last, or is not kept yet.
    is_bad : bool
        Whether it is something that failed.
    report : list of str
        What of the file that was brought in last did not match.
    """

    def __init__(
        self,
        states: PageState,
        queue: DocumentQueue,
        user_session: UserSession,
        changed: Callable[[], None],
        failed: Callable[[DashboardError], None],
        step: Callable[[str], None],
        cache: Path,
    ) -> None:
        self._view, self._state = states.view, states[CurationState]
        self._queue, self._user_session = queue, user_session
        self._changed, self._failed, self._step = changed, failed, step
        self.rules = user_session.user_data.rules
        told = (self._take, self._refuse, self._not_kept, self._say)
        self._keeper = DecisionKeeper(user_session, queue, *told, partial(subject_of, cache=cache))
        self._prepared: _Kept | None = None
        self._kept: _Kept | None = None
        self._judged_now: set[str] = set()
        self._known_as = user_session.author
        self._asked: object = None
        self._added: tuple[str, ...] = ()
        self._rest = Rest(queue, self._show, MAX_BEHIND_S, leads=False)
        self._listeners: list[Callable[[], None]] = []
        self._of_units: dict[str, UnitState] = {}
        self.states: dict[str, UnitState] = {}
        self.plan = self._wanted = CurationPlan()
        self._before: Applied | None = None
        self._now: Applied | None = None
        self._applying: tuple[_Kept, CurationPlan] | None = None
        self.message, self.is_bad = "", False
        self.report: list[str] = []
        self.keys: dict[str, Callable[[], None]] = {
            **{
                f"Alt+{key}": partial(self.label, category, label)
                for category in self.rules.categories
                for label, key in zip(category.labels, category.keys, strict=False)
                if key
            },
            "Alt+s": self.merge,
            "Ctrl+z": self.undo,
            "Ctrl+Shift+z": self.redo,
            "Ctrl+y": self.redo,
        }
        user_session.listen_to_decisions(self._told)
        user_session.listen(self._renamed)
        self._state.param.watch(lambda event: self._queue.later(self._show), "applied")

    # -- what is known ---------------------------------------------------------------------------

    @property
    def author(self) -> str:
        """Who decides here."""
        return self._user_session.author

    @property
    def rows(self) -> Sequence[Decision]:
        """Decisions about the open insertion, oldest first."""
        return self._kept.rows if self._kept is not None else ()

    @property
    def loaded(self) -> OpenInsertion | None:
        """The open insertion as it was sorted."""
        return self._kept.opened if self._kept is not None else None

    @property
    def subject(self) -> Subject | None:
        """The open sorting; None while nobody has decided about its insertion."""
        return self._kept.subject if self._kept is not None else None

    @property
    def proposals(self) -> list[Proposal]:
        """Units that are taken for one, or one for several, as they are shown to the person."""
        kept = self._kept
        if kept is None or kept.subject is None:
            return []
        return proposals(kept.rows, kept.subject, self.author, self.rules.precedence)

    @property
    def n_waiting(self) -> int:
        """Steps that are not kept yet."""
        return self._keeper.n_waiting

    @property
    def n_judged(self) -> int:
        """Units that the person has given a label of the first category."""
        return len(self._judged)

    @property
    def _judged(self) -> set[str]:
        name, author = self.rules.categories[0].name, self.author
        return {unit for unit, state in self.states.items() if author in state.labels.get(name, {})}

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, in the document's turn, when something here has changed."""
        self._listeners.append(listener)

    def walked(self, ids: list[UnitId]) -> list[UnitId]:
        """Return those of some units that J and K stop at."""
        if not self._state.unjudged:
            return ids
        judged = self._judged | self._judged_now
        return [unit for unit in ids if str(unit) not in judged]

    # -- opening ---------------------------------------------------------------------------------

    def prepare(self, opened: OpenInsertion, values: Mapping[str, object]) -> None:
        """Read what was decided, and apply it where it is to be; called in a thread, before the page shows it.

        Parameters
        ----------
        opened : OpenInsertion
        values : mapping of str to object
            State that the page takes with the insertion.
        """
        kept = _Kept(opened)
        try:
            self._keeper.read_first(kept)
        except DashboardError as error:
            logger.warning("%s", error)
            self._queue.later(partial(self._failed, error))
        if kept.subject is not None and values.get("applied", self._state.applied):
            self._make(kept, plan_of(kept.rows, kept.subject, self.author, self.rules))
        self._prepared = kept

    def completed(self, opened: OpenInsertion) -> None:
        """Take the open insertion with metrics or depths that came later, before it is dressed."""
        kept = self._kept
        if kept is not None:
            kept.opened, kept.shown = opened, None

    def dress(self, opened: OpenInsertion, taken: Mapping[str, object] | None = None) -> OpenInsertion:
        """Return an insertion with the columns of its decisions; with these applied, where the person wants it.

        What was prepared is shown at once; what has to be made first is shown when it is there.

        Parameters
        ----------
        opened : OpenInsertion
            What is shown, or `loaded`.
        taken : mapping of str to object, optional
            State that is taken with one that was just opened; else it is the one of before, perhaps as it was shown
            then.
        """
        kept, prepared = self._kept, self._prepared
        if taken is not None and "applied" in taken:
            self._state.applied = taken["applied"]
        if kept is None or taken is not None:
            if prepared is not None and prepared.opened.columns is opened.columns:
                kept = prepared
            else:
                kept = _Kept(opened)
                self._keeper.read(kept)
            self._kept, self._judged_now, self._added = kept, set(), ()
            self._state.together = []
        self._reduce()
        shown = self._chosen(kept)
        self._before, self._now = self._now, shown.applied if shown is not None else None
        wanted = shown.opened if shown is not None else kept.opened
        if opened.columns is not wanted.columns:  # what was added to units of the other is not of these
            opened = wanted
        found = self._columns(kept, shown)
        table = with_columns(opened.sorting.clusters, found, self._added)
        self._added = tuple(found)
        whose = {"mine": f"those of {self.author or 'nobody'} first, else the latest", "last": "the latest of anybody"}
        self._state.param.update(
            shown_by=f"labels of people: {whose[self.rules.precedence]}" if found else "",
            applied_for=self.author if shown is not None else "",
        )
        if table is opened.sorting.clusters:
            return opened
        return replace(opened, sorting=replace(opened.sorting, clusters=table))

    def _columns(self, kept: _Kept, shown: AppliedInsertion | None) -> dict[str, list[str]]:
        subject = kept.subject
        if subject is None:
            return {}
        if shown is None:
            found = unit_columns(self.states, subject, self.author, self.rules)
            return found | proposal_columns(self.proposals, subject)
        found = unit_columns(self.states, shown.applied.subject(subject), self.author, self.rules)
        members = shown.applied.members
        split = {unit for unit, _ in shown.applied.plan.splits}
        of_units = list(members.values())
        found[MERGE] = ["" if len(units) == 1 else " + ".join(units) for units in of_units]
        if split:
            found[SPLIT] = [f"part of {units[0]}" if {*units} <= split else "" for units in of_units]
        return found

    def _chosen(self, kept: _Kept) -> AppliedInsertion | None:
        """Return what is to be shown in place of the sorting as it is; have it made, where it is not there yet."""
        plan = self._wanted
        if plan.is_empty:
            return None
        shown = kept.shown
        if (shown is None or shown.applied.plan != plan) and self._applying != (kept, plan):
            self._applying = (kept, plan)
            self._keeper.submit(partial(self._apply, kept, plan))
        return shown

    def _apply(self, kept: _Kept, plan: CurationPlan) -> None:
        try:
            self._make(kept, plan)
        except Exception as error:  # memory, or a file that went away under its map
            logger.exception("decisions could not be applied")
            known = error if isinstance(error, DashboardError) else None
            what = known or DashboardError("Decisions could not be applied", type(error).__name__)
            self._queue.later(partial(self._refuse, what))
            return
        self._queue.later(partial(self._made, kept))

    @staticmethod
    def _make(kept: _Kept, plan: CurationPlan) -> None:
        if not plan.is_empty:
            kept.shown = applied_insertion(kept.opened, plan)

    def _made(self, kept: _Kept) -> None:
        self._applying = None
        if kept is self._kept:
            self._show()

    def _reduce(self) -> None:
        kept = self._kept
        if kept is None or kept.subject is None:
            self._of_units, self.states, self.plan = {}, {}, CurationPlan()
            self._wanted = replace(self.plan, tried=tuple(self._state.together))
            return
        self._of_units, kept.n_reduced = unit_states(kept.rows, kept.subject), len(kept.rows)
        self.plan = plan_of(kept.rows, kept.subject, self.author, self.rules, self._of_units)
        plan = self.plan if self._state.applied else CurationPlan()
        proposed = {unit for group in plan.merges for unit in group} | {unit for unit, _ in plan.splits}
        if proposed & set(self._state.together):  # somebody has decided it meanwhile
            self._state.together = []
        self._wanted = replace(plan, tried=tuple(self._state.together))
        shown = kept.shown if not self._wanted.is_empty else None
        self.states = self._of_units if shown is None else shown.applied.states(self._of_units)

    def _reduce_new(self) -> None:
        """Have the states hold the new rows: one by one where these change no unit, so that a step costs no more after
        a thousand others.
        """
        kept = self._kept
        if kept is None or kept.subject is None or not kept.n_reduced:
            self._reduce()
            return
        new = kept.rows[kept.n_reduced :]
        if not all(one.kind in ("label", "note", "flag") and one.name != REMOVED for one in new):
            self._reduce()
            return
        take(self._of_units, new, kept.subject)
        kept.n_reduced += len(new)
        shown = kept.shown if not self._wanted.is_empty else None
        self.states = self._of_units if shown is None else shown.applied.states(self._of_units)

    @property
    def spans(self) -> list[BadSpan]:
        """Spans that are marked bad."""
        kept = self._kept
        return bad_spans(kept.rows, kept.subject) if kept is not None and kept.subject is not None else []

    def follow(self, units: Sequence[UnitId], opened: OpenInsertion) -> list[UnitId]:
        """Return the units of what was just dressed that some units of before it are, one by one or merged."""
        before, now = self._before, self._now
        found: dict[str, None] = {}
        for unit in map(str, units):
            for one in before.members.get(unit, (unit,)) if before is not None else (unit,):
                found |= dict.fromkeys(now.new_of_old.get(one, (one,)) if now is not None else (one,))
        places = opened.sorting.units
        return [places.of(index) for index in places.find(found).tolist()]

    def _members(self, units: Iterable[UnitId]) -> list[UnitId]:
        """Return the units of the sorting that some units on the screen are."""
        members = self._now.members if self._now is not None else {}
        return [one for unit in units for one in members.get(str(unit), (unit,))]

    def merged_of(self, unit: UnitId) -> tuple[OpenInsertion, tuple[int, ...]] | None:
        """Return the insertion as sorted, and the indexes there of the units that one on the screen is merged of.

        None where it is not merged.
        """
        members = self._now.members.get(str(unit), ()) if self._now is not None else ()
        if self._kept is None or len(members) < 2:
            return None
        before = self._kept.opened
        return before, tuple(before.sorting.units.find(members).tolist())

    # -- deciding --------------------------------------------------------------------------------

    def press(self, key: str) -> bool:
        """Act on a key; return whether it is one of these."""
        act = self.keys.get(key)
        if key == "g" and self._view.tab == TAB and len(self._view.selected) > 1:
            act = self.merge  # phy's key; elsewhere it shows good units only
        if act is None:
            return False
        act()
        return True

    def label(self, category: Category, label: str, units: Sequence[UnitId] | None = None) -> None:
        """Give units a label, or take it off where all have it; ``''`` takes off all of the category.

        Parameters
        ----------
        category : Category
        label : str
        units : sequence of int or str, optional
            Those that are selected, where absent.
        """
        named = list(self._view.selected if units is None else units)
        what = f"label {label}" if label else "no label"
        if not self._may(named, what):
            return
        units = self._members(named)
        author, name = self.author, category.name
        if category.is_exclusive:
            values = dict.fromkeys(map(str, units), label)
        else:
            before = {str(unit): self._own(unit, name) for unit in units}
            is_on = bool(label) and all(label in labels for labels in before.values())
            values = {
                unit: "\n".join([one for one in labels if one != label] + [label] * (bool(label) and not is_on))
                for unit, labels in before.items()
            }
        self._keep(lambda subject: [subject.decide(author, "label", values[str(u)], u, name=name) for u in units])
        if category is self.rules.categories[0]:
            (self._judged_now.update if label else self._judged_now.difference_update)(map(str, named))
            if self._state.unjudged and label:
                self._step("j")
                if self._view.selected == named:  # nothing is left, and a key more would change what was decided last
                    self._view.selected = []

    def note(self, text: str) -> None:
        """Give the selected units a note; an empty one takes it off."""
        units, author = self._members(self._view.selected), self.author
        if self._may(units, "note"):
            self._keep(lambda subject: [subject.decide(author, "note", text.strip(), unit) for unit in units])

    def flag(self) -> None:
        """Flag the selected units, or take the flag off where all have it."""
        units, author = self._members(self._view.selected), self.author
        if self._may(units, "flag"):
            is_on = all(author in self._state_of(unit).flags for unit in units)
            self._keep(lambda subject: [subject.decide(author, "flag", "" if is_on else "1", unit) for unit in units])

    def merge(self) -> None:
        """Propose that the selected units are one; refused where one of them is in a proposal of the person already."""
        units, author = self._members(self._view.selected), self.author
        if not self._may(units, "the same unit"):
            return
        if len(units) < 2:
            self._refuse(BadRequest("One unit is selected", str(units[0]), "Shift + click adds another"))
            return
        if conflict := self._in_proposal(map(str, units), author):
            self._refuse(conflict)
            return
        self._state.together = []
        self._keep(lambda subject: [subject.decide(author, "merge", write_merge(units))])

    def split(self, unit: UnitId, of: str, x: Sequence[float], y: Sequence[float]) -> None:
        """Propose that a unit is two: the spikes outside and inside an outline.

        Parameters
        ----------
        unit : int or str
        of : {'amplitude', 'depth'}
            What the outline is in, over time; see `parts_by_outline`.
        x, y : sequence of float
        """
        author, kept = self.author, self._kept
        if not self._may([unit], "two units") or kept is None:
            return
        if list(map(str, self._members([unit]))) != [str(unit)]:
            self._refuse(BadRequest("Only a unit of the sorting can be split", str(unit), "Show units as sorted"))
        elif conflict := self._in_proposal([str(unit)], author):
            self._refuse(conflict)
        else:

            def decide(subject: Subject) -> list[Decision]:
                parts = parts_by_outline(kept.opened.sorting, subject.place[str(unit)], of, x, y)
                return [subject.decide(author, SPLIT, write_split(parts), unit)]

            self._keep(decide)

    def mark_bad(self, reason: str, *, of_selected: bool) -> None:
        """Mark the window in view as a bad span, of the selected units or of all."""
        span, author = self._view.time_range, self.author
        units: list[UnitId] = self._members(self._view.selected) if of_selected else [""]
        if span is None or not self._may(units, "bad span"):
            return
        value = write_span(*span)
        self._keep(
            lambda subject: [replace(subject.decide(author, "span", value, unit), reason=reason) for unit in units]
        )

    def bring(self, name: str, content: bytes, author: str) -> None:
        """Take the decisions of a file over, as those of `author`, and say what did not match.

        Parameters
        ----------
        name : str
            Of the file; its ending says the format.
        content : bytes
        author : str
        """
        by = self.author

        def decide(subject: Subject) -> list[Decision]:
            found, report = read_uploaded(name, content, subject, author)
            if not found:
                raise BadRequest("Nothing of the file is about these units", name, " ".join(report))
            self._queue.later(partial(self._reported, report))
            return [replace(one, imported_by=by, reason=f"from {name}"[:200]) for one in found]

        if not self._may_at_all():
            return
        if not author.strip():
            self._refuse(BadRequest("Whose decisions are they?", name, "Write their name"))
            return
        self._keep(decide)

    def _reported(self, report: list[str]) -> None:
        self.report = report

    def confirm(self, found: Sequence[Followed]) -> None:
        """Take decisions about units of another sorting over, as those of their authors about the units here."""
        by = self.author
        if found and self._may_at_all():
            self._keep(lambda subject: [one.as_own(subject, by) for one in found])

    def look_together(self) -> None:
        """Show the selected units as one before that is decided, or one by one again."""
        units = [] if self._state.together else [str(unit) for unit in self._members(self._view.selected)]
        if len(units) == 1:
            self._refuse(BadRequest("One unit is selected", units[0], "Shift + click adds another"))
            return
        if (both := self._in_proposal(units)) and self._state.applied:
            self._refuse(both)
            return
        self._state.together = units
        self._queue.later(self._show)

    def _in_proposal(self, units: Iterable[str], author: str | None = None) -> BadRequest | None:
        """Return why units cannot be proposed: one of them is in a proposal already, of anybody or of `author`."""
        named = set(units)
        for held in self.proposals:
            if author in (None, held.author) and (both := named & set(held.units)):
                others = ", ".join(unit for unit in held.units if unit not in both)
                words = f"unit {held.text}" if held.parts else f"unit {min(both)} is one with {others}"
                return BadRequest("A unit is in one proposal at most", f"{words} ({held.author})", "Undo that first")
        return None

    def withdraw(self, step: str) -> None:
        """Withdraw one of one's own steps."""
        author = self.author
        if self._may_at_all():
            self._keep(lambda subject: [subject.decide(author, WITHDRAWN, step)])

    def undo(self) -> None:
        """Withdraw one's last step that holds."""
        self._withdraw(0, "There is nothing to undo")

    def redo(self) -> None:
        """Withdraw one's last withdrawal."""
        self._withdraw(1, "There is nothing to redo")

    def _withdraw(self, which: int, nothing: str) -> None:
        if not self._may_at_all():
            return
        author, kept = self.author, self._kept

        def decide(subject: Subject) -> list[Decision]:  # in the thread, after all that was pressed before
            steps = history(kept.rows if kept is not None else (), author)[which]
            if not steps:
                raise BadRequest(nothing)
            return [subject.decide(author, WITHDRAWN, steps[-1])]

        self._judged_now.clear()
        self._keep(decide)

    def _own(self, unit: UnitId, name: str) -> list[str]:
        return [one for one in self._state_of(unit).labels.get(name, {}).get(self.author, "").split("\n") if one]

    def _state_of(self, unit: UnitId) -> UnitState:
        return self._of_units.get(str(unit)) or UnitState()

    def _may_at_all(self) -> bool:
        if self._kept is None:
            return False
        if not self.author:
            self._refuse(BadRequest("A decision needs its author", "", "Write your name in the tab Curation"))
        elif not self._user_session.may_decide:
            self._refuse(BadRequest("Not among those who may decide", self.author, "Ask whoever runs the server"))
        else:
            return True
        return False

    def _may(self, units: list[UnitId], what: str) -> bool:
        """Tell whether to decide about units; more than a few are asked for once."""
        if not self._may_at_all():
            return False
        if not units:
            self._refuse(BadRequest("No unit is selected", what, "Select one, or several"))
            return False
        asked, self._asked = self._asked, None
        if len(units) > MAX_UNASKED and asked != (what, tuple(units)):
            self._asked = (what, tuple(units))
            self._say(f"{counted(len(units), 'unit')} would get: {what}. Press the same button or key again to do it.")
            return False
        return True

    # -- keeping ---------------------------------------------------------------------------------

    def _keep(self, decide: Callable[[Subject], list[Decision]]) -> None:
        assert self._kept is not None
        self._keeper.keep(self._kept, decide)

    def _take(self, kept: KeptDecisions, said: str) -> None:
        if kept is self._kept:
            self._reduce_new()  # so that the tab counts at once; the table follows
            self._judged_now -= self._judged
            if said:
                self._say(said)
            self._rest.ask()

    def _show(self) -> None:
        """Have the table and the pictures follow, once the keys rest."""
        self._changed()
        self._tell()

    def _told(self, insertion: str) -> None:
        kept = self._kept
        if kept is not None and kept.key == insertion and not self._keeper.is_closed:
            self._keeper.read(kept)

    def _renamed(self) -> None:
        if self._known_as == self.author:
            return
        self._known_as = self.author
        self._judged_now.clear()
        if self._of_units or self.proposals or self.spans:
            self._changed()
        self._tell()

    def _not_kept(self, error: DashboardError) -> None:
        self._judged_now.clear()  # so that the queue comes to it again
        self._refuse(error)

    def _refuse(self, error: DashboardError) -> None:
        self._say(str(error), is_bad=True)
        self._failed(error)

    def _say(self, text: str, *, is_bad: bool = False) -> None:
        self.message, self.is_bad = text, is_bad
        self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def close(self) -> None:
        """Write what waits, and stop: the browser has gone."""
        self._rest.cancel()
        self._keeper.close()

"""What decisions come to."""

from __future__ import annotations

from dashboard.analysis.curation.proposals import proposal_columns, proposals
from dashboard.analysis.curation.state import history, standing, unit_columns, unit_states
from dashboard.analysis.curation.subject import Subject
from dashboard.model.curation import WITHDRAWN, Category, CurationRules, Decision

SUBJECT = Subject("S/2024-01-01/001/probe00", "alf/probe00", "", "9:aa", ("3", "5", "8"), ("u3", "u5", ""))


def decided(*said: tuple[str, str, str, str], spikes: str = "9:aa", name: str = "quality") -> list[Decision]:
    """Return decisions, each a step, of author, kind, unit and value; a withdrawal's value is the place of its step."""
    return [
        Decision(
            author, SUBJECT.insertion, kind, f"s{value}" if kind == WITHDRAWN else value, unit,
            name=name, spikes=spikes, step=f"s{n}", id=n,
        )
        for n, (author, kind, unit, value) in enumerate(said)
    ]  # fmt: skip


def test_a_withdrawal_takes_back_ones_own_step_and_can_be_withdrawn() -> None:
    rows = decided(("Ada", "label", "3", "good"), ("Ada", WITHDRAWN, "", "0"))
    assert standing(rows) == []
    assert history(rows, "Ada") == ([], ["s1"])
    rows = decided(("Ada", "label", "3", "good"), ("Ada", WITHDRAWN, "", "0"), ("Ada", WITHDRAWN, "", "1"))
    assert [one.value for one in standing(rows)] == ["good"]
    assert history(rows, "Ada") == (["s0"], [])


def test_nobody_takes_back_what_another_has_said() -> None:
    rows = decided(("Ada", "label", "3", "good"), ("Bob", WITHDRAWN, "", "0"))
    assert [one.author for one in standing(rows)] == ["Ada"]
    assert history(rows, "Bob") == ([], [])


def test_undo_goes_back_step_by_step_and_a_new_decision_ends_the_redo() -> None:
    said = [("Ada", "label", "3", "good"), ("Ada", "label", "5", "mua"), ("Ada", WITHDRAWN, "", "1")]
    assert history(decided(*said), "Ada") == (["s0"], ["s2"])
    said += [("Ada", WITHDRAWN, "", "0")]
    assert history(decided(*said), "Ada") == ([], ["s2", "s3"])
    said += [("Ada", WITHDRAWN, "", "3")]
    assert history(decided(*said), "Ada") == (["s0"], ["s2"])
    said += [("Ada", "note", "8", "odd")]
    assert history(decided(*said), "Ada") == (["s0", "s5"], [])


def test_whose_label_is_shown_is_a_rule() -> None:
    rows = decided(
        ("Ada", "label", "3", "good"), ("Bob", "label", "3", "noise"), ("Bob", "label", "5", "mua"),
        ("Ada", "label", "8", "good"), ("Ada", "label", "8", ""),
    )  # fmt: skip
    states = unit_states(rows, SUBJECT)
    mine = unit_columns(states, SUBJECT, "Ada", CurationRules())
    last = unit_columns(states, SUBJECT, "Ada", CurationRules(precedence="last"))
    assert mine["my_label"] == last["my_label"] == ["good", "", ""]
    assert mine["curated"] == ["good", "mua", ""]
    assert last["curated"] == ["noise", "mua", ""]
    assert mine["all_labels"] == ["good (Ada) · noise (Bob)", "mua (Bob)", ""]


def test_a_category_that_is_not_exclusive_has_several_labels() -> None:
    kind = Category("type", ("pyramidal", "burst"), is_exclusive=False)
    states = unit_states(decided(("Ada", "label", "5", "pyramidal\nburst"), name="type"), SUBJECT)
    found = unit_columns(states, SUBJECT, "Ada", CurationRules((*CurationRules().categories, kind)))
    assert found["my_type"] == ["", "pyramidal, burst", ""]
    assert found["my_label"] == ["", "", ""]


def test_notes_and_flags_are_each_persons_own() -> None:
    rows = decided(
        ("Ada", "note", "3", "drifts"),
        ("Bob", "note", "3", "two?"),
        ("Bob", "flag", "3", "1"),
        ("Ada", "note", "3", ""),
    )
    found = unit_columns(unit_states(rows, SUBJECT), SUBJECT, "Ada", CurationRules())
    assert found["note"] == ["Bob: two?", "", ""]
    assert found["flag"] == ["Bob", "", ""]


def test_decisions_about_other_spikes_follow_the_uuid_or_stay_behind() -> None:
    before = [
        Decision("Ada", SUBJECT.insertion, "label", "good", "77", uuid, name="quality", spikes="7:bb", step=uuid or "x")
        for uuid in ("u5", "gone", "")
    ]
    assert unit_columns(unit_states(before, SUBJECT), SUBJECT, "Ada", CurationRules())["my_label"] == ["", "good", ""]
    assert [one.uuid for one in SUBJECT.left_behind(before)] == ["gone", ""]


def test_of_two_proposals_with_a_unit_in_common_the_rule_says_which_holds() -> None:
    rows = decided(("Ada", "merge", "", "3,5"), ("Bob", "merge", "", "5,8"))
    assert [one.units for one in proposals(rows, SUBJECT, "Ada")] == [("3", "5")]
    assert [one.units for one in proposals(rows, SUBJECT, "Ada", "last")] == [("5", "8")]
    assert proposal_columns(proposals(rows, SUBJECT, "Ada"), SUBJECT) == {"merge": ["3 + 5 (Ada)", "3 + 5 (Ada)", ""]}
    assert proposal_columns([], SUBJECT) == {}

"""What the tab Curation says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from dashboard.analysis.curation.applied import CurationPlan
from dashboard.analysis.curation.following import Followed
from dashboard.analysis.curation.proposals import Proposal
from dashboard.analysis.curation.similar import REACH_UM, SimilarUnits
from dashboard.analysis.curation.spans import BadSpan, read_span
from dashboard.analysis.curation.splits import split_text
from dashboard.analysis.curation.state import UnitState, standing
from dashboard.analysis.curation.subject import Subject
from dashboard.analysis.units.turns import TAKE_TURNS
from dashboard.model.curation import Category, Decision
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import counted, span_text
from dashboard.model.unit_ids import UnitId, UnitIds

N_LOGGED, N_LOOKED_AT = 12, 500
"""Decisions that are listed, and of how many of the last ones those are that hold."""


def button(label: str, key: str, category: Category) -> str:
    """Return what a button says: the label, its key; or that it takes labels off."""
    if not label:
        return f"no {category.name}"
    return f"{label} · Alt+{key.upper()}" if key else label


def message(text: str, n_waiting: int, *, is_bad: bool, may: bool, author: str) -> str:
    """Return what was kept last, or why nothing is."""
    if not may:
        return f'<div class="notes">{escape(author or "Somebody without a name")} can look, but not decide.</div>'
    if not author:
        return '<div class="notes">Write your name: every decision is kept with its author.</div>'
    waits = f" {n_waiting:,} waiting to be kept." if n_waiting else ""
    kind = "notes refused" if is_bad else "notes"
    return (
        f'<div class="{kind}" role="status">{escape(text)}{"." * bool(text and waits)}{waits}</div>'
        if text or waits
        else ""
    )


def report(sentences: Sequence[str]) -> str:
    """Return what of a file that was brought in did not match."""
    return "".join(f'<div class="notes">{escape(sentence)}</div>' for sentence in sentences)


def applied(sorting: SpikeSorting, plan: CurationPlan, *, is_wanted: bool) -> str:
    """Return what was applied, or would be."""
    if sorting.curation:
        return f'<div class="notes" role="status">{escape(sorting.curation[:1].upper() + sorting.curation[1:])}.</div>'
    parts = [
        f"{counted(sum(map(len, plan.merges)), 'unit')} to be merged into {len(plan.merges):,}" * bool(plan.merges),
        f"{counted(len(plan.splits), 'unit')} to be split" * bool(plan.splits),
        f"{counted(len(plan.removed), 'unit')} to be left out" * bool(plan.removed),
        counted(len(plan.spans), "bad span") * bool(plan.spans),
    ]
    text = ", ".join(part for part in parts if part)
    if is_wanted and not text:
        return '<div class="notes" role="status">There is nothing to apply: units are as they were sorted.</div>'
    return f'<div class="notes" role="status">Not applied: {text}.</div>' if text else ""


def left_behind(left: Sequence[Decision], without: Sequence[Followed]) -> str:
    """Return how many decisions are about units of other sortings, and which of them have no unit here."""
    if not left:
        return ""
    what = f"{counted(len(left), 'decision')} about units of another revision or sorter"
    text = f"<p>{what}: kept, and not shown until somebody confirms of which unit here each is.</p>"
    if without:
        some = "; ".join(_decided(one.decision) for one in without[:N_LOGGED])
        more = f" and {len(without) - N_LOGGED:,} more" if len(without) > N_LOGGED else ""
        text += f"<p>No unit here matches: {escape(some)}{more}. They are not shown here.</p>"
    return f'<div class="unit">{text}</div>'


def followed(one: Followed) -> tuple[str, str, str]:
    """Return the chip of a decision that can be confirmed: id, label, and what a click does."""
    units = " + ".join(one.units)
    return str(one.decision.id), f"{units}: {_decided(one.decision)}, agreement {one.score:.2f}", "Confirm it"


def _decided(one: Decision) -> str:
    what = one.value.replace("\n", ", ")
    what = f"units {what} are one" if one.kind == "merge" else f"{what}, unit {one.unit}"
    what = f"unit {one.unit} is {split_text(one.value)}" if one.kind == "split" else what
    return f"{what} of {one.collection.rpartition('/')[2]} ({one.author})"


def span(one: BadSpan, author: str) -> tuple[str, str, str]:
    """Return the chip of a bad span: step, label, and what a click does."""
    whose = f"unit {one.unit}" if one.unit else "all units"
    why = f", {one.reason}" if one.reason else ""
    act = "Withdraw it" if one.author == author else f"Only {one.author} can withdraw it"
    return one.step, f"{span_text((one.start_s, one.end_s))}, {whose}{why} ({one.author})", act


def proposal(one: Proposal, author: str) -> tuple[str, str, str]:
    """Return the chip of units that are one, or of a unit that is several: step, label, and what a click does."""
    act = "Withdraw it" if one.author == author else f"Only {one.author} can withdraw it"
    return one.step, f"{one.text}{'' if one.parts else ' are one'} ({one.author})", act


def about(unit: UnitId | None, state: UnitState | None, counts: tuple[int, int, int, int], author: str) -> str:
    """Return what people say of a unit, and how far the person has come.

    Parameters
    ----------
    unit : int, str or None
    state : UnitState or None
    counts : tuple of int
        Units that `author` has judged, all units, units selected, units that pass the filters.
    author : str
    """
    n_judged, n_units, n_selected, n_passing = counts
    parts = [f"<p>{n_selected:,} selected, {n_passing:,} pass the filters</p>"]
    if unit is not None:
        rows = []
        if state is not None:
            for name, labels in state.labels.items():
                rows += [(f"{name}, {who}", label.replace("\n", ", ")) for who, label in labels.items()]
            rows += [(f"note, {who}", text) for who, text in state.notes.items()]
            rows += [("flagged by", who) for who in state.flags]
        body = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
        said = f"<table>{body}</table>" if rows else '<p class="absent">Nobody has decided about it.</p>'
        parts.append(f'<h2 class="caption">Unit {escape(str(unit))}</h2>{said}')
    if author:
        parts.append(f"<p>{n_judged:,} of {counted(n_units, 'unit')} judged by {escape(author)}</p>")
    return f'<div class="unit">{"".join(parts)}</div>'


def log(rows: Sequence[Decision], subject: Subject | None) -> str:
    """Return the last decisions that hold, newest first."""
    held = standing(rows[-N_LOOKED_AT:])
    if not held:
        return ""
    body = ""
    for one in held[: -N_LOGGED - 1 : -1]:
        about = f"unit {one.unit}" if one.unit else ""
        if subject is not None and subject.own(one) is None:
            about += " of another revision"
        limits = read_span(one.value) if one.kind == "span" else None
        what = split_text(one.value) if one.kind == "split" else ""
        what = what or (span_text(limits) if limits else "") or one.value.replace("\n", ", ") or f"no {one.kind}"
        by = f"{one.author}, brought in by {one.imported_by}" if one.imported_by else one.author
        cells = (one.time[:16].replace("T", " "), by, about, one.kind, what)
        body += "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
    head = '<h2 class="caption">Last decisions (times in UTC)</h2>'
    return f'<div class="unit">{head}<table>{body}</table></div>'


def similar(found: SimilarUnits | None, units: UnitIds) -> str:
    """Return the numbers of similar units as a table; nothing where none is selected."""
    if found is None:
        return ""
    name = escape(str(units.of(found.unit)))
    if not found.found:
        return f'<div class="unit"><h2 class="caption">No other unit within {REACH_UM:g} µm of unit {name}</h2></div>'
    rows = "".join(
        f"<tr><td>{escape(str(units.of(one.unit)))}</td><td>{_number(one.similarity)}</td>"
        f"<td>{one.distance_um:.0f}</td><td>{_number(one.close_pairs)}</td><td>{_number(one.shared_time)}"
        f"{', take turns' if one.shared_time < TAKE_TURNS else ''}</td></tr>"
        for one in found.found
    )
    head = f"<tr><th>unit</th><th>{escape(found.by)}</th><th>distance (µm)</th><th>pairs within 2 ms</th>"
    head += "<th>shared time</th></tr>"
    about = (
        "Pairs within 2 ms: pairs of spikes, one of each unit, over those expected from pairs within 50 ms; near 0, "
        "the units share a refractory period. Shared time: how far both fire at the same times of the session; near 0, "
        "one stops where the other starts."
    )
    return (
        f'<div class="unit"><h2 class="caption">Units like unit {name}</h2><table>{head}{rows}</table>'
        f'<p class="absent">{about}</p></div>'
    )


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"

"""Decisions about units as plain values, and the categories of labels."""

from __future__ import annotations

from dataclasses import dataclass

WITHDRAWN = "withdrawn"
MY_LABEL, CURATED, ALL_LABELS, NOTE, FLAG = "my_label", "curated", "all_labels", "note", "flag"
MERGE, SPLIT = "merge", "split"
"""Columns of a table of units: see `dashboard.analysis.curation.state.unit_columns`."""

REMOVED = "removed"
"""Category, and its only label, of units that are left out where decisions are applied."""

PRECEDENCES = ("mine", "last")
KINDS = ("label", "note", "flag", MERGE, SPLIT, "span", WITHDRAWN)
"""What a decision can be: see `Decision`."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one person decided about one unit, once; it is never changed, only withdrawn by a later one.

    Attributes
    ----------
    author : str
    insertion : str
        Key.
    kind : {'label', 'note', 'flag', 'merge', 'split', 'span', 'withdrawn'}
        ``label``: `name` is the category and `value` the label, where several hold together one on each line, ``''``
        for none. ``note``: `value` is the text. ``flag``: `value` is ``'1'`` or ``''``. ``merge``: `value` has the ids
        of the units, as `dashboard.model.unit_ids.write_ids` writes them. ``split``: `value` has the part of each spike
        of `unit`, as `dashboard.analysis.curation.splits.write_split` writes them. ``span``: `value` has begin and end
        in s, of `unit` or, where that is empty, of all units of every sorting. ``withdrawn``: `value` is the `step`
        that holds no longer.
    value : str
    unit : str
        Id, as text.
    uuid : str
        Of the unit, where the files have one.
    name : str
        Of a category; of a merge or a split, where a file gives them, the ids of the new units, as `write_ids` writes
        them.
    reason : str
    collection, revision : str
        Which sorting.
    spikes : str
        Identity of the units of its spikes: two files with other bytes have others.
    imported_by : str
        Who brought it in where the author did not decide it here.
    time : str
        ISO, UTC.
    step : str
        Decisions made at once have the same, and are withdrawn together.
    id : int
        Order in which they were kept; 0 before.
    """

    author: str
    insertion: str
    kind: str
    value: str
    unit: str = ""
    uuid: str = ""
    name: str = ""
    reason: str = ""
    collection: str = ""
    revision: str = ""
    spikes: str = ""
    imported_by: str = ""
    time: str = ""
    step: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class Category:
    """Labels of one kind that a unit can be given.

    Attributes
    ----------
    name : str
    labels : tuple of str
    keys : tuple of str
        Small letter of each label, which gives it together with Alt; ``''`` for none.
    is_exclusive : bool
        Whether a unit has one of them at most.
    """

    name: str
    labels: tuple[str, ...]
    keys: tuple[str, ...] = ()
    is_exclusive: bool = True


QUALITY = Category("quality", ("good", "mua", "noise"), ("g", "m", "n"))
"""phy's groups and keys."""


@dataclass(frozen=True, slots=True)
class CurationRules:
    """How a server has its people decide.

    Attributes
    ----------
    categories : tuple of Category
        The first is what ``my_label`` and ``curated`` are of.
    curators : tuple of str
        Who may decide; empty: everybody.
    precedence : {'mine', 'last'}
        Whose label of a unit is shown as curated: one's own where there is one, else the last of anybody; or the
        last of anybody.
    """

    categories: tuple[Category, ...] = (QUALITY,)
    curators: tuple[str, ...] = ()
    precedence: str = "mine"

    def may_decide(self, author: str) -> bool:
        """Tell whether somebody may decide."""
        return not self.curators or author in self.curators


def read_category(text: str) -> Category:
    """Return the category that a setting names: ``quality: good=g, mua=m, noise=n``.

    With ``+:`` in place of the colon a unit may have several of its labels.

    Raises
    ------
    ValueError
        It cannot be read; the message is a clause that says why.
    """
    name, colon, rest = text.partition(":")
    is_exclusive = not name.rstrip().endswith("+")
    name = name.strip().removesuffix("+").strip()
    pairs = [part.partition("=") for part in rest.split(",") if part.strip()]
    labels, keys = tuple(one.strip() for one, _, _ in pairs), tuple(key.strip().lower() for _, _, key in pairs)
    if not colon or not name.isidentifier() or len(labels) < 2 or not all(labels):
        raise ValueError(f"'{text[:60]}' is not a category such as 'type: pyramidal=p, interneuron=i'")
    if any(key and not (len(key) == 1 and key.isascii() and key.isalpha()) for key in keys):
        raise ValueError(f"'{text[:60]}' has a key that is not one letter")
    if len(set(labels)) < len(labels) or len({key for key in keys if key}) < sum(map(bool, keys)):
        raise ValueError(f"'{text[:60]}' has a label or a key twice")
    return Category(name, labels, keys, is_exclusive)

"""Code that gives the numbers of a view again: with this package, or with ONE and ibllib alone.

Names of subjects, columns and files come from folders that others have made: every value in the code is written by
`_code`, so that none of them is ever run.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.filters.clusters import ClusterFilter, Limits
from dashboard.analysis.filters.words import SPIKE_WORDS, read_words
from dashboard.export.origin import Subject
from dashboard.model.conventions import LabelKind
from dashboard.model.errors import DatasetInvalid
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import counted
from dashboard.sources.alf.arrays import is_table, read_table
from dashboard.sources.alf.channels import IN_IBLLIB

SIZE = (1600, 800)
"""Pixels of the picture in the snippets."""

MAX_IDS_A_LINE = 16

BEFORE_ALL_REVISIONS = "0"
"""What ONE, which compares strings, takes for the original revision: an empty text is its default."""

AS_SORTED = "# Units and spikes as they were sorted: the curation of the view is not applied."

TESTED = "resp_"
"""Of columns that a test of responses has added: the files do not have them."""


def dashboard_snippet(subject: Subject) -> str:
    """Return code with this package: opens the sorting, filters it, counts the spikes of the view.

    It ends with ``image``, the `Aggregate` of the window, whose ``n_spikes`` is that of the view.
    """
    insertion = subject.sorting.ref.insertion
    opened = [_code(insertion.pid or insertion.key)]
    sorter, revision = subject.asked
    opened += [f"sorter={_code(sorter)}"] if sorter is not None else []
    opened += [f"revision={_code(revision)}"] if revision is not None else []
    if subject.sorting.curation:
        opened.append(f"curation={_code(subject.applied_for)}")
    lines = ["import dashboard"]
    # What is computed on the page is not in the sorting that the code opens, or not yet on the page.
    is_computed = subject.sorting.metrics_made or subject.sorting.metrics_wanted
    is_listed = is_computed or any(TESTED in text for text in subject.filters.values())
    if subject.mask is not None and not is_listed:
        lines += [
            "from dashboard.analysis.filters.words import read_words",
            "from dashboard.analysis.filters.clusters import filter_clusters",
        ]
    lines += ["", f"sorting = dashboard.open_insertion({', '.join(opened)})"]
    keep = ""
    if subject.mask is not None and is_listed:
        lines += _ids(subject)
        keep = ", clusters=keep"
    elif subject.mask is not None:
        words = {word: text for word, text in subject.filters.items() if word not in SPIKE_WORDS}
        table = "sorting.clusters"
        if "label" in subject.sorting.clusters or not subject.sorting.why_no_labels:
            table = _labelled(subject)
        volts = "" if subject.sorting.amps_are_volts else ", amps_are_volts=False"
        lines += [
            f"clusters = {table}",
            f"passing = filter_clusters(read_words({{{_words(words)}}}), clusters{volts})",
        ]
        keep = ", clusters=passing.ids"
    if subject.amp_range_uv is not None:
        lines.append(f"amp_range_uv = ({', '.join(map(_code, subject.amp_range_uv))})")
        keep += ", amp_range_uv=amp_range_uv"
    t0, t1, d0, d1 = map(_code, (*subject.time_range, *subject.depth_range))
    if not subject.columns.is_placed:
        return "\n".join([*lines, *_counted(keep, f"({t0}, {t1}), ({d0}, {d1})", subject)]) + "\n"
    lines += [
        "image = dashboard.render(",
        f"    sorting, time_range=({t0}, {t1}), depth_range=({d0}, {d1}),",
        f"    width={SIZE[0]}, height={SIZE[1]}, aggregate={_code(subject.kind)}{keep},",
        ")",
        "image.values  # row 0 is the lowest depth; edges: image.time_edges_s, image.depth_edges_um",
        f"print(image.n_spikes)  # {subject.n_in_view}",
    ]
    return "\n".join(lines) + "\n"


def _counted(keep: str, window: str, subject: Subject) -> list[str]:
    """Return the lines that count spikes none of which has a depth: there is no picture of them."""
    units = "sorting.units.indexes(" + ("keep" if "=keep" in keep else "passing.ids") + ")"
    kept = ["columns", units if subject.mask is not None else "None"]
    kept += ["amp_range_uv"] if subject.amp_range_uv is not None else []
    return [
        "from dashboard.engine.build import build_columns",
        "from dashboard.engine.columns.filter import kept_spikes",
        "from dashboard.engine.count.queries import count_in",
        "",
        "columns = build_columns(sorting)  # no spike has a depth, so there is no picture",
        f"n_spikes = count_in(columns, {window}, kept=kept_spikes({', '.join(kept)}))",
        f"print(n_spikes)  # {subject.n_in_view}",
    ]


def _code(value: str | float) -> str:
    """Return a value as Python writes it: whatever is in a text, it stays text, and is not read but shown."""
    if isinstance(value, str):
        return repr(str(value))
    return repr(float(value)) if np.isfinite(value) else f'float("{float(value)}")'


def _words(words: Mapping[str, str]) -> str:
    return ", ".join(f"{_code(word)}: {_code(text)}" for word, text in words.items())


def _labelled(subject: Subject) -> str:
    """Return the table as filters see it: ``label`` is IBL's, or is not there."""
    if subject.sorting.why_no_labels:
        return 'sorting.clusters.drop(columns="label", errors="ignore")'
    return "sorting.clusters.assign(label=sorting.labels)"


def ibllib_snippet(subject: Subject) -> str:
    """Return code with ONE and ibllib only; it ends with ``counts``, ``n_spikes`` and the edges.

    Filters that are more than limits of a column are written as the ids of the clusters that pass.
    """
    insertion, ref = subject.sorting.ref.insertion, subject.sorting.ref
    lines = [
        *([AS_SORTED] if subject.sorting.curation else []),
        "import numpy as np",
        "from brainbox.io.one import SpikeSortingLoader",
        "from one.api import ONE",
        "",
        "one = ONE()  # as it was set up with ONE.setup()",
    ]
    # Only a database resolves a pid; the demo, and folders, have none.
    if insertion.pid and insertion.source != "demo":
        lines.append(f"loader = SpikeSortingLoader(pid={_code(insertion.pid)}, one=one)")
    else:
        session = f"{insertion.date}_{int(insertion.number)}_{insertion.subject}"
        lines += [
            f"eid = one.to_eid({_code(session)})",
            f"loader = SpikeSortingLoader(eid=eid, pname={_code(insertion.probe)}, one=one)",
        ]
    # What was opened is named: defaults move.
    words = [f"spike_sorter={_code(ref.sorter.value)}"]
    if (revision := _revision(subject)) is not None:
        words.append(f"revision={_code(revision or BEFORE_ALL_REVISIONS)}")
    lines += [
        f"spikes, clusters, channels = loader.load_spike_sorting({', '.join(words)})",
        "clusters = loader.merge_clusters(spikes, clusters, channels)",
        "",
    ]
    window = ", ".join(map(_code, (*subject.time_range, *subject.depth_range)))
    lines += [
        f"t0, t1, d0, d1 = {window}  # s, um",
        *_placed(subject),
        "inside = (times >= t0) & (times <= t1) & (depths >= d0) & (depths <= d1)",
    ]
    lines += _ibllib_filter(subject)
    if subject.amp_range_uv is not None:
        low, high = map(_code, subject.amp_range_uv)
        values = "np.asarray(spikes['amps'], dtype=np.float64)"
        scale = (f"np.abs({values})" if subject.sorting.n_negative_amps else values) + (
            " * 1e6" if subject.sorting.amps_are_volts else ""
        )
        lines += [
            f"amps = ({scale}).astype(np.float32).astype(np.float64)  # as precise as the page's",
            f"inside &= (amps >= {low}) & (amps < {high})",
        ]
    lines += [
        f"depth_edges, time_edges = np.linspace(d0, d1, {SIZE[1]} + 1), np.linspace(t0, t1, {SIZE[0]} + 1)",
        "counts, _, _ = np.histogram2d(depths[inside], times[inside], bins=(depth_edges, time_edges))",
        "n_spikes = int(inside.sum())",
        f"print(n_spikes)  # {subject.n_in_view}",
    ]
    return "\n".join(lines) + "\n"


def _placed(subject: Subject) -> list[str]:
    """Return the lines that give times and depths of spikes; those without a depth lie at that of their unit."""
    sorting = subject.sorting
    # Where the files have none, those of the sorting stand in for them.
    depths = sorting.spikes.depths_um if sorting.missing_reason("spikes.depths") is None else None
    times = _in_64_bits("times", sorting.spikes.times_s)
    if depths is not None and np.isfinite(depths).all():
        return [f"times, depths = {times}, {_in_64_bits('depths', depths)}"]
    if not subject.columns.is_placed:
        return [f"times = {times}", "depths = np.zeros(len(times))  # no spike has one"]
    own = "np.full(len(times), np.nan)" if depths is None else 'spikes["depths"]'
    name = next((name for name in ("axial_um", "depths") if name in sorting.clusters), "depths")
    if depths is not None and name not in sorting.clusters:  # no unit has a depth, and what has none is not shown
        return [f"times, depths = {times}, {_in_64_bits('depths', depths)}"]
    if sorting.units.are_indexes and f"axial_um{IN_IBLLIB}" not in sorting.clusters:
        drawn = [f"of_units = np.asarray(clusters[{_code(name)}], dtype=np.float64)"]
        units = _units_of_spikes(subject)
    else:  # ibllib has another depth of a unit, or finds it in another row
        order = np.argsort(sorting.unit_ids)
        ids = ", ".join(map(repr, sorting.unit_ids[order].tolist()))
        of_units = ", ".join(map(_code, sorting.unit_depths_um[order].tolist()))
        drawn = [f"units = np.array([{ids}])", f"of_units = np.array([{of_units}])"]
        units = 'np.searchsorted(units, spikes["clusters"])'
    return [
        f"times = {times}",
        "# where spikes without a depth are drawn",
        *drawn,
        f"depths = {own}",
        f"depths = np.where(np.isfinite(depths), depths, of_units[{units}])",
    ]


def _in_64_bits(name: str, values: npt.NDArray[np.floating]) -> str:
    """Return a column of spikes in code; NumPy would round the edges of a window to as many bits as a file has."""
    return f'spikes["{name}"]' + ("" if values.dtype == np.float64 else ".astype(np.float64)")


def _units_of_spikes(subject: Subject) -> str:
    """Return what rows of the clusters are looked up by, in code: some files hold ids as fractional numbers."""
    is_whole = np.asarray(subject.sorting.spikes.clusters[:0]).dtype.kind in "iu"
    return 'spikes["clusters"]' + ("" if is_whole else ".astype(int)")


def _revision(subject: Subject) -> str | None:
    """Return the revision that opens the same files; None: the default one, where only that does."""
    ref, (_, asked) = subject.sorting.ref, subject.asked
    if asked is not None:
        return asked
    # Revisions that a default has mixed are not those up to any one of them.
    opened = {d.revision for d in ref.datasets.values() if d.collection == ref.collection} or {ref.revision.value}
    has_others = bool(set(ref.revision.alternatives) - opened)
    return opened.pop() if len(opened) == 1 and (has_others or ref.revision.value) else None


def _ibllib_filter(subject: Subject) -> list[str]:
    if subject.mask is None:
        return []
    conditions = _conditions(subject, read_words(subject.filters))
    if conditions is not None:
        return [f"keep = {' & '.join(conditions)}", f"inside &= keep[{_units_of_spikes(subject)}]"]
    return [*_ids(subject), 'inside &= np.isin(spikes["clusters"], keep)']


def _ids(subject: Subject) -> list[str]:
    """Return the clusters that pass as a list in code."""
    assert subject.mask is not None
    ids = [repr(unit) for unit in subject.sorting.units.at(np.flatnonzero(subject.mask)).tolist()]
    rows = [", ".join(ids[i : i + MAX_IDS_A_LINE]) for i in range(0, len(ids), MAX_IDS_A_LINE)]
    return [
        f"keep = [  # the {counted(len(ids), 'cluster')} that pass: {_code(subject.filter_text)[1:-1]}",
        *(f"    {row}," for row in rows),
        "]",
    ]


def _conditions(subject: Subject, wanted: ClusterFilter) -> list[str] | None:
    """Return conditions on ibllib's merged clusters; None where they would not say it all."""
    if wanted.regions or wanted.shanks or wanted.where or wanted.ids is not None:
        return None
    clusters = _in_files(subject.sorting)
    conditions: list[str] = []
    if wanted.labels:
        if wanted.labels != (1.0,) or "label" not in clusters or subject.sorting.label_kind is LabelKind.KILOSORT:
            return None
        conditions.append('(clusters["label"] == 1)')
    ranges: list[tuple[str, Limits | None]] = [("depths", wanted.depth_um), ("firing_rate", wanted.rate_hz)]
    ranges += [(name, limits) for name, limits in wanted.metrics.items()]
    if wanted.amplitude_uv is not None:
        return None  # which column and which scale depends on the sorting
    for name, limits in ranges:
        if limits is None:
            continue
        if name not in clusters:
            return None
        low, high = limits
        if low is not None:
            conditions.append(f"(clusters[{_code(name)}] >= {_code(low)})")
        if high is not None:
            conditions.append(f"(clusters[{_code(name)}] <= {_code(high)})")
    return conditions or None


def _in_files(sorting: SpikeSorting) -> frozenset[str]:
    """Return the columns of numbers of the clusters that ibllib has, too: row by row those of the files.

    It finds no metrics by their ids, and has none that were computed here.
    """
    metrics, depths = (sorting.ref.datasets.get(f"clusters.{name}") for name in ("metrics", "depths"))
    if not sorting.units.are_indexes or sorting.curation or metrics is None or metrics.path is None:
        return frozenset()
    try:
        table = read_table(metrics.path) if is_table(metrics.path) else pd.DataFrame()
    except DatasetInvalid:
        return frozenset()
    if len(table) != sorting.n_clusters:  # which has ibllib compute metrics
        return frozenset()
    shown = sorting.clusters.reset_index(drop=True)
    names = (name for name in table if name in shown and pd.api.types.is_numeric_dtype(table[name]))
    found = {str(name) for name in names if table[name].equals(shown[name])}
    return frozenset(found | {"depths"} if depths is not None and "depths" in shown else found)

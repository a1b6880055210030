"""What is done for one insertion of many, on whichever machine: a figure, a table of units, a filled cache."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dashboard.analysis.curation.applied import curated
from dashboard.analysis.curation.state import unit_columns, unit_states, with_columns
from dashboard.analysis.curation.subject import Subject
from dashboard.analysis.events.responses import adjust, default_windows, paired_events, response_test
from dashboard.analysis.filters.clusters import ClusterFilter, filter_clusters, filtered_table
from dashboard.cli.progress import TerminalProgress
from dashboard.config.plugins import add_plugins
from dashboard.config.settings import Settings
from dashboard.config.settings import load as load_settings
from dashboard.config.throttling import waiting_as_asked
from dashboard.engine.build import build_columns
from dashboard.export.figure import FigureRequest
from dashboard.export.save import render_figure
from dashboard.library.changes import kept_state
from dashboard.library.open import open_insertion
from dashboard.model.curation import ALL_LABELS, CURATED, MY_LABEL, NOTE, CurationRules, Decision
from dashboard.model.errors import BadRequest
from dashboard.model.progress import telling
from dashboard.model.references import SortingRequest
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.locate import locate

STATE = "state"
"""The fact of a report that tells what its data were when they were read: `dashboard.library.changes.kept_state`."""

TEST = "baseline before stimOn, exact sign flips"
"""How responses are tested: parts of a run with another test are of an earlier version."""

OTHER_P = "resp_p of the units that are left out"
"""What a table of units carries for `adjust_over_all`; it survives Parquet."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How insertions are opened; sent to workers, so it holds no secrets: those are read where the work is done.

    Attributes
    ----------
    settings : Settings
        Cache and data folders have to be the same on every machine.
    sorter, revision : str or None
        As for `dashboard.library.open.open_insertion`.
    """

    settings: Settings
    sorter: str | None = None
    revision: str | None = None

    @classmethod
    def of(cls, settings: Settings, sorter: str | None, revision: str | None) -> Opening:
        """Return it with the secrets taken out, and paths that hold in any folder."""
        changed: dict[str, Any] = dict.fromkeys(_secrets())
        for name in ("cache", "config", "one_cache"):
            path: Path | None = getattr(settings, name)
            changed[name] = None if path is None else path.absolute()
        changed["data"] = tuple(folder.absolute() for folder in settings.data)
        return cls(replace(settings, **changed), sorter, revision)

    @property
    def request(self) -> SortingRequest:
        """Which sorting is wanted."""
        return SortingRequest(self.sorter, self.revision)

    def open(self, insertion: str) -> tuple[SpikeSorting, dict[str, str]]:
        """Open an insertion, with metrics computed where they are missing; return also the state of its data.

        Raises
        ------
        Incomplete
            Something that exists could not be fetched, or records are remembered ones and that was not asked for: a
            result without it would pass for the final one.
        DashboardError
            As `dashboard.library.open.open_insertion`.
        """
        add_plugins(self.settings.plugins)  # a worker may be another process
        own = load_settings()
        settings = replace(self.settings, **{name: getattr(own, name) for name in _secrets()})
        progress = TerminalProgress(io.StringIO())  # nobody watches: it logs who is waited for, and what stalls
        with waiting_as_asked(), telling(progress):
            source, ref = locate(insertion, settings=settings)
            # before it is read: what is replaced meanwhile is then seen as new
            state = kept_state(source.state(ref, self.request))
            sorting = open_insertion(
                ref, source=source, cache=settings.cache, sorter=self.sorter, revision=self.revision, progress=progress
            )
        sorting.check_complete()
        if not settings.offline:
            sorting.check_recent()
        return sorting, state


def _secrets() -> list[str]:
    return [item.name for item in fields(Settings) if item.metadata["secret"]]


def facts_of(sorting: SpikeSorting, state: Mapping[str, str]) -> dict[str, Any]:
    """Return what a report says of an insertion, and holds against what is on record when it is run again."""
    insertion, n_good = sorting.ref.insertion, int((sorting.labels == 1).sum())
    return {
        "key": insertion.key,
        "pid": insertion.pid or "",
        "title": sorting.title,
        "sorter": sorting.ref.sorter.value,
        "revision": sorting.ref.revision.value,
        "histology": str(sorting.histology),
        "records_of": sorting.records_of,
        "n_spikes": sorting.n_spikes,
        "n_clusters": sorting.n_clusters,
        "n_good": None if sorting.why_no_labels else n_good,
        STATE: dict(state),
    }


@dataclass(frozen=True, slots=True)
class RenderTask:
    """Draws the figure of an insertion; makes the bytes of a file.

    Attributes
    ----------
    opening : Opening
    request : FigureRequest
    kind : {'png', 'svg', 'pdf'}
    curation : Curation or None
        What people have decided about the units, which is applied.
    """

    opening: Opening
    request: FigureRequest
    kind: str
    curation: Curation | None = None

    def __call__(self, insertion: str) -> tuple[dict[str, Any], bytes]:
        """Return facts and the figure."""
        sorting, state = self.opening.open(insertion)
        if self.curation is not None:
            sorting = self.curation.apply(sorting)
        columns = build_columns(sorting, None if sorting.curation else self.opening.settings.cache)
        file = io.BytesIO()
        render_figure(file, sorting, columns, self.request, self.kind)
        return facts_of(sorting, state), file.getvalue()


@dataclass(frozen=True, slots=True)
class Curation:
    """Decisions that are applied; they travel with the work, since a worker may not reach the database.

    Attributes
    ----------
    author : str
        Whose decisions go first.
    rules : CurationRules
    rows : tuple of Decision
        Of all insertions, in the order in which they were added.
    is_applied : bool
        Whether merged units are one, and removed units and spikes in bad spans are left out.
    """

    author: str
    rules: CurationRules
    rows: tuple[Decision, ...]
    is_applied: bool = False

    def apply(self, sorting: SpikeSorting) -> SpikeSorting:
        """Return a sorting with the columns of its decisions, and with these applied where that is asked."""
        key = sorting.ref.insertion.key
        rows = [one for one in self.rows if one.insertion == key]
        if rows and self.is_applied:
            sorting = curated(sorting, rows, self.author, self.rules)
        elif rows:
            subject = Subject.of(sorting)
            found = unit_columns(unit_states(rows, subject), subject, self.author, self.rules)
            sorting = replace(sorting, clusters=with_columns(sorting.clusters, found))
        absent = [name for name in (MY_LABEL, CURATED, ALL_LABELS, NOTE) if name not in sorting.clusters]
        return replace(sorting, clusters=sorting.clusters.assign(**dict.fromkeys(absent, "")))


@dataclass(frozen=True, slots=True)
class UnitsTask:
    """Collects the units of an insertion; makes a table, see `filtered_table`.

    Attributes
    ----------
    opening : Opening
    where : str
        An expression over the columns; empty takes every unit.
    event : str or None
        Adds the columns of a response test.
    baseline_s, response_s : (float, float) or None
        Its windows, around stimOn of the same trial and around the event; None takes those of the brain-wide map.
    curation : Curation or None
        Adds what people have decided about the units; see `dashboard.analysis.curation.state.unit_columns`.
    """

    opening: Opening
    where: str
    event: str | None
    baseline_s: tuple[float, float] | None
    response_s: tuple[float, float] | None
    curation: Curation | None = None

    def __call__(self, insertion: str) -> tuple[dict[str, Any], pd.DataFrame]:
        """Return facts and the table."""
        sorting, state = self.opening.open(insertion)
        if self.curation is not None:
            sorting = self.curation.apply(sorting)
        table = filtered_table(sorting)
        if self.event is not None:
            table = table.join(self._responses(sorting).drop(columns="n_trials"), how="left")
        kept = filter_clusters(ClusterFilter(where=self.where), table, strict=True).mask
        chosen = _with_identity(table[kept], sorting)
        if self.event is not None:
            chosen.attrs[OTHER_P] = _counted_p(table[~kept]).dropna().tolist()
        return {**facts_of(sorting, state), "n_units": len(chosen)}, chosen

    def _responses(self, sorting: SpikeSorting) -> pd.DataFrame:
        if sorting.trials is None:
            reason = sorting.missing_reason("trials") or "there is no trials table"
            raise BadRequest(f"Responses to {self.event} cannot be tested", sorting.title, reason)
        columns = build_columns(sorting, None if sorting.curation else self.opening.settings.cache)
        event = self.event or ""
        response_s = self.response_s or default_windows(event)[1]
        baseline_s = self.baseline_s or (response_s[0] - response_s[1], 0.0)
        before, events = paired_events(sorting.trials.table, event, baseline_s, response_s, columns.time_range_s)
        test = response_test(
            columns.times_s, columns.clusters, columns.n_clusters, events,
            baseline_events=before, baseline_s=baseline_s, response_s=response_s,
        )  # fmt: skip
        return test.table(sorting.clusters.index).assign(n_trials=test.n_trials)


def adjust_over_all(tables: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Return tables of `UnitsTask` with ``resp_q_all``: p adjusted over every tested unit of all of them.

    Units that the expression left out were tested, too, and count: else what is looked for would decide how many tests
    there were.
    """
    if not any("resp_p" in table for table in tables):
        return list(tables)
    own = [_counted_p(table).to_numpy(np.float64) for table in tables]
    others = [np.asarray(table.attrs.get(OTHER_P, []), np.float64) for table in tables]
    q = adjust(np.concatenate([*own, *others]))
    ends = np.cumsum([len(values) for values in own])
    made = []
    for table, end in zip(tables, ends, strict=True):
        place = list(table.columns).index("resp_q") + 1
        table = table.copy()
        table.attrs = {}  # told apart by it, tables would not be put together
        table.insert(place, "resp_q_all", q[end - len(table) : end])
        made.append(table)
    return made


def _counted_p(table: pd.DataFrame) -> pd.Series:
    """Return p of the units whose q says that they are among the tests that are adjusted for."""
    return table["resp_p"].where(table["resp_q"].notna())


def _with_identity(table: pd.DataFrame, sorting: SpikeSorting) -> pd.DataFrame:
    """Put before the columns which cluster of which insertion each row is."""
    insertion = sorting.ref.insertion
    identity = {
        "pid": insertion.pid or "",
        "eid": insertion.eid or "",
        "subject": insertion.subject,
        "date": insertion.date,
        "number": insertion.number,
        "probe": insertion.probe,
        "sorter": sorting.ref.sorter.value or "base",
        "revision": sorting.ref.revision.value or "original",
        "histology": str(sorting.histology),
    }
    rows = pd.DataFrame({**identity, "cluster_id": table.index.to_numpy()}, index=range(len(table)))
    more = table.drop(columns=[name for name in rows if name in table.columns]).reset_index(drop=True)
    return pd.concat([rows, more], axis=1)


@dataclass(frozen=True, slots=True)
class PrefetchTask:
    """Brings an insertion into the cache: its files, its metrics, its columns; makes nothing else."""

    opening: Opening

    def __call__(self, insertion: str) -> tuple[dict[str, Any], None]:
        """Return facts."""
        sorting, state = self.opening.open(insertion)
        build_columns(sorting, self.opening.settings.cache)
        return facts_of(sorting, state), None

"""What a command leaves behind, held against a reading of the same server into an empty cache."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from dashboard.analysis.filters.clusters import filtered_table
from dashboard.cli.main import describe
from dashboard.engine.build import build_columns
from dashboard.export.figure import FigureRequest
from dashboard.export.save import render_figure
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import counted

IDENTITY = ("pid", "eid", "subject", "date", "number", "probe", "sorter", "revision", "histology", "cluster_id")


@dataclass(frozen=True)
class Ended:
    """A command that has ended.

    Attributes
    ----------
    command : str
        ``batch`` is ``render`` of several insertions.
    pid : str
        The insertion that matters.
    code : int
    said, answer : str
        On standard error, and on standard output.
    out : Path
        What it was told to write.
    """

    command: str
    pid: str
    code: int
    said: str
    answer: str
    out: Path


class Fresh:
    """Sortings that are read anew, and their figures.

    Parameters
    ----------
    read : callable (pid) -> SpikeSorting
        Reads into an empty cache.
    """

    def __init__(self, read: Callable[[str], SpikeSorting]) -> None:
        self._read = read
        self._sortings: dict[str, SpikeSorting] = {}
        self._figures: dict[str, bytes] = {}

    def sorting(self, pid: str) -> SpikeSorting:
        """Return the sorting of an insertion."""
        if pid not in self._sortings:
            self._sortings[pid] = self._read(pid)
        return self._sortings[pid]

    def figure(self, pid: str) -> bytes:
        """Return the PNG that ``render`` writes of it."""
        if pid not in self._figures:
            file, sorting = io.BytesIO(), self.sorting(pid)
            render_figure(file, sorting, build_columns(sorting, None), FigureRequest(), "png")
            self._figures[pid] = file.getvalue()
        return self._figures[pid]


def hold_right(ended: Ended, fresh: Fresh) -> None:
    """Hold that everything was written, and says what a fresh reading says."""
    sorting = fresh.sorting(ended.pid)
    spikes = counted(sorting.n_spikes, "spike")
    if ended.command == "check":
        report, wanted = json.loads(ended.answer), json.loads(json.dumps(describe(sorting)))
        report.pop("records_of", None)
        assert report == wanted
    elif ended.command == "fetch":
        assert ended.answer == f"{sorting.title}: {spikes}\n"
    elif ended.command == "prefetch":
        assert f"{ended.pid}: {sorting.title}: {spikes}\n" in ended.said
    elif ended.command == "render":
        _hold_figure(ended.out, sorting, fresh.figure(ended.pid))
    elif ended.command == "convert":
        _hold_folder(ended.out, sorting)
    elif ended.command == "units":
        _hold_table(ended.out, sorting)
        (part,) = ended.out.with_name(f"{ended.out.name}.parts").glob("*.parquet")
        _hold_table(part, sorting)
    else:
        for pid, entry in _report(ended.out).items():
            assert entry["status"] == "done", entry
            _hold_entry(ended.out, entry, pid, fresh)
    _hold_no_drafts(ended.out)


def hold_nothing_false(ended: Ended, fresh: Fresh) -> None:
    """Hold that nothing was written of what could not be had whole, and that what was said is right as far as it goes.

    After a code that is not 0.
    """
    sorting = fresh.sorting(ended.pid)
    if ended.command == "check" and ended.answer:
        report, wanted = json.loads(ended.answer), describe(sorting)
        for name in ("n_spikes", "n_dropped", "n_clusters", "duration_s", "sorter", "revision"):
            assert report[name] == wanted[name], name
        assert any(item["can_come"] for item in report["missing"]) or report["histology"] == "unknown"
    elif ended.command == "fetch" and ended.answer:
        assert ended.answer == f"{sorting.title}: {counted(sorting.n_spikes, 'spike')}\n"
    elif ended.command in ("render", "convert"):
        assert not ended.out.exists() or not list(ended.out.rglob("*"))
    elif ended.command == "units":
        content = ended.out.read_bytes()
        assert not content.strip() if ended.out.suffix == ".csv" else pd.read_parquet(ended.out).empty
        assert not list(ended.out.with_name(f"{ended.out.name}.parts").glob("*.parquet"))
    elif ended.command == "batch":
        entries = _report(ended.out)
        assert entries[ended.pid]["status"] in ("failed", "incomplete") and entries[ended.pid]["why"]
        for pid, entry in entries.items():
            if entry["status"] == "done":
                _hold_entry(ended.out, entry, pid, fresh)
            else:
                assert not entry["file"]
        assert len(list(ended.out.glob("*.png"))) == sum(entry["status"] == "done" for entry in entries.values())
    _hold_no_drafts(ended.out)


def _hold_figure(path: Path, sorting: SpikeSorting, wanted: bytes) -> None:
    with Image.open(path) as image:
        words = dict(image.info)
    assert words["pid"] == sorting.ref.insertion.pid and "incomplete" not in words
    assert words["spikes"].endswith(f" of {sorting.n_spikes - sorting.n_dropped:,} spikes")
    assert path.read_bytes() == wanted, "another picture than that of a fresh reading"


def _hold_table(path: Path, sorting: SpikeSorting) -> None:
    table, wanted = _table(path), filtered_table(sorting)
    assert table["cluster_id"].tolist() == wanted.index.tolist()
    assert set(table["pid"]) == {sorting.ref.insertion.pid} and set(table["histology"]) == {str(sorting.histology)}
    assert set(wanted) <= set(table)
    for name in wanted.columns.difference(IDENTITY):
        own, other = table[name].to_numpy(), wanted[name].to_numpy()
        if pd.api.types.is_numeric_dtype(wanted[name]):
            np.testing.assert_array_equal(own.astype(np.float64), other.astype(np.float64), name)
        else:
            assert [str(x) for x in own] == [str(x) for x in other], name


def _table(path: Path) -> pd.DataFrame:
    if path.suffix == ".csv":
        return pd.read_csv(path, keep_default_na=False, na_values=[""])
    return pd.read_parquet(path)


def _hold_folder(out: Path, sorting: SpikeSorting) -> None:
    (times,) = out.rglob("spikes.times.npy")
    spikes, folder = sorting.spikes, times.parent
    wanted = {"times": spikes.times_s, "clusters": spikes.clusters, "depths": spikes.depths_um, "amps": spikes.amps_v}
    for name, values in wanted.items():
        np.testing.assert_array_equal(np.load(folder / f"spikes.{name}.npy"), values, name)


def _report(folder: Path) -> dict[str, dict[str, object]]:
    entries = json.loads((folder / "report.json").read_text())["insertions"]
    rows = pd.read_csv(folder / "report.csv", keep_default_na=False).set_index("insertion")
    assert {entry["insertion"]: entry["status"] for entry in entries} == rows["status"].to_dict()
    return {entry["insertion"]: entry for entry in entries}


def _hold_entry(folder: Path, entry: dict[str, object], pid: str, fresh: Fresh) -> None:
    sorting, facts = fresh.sorting(pid), entry["facts"]
    assert isinstance(facts, dict)
    assert [facts[name] for name in ("n_spikes", "n_clusters", "n_good", "histology")] == [
        sorting.n_spikes, sorting.n_clusters, int((sorting.labels == 1).sum()), str(sorting.histology),
    ]  # fmt: skip
    _hold_figure(folder / str(entry["file"]), sorting, fresh.figure(pid))


def _hold_no_drafts(out: Path) -> None:
    left = [path for path in out.parent.rglob("*") if path.name.endswith(".part")]
    assert not left, "a draft is left behind"

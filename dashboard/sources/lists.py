"""A lab's own list of insertions: CSV or parquet files, columns as in the brain-wide-map release."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from dashboard.model.errors import BadRequest
from dashboard.model.references import InsertionRef
from dashboard.sources.readers import DAMAGED, read_lines, read_parquet, read_text_table

#: Our names, and what files call them.
_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "pid": ("pid", "probe_insertion", "insertion"),
        "eid": ("eid", "session"),
        "probe": ("probe_name", "probe", "pname", "name"),
        "number": ("session_number", "number"),
        "date": ("date", "session_date"),
        "subject": ("subject", "nickname"),
        "lab": ("lab",),
        "projects": ("project", "projects"),
        "task": ("task_protocol", "task"),
        "model": ("model",),
        "histology": ("histology",),
        "qc": ("qc",),
    }
)
_NEEDED = ("subject", "date", "probe")
_REGION_NAMES = ("region", "acronym", "Allen", "Beryl", "beryl")
_COUNT_NAMES = ("n_clusters", "nclus", "clusters", "number of clusters", "number_of_clusters")


def read_insertions(path: Path) -> list[dict[str, object]]:
    """Return the rows of a list of insertions, with the columns of the search page and their ``key``.

    Raises
    ------
    BadRequest
        The file cannot be read, or lacks subject, date or probe.
    """
    table = _read(path)
    names = {ours: next((name for name in theirs if name in table), None) for ours, theirs in _NAMES.items()}
    absent = [name for name in _NEEDED if names[name] is None]
    if absent:
        raise BadRequest(
            f"The list of insertions has no column {' or '.join(absent)}",
            path,
            "It needs pid, eid, probe_name, session_number, date, subject, lab",
        )
    columns = {ours: table[name].fillna("").astype(str) for ours, name in names.items() if name is not None}
    rows: list[dict[str, object]] = []
    for values in zip(*columns.values(), strict=True):
        row: dict[str, object] = dict(zip(columns, values, strict=True))
        try:
            number = int(float(str(row.get("number") or 1)))
        except (ValueError, OverflowError):
            raise BadRequest("A session number is none", f"{path}: {row['number']!r}", "Write 1, 2, ...") from None
        date = str(row["date"])[:10]
        key = InsertionRef(str(row["subject"]), date, number, str(row["probe"])).key
        rows.append({**row, "date": date, "number": number, "key": key, "source": path.name})
    return rows


def read_regions(path: Path) -> pd.DataFrame:
    """Return how many clusters each insertion has in each region.

    Returns
    -------
    DataFrame
        ``pid`` (str), ``region`` (str), ``n_clusters`` (int64).

    Raises
    ------
    BadRequest
        The file cannot be read, or lacks a column.
    """
    table = _read(path)
    region = next((name for name in _REGION_NAMES if name in table), None)
    count = next((name for name in _COUNT_NAMES if name in table), None)
    if "pid" not in table or region is None or count is None:
        raise BadRequest("The list of regions lacks a column", path, "It needs pid, region, n_clusters")
    counts = pd.to_numeric(table[count], errors="coerce")
    if counts.isna().any():
        raise BadRequest("A number of clusters is none", path, "Every row needs one")
    return pd.DataFrame(
        {
            "pid": table["pid"].fillna("").astype(str),
            "region": table[region].fillna("").astype(str),
            "n_clusters": counts.astype("int64"),
        }
    )


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() in (".pqt", ".parquet"):
            return read_parquet(path)
        return read_text_table(path, ",", dtype=str)
    except FileNotFoundError:
        raise BadRequest("No such file", path, "Give a CSV or parquet file") from None
    except (*DAMAGED, OSError) as error:
        raise BadRequest("The file cannot be read as CSV or parquet", path, str(error)[:120]) from error


def read_names(path: Path) -> list[str]:
    """Return what each row of a list names: a pid, ``eid/probe``, ``subject/date/number/probe`` or a folder.

    Parameters
    ----------
    path : Path
        Text, one insertion per line and ``#`` before a comment; or CSV or parquet with a column ``insertion`` (as in
        the report of a batch), ``pid``, ``eid`` and ``probe_name``, or ``subject``, ``date`` and ``probe_name``.

    Raises
    ------
    BadRequest
        The file cannot be read, names nothing, or has none of these columns.
    """
    if path.suffix.lower() not in (".csv", ".pqt", ".parquet"):
        try:
            lines = read_lines(path)
        except (OSError, ValueError) as error:
            raise BadRequest("The list cannot be read", path, str(getattr(error, "strerror", "") or error)) from error
        names = [line.split(" #")[0].strip() for line in lines if not line.lstrip().startswith("#")]
    else:
        names = _names_of_rows(_read(path), path)
    names = list(dict.fromkeys(name for name in names if name))
    if not names:
        raise BadRequest("The list names no insertion", path)
    return names


def _names_of_rows(table: pd.DataFrame, path: Path) -> list[str]:
    columns = {name: table[name].fillna("").astype(str).str.strip() for name in table.columns}
    if "insertion" in columns:
        return list(columns["insertion"])
    found = {ours: next((columns[name] for name in theirs if name in columns), None) for ours, theirs in _NAMES.items()}
    pid, eid, probe = found["pid"], found["eid"], found["probe"]
    if pid is not None:
        return list(pid)
    if eid is not None and probe is not None:
        return [f"{one}/{name}" for one, name in zip(eid, probe, strict=True)]
    if all(found[name] is not None for name in _NEEDED):
        return [str(row["key"]) for row in read_insertions(path)]
    raise BadRequest("The list has no column that names insertions", path, "It needs insertion, pid, or eid and probe")

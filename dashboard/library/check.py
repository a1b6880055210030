"""What of the cache is whole: columns, tables, fetched files, answers of servers; and what is not, and why."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from dashboard.model.errors import CacheUnusable
from dashboard.model.json_files import read_json
from dashboard.model.registry import load
from dashboard.model.sidecars import MANIFEST, read
from dashboard.model.texts import counted
from dashboard.sources.registry import SOURCES

_BUILDER = re.compile(r"\.[0-9a-f]+\.(\d+)\.[0-9a-f]+\.part")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the cache that is not whole.

    Attributes
    ----------
    path : Path
        File, or folder of files that are only good together.
    why : str
    can_go : bool
        Whether it is made or fetched again when it is needed; people's verdicts are not.
    """

    path: Path
    why: str
    can_go: bool = True


def verify(cache: Path) -> Iterator[Problem]:
    """Read the whole cache and yield what is not as it should be; takes as long as reading it takes.

    Parameters
    ----------
    cache : Path
        Folder of the settings; may be in use meanwhile.
    """
    if not cache.is_dir():
        return
    yield from _columns(cache / "columns")
    for path in _files(cache / "metrics", "*.pqt"):
        if why := _fails(pd.read_parquet, path):
            yield Problem(path, f"not a readable table ({why})")
    for path in _files(cache / "lfp", "*.npz"):
        if why := _fails(_arrays, path):
            yield Problem(path, f"not a readable file of the power of LF ({why})")
    for path in _files(cache / "validation", "**/*.json"):
        if why := _fails(_json, path):
            yield Problem(path, f"not readable ({why})")
    for entry in SOURCES:
        if entry.problems:
            yield from (Problem(path, why) for path, why in load(entry.problems)(cache))
    database = cache / "kept.sqlite"
    if database.is_file() and (why := _fails(_quick_check, database)):
        yield Problem(database, f"the database of verdicts is damaged ({why}); restore a backup", can_go=False)
    logins = cache / "logins.sqlite"
    if logins.is_file() and (why := _fails(_quick_check, logins)):
        yield Problem(logins, f"the file of logins is damaged ({why}); without it people log in again")


def remove(problem: Problem) -> None:
    """Remove what is not whole.

    Raises
    ------
    CacheUnusable
        It cannot be removed.
    """
    try:
        shutil.rmtree(problem.path) if problem.path.is_dir() else problem.path.unlink(missing_ok=True)
    except OSError as error:
        raise CacheUnusable("Cannot remove", problem.path, error.strerror or "") from None


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.is_file()) if folder.is_dir() else []


def _fails(check: Any, path: Path) -> str:
    """Return why a check of a file fails, empty where it does not."""
    try:
        check(path)
    except FileNotFoundError:
        return ""  # removed, or finished, meanwhile
    except (OSError, ValueError, EOFError, LookupError, TypeError, AttributeError, BadZipFile, sqlite3.Error) as error:
        return " ".join(str(error).split())[:120] or type(error).__name__
    return ""


def _arrays(path: Path) -> None:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
        for name in found.files:
            found[name]


def _json(path: Path) -> None:
    if not isinstance(read_json(path), dict):
        raise ValueError("holds something else")


def _quick_check(path: Path) -> None:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        raise ValueError(str(answer))


def _columns(root: Path) -> Iterator[Problem]:
    for folder in _entries(root):
        if not folder.is_dir():
            continue
        if builder := _BUILDER.fullmatch(folder.name):
            if not _runs(int(builder[1])):
                yield Problem(folder, "columns whose making was interrupted")
        elif folder.name.startswith("."):
            yield Problem(folder, "columns that were put aside as damaged")
        elif why := _fails(_check_columns, folder):
            yield Problem(folder, f"columns {why}")


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _check_columns(folder: Path) -> None:
    """Raise ValueError with what is wrong with a folder of columns; bits that changed inside of files included."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise ValueError("without a manifest")
    content = read_json(manifest)
    for name, (size, _, _) in content["files"].items():
        path = folder / f"{name}.npy"
        if not path.is_file():
            raise ValueError(f"without {path.name}")
        if path.stat().st_size != size:
            raise ValueError(f"cut short: {path.name} has {path.stat().st_size:,} of {counted(size, 'byte')}")
    found = read(folder.parent, folder.name)
    if found is None:
        raise ValueError("of another format, or not readable")
    arrays, facts = found
    n, n_clusters = int(facts["n_spikes"]), int(facts["n_clusters"])
    clusters, order, offsets = (np.asarray(arrays[name]) for name in ("clusters", "order", "offsets"))
    if len(clusters) != n or len(order) != n or (n and int(arrays["codes"].max()) >= int(facts["n_codes"])):
        raise ValueError("damaged: values beyond their bounds in codes.npy")
    if n and int(clusters.max()) >= n_clusters:
        raise ValueError("damaged: values beyond their bounds in clusters.npy")
    counts = np.bincount(clusters, minlength=n_clusters)
    if not np.array_equal(np.diff(offsets), counts):
        raise ValueError("damaged: clusters.npy and offsets.npy do not fit")
    if n and (int(order.max()) >= n or not np.array_equal(clusters[order], np.repeat(np.arange(n_clusters), counts))):
        raise ValueError("damaged: order.npy does not fit")
    ticks = arrays["ticks"]
    if len(ticks) and (int(ticks[-1]) != n or bool((ticks[1:] < ticks[:-1]).any())):
        raise ValueError("damaged: ticks.npy does not rise to the number of spikes")

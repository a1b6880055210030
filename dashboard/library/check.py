"""What of the cache is whole: columns, tables, fetched files, answers of servers; and what is not, and why."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from dashboard.model.errors import CacheUnusable
from dashboard.model.json_files import read_json
from dashboard.model.references import DatasetRef
from dashboard.model.sidecars import MANIFEST, read
from dashboard.sources.alyx.records import dataset_from_record
from dashboard.sources.download.partial import plain_md5
from dashboard.sources.download.verified import SUFFIX

_BLOCK = 1 << 22
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
    for folder in ("validation", "alyx"):
        for path in _files(cache / folder, "**/*.json"):
            if why := _fails(_json, path):
                yield Problem(path, f"not readable ({why})")
    for server in sorted(folder for folder in _entries(cache / "one") if folder.is_dir()):
        yield from _fetched(server, expected_files(cache / "alyx" / server.name))
    for path in _files(cache / "demo", "**/*.npy"):
        if why := _fails(_array, path):
            yield Problem(path, f"not a whole array ({why})")
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
    except (OSError, ValueError, EOFError, LookupError, TypeError, AttributeError, sqlite3.Error) as error:
        return " ".join(str(error).split())[:120] or type(error).__name__
    return ""


def _json(path: Path) -> None:
    if not isinstance(read_json(path), dict):
        raise ValueError("holds something else")


def _array(path: Path) -> None:
    if path.stat().st_size == 0:
        raise ValueError("empty")
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    del array


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
            raise ValueError(f"cut short: {path.name} has {path.stat().st_size:,} of {size:,} bytes")
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


def expected_files(answers: Path) -> dict[str, DatasetRef]:
    """Return what the server's answers on disk say of files, by their path in a ONE cache.

    Parameters
    ----------
    answers : Path
        Folder of one server, ``alyx/<host>`` of the cache.
    """
    bodies = [_body(path) for path in _files(answers, "revisions*.json")]
    names = {str(row.get("id")): str(row.get("name")) for body in bodies for row in body}
    expected: dict[str, DatasetRef] = {}
    for path in _files(answers, "sessions*.json"):
        for session in _body(path):
            rows = session.get("data_dataset_session_related") or ()
            start, number = str(session.get("start_time") or "")[:10], session.get("number")
            lab, subject = session.get("lab"), session.get("subject")
            if not (start and subject and isinstance(number, int)):
                continue
            folder = PurePosixPath(*((lab, "Subjects") if lab else ()), str(subject), start, f"{number:03d}")
            for row in rows:
                if isinstance(row, dict) and (dataset := dataset_from_record(row, names)) is not None:
                    expected[str(folder / dataset.relative_path)] = dataset
    return expected


def _body(path: Path) -> list[dict[str, Any]]:
    try:
        body = read_json(path).get("body")
    except (OSError, ValueError, AttributeError):
        return []  # said when the file itself is looked at
    return [row for row in (body if isinstance(body, list) else [body]) if isinstance(row, dict)]


def _fetched(root: Path, expected: dict[str, DatasetRef]) -> Iterator[Problem]:
    for path in _files(root, "**/*"):
        if path.name.startswith("."):
            if path.suffix == ".part":
                yield Problem(path, f"a download that is not finished ({path.stat().st_size:,} bytes)")
            elif path.suffix == SUFFIX and (why := _fails(_json, path)):
                yield Problem(path, f"not readable ({why})")
            continue
        dataset = expected.get(path.relative_to(root).as_posix())
        size = path.stat().st_size
        if dataset is not None and dataset.size not in (None, size):
            yield Problem(path, f"cut short: {size:,} of {dataset.size:,} bytes")
        elif dataset is not None and (md5 := plain_md5(dataset.md5)) is not None:
            if _md5(path) != md5:
                yield Problem(path, "damaged: its MD5 is not that of the record")
        elif path.suffix == ".npy" and (why := _fails(_array, path)):
            yield Problem(path, f"not a whole array ({why})")


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()

"""What of the files of Alyx servers in the cache is whole: answers, and what was fetched from data servers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from dashboard.model.json_files import read_json
from dashboard.model.references import DatasetRef
from dashboard.model.texts import counted
from dashboard.sources.alf.arrays import why_not_whole
from dashboard.sources.alyx.records import dataset_from_record
from dashboard.sources.download.checksums import SUFFIX
from dashboard.sources.download.partial import plain_md5

_BLOCK = 1 << 22


def problems(cache: Path) -> Iterator[tuple[Path, str]]:
    """Yield what is not whole, and why; reads every file whose MD5 is recorded."""
    for path in _files(cache / "alyx", "**/*.json"):
        if why := _not_readable(path):
            yield path, why
    for server in sorted(folder for folder in (cache / "one").glob("*") if folder.is_dir()):
        yield from _fetched(server, expected_files(cache / "alyx" / server.name))


def _not_readable(path: Path) -> str:
    try:
        is_record = isinstance(read_json(path), dict)
    except FileNotFoundError:
        return ""  # removed meanwhile
    except (OSError, ValueError) as error:
        return f"not readable ({' '.join(str(error).split())[:120]})"
    return "" if is_record else "not readable (holds something else)"


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.is_file())


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


def _fetched(root: Path, expected: dict[str, DatasetRef]) -> Iterator[tuple[Path, str]]:
    for path in _files(root, "**/*"):
        if path.name.startswith("."):
            if path.suffix == ".part":
                yield path, f"a download that is not finished ({counted(path.stat().st_size, 'byte')})"
            elif path.suffix == SUFFIX and (why := _not_readable(path)):
                yield path, why
            continue
        dataset = expected.get(path.relative_to(root).as_posix())
        size = path.stat().st_size
        if dataset is not None and dataset.size not in (None, size):
            yield path, f"cut short: {size:,} of {counted(dataset.size, 'byte')}"
        elif dataset is not None and (md5 := plain_md5(dataset.md5)) is not None:
            if _md5(path) != md5:
                yield path, "damaged: its MD5 is not that of the record"
        elif path.suffix == ".npy" and (why := why_not_whole(path)):
            yield path, why


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()

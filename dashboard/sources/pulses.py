"""Times of TTL pulses as events: text files of CatGT and TPrime, digital words of SpikeGLX, lines of Open Ephys.

A row for each pulse, in order of time; each line has a column of times of its own, which is an event to align to.

Sources: names and content of text files by the read-me of CatGT (Karsh, 2020 on: ``-xa``, ``-xd``, ``-xia``, ``-xid``,
``-bf``; the names before version 3 with ``SY``); folders of Open Ephys by the documentation of its binary format,
versions 0.5 and 0.6.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model.errors import BadRequest, DashboardError, DatasetInvalid, DatasetMissing
from dashboard.model.raw import MAX_HZ, MIN_HZ
from dashboard.model.sorting import Trials
from dashboard.model.texts import counted
from dashboard.sources.alf.arrays import map_array
from dashboard.sources.alf.names import scan
from dashboard.sources.raw.chunks import ChunkCache
from dashboard.sources.raw.files import CompressedFile, flat_file
from dashboard.sources.raw.meta import read_fields
from dashboard.sources.raw.open_ephys import FILE, INDEX, streams_around
from dashboard.sources.readers import DAMAGED, read_lines

MAX_PULSES, MAX_CELLS, MAX_LINES = 1_000_000, 8_000_000, 100
"""Rows of a table, its rows times its lines, and its lines: the longest lines, such as a camera's, are left out."""

MAX_WORD_BYTES = 4 << 30
"""Of a file, before compression, whose digital words are read: all of it is, for some of its columns."""

MAX_UP = 4
"""Folders around that of a sorting in which pulses are looked for."""

_BLOCK = 1 << 18
_SAMPLES = (".bin", ".cbin")
_HELD_BYTES = 64 << 20
"""Of decoded chunks, of which one may lie in two blocks."""
_CATGT = re.compile(
    r"(?:^|[._])(?P<stream>nidq|obx\d*|imec\d*)\.(?:(?:ap|lf|obx)\.)?"
    r"(?P<kind>xi?[ad]|ix[ad]|i?sy|bft)_(?P<own>\d+(?:_\d+){1,2}(?:p\d+)?)(?P<more>.*)\.txt$",
    re.IGNORECASE,
)
_IMEC = re.compile(r"imec(\d*)", re.IGNORECASE)
_STATES, _OLD_STATES, _NUMBERS, _SECONDS = "states.npy", "channel_states.npy", "sample_numbers.npy", "timestamps.npy"

Lines = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class _TextFile:
    """A text file of CatGT, or one that TPrime made of it.

    Attributes
    ----------
    path : Path
    run : str
        ``RUN_g0``.
    stream : str
        ``nidq``, ``imec0``; empty where the name does not say.
    is_moved : bool
        Its name goes on after CatGT's: somebody has brought it to another clock.
    line : str
    """

    path: Path
    run: str
    stream: str
    is_moved: bool
    line: str

    @classmethod
    def of(cls, path: Path, name: str) -> _TextFile:
        found = _CATGT.search(name)
        if found is None:
            return cls(path, "", "", True, _in_name(Path(name).stem)[-40:])
        parts = (found["stream"], found["kind"], found["own"], *([_in_name(found["more"])] if found["more"] else []))
        run = re.sub(r"_t(?:cat|\d+)$", "", name[: found.start()])
        return cls(path, run, found["stream"].lower(), bool(found["more"]), "_".join(parts).lower())

    @property
    def clock(self) -> str:
        """On which clock its times are, in words."""
        if self.is_moved:
            return "taken to be on the clock of the spikes"
        if self.stream.startswith("imec"):
            return f"on the clock of {self.stream}"
        return f"on {self.stream}'s own clock, which is not the probe's: TPrime brings them there"


def is_pulses(path: Path) -> bool:
    """Return whether a path is of a kind that `read_pulses` reads, by its name."""
    return path.suffix in (".txt", *_SAMPLES) or path.name in (_STATES, _OLD_STATES) or path.is_dir()


def read_pulses(path: Path, name: str = "") -> Trials:
    """Read the pulses that somebody points at.

    Parameters
    ----------
    path : Path
        A text with one time in seconds a line; a ``.bin`` of SpikeGLX with its ``.meta``, or a ``.cbin`` with its
        ``.ch``, too; of a recording of Open Ephys
        the folder, a folder of its events or ``states.npy``; or a folder with text files of CatGT.
    name : str
        Of the file, where the path is a copy of it.

    Raises
    ------
    DatasetMissing, DatasetInvalid, BadRequest
        There are no pulses, or a file is damaged.
    """
    if path.suffix in _SAMPLES:
        return _table(*_words(path))
    if path.suffix == ".txt":
        return _table(*_texts([_TextFile.of(path, name or path.name)]), path)
    home = path.parent if path.is_file() else path
    if texts := _catgt_files(home):
        return _table(*_texts(texts), home)
    if folders := _ttl_folders(home):
        return _table(*_open_ephys(folders, _stream_of(home)), home)
    raise DatasetInvalid(
        "No TTL pulses in the folder", [path], "Give events/STREAM/TTL of Open Ephys, or the folder of CatGT's .txt"
    )


def pulses_around(path: Path, roots: Sequence[Path]) -> tuple[Trials | None, str]:
    """Return the pulses on the probe's clock that lie around a sorting, and what is to be said of others.

    Parameters
    ----------
    path : Path
        Folder or file of the sorting.
    roots : sequence of Path
        Folders of data, which are not left.

    Returns
    -------
    Trials or None
    str
        Why something that is there was not taken; empty where there is nothing to say.
    """
    here = path.resolve()
    around = [here, *here.parents][: MAX_UP + 1]
    homes = [folder for folder in around if folder.is_dir() and _is_inside(folder, roots)]
    said = ""
    for home in homes:
        try:
            texts = [text for text in _catgt_files(home) if _is_inside(text.path, roots)]
            probe = next((found[1] for part in reversed(here.parts) if (found := _IMEC.search(part))), None)
            of_run = [text for text in texts if home == here or text.run in here.as_posix()]
            if own := [text for text in of_run if text.is_moved or _is_of_probe(text, probe)]:
                return _table(*_texts(own), home), said
            if texts and not said:
                why = f"its times are {of_run[0].clock}" if of_run else "the sorting's path does not name its run"
                said = f"{(of_run or texts)[0].path.name} is not shown: {why}"
            is_recording = (home / "events").is_dir() and (home / INDEX).is_file()
            if is_recording and (folders := [path for path in _ttl_folders(home) if _is_inside(path, roots)]):
                return _table(*_open_ephys(folders, _stream_of(here)), home), said
        except DashboardError as error:
            return None, f"TTL pulses are not shown. {error}"
    return None, said


def _is_inside(path: Path, roots: Sequence[Path]) -> bool:
    return any(path.resolve().is_relative_to(root) for root in roots)


def _is_of_probe(text: _TextFile, probe: str | None) -> bool:
    found = _IMEC.fullmatch(text.stream)
    return found is not None and probe is not None and found[1] == probe


def _in_name(text: str) -> str:
    return re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")


def _table(lines: Mapping[str, npt.NDArray[np.float64]], origin: str, where: Path) -> Trials:
    """Return lines as a table, with as many rows as there are pulses."""
    lines = {name: times for name, times in lines.items() if len(times)}
    if not lines:
        raise DatasetInvalid("No TTL pulse", [where], "Choose another file, or another line")
    left_out = []
    while (n := sum(map(len, lines.values()))) > MAX_PULSES or n * len(lines) > MAX_CELLS:
        longest = max(lines, key=lambda name: len(lines[name]))
        left_out.append(f"{longest} ({counted(len(lines.pop(longest)), 'pulse')})")
    if not lines:
        raise DatasetInvalid(f"{left_out[0]}: more than {MAX_PULSES:,}", [where], "Leave some out")
    times = np.concatenate(list(lines.values()))
    if not np.isfinite(times).all():
        raise DatasetInvalid("A time of a pulse is no number", [where], "Extract the pulses again")
    of = np.repeat(np.arange(len(lines)), [len(times) for times in lines.values()])
    order = np.argsort(times, kind="stable")
    times, of = times[order], of[order]
    columns = {f"{name}_times": np.where(of == k, times, np.nan) for k, name in enumerate(lines)}
    origin += f"; left out: {', '.join(left_out)}" if left_out else ""
    return Trials(pd.DataFrame(columns), origin=origin)


# -- text files of CatGT and TPrime --------------------------------------------------------------


def _catgt_files(folder: Path) -> list[_TextFile]:
    """Return the text files of a folder by CatGT's names; where one was brought to another clock, that one only."""
    paths = sorted(Path(entry.path) for entry in scan(folder) if _CATGT.search(entry.name) and entry.is_file())
    found = [_TextFile.of(path, path.name) for path in paths]
    moved = [one.line for one in found if one.is_moved]
    return [one for one in found if one.is_moved or not any(line.startswith(f"{one.line}_") for line in moved)]


def _texts(files: Sequence[_TextFile]) -> tuple[Lines, str]:
    lines: Lines = {}
    for file in files:
        try:
            lines[file.line] = np.array(" ".join(read_lines(file.path)).split(), np.float64)
        except FileNotFoundError as error:
            raise DatasetMissing(file.path.name, file.path.parent, "Check the path") from error
        except (ValueError, OSError) as error:
            raise DatasetInvalid(
                "Does not hold one time in seconds a line", [file.path], "Extract the pulses again"
            ) from error
    clocks = "; ".join(dict.fromkeys(file.clock for file in files))
    named = (
        files[0].path.name if len(files) == 1 else f"{counted(len(files), 'text file')} in {files[0].path.parent.name}"
    )
    return lines, f"pulses of {named}, {clocks}"


# -- digital words of SpikeGLX -------------------------------------------------------------------


def _words(path: Path) -> tuple[Lines, str, Path]:
    """Return rising edges of every bit of the digital words of a file, in seconds from its start."""
    fields = read_fields(path.with_suffix(".meta"))
    try:
        n_columns, n_words, rate_hz, stream = _digital(fields)
    except DAMAGED as error:
        raise DatasetInvalid(f"The .meta file does not describe digital words ({error!s:.100})", [path]) from error
    if not n_words:
        raise DatasetInvalid("Has no digital words", [path], "Give the file of another stream")
    read: Callable[[int, int], npt.NDArray[np.int16]]
    if path.suffix == ".cbin":
        packed = CompressedFile(path, path.with_suffix(".ch"), n_columns, chunks=ChunkCache(_HELD_BYTES))
        read, n_samples = packed, packed.n_samples
    else:
        read, n_samples = flat_file(path, n_columns)
    if 2 * n_samples * n_columns > MAX_WORD_BYTES:
        remedy = "Extract the pulses with CatGT, and give its .txt"
        raise BadRequest(f"Larger than the {MAX_WORD_BYTES >> 30} GB whose digital words are read", path, remedy)
    found: dict[tuple[int, int], list[npt.NDArray[np.int64]]] = {}
    for start in range(0, n_samples - 1, _BLOCK):
        words = read(start, min(start + _BLOCK + 1, n_samples))[:, n_columns - n_words :].astype(np.uint16)
        risen = words[1:] & ~words[:-1]
        for word in range(n_words):
            rows = np.flatnonzero(risen[:, word])
            for bit in range(16) if len(rows) else ():
                of_bit = rows[(risen[rows, word] >> bit) & 1 > 0]
                found.setdefault((n_columns - n_words + word, bit), []).append(start + 1 + of_bit)
    edges = {f"{stream}_xd_{word}_{bit}": np.concatenate(rows) for (word, bit), rows in sorted(found.items())}
    lines = {name: rows / rate_hz for name, rows in edges.items()}
    clock = "the probe's clock" if stream.startswith("imec") else f"{stream}'s own clock, which is not the probe's"
    return lines, f"pulses in the digital words of {path.name}, on {clock}", path


def _digital(fields: Mapping[str, str]) -> tuple[int, int, float, str]:
    """Return columns of a file, how many of them, at its end, are digital words, its rate, and its stream."""
    kind = fields["typeThis"]
    counts, rate = {
        "nidq": ("snsMnMaXaDw", "niSampRate"), "imec": ("snsApLfSy", "imSampRate"), "obx": ("snsXaDwSy", "obSampRate"),
    }[kind]  # fmt: skip
    of_kinds = [int(text) for text in fields[counts].split(",")]
    n_columns = int(fields["nSavedChans"])
    if sum(of_kinds) != n_columns or min(of_kinds) < 0 or n_columns < 1 or not MIN_HZ <= float(fields[rate]) <= MAX_HZ:
        raise ValueError(f"{counted(sum(of_kinds), 'channel')} by kind for {counted(n_columns, 'column')}")
    return n_columns, sum(of_kinds[1:]) if kind == "obx" else of_kinds[-1], float(fields[rate]), kind


# -- Open Ephys ----------------------------------------------------------------------------------


def _ttl_folders(home: Path) -> list[Path]:
    """Return the folders with states of TTL lines at a folder, below it, or in the recording that it is."""
    below = [home, *home.glob("TTL*"), *home.glob("*/TTL*"), *home.glob("events/*/TTL*")]
    return sorted({path for path in below if any((path / name).is_file() for name in (_STATES, _OLD_STATES))})


def _stream_of(path: Path) -> str:
    """Return the stream whose folder a path is in; empty where it is in none."""
    parts = path.resolve().parts
    return next((parts[k + 1] for k in range(len(parts) - 1) if parts[k] == "continuous"), "")


def _open_ephys(folders: Sequence[Path], stream: str) -> tuple[Lines, str]:
    """Return rising and falling edges of each line, in seconds from the first sample of the stream of the spikes."""
    lines: Lines = {}
    clocks: dict[str, None] = {}
    others: list[str] = []
    for folder in folders:
        own = folder.parent.name
        states = _array(folder, _STATES, _OLD_STATES).astype(np.int64)
        if (times := _seconds(folder, stream or own)) is None:
            others.append(own)
            continue
        if len(times) != len(states):
            raise DatasetInvalid(
                f"{counted(len(states), 'state')} for {counted(len(times), 'time')}", [folder], "Copy the folder again"
            )
        name = "_".join(filter(None, map(_in_name, (own.rpartition(".")[2], folder.name.removeprefix("TTL")))))
        numbers = np.unique(np.abs(states[states != 0])).tolist()
        if len(numbers) > MAX_LINES:
            raise DatasetInvalid(
                f"Claims {counted(len(numbers), 'line')}, more than {MAX_LINES}", [folder], "Copy it again"
            )
        for line in numbers:
            lines[f"{name}_line{line}"] = times[states == line]
            lines[f"{name}_line{line}_off"] = times[states == -line]
        clocks[stream or own] = None
    said = f"; not shown, as their clock is another: {', '.join(others)}" if others else ""
    clock = f"on the clock of {', '.join(clocks)} from the first sample of its file on" if clocks else ""
    return lines, f"TTL pulses of Open Ephys, {clock}{said}"


def _array(folder: Path, *names: str) -> npt.NDArray[Any]:
    path = next((folder / name for name in names if (folder / name).is_file()), folder / names[0])
    values = map_array(path)
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise DatasetInvalid(f"No column of numbers, but an array of shape {values.shape}", [path], "Copy it again")
    return values


def _seconds(folder: Path, stream: str) -> npt.NDArray[np.float64] | None:
    """Return the times of the edges of a folder, on the clock of a stream; None where nothing relates the two."""
    home = folder.parent.parent.parent / "continuous" / stream
    if not (found := streams_around(home / FILE)):
        raise DatasetMissing(INDEX, home.parent.parent, "Copy it with the events: it has the sampling rate")
    rate_hz, counted = found[0].fs_hz, _array(home, _NUMBERS, _SECONDS)
    if folder.parent.name == stream:  # samples of the same stream, counted since the acquisition began
        numbers = _array(folder, _NUMBERS, _SECONDS)
        if numbers.dtype.kind == "f" or counted.dtype.kind == "f" or not len(counted):
            raise DatasetMissing(_NUMBERS, folder, "Copy the folders again")
        return (numbers.astype(np.int64) - int(counted[0])) / rate_hz
    there, clock = _array(folder, _SECONDS), _array(home, _SECONDS)
    if there.dtype.kind != "f" or clock.dtype.kind != "f" or not len(clock):
        return None
    at = np.clip(np.searchsorted(clock, there, side="right") - 1, 0, len(clock) - 1)
    seconds: npt.NDArray[np.float64] = at / rate_hz + (there - np.asarray(clock[at]))
    return seconds

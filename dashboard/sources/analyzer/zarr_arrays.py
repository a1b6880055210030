"""Arrays of zarr folders, versions 2 and 3 of the format, read whole: numbers and texts of fixed length, nothing else.

The format is read here and not by zarr itself, which turns objects and pickles of whoever wrote a folder into Python.
Codecs are those of a list; a chunk that is not there is an error, where zarr reads the fill value.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import BadRequest, DatasetInvalid
from dashboard.model.json_files import read_json
from dashboard.model.texts import counted
from dashboard.sources.readers import DAMAGED, FREE_BYTES, MAX_EMPTY, MAX_RATIO, inflate

EXTRA = "spike-dashboard[zarr]"
_AGAIN = "Copy the folder again, or save the analyzer again"
_REFUSED = "Save the analyzer as binary_folder"
_KINDS = "biufSU"
_NUMCODECS = {"blosc": "blosc:Blosc", "zstd": "zstd:Zstd", "lz4": "lz4:LZ4"}
_ZLIB = {"zlib": zlib.MAX_WBITS, "gzip": zlib.MAX_WBITS | 16}
MAX_CHUNKS, MAX_DIMENSIONS = 1_000_000, 32


class ZarrFolder:
    """A group of zarr.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def attributes(self, name: str) -> dict[str, Any]:
        """Return the attributes of a group or array, empty where it has none or is not there.

        Raises
        ------
        DatasetInvalid
            They cannot be read.
        """
        folder = self.path / name
        of_v3 = self._json(folder / "zarr.json")
        found = of_v3.get("attributes", {}) if of_v3 is not None else self._json(folder / ".zattrs")
        return found if isinstance(found, dict) else {}

    def names(self, name: str) -> list[str]:
        """Return the names of the arrays of a group, in order."""
        folder = self.path / name
        if not folder.is_dir():
            return []
        return sorted(entry.name for entry in folder.iterdir() if _description(entry) is not None)

    def files(self, name: str) -> list[Path]:
        """Return the files of an array."""
        return sorted(path for path in (self.path / name).rglob("*") if path.is_file())

    def array(self, name: str) -> npt.NDArray[Any] | None:
        """Return an array, None where there is none.

        Raises
        ------
        BadRequest
            A codec is not installed.
        DatasetInvalid
            It holds objects, a codec is not one of those that are read, it claims more than its files may hold, or a
            chunk is missing or damaged.
        """
        folder = self.path / name
        file = _description(folder)
        if file is None:
            return None
        if not folder.resolve().is_relative_to(self.path.resolve()):
            raise DatasetInvalid("Leads out of the analyzer, and is not followed", [folder], _AGAIN)
        try:
            layout = _Layout(self._json(file) or {}, is_v3=file.name == "zarr.json")
        except DatasetInvalid as error:
            raise DatasetInvalid(error.what, [file], error.remedy) from None
        except DAMAGED as error:
            raise DatasetInvalid(f"Does not describe an array ({_short(error)})", [file], _AGAIN) from error
        return layout.read(folder)

    def _json(self, path: Path) -> dict[str, Any] | None:
        try:
            found = read_json(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise DatasetInvalid("Not readable as JSON", [path], _AGAIN) from error
        if not isinstance(found, dict):
            raise DatasetInvalid("Holds something else than zarr writes", [path], _AGAIN)
        return found


def _description(folder: Path) -> Path | None:
    """Return the file that describes an array, None where a folder is none."""
    if (file := folder / ".zarray").is_file():
        return file
    file = folder / "zarr.json"
    if not file.is_file():
        return None
    try:
        return file if read_json(file).get("node_type") == "array" else None
    except (OSError, ValueError, AttributeError):
        return None


class _Layout:
    """How an array lies in its chunks."""

    def __init__(self, found: Mapping[str, Any], *, is_v3: bool) -> None:
        self.shape = tuple(int(n) for n in found["shape"])
        self._steps: list[tuple[str, Mapping[str, Any]]] = []
        self._delta: np.dtype[Any] | None = None
        self.order = "C"
        if is_v3:
            self.chunks = tuple(int(n) for n in found["chunk_grid"]["configuration"]["chunk_shape"])
            keys = found["chunk_key_encoding"]
            self.prefix = "c/" if keys["name"] == "default" else ""
            self.separator = keys.get("configuration", {}).get("separator", "/" if self.prefix else ".")
            self.dtype = _v3_dtype(found["data_type"])
            for codec in found["codecs"]:
                self._take_v3(codec["name"], codec.get("configuration", {}))
        else:
            self.chunks = tuple(int(n) for n in found["chunks"])
            self.prefix, self.separator = "", found.get("dimension_separator", ".")
            self.order = found["order"]
            self.dtype = _v2_dtype(found["dtype"])
            for codec in found["filters"] or []:
                self._take_filter(str(codec["id"]), codec)
            if found["compressor"] is not None:
                self._take(str(found["compressor"]["id"]), found["compressor"])
        if self.separator not in (".", "/") or self.order not in ("C", "F"):
            raise ValueError("keys or order of chunks")
        is_odd = len(self.chunks) != len(self.shape) or len(self.shape) > MAX_DIMENSIONS
        if is_odd or min((*self.chunks, 1)) < 1 or min((*self.shape, 0)) < 0:
            raise ValueError(f"chunks of {self.chunks} for a shape of {self.shape}")

    def _take_v3(self, name: str, options: Mapping[str, Any]) -> None:
        if name == "bytes":
            big = options.get("endian", "little") == "big"
            self.dtype = self.dtype.newbyteorder(">" if big else "<")
        elif name == "transpose":
            n = len(self.shape)
            orders = {tuple(range(n)): "C", tuple(reversed(range(n))): "F"}
            self.order = orders[tuple(options["order"])]
        elif name == "numcodecs.delta":
            self._take_filter("delta", options)
        else:
            self._take(name.removeprefix("numcodecs."), options)

    def _take_filter(self, name: str, options: Mapping[str, Any]) -> None:
        kind = np.dtype(str(options.get("dtype", self.dtype)))
        if name != "delta" or self._delta is not None or kind != self.dtype or kind.kind not in "iuf":
            raise DatasetInvalid(f"Its values are filtered by '{name}', which is not read", [], _REFUSED)
        self._delta = np.dtype(str(options.get("astype", kind)))
        if self._delta.kind not in "iuf":
            raise DatasetInvalid(f"Its values are filtered to '{self._delta}', which is not read", [], _REFUSED)

    def _take(self, name: str, options: Mapping[str, Any]) -> None:
        if name not in _NUMCODECS and name not in _ZLIB:
            raise DatasetInvalid(f"Its chunks are packed by '{name}', which is not read", [], _REFUSED)
        self._steps.append((name, options))

    def read(self, folder: Path) -> npt.NDArray[Any]:
        """Return the array."""
        grid = [range(-(-n // size)) for n, size in zip(self.shape, self.chunks, strict=True)]
        n_chunks = math.prod(part.stop for part in grid)
        each = math.prod(self.chunks) * max(self.dtype.itemsize, self._delta.itemsize if self._delta is not None else 0)
        if n_chunks > MAX_CHUNKS or (0 in self.shape and math.prod(n for n in self.shape if n) > MAX_EMPTY):
            raise DatasetInvalid(f"Claims {counted(n_chunks, 'chunk')} for a shape of {self.shape}", [folder], _AGAIN)
        paths = {at: folder / (self.prefix + self.separator.join(map(str, at))) for at in itertools.product(*grid)}
        if not self.shape:
            paths = {(): folder / (self.prefix.rstrip("/") or "0")}
        held = 0
        for path in paths.values():
            if path.is_symlink():
                raise DatasetInvalid("Is a link, which is not followed", [path], _AGAIN)
            try:
                held += path.stat().st_size
            except OSError as error:
                what = f"A chunk is missing ({len(paths)} are needed): its values are not taken for zeros"
                raise DatasetInvalid(what, [path], _AGAIN) from error
        claimed = math.prod(self.shape) * self.dtype.itemsize
        if max(claimed, each) > max(FREE_BYTES, MAX_RATIO * held):
            raise DatasetInvalid("Claims more than files of their size may hold", [folder], _AGAIN)
        whole = np.empty(self.shape, self.dtype.newbyteorder("="))
        for at, path in paths.items():
            inside = tuple(
                slice(k * size, min((k + 1) * size, n))
                for k, size, n in zip(at, self.chunks, self.shape, strict=True)
            )  # fmt: skip
            chunk = self._chunk(path)
            whole[inside] = chunk[tuple(slice(0, part.stop - part.start) for part in inside)]
        return whole

    def _chunk(self, path: Path) -> npt.NDArray[Any]:
        stored = self._delta if self._delta is not None else self.dtype
        n = math.prod(self.chunks)
        try:
            content: Any = path.read_bytes()
            for name, options in reversed(self._steps):
                content = _unpacked(name, options, content, n * stored.itemsize)
            values = np.frombuffer(content, stored)
            if len(values) != n:
                raise ValueError(f"{counted(len(values), 'value')}, not {n:,}")
            if self._delta is not None:
                values = np.cumsum(values, dtype=self.dtype)
        except OSError as error:
            raise DatasetInvalid("A chunk cannot be read", [path], _AGAIN) from error
        except DAMAGED as error:
            raise DatasetInvalid(f"A chunk is damaged ({_short(error)})", [path], _AGAIN) from error
        return values.reshape(self.chunks, order="F" if self.order == "F" else "C")


def _unpacked(name: str, options: Mapping[str, Any], content: bytes, n_bytes: int) -> Any:
    """Return bytes unpacked, never more than `n_bytes`."""
    if name in _ZLIB:
        return inflate(content, n_bytes, _ZLIB[name])
    claimed = _claimed(name, content)
    if claimed is not None and claimed != n_bytes:
        raise ValueError(f"unpacks to {counted(claimed, 'byte')}, not {n_bytes:,}")
    out = bytearray(n_bytes)
    _codec(name)().decode(content, out=out)
    return out


def _claimed(name: str, content: bytes) -> int | None:
    """Return how many bytes a packed chunk says that it unpacks to, where its first bytes tell."""
    if name == "blosc":
        return int.from_bytes(content[4:8], "little") if len(content) >= 16 else 0
    return int.from_bytes(content[:4], "little") if name == "lz4" else None


def _codec(name: str) -> Callable[[], Any]:
    from importlib import import_module

    module, _, kind = _NUMCODECS[name].partition(":")
    try:
        found: Callable[[], Any] = getattr(import_module(f"numcodecs.{module}"), kind)
    except ImportError as error:
        what = f"Chunks packed by {name} are read by numcodecs, which is not installed"
        raise BadRequest(what, "", f"pip install '{EXTRA}'") from error
    return found


def _v2_dtype(given: Any) -> np.dtype[Any]:
    if isinstance(given, str):
        return _plain(given)
    fields = [(str(name), _plain(kind)) for name, kind in given]
    return np.dtype(fields)


_V3 = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
)


def _v3_dtype(given: Any) -> np.dtype[Any]:
    if isinstance(given, str):
        if given not in _V3:
            raise DatasetInvalid(f"Holds values of the kind '{given}', which are not read", [], _REFUSED)
        return np.dtype(given)
    name, options = given["name"], given.get("configuration", {})
    if name == "fixed_length_utf32":
        return np.dtype(f"<U{int(options['length_bytes']) // 4}")
    if name == "structured":
        fields: Sequence[Any] = options["fields"]
        return np.dtype([(str(field), _v3_dtype(kind)) for field, kind in fields])
    raise DatasetInvalid(f"Holds values of the kind '{name}', which are not read", [], _REFUSED)


def _plain(given: Any) -> np.dtype[Any]:
    kind = np.dtype(str(given))
    if kind.hasobject:
        raise DatasetInvalid("Holds Python objects, which are not read", [], _REFUSED)
    if kind.kind not in _KINDS or not kind.itemsize:
        raise DatasetInvalid(f"Holds values of the kind '{given}', which are not read", [], _REFUSED)
    return kind


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:80] or type(error).__name__

"""Recordings, sortings and decisions whose files claim what is not so: one line that names the file, in bounded means.

Arrays, archives and tables by themselves are in test_readers.py, values of HDF5 in test_hdf5.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dashboard.sources.readers import FREE_BYTES, MAX_COLUMNS
from tests.sources.raw.samples import write_meta
from tests.sources.samples import write_analyzer, write_nwb, write_phy, write_zarr

READ = """
import json, resource, sys
from pathlib import Path
from dashboard.config.settings import Settings
from dashboard.library.curation.formats import format_of
from dashboard.library.open import open_insertion
from dashboard.model.errors import DashboardError
from dashboard.sources.locate import sources_at
from dashboard.sources.phy.params import read_params
from dashboard.sources.pulses import read_pulses
from dashboard.sources.raw.files import CompressedFile
from dashboard.sources.raw.meta import read_meta
from dashboard.sources.raw.open_ephys import streams_around

def sorting(path):
    (source,) = sources_at(path, Settings(cache=path.parent / "cache"))
    for insertion in source.insertions():
        found = open_insertion(insertion, source=source, cache=path.parent / "cache")
        return "opened; " + "; ".join(map(str, found.missing))

READERS = {
    "meta": read_meta,
    "bin": read_pulses,
    "ch": lambda path: CompressedFile(path.with_suffix(".cbin"), path.with_suffix(".ch"), 4)(0, 10),
    "oebin": lambda path: streams_around(path.parent / "continuous" / "a" / "continuous.dat"),
    "py": lambda path: read_params(path.parent),
    "sorting": sorting,
    "decisions": lambda path: format_of(path).read(path),
}
cases = json.loads(sys.argv[1])
sorting(Path(cases.pop()[2]))  # what it imports and compiles is there before memory is counted
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + int(sys.argv[2]),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
said = {}
for name, kind, path in cases:
    try:
        said[name] = READERS[kind](Path(path)) or "nothing was said"
    except DashboardError as error:
        said[name] = str(error)
    except Exception as error:
        said[name] = f"raised {type(error).__name__}: {error}"[:300]
print(json.dumps(said))
"""
MEMORY_BYTES = FREE_BYTES + (1 << 30)
"""What reading all of them may take beyond the libraries."""

MUCH, DIGITS, MANY = 10**12, "9" * 400, [f"c{k}" for k in range(200)]
INDEX = {
    "algorithm": "zlib", "dtype": "int16", "chunk_order": "F", "do_time_diff": True, "do_spatial_diff": False,
    "n_channels": 4, "chunk_bounds": [0, 10],
}  # fmt: skip
CASES: dict[str, tuple[str, str, Callable[[Path], object]]] = {}
"""By name: the reader, the file that is to be named, and what writes it into a folder."""


def case(name: str, kind: str, file: str) -> Callable[[Callable[[Path], Any]], None]:
    def add(write: Callable[[Path], Any]) -> None:
        CASES[name] = (kind, file, write)

    return add


def sparse(path: Path) -> None:
    path.with_suffix(".cbin").write_bytes(b"")
    with path.open("wb") as file:
        file.truncate(1 << 34)


def changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


for kind, file in (("meta", "a.ap.meta"), ("ch", "a.ap.ch"), ("oebin", "structure.oebin"), ("py", "params.py")):
    case(f"{kind} as large as a disk", kind, file)(lambda path: sparse(path))
    case(f"{kind} of brackets", kind, file)(lambda path: (sparse(path), path.write_text("[" * 60_000)))
META: dict[str, dict[str, str]] = {
    "many columns": {"nSavedChans": f"{MUCH}", "snsApLfSy": f"{MUCH},0,0", "snsSaveChanSubset": "all"},
    "columns below nothing": {"nSavedChans": "0", "snsApLfSy": "16,0,-16"},
    "a long run of channels": {"snsSaveChanSubset": f"0:{MUCH}"},
    "many runs of channels": {"snsSaveChanSubset": "0:16000," * 100_000 + "0"},
    "many acquired channels": {"acqApLfSy": f"{MUCH},0,1", "~snsShankMap": "", "snsSaveChanSubset": "all"},
    "no bits": {"imMaxInt": "0"},
    "digits": {"nSavedChans": "9" * 5_000},
    "a gain of nothing": {"~imroTbl": "(0,384)" + "".join(f"({k} 0 0 0 0 1)" for k in range(16))},
    "open brackets": {"~imroTbl": "(" * 2_000_000},
    "sites nowhere": {"~snsShankMap": "(1,2,480)" + "(nan:1e300:inf:1)" * 16},
}
for name, fields in META.items():
    case(f"meta with {name}", "meta", "a.ap.meta")(lambda path, fields=fields: write_meta(path, 1_000, **fields))
for name, fields in {
    "many words": "snsMnMaXaDw=-5,0,0,6",
    "no rate": "niSampRate=nan",
    "digits": f"nSavedChans={DIGITS}",
}.items():
    case(f"words with {name}", "bin", "a.nidq.bin")(
        lambda path, fields=fields: (
            path.write_bytes(bytes(80)),
            path.with_suffix(".meta").write_text(
                f"typeThis=nidq\nsnsMnMaXaDw=0,0,0,1\nniSampRate=30000\nnSavedChans=1\n{fields}\n"
            ),
        )
    )


def compressed(path: Path, content: bytes = b"", **values: Any) -> None:
    content = content or zlib.compress(bytes(80))
    path.with_suffix(".cbin").write_bytes(content)
    path.with_suffix(".ch").write_text(json.dumps(INDEX | {"chunk_offsets": [0, len(content)]} | values))


def bomb(path: Path) -> None:
    packer = zlib.compressobj(1)
    first, again = (packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    compressed(path, first + again * 120)


case("chunk that is a bomb", "ch", "a.ap.cbin")(bomb)
for name, values in {
    "a chunk of much": {"chunk_bounds": [0, MUCH]},
    "endless bounds": {"chunk_bounds": [0, float("inf")]},
    "no bounds": {"chunk_bounds": []},
    "a long word": {"algorithm": "x" * 10_000},
    "a list": {"chunk_bounds": {"0": 1}},
}.items():
    case(f"ch with {name}", "ch", "a.ap.ch")(lambda path, values=values: compressed(path, **values))
for name, stream in {
    "digits": {"sample_rate": int(DIGITS)}, "no rate": {"sample_rate": 0}, "no stream": 1,
    "no number": {"sample_rate": "x"}, "a gain that is none": {"channels": [{"bit_volts": float("nan")}]},
}.items():  # fmt: skip
    about = {"folder_name": "a/", "sample_rate": 3e4, "channels": []} | stream if isinstance(stream, dict) else stream
    case(f"oebin with {name}", "oebin", "structure.oebin")(
        lambda path, about=about: path.write_text(json.dumps({"continuous": [about]}))
    )
case("params with digits", "py", "params.py")(lambda path: path.write_text(f"sample_rate = {DIGITS}"))


@case("decisions of many columns", "decisions", "a.csv")
def _(path: Path) -> None:
    path.write_text("unit," + ",".join(f"a{k}" for k in range(500_000)) + "\n")


@case("decisions that unpack to much", "decisions", "_a_clusters.metrics.pqt")
def _(path: Path) -> None:
    block = pa.table({"cluster_id": np.zeros(1 << 20), "curated": ["x" * 50] * (1 << 20)})
    with pq.ParquetWriter(path, block.schema) as writer:
        for _ in range(8):
            writer.write_table(block)


@case("decisions in a wide table", "decisions", "_a_clusters.metrics.pqt")
def _(path: Path) -> None:
    pq.write_table(pa.table({f"a{k}": [1] for k in range(MAX_COLUMNS + 1)}), path)


for name, content in {
    "a part for each spike": {"splits": [{"unit_id": 1, "mode": "labels", "labels": list(range(300_000))}]},
    "one unit that is split often": {"splits": [{"unit_id": 1, "mode": "indices", "indices": [[0]]}] * 10_000},
    "digits": {"splits": [{"unit_id": 1, "mode": "labels", "labels": [int(DIGITS)]}]},
    "many steps": {"curation_steps": [{"format_version": "2", "unit_ids": []}] * 100_000},
    "words for lists": {"label_definitions": {"a": 1}},
}.items():
    case(f"decisions with {name}", "decisions", "a.json")(
        lambda path, content=content: (
            path.write_text(json.dumps({"format_version": "2", "unit_ids": [1, 2]} | content)) and None
        )
    )

# -- sortings: the folder is ``insertion`` --------------------------------------------------------

INFO = "numpysorting_info.json"
for name, values in {
    "a rate of digits": {"sampling_frequency": int(DIGITS)}, "ids of digits": {"unit_ids": [int(DIGITS), 1, 2]},
    "endless segments": {"num_segments": MUCH},
}.items():  # fmt: skip
    case(f"analyzer with {name}", "sorting", INFO)(
        lambda path, values=values: changed(write_analyzer(path, n=50) / "sorting" / INFO, **values)
    )


@case("analyzer with contacts at no place", "sorting", "positions of channels")
def _(path: Path) -> None:
    probe = {"contact_positions": [[1, 2]], "device_channel_indices": [float("inf")]}
    changed(write_analyzer(path, n=50) / "recording_info" / "probegroup.json", probes=[probe])


@case("archive with labels in two columns", "sorting", "sorting_cached.npz")
def _(path: Path) -> None:
    write_analyzer(path, n=50)
    np.savez(
        path / "sorting" / "sorting_cached.npz", unit_ids=[1, 2], sampling_frequency=[3e4], num_segment=[1],
        spike_indexes_seg0=np.arange(3), spike_labels_seg0=np.ones((3, 2), int),
    )  # fmt: skip


ZARR: dict[str, dict[str, Any]] = {
    "a shape of nothing": {"shape": [0, 10**20], "chunks": [1, 1]},
    "many rows": {"shape": [10**20]},
    "many dimensions": {"shape": [1] * 100, "chunks": [1] * 100},
    "no numbers": {"shape": [float("inf")]},
}
for name, values in ZARR.items():
    case(f"zarr with {name}", "sorting", "sample_index")(
        lambda path, values=values: (
            write_zarr(path, n=50) and changed(path / "sorting" / "spikes" / "sample_index" / ".zarray", **values)
        )
    )


@case("zarr with a chunk that does not say its size", "sorting", "sample_index")
def _(path: Path) -> None:
    folder = write_zarr(path, n=50) / "sorting" / "spikes" / "sample_index"
    changed(folder / ".zarray", compressor={"id": "zstd"}, filters=None)
    block = (1 << 17) << 3 | 1 << 1  # of one byte, repeated
    (folder / "0").write_bytes(b"\x28\xb5\x2f\xfd\x00\x58" + (block.to_bytes(3, "little") + b"x") * 50_000 + b"\1\0\0")


@case("zarr with segments upon segments", "sorting", "segment_slices")
def _(path: Path) -> None:
    folder = write_zarr(path, n=50) / "sorting" / "spikes" / "segment_slices"
    changed(folder / ".zarray", shape=[100_000, 2], chunks=[100_000, 2], compressor=None)
    (folder / "0.0").write_bytes(np.array([[0, 50]] * 100_000).tobytes())


def phy(path: Path, **arrays: Any) -> None:
    write_phy(path, n=50)
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)


case("phy with templates of nothing", "sorting", "templates.npy")(
    lambda path: phy(path, templates=np.empty((10**9, 0, 0), np.float32))
)
case("phy with channels of nothing", "sorting", "channel_positions.npy")(
    lambda path: phy(path, channel_positions=np.empty((10**9, 0)))
)
case("phy with templates on many channels", "sorting", "templates")(
    lambda path: phy(
        path, templates=np.ones((6, 20_000, 1), np.float32), template_ind=np.zeros((6, 1), int),
        channel_positions=np.zeros((100_000, 2)), channel_map=np.arange(100_000), channel_shanks=np.zeros(100_000, int),
    )
)  # fmt: skip


def nwb(path: Path, write: Callable[[Any], None]) -> None:
    import h5py

    path.mkdir()
    with h5py.File(write_nwb(path / "a.nwb", n=50), "r+") as file:
        write(file)


def columns(group: Any, names: list[str], n: int, kind: Any = "f8") -> None:
    for name in names:
        if name in group:
            del group[name]
        group.create_dataset(name, (n,), kind, chunks=(1_000,), fillvalue=50)


case("nwb with many units", "sorting", "a.nwb")(
    lambda path: nwb(path, lambda file: columns(file["units"], ["id"], 10**9, "i4"))
)
case("nwb with many columns of many units", "sorting", "a.nwb")(
    lambda path: nwb(
        path, lambda file: columns(file["units"], ["id", "spike_times_index", *(f"c{k}" for k in range(200))], 10**6)
    )
)
case("nwb with many trials", "sorting", "/intervals/trials claims")(
    lambda path: nwb(path, lambda file: columns(file["intervals/trials"], ["start_time", *MANY], 10**7))
)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_every_claim_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="NWB files are read by h5py, of the extra nwb")
    pytest.importorskip("numcodecs", reason="chunks of zarr are unpacked by numcodecs, of the extra zarr")
    todo = []
    for k, (name, (kind, file, write)) in enumerate(CASES.items()):
        place = tmp_path / str(k)
        place.mkdir()
        path = place / ("insertion" if kind == "sorting" else file)
        write(path)
        todo.append((name, kind, str(path)))
    write_phy(tmp_path / "honest", n=50)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", READ, json.dumps([*todo, ("", "", str(tmp_path / "honest"))]),
         str(MEMORY_BYTES)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    wrong = {
        name: line
        for name, line in json.loads(done.stdout).items()
        if CASES[name][1] not in line or "\n" in line or len(line) > 2000 or line.startswith("raised")
    }
    assert not wrong

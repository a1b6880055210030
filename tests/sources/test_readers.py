"""Files that claim what is not so: one line that names the file, in little time and memory, whatever the kind."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dashboard.model.errors import BadRequest, DatasetInvalid
from dashboard.model.json_files import MAX_JSON_BYTES, read_json
from dashboard.sources.alf.arrays import map_array, read_archive, read_array, read_table
from dashboard.sources.lists import read_insertions, read_names, read_regions
from dashboard.sources.readers import FREE_BYTES, MAX_COLUMNS, read_npz, read_parquet, read_text_table

MEMORY_BYTES = FREE_BYTES + (1 << 30)
"""A process that reads all of them may take, with its libraries."""

READ = """
import json, resource, sys
from pathlib import Path
from dashboard.model.errors import DashboardError
from dashboard.sources.alf.arrays import is_table, map_array, read_archive, read_table
import dashboard.sources.lists as lists
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + int(sys.argv[2]),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
tables = [read_table, lists._read]
READERS = {".npy": [map_array], ".npz": [read_archive], ".csv": tables, ".pqt": tables, ".parquet": tables}
said = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    readers = READERS.get(path.suffix, [read_table])
    for read in readers:
        try:
            read(path)
        except DashboardError as error:
            said.setdefault(path.name, []).append(str(error))
        else:
            said.setdefault(path.name, []).append("")
print(json.dumps(said))
"""


def npy(header: str | bytes, values: bytes = b"", version: int = 1) -> bytes:
    text = header.encode("latin1") if isinstance(header, str) else header
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + values


def claim(descr: str, shape: str) -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"


ARRAYS = {
    "no_size": npy(claim("'|S0'", "(1000000000000,)")),
    "no_size_of_many": npy(claim("'|V0'", "(10, 10)"), bytes(8)),
    "nothing_of_much": npy(claim("'<f8'", "(0, 100000000000000000000)")),
    "nothing_of_more": npy(claim("'<f8'", f"(0, {2**62}, {2**62})")),
    "much_of_nothing": npy(claim("'<f8'", "(100000000000000000000,)"), bytes(80)),
    "negative": npy(claim("'<f8'", "(-1,)"), bytes(80)),
    "minus_signs": npy(claim("'<f8'", f"({'-' * 9000}1,)"), bytes(80)),
    "more_minus_signs": npy(claim("'<f8'", f"({'-' * 60000}1,)"), bytes(80)),
    "brackets": npy("(" * 9900),
    "long_header": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b" " * 100,
    "digits": npy(claim("'<f8'", f"({'9' * 5000},)"), bytes(80)),
    "many_dimensions": npy(claim("'<f8'", f"({'1,' * 2000})"), bytes(80)),
    "odd_type": npy(claim("'nosuch'", "(1,)"), bytes(80)),
    "nested_type": npy(claim("('<f8', (1000000000,))", "(1000000000,)"), bytes(80)),
    "list_in_place_of_it": npy("[" + "1," * 4000 + "]"),
    "version": npy(claim("'<f8'", "(1,)"), bytes(8), version=9),
    "objects": npy(claim("'|O'", "(1,)"), b"\x80\x04K\x01."),
}  # fmt: skip


@pytest.fixture(scope="module")
def crafted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crafted")
    for name, content in ARRAYS.items():
        (folder / f"{name}.npy").write_bytes(content)
        with zipfile.ZipFile(folder / f"{name}.npz", "w") as archive:
            archive.writestr("a.npy", content)
    n = FREE_BYTES // 8 + 1
    with zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for k in range(2):
            with archive.open(f"a{k}.npy", "w") as member:
                member.write(npy(claim("'<f8'", f"({n // 2 + 1},)")))
                for _ in range(FREE_BYTES // 2 // (1 << 20) + 1):
                    member.write(bytes(1 << 20))
    with zipfile.ZipFile(folder / "crowd.npz", "w") as archive:
        for k in range(2_000):
            archive.writestr(f"a{k}.npy", npy(claim("'<f8'", "(0,)")))
    block = pa.table({"a": np.zeros(1 << 20), "b": np.zeros(1 << 20)})
    with pq.ParquetWriter(folder / "bomb.parquet", block.schema) as writer:
        for _ in range(n // (2 << 20) + 1):
            writer.write_table(block)
    pq.write_table(pa.table({"a": ["x" * 50_000] * 20_000}), folder / "one_text.pqt")
    pq.write_table(pa.table({"a": [["x" * 50_000] * 200] * 100}), folder / "texts_in_lists.pqt")
    pq.write_table(pa.table({f"a{k}": [1] for k in range(MAX_COLUMNS + 1)}), folder / "wide.parquet")
    for kind, separator in (("csv", ","), ("tsv", "\t"), ("htsv", "\t"), ("ssv", " ")):
        (folder / f"equal_names.{kind}").write_text(separator.join(["a"] * 40_000) + "\n")
        (folder / f"wide_rows.{kind}").write_text("a\n" + separator.join(["1"] * 40_000) + "\n")
        (folder / f"short_rows.{kind}").write_text(separator.join(["a"] * MAX_COLUMNS) + "\n" + "1\n" * 40_000)
        (folder / f"long_name.{kind}").write_text("a" * (3 << 20))
        (folder / f"open_quote.{kind}").write_text('a\n"' + "1\n" * 100)
    return folder


def test_every_claim_is_one_line_that_names_the_file(crafted: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", READ, str(crafted), str(MEMORY_BYTES)], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    assert set(said) == {path.name for path in crafted.iterdir()}
    for name, lines in said.items():
        for line in lines:
            assert name in line or (line == "" and name.startswith("long_name")), (name, line)
            assert "\n" not in line
            assert len(line) < 600


def test_what_is_honest_is_read_as_before(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.asfortranarray(np.ones((3, 2), np.int16)), "c": np.array("x")}
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    np.savez(tmp_path / "b.npz", **arrays)
    for name in ("a", "b"):
        found = read_npz(tmp_path / f"{name}.npz")
        for key, array in arrays.items():
            np.testing.assert_array_equal(found[key], array)
            assert found[key].dtype == array.dtype
    table = pd.DataFrame(
        {
            "text": ["a", None, "ß"], "number": [1.5, np.nan, 3], "whole": [1, 2, 3],
            "kind": pd.Categorical(["x", "y", "x"]), "truth": [True, False, True],
            "time": pd.to_datetime(["2024-01-01"] * 3), "lists": [["a"], [], ["b", "c"]],
        },
        index=pd.Index(["i", "j", "k"], name="id"),
    )  # fmt: skip
    table.to_parquet(tmp_path / "t.pqt")
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "t.pqt"), pd.read_parquet(tmp_path / "t.pqt"))
    table.drop(columns="lists").to_csv(tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_text_table(tmp_path / "t.csv", ","), pd.read_csv(tmp_path / "t.csv"))
    np.save(tmp_path / "empty.npy", np.empty((0, 82, 32), np.float32))
    assert map_array(tmp_path / "empty.npy").shape == (0, 82, 32)
    file = io.BytesIO()
    np.save(file, np.zeros(3, [("a", "<f8"), ("b", "<i4")]))
    (tmp_path / "records.npy").write_bytes(file.getvalue())
    assert map_array(tmp_path / "records.npy").dtype.names == ("a", "b")


def test_values_have_the_byte_order_of_this_machine(tmp_path: Path) -> None:
    """Tables and Arrow take no other: a tab that showed them said that it could not be drawn."""
    swapped = np.arange(3).astype(">i8")
    np.savez(tmp_path / "a.npz", a=swapped)
    np.save(tmp_path / "a.npy", swapped)
    for found in (read_npz(tmp_path / "a.npz")["a"], read_array(tmp_path / "a.npy")):
        assert found.dtype.isnative
        np.testing.assert_array_equal(found, [0, 1, 2])


@pytest.mark.parametrize("read", [read_insertions, read_regions, read_names])
def test_lists_of_insertions_are_bounded_too(crafted: Path, read: object) -> None:
    for name in ("equal_names.csv", "bomb.parquet", "one_text.pqt"):
        with pytest.raises(BadRequest, match=name):
            read(crafted / name)  # type: ignore[operator]


def test_a_list_of_names_is_not_larger_than_lists_are(tmp_path: Path) -> None:
    with (tmp_path / "names.txt").open("wb") as file:
        file.truncate(1 << 34)
    with pytest.raises(BadRequest, match=r"names\.txt"):
        read_names(tmp_path / "names.txt")


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, "\ud800", ""])
def test_json_is_bounded(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match=r"."):
        read_json(tmp_path / "a.json")


def test_a_json_file_as_large_as_a_disk_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(1 << 34)
    with pytest.raises(ValueError, match=f"{MAX_JSON_BYTES:,}"):
        read_json(tmp_path / "a.json")


def test_an_archive_that_is_none_is_named(tmp_path: Path) -> None:
    for content in (b"", b"PK\x03\x04", npy(claim("'<f8'", "(1,)"), bytes(8)), b"PK\x05\x06" + b"\xff" * 18):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(DatasetInvalid, match=r"a\.npz"):
            read_archive(tmp_path / "a.npz")
    with pytest.raises(DatasetInvalid, match=r"a\.tsv"):
        read_table(_written(tmp_path / "a.tsv", b"a\tb\n1\n\x00\xff\t\t\t\t\n"))


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path

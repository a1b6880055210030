"""HDF5 files that claim what is not so, or lead elsewhere: one line that names the file, before memory is taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.model.errors import DatasetInvalid
from dashboard.sources import hdf5
from dashboard.sources.hdf5 import numbers, opened, word, words

h5py = pytest.importorskip("h5py", reason="NWB files are read by h5py, of the extra nwb")

CLAIMS: dict[str, tuple[Callable[[Any, str], Any], Callable[[Any], None]]] = {
    "numbers": (
        numbers, lambda file: file.create_dataset("a", (10**12,), "f8", chunks=(1000,), compression="gzip")
    ),
    "texts of one length": (words, lambda file: file.create_dataset("a", (10**9,), "S1000", chunks=(10,))),
    "a long text": (word, lambda file: file.create_dataset("a", (), f"S{2**31 - 1}")),
    "texts": (words, lambda file: file.create_dataset("a", (10**12,), h5py.string_dtype(), chunks=(1000,))),
}  # fmt: skip


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_is_one_line_that_names_the_file(tmp_path: Path, claim: str) -> None:
    read, write = CLAIMS[claim]
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        write(file)
    said = r"^/a claims more than a file of its size may hold: .*a\.nwb"
    with pytest.raises(DatasetInvalid, match=said) as raised, opened(tmp_path / "a.nwb") as file:
        read(file, "a")
    assert "\n" not in str(raised.value)


def test_one_long_text_that_every_row_names_is_not_read_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5, "FREE_BYTES", 1 << 20)
    n, path = 1000, tmp_path / "a.nwb"
    with h5py.File(path, "w") as file:
        texts = file.create_dataset("a", (n,), h5py.string_dtype())
        texts[:] = ["x" * 200_000, *("y" for _ in range(n - 1))]
        start = texts.id.get_offset()
    content = bytearray(path.read_bytes())
    content[start : start + 16 * n] = content[start : start + 16] * n  # length, address and number of each text
    path.write_bytes(content)
    with h5py.File(path) as file:
        assert len(file["a"][n - 1]) == 200_000
    with pytest.raises(DatasetInvalid, match="claims more"), opened(path) as file:
        words(file, "a")


def test_honest_texts_are_read_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "FREE_BYTES", 1)
    names = [f"probe{k:02d} µ" for k in range(40)]
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        file["a"], file["b"], file["c"] = names, "mouse 1", np.array([n.encode()[:7] for n in names])
    with opened(tmp_path / "a.nwb") as file:
        assert words(file, "a") == names
        assert words(file, "c") == [name[:7] for name in names]
        assert (word(file, "b"), word(file, "a"), word(file, "nosuch")) == ("mouse 1", "", "")


def test_values_of_another_file_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(80))
    with h5py.File(tmp_path / "other.nwb", "w") as file:
        file["a"] = np.arange(10.0)
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        file.create_dataset("raw", (10,), "f8", external=[(str(tmp_path / "secret"), 0, 80)])
        layout = h5py.VirtualLayout((10,), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.nwb"), "a", (10,))
        file.create_virtual_dataset("virtual", layout)
        file["link"] = h5py.ExternalLink("other.nwb", "a")
    for name in ("raw", "virtual", "link"):
        with pytest.raises(DatasetInvalid, match="another file, which is not"), opened(tmp_path / "a.nwb") as file:
            numbers(file, name)


def test_numbers_have_the_byte_order_of_this_machine(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = np.arange(3).astype(">i8")
        found = numbers(file, "a")
    assert found is not None and found.dtype.isnative
    np.testing.assert_array_equal(found, [0, 1, 2])

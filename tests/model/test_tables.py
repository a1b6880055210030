"""Tables as text: no cell is a formula, numbers stay numbers."""

from __future__ import annotations

import csv
import io
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboard.model.tables import FORMULA_SIGNS, csv_text, rows_csv
from tests.hostile import FORMULAS, MARKUP, PYTHON

NAMES = (*FORMULAS, "x\r=1+1", *(name for name in PYTHON if name.isprintable()), *MARKUP)
NUMBERS = {
    "float": np.array([-1.5, np.nan]),
    "single": np.array([-0.1, 2], np.float32),
    "whole": np.array([-3, 4]),
    "switch": np.array([True, False]),
    "mixed": pd.Series([-7, None], dtype=object),
    "whole_or_none": pd.Series([-7, None], dtype="Int64"),
}


@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_no_cell_and_no_column_is_a_formula(dtype: str) -> None:
    table = pd.DataFrame({name: pd.Series([name, name], dtype=dtype) for name in NAMES})
    rows = list(csv.reader(io.StringIO(csv_text(table), newline="")))
    assert len(rows) == 3
    for row in rows:
        assert [cell.removeprefix("'") for cell in row] == [
            name.removeprefix("'").replace("\r", "\n") for name in NAMES
        ]
        assert not any(cell.startswith(FORMULA_SIGNS) for cell in row)


def test_numbers_stay_numbers() -> None:
    table = pd.DataFrame(NUMBERS).set_axis([7, 7])
    assert csv_text(table) == table.to_csv(index=False)
    back = pd.read_csv(io.StringIO(csv_text(table)))
    np.testing.assert_array_equal(back["float"], table["float"])
    assert back["whole_or_none"].iloc[0] == -7


def test_columns_of_one_name_are_all_written() -> None:
    table = pd.DataFrame([["=1", -1.0, "=2"]], columns=["a", "a", "a"])
    assert csv_text(table) == "a,a,a\n'=1,-1.0,'=2\n"


def test_rows_have_the_columns_that_are_named() -> None:
    rows = [{"a": 1, "b": "=1", "c": 2}, {"a": None}]
    assert rows_csv(("a", "b"), rows) == "a,b\n1,'=1\n,\n"
    assert rows_csv(("a", "b"), []) == "a,b\n"


def test_there_is_one_writer_of_tables() -> None:
    package = Path(csv_text.__code__.co_filename).parents[1]
    found = subprocess.run(
        ["grep", "-rlE", r"to_csv\(|csv\.(Dict)?[wW]riter", "--include=*.py", str(package)],
        capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip
    writers = {str(Path(name).relative_to(package)) for name in found}
    assert {name for name in writers if not name.startswith("sources/demo/")} == {"model/tables.py"}

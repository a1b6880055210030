"""Tables as files whose columns say their units; names of columns stay what scripts know them by."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dashboard.model.column_units import headers, unit_of
from dashboard.model.files import write_file
from dashboard.model.tables import csv_text


def with_units(schema: pa.Schema, *, are_volts: bool = True) -> pa.Schema:
    """Return a schema whose fields carry their units: ``schema.field("amps").metadata[b"unit"]``."""
    for k, field in enumerate(schema):
        if unit := unit_of(field.name, are_volts=are_volts):
            schema = schema.set(k, field.with_metadata({**(field.metadata or {}), "unit": unit}))
    return schema


def parquet_bytes(table: pd.DataFrame, words: Mapping[str, str] | None = None, *, are_volts: bool = True) -> bytes:
    """Return a table as parquet, with units in its fields and `words` in its metadata."""
    made = pa.Table.from_pandas(table, preserve_index=False)
    schema = with_units(made.schema, are_volts=are_volts)
    file = io.BytesIO()
    pq.write_table(made.cast(schema.with_metadata({**(schema.metadata or {}), **(words or {})})), file)
    return file.getvalue()


def head_with_units(path: Path, *, are_volts: bool = True) -> None:
    """Write units into the header of a CSV file: ``amp_max [V]``."""
    with path.open(encoding="utf-8", newline="") as file:
        names = next(csv.reader(file), [])
        text = csv_text(pd.DataFrame(columns=headers(names, are_volts=are_volts))) + file.read()
    write_file(path, text.encode())

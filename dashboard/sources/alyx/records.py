"""Alyx's JSON as the model's values: insertions, datasets, histology, channel locations."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import quote, unquote

import numpy as np
import pandas as pd

from dashboard.model.references import UUID, DatasetRef, Histology, InsertionRecord, InsertionRef
from dashboard.sources.alf.names import parse_file_name
from dashboard.sources.alyx.client import Record

log = logging.getLogger(__name__)

#: Trajectory whose channels hold the locations, by histology state.
PROVENANCE = MappingProxyType(
    {
        Histology.RESOLVED: "Ephys aligned histology track",
        Histology.ALIGNED: "Ephys aligned histology track",
        Histology.TRACED: "Histology track",
    }
)

_REVISION = re.compile(r"/#([^#/]+)#/")
_ADDRESS = re.compile(r"(https?://[^/]+)(/[^?]*)(\?.*)?$")
_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}T[\d:.]+_(?P<user>.+)$")
# What of the raw data the dashboard reads: the noise of the channels.
_QC_PREFIX = "_iblqc_"


def insertion_from_record(record: Mapping[str, object], source: str) -> InsertionRef | None:
    """Return the insertion of a row of ``/insertions``, None where the row lacks what names one.

    Parameters
    ----------
    record : mapping
    source : str
        Name of the source.
    """
    session = record.get("session_info")
    name, start = record.get("name"), ""
    if isinstance(session, dict):
        start = str(session.get("start_time") or "")
    if not isinstance(session, dict) or not isinstance(name, str) or not start or not session.get("subject"):
        return None
    return InsertionRef(
        subject=str(session["subject"]),
        date=start[:10],
        number=int(session.get("number") or 1),
        probe=name,
        source=source,
        lab=session.get("lab") or None,
        pid=str(record["id"]),
        eid=str(record.get("session") or session.get("id")),
    )


def histology_of(extended_qc: Mapping[str, object]) -> Histology:
    """Return the histology state that an insertion's extended QC stands for.

    The rules are those of ibllib's ``brainbox.io.one._load_channel_locations_traj`` with
    ``aligned=True``, as ``SpikeSortingLoader`` calls it.
    """
    if not extended_qc.get("tracing_exists"):
        return Histology.NONE
    if extended_qc.get("alignment_resolved"):
        return Histology.RESOLVED
    count = extended_qc.get("alignment_count")
    return Histology.ALIGNED if isinstance(count, int | float) and count > 0 else Histology.TRACED


def record_from_insertion(record: Mapping[str, object]) -> InsertionRecord:
    """Return what an insertion's record says besides its files; its json may be null."""
    details = record.get("json")
    details = details if isinstance(details, dict) else {}
    extended = details.get("extended_qc")
    extended = extended if isinstance(extended, dict) else {}
    session = record.get("session_info")
    session = session if isinstance(session, dict) else {}
    resolved_by = extended.get("alignment_resolved_by")
    stamp = _STAMP.match(resolved_by) if isinstance(resolved_by, str) else None
    return InsertionRecord(
        histology=histology_of(extended),
        extended_qc=MappingProxyType(dict(extended)),
        resolved_by=stamp["user"] if stamp else str(resolved_by) if resolved_by else None,
        model=_text(record.get("model")),
        task_protocol=_text(session.get("task_protocol")),
        qc=_text(details.get("qc")),
        projects=tuple(session.get("projects") or ()),
    )


def dataset_from_record(record: Mapping[str, object], revisions: Mapping[str, str]) -> DatasetRef | None:
    """Return the dataset of a record, None where it is not an ALF file.

    Parameters
    ----------
    record : mapping
        From ``data_dataset_session_related`` of a session or ``datasets`` of an insertion. `revision`
        holds the revision's UUID, or is absent: its name is in ``data_url``. ``default_revision`` is
        the text "True" or "False", or absent.
    revisions : mapping of str to str
        Names of revisions by UUID, for records without a ``data_url``.
    """
    url = record.get("data_url")
    url = unquote(url) if isinstance(url, str) and url else None
    given = str(record.get("revision") or "").strip("#/")
    in_url = _REVISION.search(url) if url else None
    if in_url:
        revision = in_url[1]
    elif url is None and given in revisions:
        revision = revisions[given]
    else:
        revision = "" if url is not None or UUID.fullmatch(given) else given
    dataset = parse_file_name(str(record.get("name") or ""), str(record.get("collection") or ""), revision)
    if dataset is None:
        return None
    default = record.get("default_revision")
    size = record.get("file_size")
    return replace(
        dataset,
        is_default=None if default is None else str(default).lower() == "true",
        url=encoded(url) if url else None,
        size=int(size) if isinstance(size, int | float) else None,
        md5=_text(record.get("hash")),
        version=_text(record.get("version")),
        id=_text(record.get("id")),
    )


def needs_revision_names(records: Iterable[Mapping[str, object]]) -> bool:
    """Return whether a record has no address and names its revision by a UUID only."""
    return any(not r.get("data_url") and UUID.fullmatch(str(r.get("revision") or "")) for r in records)


def encoded(url: str) -> str:
    """Return an address with the number signs of revisions, and whatever else needs it, percent-encoded."""
    match = _ADDRESS.match(url)
    if match is None:
        return quote(url, safe=":/%")
    return f"{match[1]}{quote(match[2], safe='/:@+,;=!$&()~')}{match[3] or ''}"


def concerns(dataset: DatasetRef, probe: str, sorted_probes: Iterable[str]) -> bool:
    """Return whether a dataset of the session concerns one of its probes.

    Parameters
    ----------
    dataset : DatasetRef
    probe : str
    sorted_probes : iterable of str
        Folders below ``alf`` that hold spikes, and so belong to one probe each.
    """
    collection = dataset.collection
    if collection == "alf":
        return True
    if collection == f"raw_ephys_data/{probe}":
        return dataset.file_name.startswith(_QC_PREFIX)
    if not collection.startswith("alf/"):
        return False
    folder = collection.split("/")[1]
    return folder == probe or (collection.count("/") == 1 and folder not in sorted_probes)


def locations_from_channels(rows: Iterable[Record]) -> pd.DataFrame:
    """Return the channels of one trajectory, sorted by depth, then from left to right.

    The values are those of ibllib's ``brainbox.io.one._channels_alyx2bunch``.

    Parameters
    ----------
    rows : iterable of dict
        Rows of ``/channels``, in any order: axial, lateral, x, y, z in um, brain_region an Allen id.

    Returns
    -------
    DataFrame
        ``axial_um``, ``lateral_um``, ``x``, ``y``, ``z`` (m), ``atlas_id`` (int64).
    """
    rows = list(rows)
    table = pd.DataFrame(
        {
            "axial_um": np.array([row["axial"] for row in rows], dtype=np.float64),
            "lateral_um": np.array([row["lateral"] for row in rows], dtype=np.float64),
            "x": np.array([row["x"] for row in rows], dtype=np.float64) / 1e6,
            "y": np.array([row["y"] for row in rows], dtype=np.float64) / 1e6,
            "z": np.array([row["z"] for row in rows], dtype=np.float64) / 1e6,
            "atlas_id": np.array([row["brain_region"] or 0 for row in rows], dtype=np.int64),
        }
    )
    return table.sort_values(["axial_um", "lateral_um"], kind="stable", ignore_index=True)


def _text(value: object) -> str | None:
    return str(value) if value not in (None, "") else None

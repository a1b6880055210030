"""A database as recorded from a real Alyx server, in front of the data server's files."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from dashboard.model.references import Histology, InsertionRecord, InsertionRef
from dashboard.sources.folder import FolderSource

BY_PROCESSOR = ("amp_median", "amp_std_dB", "missed_spikes_est")
"""Columns of computed metrics that go through logarithms and sums: numpy's code for AVX-512, by which the answers were
recorded, and that for AVX2 give other last bits (2e-15 of a value). Beside ibllib on one machine all are equal."""


class RecordedSource(FolderSource):
    """The folder of data files, whose `record` and `brain_locations` come from the recordings."""

    def __init__(self, alyx: Path) -> None:
        super().__init__(alyx / "data", "recorded")
        self._alyx = alyx

    def with_pid(self, insertion: InsertionRef) -> InsertionRef:
        sessions = json.loads((self._alyx / "manifest.json").read_text())["sessions"]
        key = insertion.session
        probes = next(s for s in sessions if s["rel"] == key)["probes"]
        return InsertionRef(insertion.subject, insertion.date, insertion.number, insertion.probe, self.name,
                            insertion.lab, probes[insertion.probe]["pid"])  # fmt: skip

    def by_pid(self, pid: str) -> InsertionRef:
        return next(i for i in map(self.with_pid, self.insertions()) if i.pid == pid)

    def record(self, insertion: InsertionRef) -> InsertionRecord | None:
        known = self._get(f"/insertions/{insertion.pid}")
        qc = ((known or {}).get("json") or {}).get("extended_qc") or {}
        state = Histology.NONE
        if qc.get("tracing_exists"):
            state = Histology.TRACED
            if qc.get("alignment_count", 0) > 0:
                state = Histology.ALIGNED
            if qc.get("alignment_resolved"):
                state = Histology.RESOLVED
        return InsertionRecord(histology=state, extended_qc=qc)

    def brain_locations(self, insertion: InsertionRef, histology: Histology) -> pd.DataFrame | None:
        aligned = histology in (Histology.RESOLVED, Histology.ALIGNED)
        wanted = "Ephys aligned histology track" if aligned else "Histology track"
        for rows in self._channels.values():
            trajectory = self._trajectories.get(rows[0]["trajectory_estimate"])
            if trajectory and trajectory["probe_insertion"] == insertion.pid and trajectory["provenance"] == wanted:
                table = pd.DataFrame(rows).rename(
                    columns={"axial": "axial_um", "lateral": "lateral_um", "brain_region": "atlas_id"}
                )
                table[["x", "y", "z"]] /= 1e6
                return table.sort_values(["axial_um", "lateral_um"], ignore_index=True)[
                    ["axial_um", "lateral_um", "x", "y", "z", "atlas_id"]
                ]
        return None

    @cached_property
    def _index(self) -> dict[str, Any]:
        index: dict[str, Any] = json.loads((self._alyx / "rest" / "index.json").read_text())
        return index

    @cached_property
    def _trajectories(self) -> dict[str, Any]:
        found = {}
        for request in self._index:
            if request.startswith("GET /trajectories?"):
                body = self._get(request.removeprefix("GET "))
                rows = body.get("results", []) if isinstance(body, dict) else body
                found |= {row["id"]: row for row in rows or []}
        return found

    @cached_property
    def _channels(self) -> dict[str, list[Any]]:
        """Rows of /channels by trajectory, their pages put together."""
        found: dict[str, dict[str, Any]] = {}
        for request in self._index:
            if request.startswith("GET /channels?"):
                for row in (self._get(request.removeprefix("GET ")) or {}).get("results", []):
                    found.setdefault(row["trajectory_estimate"], {})[row["id"]] = row
        return {name: list(rows.values()) for name, rows in found.items()}

    def _get(self, request: str) -> Any:
        entry = self._index.get(f"GET {request}")
        if entry is None or entry["status"] != 200:
            return None
        return json.loads((self._alyx / "rest" / entry["file"]).read_text())["response"]["body"]

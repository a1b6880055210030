"""The recorded exchanges as records: what the replay filters, pages and serves."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

Record = dict[str, Any]

#: Where the recorded server said that it and its data were.
RECORDED_ALYX = "http://127.0.0.1:8000"
RECORDED_DATA = "http://127.0.0.1:8080"
#: The accounts of the recorded server.
USERS = {"alice": "alicepass", "intbrainlab": "international"}

# Filters whose answer is in other tables than the ones recorded: the recorded answer is the answer.
BY_RECORDED_ANSWER = ("tag", "atlas_acronym", "dataset_types", "datasets")


@dataclass
class Recordings:
    """Tables of the recorded server.

    ``answers`` maps an endpoint and its filters to the ids that the server gave (some twice), for filters that
    the other tables cannot answer.
    """

    tables: dict[str, dict[str, Record]] = field(default_factory=dict)
    session_details: dict[str, Record] = field(default_factory=dict)
    insertion_details: dict[str, Record] = field(default_factory=dict)
    answers: dict[tuple[str, frozenset[tuple[str, str]]], list[str]] = field(default_factory=dict)
    exchanges: dict[str, Record] = field(default_factory=dict)
    schema: Record = field(default_factory=dict)
    _probe_of: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Recordings:
        """Read ``rest/`` of the recordings."""
        text = {}
        index = json.loads((folder / "rest" / "index.json").read_text())
        for key, entry in index.items():
            text[key] = (folder / "rest" / entry["file"]).read_text()
        self = cls()
        for key, raw in text.items():
            exchange = json.loads(raw)
            self.exchanges[key] = exchange
            if exchange["response"]["status"] == 200 and exchange["request"]["method"] == "GET":
                self._take(exchange["request"]["path"].strip("/"), exchange)
        self._complete()
        return self

    def copied(self) -> Recordings:
        """Return recordings whose tables can be added to; their rows are shared."""
        return replace(
            self,
            tables={name: dict(table) for name, table in self.tables.items()},
            session_details=dict(self.session_details),
            insertion_details=dict(self.insertion_details),
        )

    def _take(self, path: str, exchange: Record) -> None:
        endpoint, _, key = path.partition("/")
        body = exchange["response"]["body"]
        if path == "api/schema":
            self.schema = body
        elif isinstance(body, dict) and "results" in body:
            table = self.tables.setdefault(endpoint, {})
            ids = [str(row.get("id") or row.get("name")) for row in body["results"]]
            for row_id, row in zip(ids, body["results"], strict=True):
                table.setdefault(row_id, row)
            query = parse_qs(exchange["request"]["query"])
            if endpoint == "channels" and "probe_insertion" in query:
                (pid,) = query["probe_insertion"]
                self._probe_of.update({row["trajectory_estimate"]: pid for row in body["results"]})
            if body["next"] is None and any(name in BY_RECORDED_ANSWER for name in query):
                self.answers[(endpoint, frozenset((k, v[0]) for k, v in query.items()))] = ids
        elif endpoint == "sessions" and key:
            self.session_details[key] = body
        elif endpoint == "insertions" and key:
            self.insertion_details[key] = body
        elif key and isinstance(body, dict) and body.get("id", body.get("name")) is not None and endpoint != "cache":
            self.tables.setdefault(endpoint, {})[key] = body

    def _complete(self) -> None:
        """Give rows that were recorded only as details, or only in lists, their other form."""
        insertions = self.tables.setdefault("insertions", {})
        for pid, detail in self.insertion_details.items():
            row = {**detail, "datasets": [d["id"] for d in detail["datasets"]]}
            insertions.setdefault(pid, row)
        for pid, row in insertions.items():
            self.insertion_details.setdefault(pid, {**row, "datasets": []})
        for eid, row in self.tables["sessions"].items():
            probes = [p for p in insertions.values() if p["session"] == eid]
            self.session_details.setdefault(eid, {**row, "data_dataset_session_related": [], "probe_insertion": probes})
        self._complete_trajectories()
        datasets = self.tables.setdefault("datasets", {})
        for eid, detail in self.session_details.items():
            for dataset in detail["data_dataset_session_related"]:
                datasets[dataset["id"]] = {**dataset, "session": eid}

    def _complete_trajectories(self) -> None:
        """Add the trajectories of which only the channels were recorded: the histology tracks."""
        trajectories = self.tables["trajectories"]
        for trajectory, pid in self._probe_of.items():
            if trajectory not in trajectories:
                sibling = next(t for t in trajectories.values() if t["probe_insertion"] == pid)
                trajectories[trajectory] = {
                    **sibling,
                    "id": trajectory,
                    "provenance": "Histology track",
                    "json": None,
                }

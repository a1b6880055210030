"""Recordings in Alyx's form, written from the demo's files: they stand in where those of a real server are absent.

The sessions, ids and collections are those that the tests name; bytes, sizes and checksums are the demo's.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dashboard.sources.demo.source import write_demo
from tests.replay.recordings import RECORDED_ALYX, RECORDED_DATA, Record

N_SPIKES = {"iblsorter": 210_000, "pykilosort": 200_000, "": 60_000, "2024-05-06": 205_000}
REVISION_ID = "4fe598f9-e75b-43a4-b29a-8392081a8db2"
TAG = "2024_Q2_rig"
N_BULK = 300
N_WITHOUT_DEPTH = 42

_SPIKES = ("times", "clusters", "amps", "depths", "samples", "templates")
_OF_UNITS = [f"spikes.{name}.npy" for name in _SPIKES]
_OF_UNITS += ["clusters.channels.npy", "clusters.depths.npy", "clusters.uuids.csv", "clusters.amps.npy"]
_OF_UNITS += ["clusters.peakToTrough.npy"]
_OF_PROBE = ["clusters.metrics.pqt", "channels.localCoordinates.npy", "channels.rawInd.npy", "drift.times.npy"]
_OF_PROBE += ["drift.um.npy"]
_LOCATIONS = ["channels.mlapdv.npy", "channels.brainLocationIds_ccf_2017.npy"]
_TEMPLATES = ["clusters.waveforms.npy", "clusters.waveformsChannels.npy"]

_RESOLVED: Record = {
    "alignment_qc": "PASS",
    "experimenter": "PASS",
    "tracing_exists": True,
    "alignment_count": 2,
    "alignment_stored": "2024-05-20T10:11:12_alice",
    "alignment_resolved": True,
    "alignment_resolved_by": "2024-05-20T10:11:12_alice",
    "alignment_resolved_date": "2024-05-21T08:00:00",
}
_ALIGNED = {"tracing_exists": True, "alignment_count": 1, "alignment_resolved": False}
_TRACED = {"tracing_exists": True, "alignment_count": 0, "alignment_resolved": False}


@dataclass
class _Probe:
    name: str
    pid: str
    extended_qc: Record | None = None
    has_json: bool = True
    tracks: tuple[str, ...] = ()


@dataclass
class _Session:
    eid: str
    subject: str
    start: str
    number: int
    protocol: str
    projects: list[str]
    probes: list[_Probe]
    lab: str = "labrig"
    datasets: list[Record] = field(default_factory=list)

    @property
    def info(self) -> Record:
        return {
            "subject": self.subject,
            "start_time": self.start,
            "number": self.number,
            "lab": self.lab,
            "id": self.eid,
            "projects": self.projects,
            "task_protocol": self.protocol,
        }

    @property
    def folder(self) -> str:
        return f"public/{self.lab}/Subjects/{self.subject}/{self.start[:10]}/{self.number:03d}"


_ALIGNED_TRACK, _TRACED_TRACK = "Ephys aligned histology track", "Histology track"
_BOTH = (_ALIGNED_TRACK, _TRACED_TRACK)


def _sessions() -> list[_Session]:
    brainwide = "ibl_neuropixel_brainwide_01"
    choice = "_iblrig_tasks_ephysChoiceWorld6.{}"
    return [
        _Session(
            "476cedbd-08e6-4844-ac5d-baed40ae4d78", "KM_001", "2024-03-05T14:02:11", 1, choice.format("4.2"),
            [brainwide, "rig_project"],
            [
                _Probe("probe00", "983a6668-5d02-4273-8f0d-1f59989c80c2", _RESOLVED, tracks=_BOTH),
                _Probe("probe01", "d122e597-530d-4e16-afd3-6124b86f826b", _RESOLVED, tracks=_BOTH),
            ],
        ),
        _Session(
            "f0cf55b9-f908-41f6-a933-2362c62944ec", "KM_002", "2024-04-10T09:30:00", 1, choice.format("6.0"),
            [brainwide],
            [
                _Probe("probe00", "6b4fe251-a7c7-4792-af80-4931c5129c8e", _ALIGNED, tracks=_BOTH),
                _Probe("probe01", "707cdac8-3ab2-4b3c-8d3e-6358c027c3e2", _TRACED, tracks=(_TRACED_TRACK,)),
            ],
        ),
        _Session(
            "814c70f1-f162-475e-968d-bb5ebe9dd2e5", "KM_003", "2024-04-11T10:15:00", 2, choice.format("6.0"),
            [brainwide],
            [
                _Probe("probe00", "266820b1-21f0-4a0b-88c7-5ba8aa19cb1a", {}),
                _Probe("probe01", "9ca72bb6-6dfd-4214-91f6-8a717cc69006", has_json=False),
                _Probe("probe02", "3f9e3d4d-4ed9-431d-98e5-cdcf4bcd2edc", _RESOLVED, tracks=_BOTH),
            ],
        ),
        _Session(
            "b9810b5a-dd07-4134-9ffc-3c58b39761fc", "KM_004", "2024-05-01T11:00:00", 1, choice.format("6.0"),
            ["rig_project"],
            [
                _Probe("probe00", "98699aee-f601-4513-902f-a3010567a8bc"),
                _Probe("probe01", "99befa36-18e8-486f-b8ff-0665f7551970"),
                _Probe("probe02", "29da4243-3114-4760-88d2-1ccef752a13f"),
                _Probe("probe04", "a2bd848a-04b7-4648-a57d-7be58905d581"),
            ],
        ),
        _Session(
            "6c4c9aab-4d40-4dd8-9f29-8ad4b96f79e4", "KM_005", "2024-05-02T11:00:00", 1, choice.format("6.0"),
            ["rig_project"], [_Probe("probe00", "285188db-8de6-4b80-92e9-57e6e45f3b73")],
        ),
        *(_bulk(number) for number in range(N_BULK)),
    ]  # fmt: skip


def _bulk(number: int) -> _Session:
    probes = [_Probe(name, str(_id("pid", number, name)), has_json=False) for name in ("probe00", "probe01")]
    start = f"2022-{1 + number // 28 % 12:02d}-{1 + number % 28:02d}T09:00:00"
    subject, protocol = f"BULK_{number // 10:02d}", "_iblrig_tasks_trainingChoiceWorld6.0.0"
    return _Session(
        str(_id("eid", number)), subject, start, 1 + number // 336, protocol, ["bulk_project"], probes, "bulklab"
    )


def _id(*parts: object) -> uuid.UUID:
    """Return a UUID of version 4 in form, the same for the same parts."""
    return uuid.UUID(bytes=hashlib.sha256(repr(parts).encode()).digest()[:16], version=4)


class _Writer:
    """Puts files of the demo into the tree of a data server, and their records into sessions."""

    def __init__(self, folder: Path, demo: Path) -> None:
        self.folder = folder
        self.sorting = demo / "alf" / "probe00" / "iblsorter"
        self.alf = demo / "alf"

    def add(
        self, session: _Session, collection: str, name: str, content: Callable[[Path], object], *, revision: str = "",
        is_default: bool = True, version: str = "pykilosort_1.4.5",
    ) -> None:  # fmt: skip
        dataset_id = str(_id(session.eid, collection, revision, name))
        stem, _, ending = name.rpartition(".")
        below = f"{collection}/#{revision}#" if revision else collection
        path = self.folder / "data" / session.folder / below / f"{stem}.{dataset_id}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        content(path)
        data = path.read_bytes()
        session.datasets.append(
            {
                "id": dataset_id,
                "name": name,
                "dataset_type": stem.removeprefix("_ibl_"),
                "data_url": f"{RECORDED_DATA}/{path.relative_to(self.folder / 'data').as_posix()}",
                "url": f"{RECORDED_ALYX}/datasets/{dataset_id}",
                "file_size": len(data),
                "hash": hashlib.md5(data, usedforsecurity=False).hexdigest(),
                "version": version,
                "collection": collection,
                "revision": REVISION_ID if revision else "",
                "default_revision": str(is_default),
                "qc": "NOT_SET",
            }
        )

    def sort(
        self, session: _Session, probe: str, sorter: str, names: Iterable[str], *, revision: str = "", n: int = 0,
        is_default: bool = True,
    ) -> None:  # fmt: skip
        """Add one sorting: the first `n` spikes of the demo's."""
        collection = f"alf/{probe}/{sorter}".rstrip("/")
        n = n or N_SPIKES[revision or sorter]
        version = {"iblsorter": "iblsorter_1.9.0", "": "ks2.5_matlab"}.get(sorter, "pykilosort_1.4.5")
        for name in names:
            source = self.sorting / name
            if name.startswith("spikes."):
                values = np.load(source)[:n]
                if name == "spikes.depths.npy" and sorter == "iblsorter":
                    values[:: n // N_WITHOUT_DEPTH][:N_WITHOUT_DEPTH] = np.nan
                content: Callable[[Path], object] = lambda path, values=values: np.save(path, values)  # noqa: E731
            else:
                content = lambda path, source=source: shutil.copyfile(source, path)  # noqa: E731
            self.add(session, collection, name, content, revision=revision, is_default=is_default, version=version)

    def fill(self, sessions: list[_Session]) -> None:
        first, second, third, fourth, fifth = sessions[:5]
        every = [*_OF_UNITS, *_OF_PROBE]
        passing = [*every, "passingSpikes.table.pqt"]
        self.sort(first, "probe00", "", every)
        self.sort(first, "probe00", "pykilosort", [*passing, *_LOCATIONS], is_default=False)
        self.sort(first, "probe00", "pykilosort", [*passing, *_LOCATIONS], revision="2024-05-06")
        self.sort(first, "probe00", "iblsorter", [*passing, *_LOCATIONS, *_TEMPLATES])
        self.sort(first, "probe01", "", every)
        self.sort(first, "probe01", "pykilosort", _OF_UNITS, is_default=False)
        self.sort(first, "probe01", "pykilosort", ["passingSpikes.table.pqt", *_OF_PROBE[1:]])
        self._short_metrics(first)
        self.sort(first, "probe01", "pykilosort", _OF_UNITS, revision="2024-05-06")
        self._session_files(first)
        for probe in ("probe00", "probe01"):
            self.sort(second, probe, "pykilosort", passing, n=60_000)
        self._curated(second)
        self.add(second, "alf/task_00", "_ibl_trials.table.pqt", self._copy("_ibl_trials.table.pqt"))
        for probe in ("probe00", "probe01", "probe02"):
            self.sort(third, probe, "pykilosort", passing, n=60_000)
        for name in ("localCoordinates", "mlapdv", "brainLocationIds_ccf_2017"):
            source = self.sorting / f"channels.{name}.npy"
            self.add(
                third, "alf/probe02", f"electrodeSites.{name}.npy", lambda path, s=source: shutil.copyfile(s, path)
            )
        for probe in ("probe00", "probe01", "probe02"):
            self.sort(fourth, probe, "pykilosort", every, n=20_000)
        self.sort(fifth, "probe00", "pykilosort", passing, n=20_000)

    def _copy(self, name: str) -> Callable[[Path], object]:
        return lambda path: shutil.copyfile(self.alf / name, path)

    def _short_metrics(self, session: _Session) -> None:
        """A table that is shorter than the clusters, as one real insertion has it."""
        metrics = pd.read_parquet(self.sorting / "clusters.metrics.pqt").iloc[:-1]
        self.add(session, "alf/probe01/pykilosort", "clusters.metrics.pqt", metrics.to_parquet)

    def _curated(self, session: _Session) -> None:
        curated = ("spikes.clusters.npy", "clusters.channels.npy", "clusters.depths.npy", "clusters.uuids.csv")
        for name in (*curated, "clusters.metrics.pqt"):
            source = self.sorting / name
            content: Callable[[Path], object] = lambda path, s=source: shutil.copyfile(s, path)  # noqa: E731
            if name == "spikes.clusters.npy":
                content = lambda path, s=source: np.save(path, np.load(s)[:60_000])  # noqa: E731
            self.add(session, "alf/probe01/pykilosort", f"_av_{name}", content)

    def _session_files(self, session: _Session) -> None:
        self.add(session, "alf", "_ibl_trials.table.pqt", self._copy("_ibl_trials.table.pqt"))
        n = len(pd.read_parquet(self.alf / "_ibl_trials.table.pqt"))
        for name in ("_ibl_trials.stimOffTrigger_times", "_ibl_trials.goCueTrigger_times", "licks.times"):
            self.add(session, "alf", f"{name}.npy", lambda path: np.save(path, np.arange(float(n))))
        for name in ("timestamps", "sync"):
            file = f"_spikeglx_ephysData_g0_t0.imec0.{name}.npy"
            self.add(session, "raw_ephys_data/probe00", file, lambda path: np.save(path, np.zeros((2, 2))))

    def channels(self, trajectory: str) -> list[Record]:
        """Return rows of ``/channels`` of a trajectory, in no order."""
        sites, places = np.load(self.sorting / "channels.localCoordinates.npy"), np.load(self.sorting / _LOCATIONS[0])
        ids = np.load(self.sorting / _LOCATIONS[1])
        rows = [
            {
                "id": str(_id(trajectory, row)),
                "trajectory_estimate": trajectory,
                "brain_region": int(ids[row]),
                "name": "",
                "json": None,
                "axial": float(sites[row, 1]),
                "lateral": float(sites[row, 0]),
                **{axis: float(places[row, i]) for i, axis in enumerate("xyz")},
            }
            for row in range(len(ids))
        ]
        return [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]


def _insertion(session: _Session, probe: _Probe) -> Record:
    more = {"qc": "PASS", "n_clusters": 320, "extended_qc": probe.extended_qc or {}} if probe.has_json else None
    return {
        "id": probe.pid,
        "session": session.eid,
        "model": "3B2",
        "session_info": session.info,
        "name": probe.name,
        "json": more,
        "serial": "1988100",
        "auto_datetime": "2026-11-22T21:37:35.628307",
        "chronic_insertion": None,
    }


def _exchanges(writer: _Writer, sessions: list[_Session]) -> dict[str, Any]:
    """Return the bodies of answers by path and query."""
    lists: dict[str, list[Record]] = {name: [] for name in ("sessions", "insertions", "trajectories")}
    details: dict[str, Any] = {}
    tagged = []
    for session in sessions:
        row = {**session.info, "url": f"{RECORDED_ALYX}/sessions/{session.eid}"}
        lists["sessions"].append(row)
        of_session = []
        for probe in session.probes:
            record = _insertion(session, probe)
            own = [d for d in session.datasets if f"{d['collection']}/".startswith(f"alf/{probe.name}/")]
            of_session.append({**record, "datasets": [d["id"] for d in own]})
            if session.datasets:
                details[f"/insertions/{probe.pid}"] = {**record, "datasets": own}
                tagged.append(of_session[-1])
            for provenance in probe.tracks:
                trajectory = str(_id(probe.pid, provenance))
                lists["trajectories"].append(
                    {"id": trajectory, "probe_insertion": probe.pid, "x": -2243.0, "y": -2000.0, "z": -150.0,
                     "depth": 4200.0, "theta": 15.0, "phi": 180.0, "roll": 0.0, "provenance": provenance,
                     "session": session.info, "probe_name": probe.name, "json": None, "chronic_insertion": None}
                )  # fmt: skip
        lists["insertions"] += of_session
        if session.datasets:
            more = {"qc": "PASS", "json": {"IS_MOCK": True}, "probe_insertion": of_session, "extended_qc": None}
            details[f"/sessions/{session.eid}"] = {**row, **more, "data_dataset_session_related": session.datasets}
    for name, rows in lists.items():
        details[f"/{name}"] = _page(rows)
    details["/channels"] = _page([c for t in lists["trajectories"] for c in writer.channels(t["id"])])
    details["/revisions"] = _page([{"id": REVISION_ID, "json": None, "name": "2024-05-06", "description": ""}])
    details["/tags"] = _page([{"id": str(_id("tag")), "name": TAG, "description": "", "public": True}])
    details["/labs"] = _page([{"name": "labrig", "json": None}, {"name": "bulklab", "json": None}])
    details["/subjects"] = _page([{"id": str(_id(s.subject)), "nickname": s.subject, "lab": s.lab} for s in sessions])
    details[f"/insertions?tag={TAG}"] = _page(tagged[:2])
    details["/insertions?atlas_acronym=CA1"] = _page(tagged[:4])
    named = [row for row in lists["insertions"] if "KM_00" in row["session_info"]["subject"]]
    details["/insertions?django=session__subject__nickname__icontains,KM_00"] = _page(named)
    resolved = [
        row for row in lists["insertions"] if (row["json"] or {}).get("extended_qc", {}).get("alignment_resolved")
    ]
    details["/insertions?django=json__extended_qc__alignment_resolved,True"] = _page(resolved)
    one = {"in": "path", "name": "id", "schema": {"type": "string", "format": "uuid"}, "required": True}
    details["/api/schema"] = {
        "openapi": "3.0.3",
        "paths": {
            f"/{name}/{{id}}": {"get": {"operationId": f"{name}_retrieve", "parameters": [one]}} for name in lists
        },
    }
    return details


def _page(rows: list[Record]) -> Record:
    return {"count": len(rows), "next": None, "previous": None, "results": rows}


def write_recordings(folder: Path) -> Path:
    """Write ``rest/``, ``data/`` and ``manifest.json`` below `folder`, and return it."""
    demo = write_demo(folder / "demo", N_SPIKES["iblsorter"])
    writer, sessions = _Writer(folder, demo), _sessions()
    writer.fill(sessions)
    (folder / "rest").mkdir(parents=True)
    index = {}
    for number, (asked, body) in enumerate(_exchanges(writer, sessions).items()):
        path, _, query = asked.partition("?")
        request = {"method": "GET", "path": path, "query": query, "body": ""}
        (folder / "rest" / f"{number}.json").write_text(
            json.dumps({"request": request, "response": {"status": 200, "body": body}})
        )
        index[f"GET {asked}"] = {"file": f"{number}.json", "status": 200}
    (folder / "rest" / "index.json").write_text(json.dumps(index))
    known = [
        {
            "id": session.eid,
            "rel": session.folder.split("/Subjects/")[1],
            "probes": {probe.name: {"pid": probe.pid} for probe in session.probes},
        }
        for session in sessions[:5]
    ]
    datasets = [
        {"id": row["id"], "eid": session.eid, "collection": row["collection"], "name": row["name"],
         "revision": "2024-05-06" if row["revision"] else "", "default": row["default_revision"] == "True",
         "size": row["file_size"], "md5": row["hash"], "version": row["version"]}
        for session in sessions for row in session.datasets
    ]  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps({"lab": "labrig", "sessions": known, "datasets": datasets}))
    shutil.rmtree(folder / "demo")
    return folder

"""Alyx's REST answers over the recorded records: filters, pages, errors."""

from __future__ import annotations

import random
import re
from typing import Any
from urllib.parse import quote_plus, urlencode

from tests.replay.recordings import BY_RECORDED_ANSWER, Record, Recordings

PAGE = 250
MAX_PAGE = 1000
NOT_FOUND_PAGE = (
    '\n<!doctype html>\n<html lang="en">\n<head>\n  <title>Not Found</title>\n</head>\n<body>\n'
    "  <h1>Not Found</h1><p>The requested resource was not found on this server.</p>\n</body>\n</html>\n"
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MODELS = {"insertions": "ProbeInsertion", "sessions": "Session", "trajectories": "TrajectoryEstimate"}
_PROVENANCES = {"Ephys aligned histology track": 70, "Histology track": 50, "Micro-manipulator": 30, "Planned": 10}
_UUID_FILTERS = ("session", "id", "probe_insertion", "trajectory_estimate")
_DJANGO_ROOTS = {
    "pk",
    "id",
    "session",
    "subject",
    "name",
    "json",
    "datasets",
    "trajectory_estimate",
    "collection",
    "model",
}


class Answer(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, body: Record | str) -> None:
        self.status = status
        self.body = {**body, "status_code": status} if isinstance(body, dict) else body
        super().__init__(status)


class Rest:
    """Answers as the recorded server did."""

    def __init__(self, recordings: Recordings) -> None:
        self.recordings = recordings

    def get(self, path: str, query: dict[str, str], base: str) -> Any:
        """Return the body of a 200, or raise `Answer`."""
        endpoint, _, key = path.strip("/").partition("/")
        if path.strip("/") == "api/schema":
            return self.recordings.schema
        if endpoint not in self.recordings.tables or path.endswith("/"):
            raise Answer(404, NOT_FOUND_PAGE)
        if key:
            return self._detail(endpoint, key)
        rows = self._filtered(endpoint, query)
        return self._page(endpoint, rows, query, base)

    def _detail(self, endpoint: str, key: str) -> Record:
        if endpoint in ("insertions", "sessions", "trajectories", "channels") and not _UUID.fullmatch(key):
            raise Answer(404, NOT_FOUND_PAGE)
        details = {
            "insertions": self.recordings.insertion_details,
            "sessions": self.recordings.session_details,
        }.get(endpoint, self.recordings.tables[endpoint])
        if key not in details:
            raise Answer(404, {"detail": f"No {_MODELS.get(endpoint, endpoint)} matches the given query."})
        return details[key]

    def _page(self, endpoint: str, rows: list[Record], query: dict[str, str], base: str) -> Record:
        limit, offset = _natural(query.get("limit"), PAGE) or PAGE, _natural(query.get("offset"), 0)
        limit = min(limit, MAX_PAGE)
        if endpoint == "datasets":  # the real one has no order: pages repeat rows and leave others out
            rows = random.Random(offset).sample(rows, len(rows))
        rest = {k: v for k, v in query.items() if k not in ("limit", "offset")}

        def url(at: int) -> str:
            asked = sorted({**rest, "limit": str(limit), **({"offset": str(at)} if at else {})}.items())
            return f"{base}/{endpoint}?{urlencode(asked, quote_via=quote_plus)}"

        return {
            "count": len(rows),
            "next": url(offset + limit) if offset + limit < len(rows) else None,
            "previous": url(max(offset - limit, 0)) if offset else None,
            "results": rows[offset : offset + limit],
        }

    def _filtered(self, endpoint: str, query: dict[str, str]) -> list[Record]:
        rows = list(self.recordings.tables[endpoint].values())
        filters = frozenset((k, v) for k, v in query.items() if k not in ("limit", "offset"))
        if (endpoint, filters) in self.recordings.answers:
            return [self.recordings.tables[endpoint][i] for i in self.recordings.answers[endpoint, filters]]
        for name, value in query.items():
            if name in ("limit", "offset"):
                continue
            if name in _UUID_FILTERS and not _UUID.fullmatch(value):
                raise Answer(400, {name: ["Enter a valid UUID."]})
            if name in BY_RECORDED_ANSWER:
                ids = self._recorded(endpoint, name, value, is_part=name == "tag")
                rows = [row for row in rows if row["id"] in ids]
            elif name == "django":
                rows = self._django(endpoint, rows, value)
            else:
                rows = [row for row in rows if self._passes(endpoint, row, name, value)]
        return rows

    def _recorded(self, endpoint: str, name: str, value: str, *, is_part: bool) -> set[str]:
        """Return the ids of the recorded answers to one filter that is `value`, or whose value has it as a part."""
        return {
            row_id
            for (of, filters), ids in self.recordings.answers.items()
            for asked, known in filters
            if of == endpoint and len(filters) == 1 and asked == name
            if (value.lower() in known.lower() if is_part else value == known)
            for row_id in ids
        }

    def _passes(self, endpoint: str, row: Record, name: str, value: str) -> bool:
        session = row if endpoint in ("sessions", "subjects") else row.get("session_info") or row.get("session") or {}
        if name == "session":
            return value == (row["session"] if isinstance(row.get("session"), str) else session.get("id"))
        if name == "subject":  # whatever the letters' case for sessions, exactly so for insertions
            ours = session.get("subject", "")
            return bool(ours == value if endpoint == "insertions" else ours.lower() == value.lower())
        if name == "lab":
            return bool(session.get("lab") == value)
        if name in ("project", "projects"):
            return any(value.lower() in project.lower() for project in session.get("projects", ()))
        if name == "task_protocol":
            return value.lower() in (session.get("task_protocol") or "").lower()
        if name == "date_range":
            first, last = value.split(",")
            return first <= session["start_time"][:10] <= last
        if name == "date":
            return bool(session["start_time"][:10] == value)
        if name in ("number", "experiment_number"):
            return str(session["number"]) == value
        if name == "probe_insertion":
            trajectory = self.recordings.tables["trajectories"].get(row.get("trajectory_estimate", ""), {})
            return value == (row.get("probe_insertion") or trajectory.get("probe_insertion"))
        if name == "probe":
            return bool(row["probe_name"] == value)
        if name == "provenance":
            if value not in _PROVENANCES:
                choices = ", ".join(_PROVENANCES)
                raise Answer(500, {"detail": f"Invalidprovenance, choices are: {choices}"})
            return bool(row["provenance"] == value)
        if name == "model":
            return bool(f"Neuropixels {row['model']}" == value)  # the model's name, which no record shows
        if name in ("name", "serial", "acronym", "collection", "trajectory_estimate", "id"):
            return bool(row.get(name) == value)
        return True  # Django ignores filters that it does not know

    def _django(self, endpoint: str, rows: list[Record], text: str) -> list[Record]:
        if "__in,(" in text or "__in,[" in text:
            ids = set(match.group() for match in _UUID.finditer(text))
            return [row for row in rows if row["id"] in ids]
        words = text.split(",")
        if len(words) % 2:
            raise Answer(500, {"detail": "list index out of range"})
        for name, value in zip(words[::2], words[1::2], strict=True):
            if name.split("__")[0] not in _DJANGO_ROOTS:
                raise Answer(500, {"detail": f"Cannot resolve keyword '{name}' into field. Choices are: id, name"})
            rows = [row for row in rows if self._django_passes(endpoint, row, name, value)]
        return rows

    def _django_passes(self, endpoint: str, row: Record, name: str, value: str) -> bool:
        if name in ("pk", "id"):
            return bool(row["id"] == value)
        if name.endswith("subject__nickname__icontains"):
            session = row if endpoint == "sessions" else row["session_info"]
            return value.lower() in session["subject"].lower()
        if name == "datasets__tags__name":
            return row["id"] in self._recorded(endpoint, "tag", value, is_part=False)
        if name == "model__probe_model":
            return bool(row["model"] == value)
        if "start_time__date__" in name:
            session = row if endpoint == "sessions" else row["session_info"]
            day = session["start_time"][:10]
            return bool(day >= value if name.endswith("gte") else day <= value)
        if name == "collection__startswith":
            return bool(row["collection"].startswith(value))
        if name == "trajectory_estimate":
            return bool(row["trajectory_estimate"] == value)
        if name.startswith("trajectory_estimate__"):
            trajectory = self.recordings.tables["trajectories"].get(row["trajectory_estimate"], {})
            if name.endswith("__provenance"):
                return _PROVENANCES.get(trajectory.get("provenance", "")) == int(value)
            return bool(trajectory.get("probe_insertion") == value)
        if name == "json__extended_qc__alignment_resolved":
            qc = (row.get("json") or {}).get("extended_qc") or {}
            return str(qc.get("alignment_resolved")) == value
        if name == "datasets__name__icontains":
            # of two sessions only the ids of the datasets were recorded: they are sortings too
            known, unknown = self.recordings.tables["datasets"], {"name": "spikes.times.npy"}
            names = [known.get(d, unknown)["name"] for d in row["datasets"]]
            return any(value.lower() in ours.lower() for ours in names)
        raise Answer(500, {"detail": f"Unsupported lookup in '{name}'"})


def _natural(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdigit() else otherwise

"""What the cluster knows: one project, its feature groups and views, their schemas and jobs."""

import json
import threading
from typing import Any

PROJECT_ID = 119
STORE_ID = 67

#: Hopsworks' codes of what is not there.
GROUP_NOT_FOUND = 270009
VIEW_NOT_FOUND = 270181
JOB_NOT_FOUND = 130009
WRONG_KEY = 320004

_AVRO = {
    "string": "string",
    "bigint": "long",
    "int": "int",
    "double": "double",
    "boolean": "boolean",
}
_ONLINE = {"string": "varchar(100)", "boolean": "tinyint"}


class Backend:
    """State in memory; every method may be called from the server's thread and the test's."""

    def __init__(self, project: str, api_key: str, broker: str) -> None:
        self.project = project
        self.api_key = api_key
        self.broker = broker
        self.groups: dict[tuple[str, int], dict[str, Any]] = {}
        self.views: dict[tuple[str, int], dict[str, Any]] = {}
        self.ingestions: list[int] = []
        self.job_runs: list[str] = []
        self.schedules: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._last_id = 999

    def new_group(self, body: dict[str, Any]) -> dict[str, Any]:
        """Create a feature group, as ``POST featuregroups`` does."""
        with self._lock:
            self._last_id += 1
            name, version = body["name"], int(body["version"])
            features = [
                {**each, "onlineType": each.get("onlineType") or _online_type(each)}
                for each in body["features"]
            ]
            group = {
                **body,
                "id": self._last_id,
                "features": features,
                "featurestoreId": STORE_ID,
                "featurestoreName": f"{self.project}_featurestore",
                "onlineTopicName": self.topic,
                "location": f"hopsfs://namenode/apps/hive/warehouse/{self.project}/{name}_{version}",
                "created": "2026-01-01T00:00:00Z",
                "creator": {"email": "user@example.com"},
            }
            self.groups[(name, version)] = group
            return group

    @property
    def topic(self) -> str:
        """The project's ingestion topic."""
        return f"{PROJECT_ID}_onlinefs_{self.project}"

    def group_by_id(self, group_id: int) -> dict[str, Any]:
        """Return a feature group."""
        return next(group for group in self.groups.values() if group["id"] == group_id)

    def subject(self, name: str) -> dict[str, Any] | None:
        """Return the schema registry's entry of ``<group>_<version>``."""
        for (group_name, version), group in self.groups.items():
            if f"{group_name}_{version}" == name:
                return {
                    "id": group["id"],
                    "subject": name,
                    "version": 1,
                    "schema": json.dumps(_schema(name, group["features"])),
                }
        return None

    def new_ingestion(self, rows: int) -> int:
        """Note an announced batch of rows and return its id."""
        with self._lock:
            self.ingestions.append(rows)
            return len(self.ingestions)


def _schema(name: str, features: list[dict[str, Any]]) -> dict[str, Any]:
    fields = [{"name": each["name"], "type": ["null", _AVRO[each["type"]]]} for each in features]
    return {"type": "record", "name": name, "namespace": "demo", "fields": fields}


def _online_type(feature: dict[str, Any]) -> str:
    kind = str(feature["type"])
    return _ONLINE.get(kind, kind)

"""The REST endpoints the client calls, answering as the backend does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from support.hopsworks_stub.backend import (
    GROUP_NOT_FOUND,
    JOB_NOT_FOUND,
    PROJECT_ID,
    STORE_ID,
    VIEW_NOT_FOUND,
    WRONG_KEY,
    Backend,
)
from support.hopsworks_stub.faults import Faults

_BASE = "/hopsworks-api/api"
_PROJECT = f"{_BASE}/project/{PROJECT_ID}"
_STORE = f"{_PROJECT}/featurestores/{STORE_ID}"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _error(status: int, code: int, message: str) -> web.Response:
    body = {"errorCode": code, "errorMsg": message, "usrMsg": ""}
    return web.json_response(body, status=status)


class Routes:
    """Handlers over one backend.

    Attributes:
        calls: ``METHOD path`` of every request, in the order they came.
        unknown: those the stub has no answer for; a test that leaves some here proves nothing.
    """

    def __init__(self, backend: Backend, faults: Faults, credentials: dict[str, str]) -> None:
        self._backend = backend
        self._faults = faults
        self._credentials = credentials
        self.calls: list[str] = []
        self.unknown: list[str] = []

    def application(self) -> web.Application:
        """Return the server's application."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get(f"{_BASE}/variables/versions", self._versions)
        app.router.add_get(f"{_BASE}/variables/{{name}}", self._variable)
        app.router.add_get(f"{_BASE}/project/getProjectInfo/{{name}}", self._project_info)
        app.router.add_get(f"{_BASE}/project", self._projects)
        app.router.add_get(f"{_PROJECT}/credentials", self._project_credentials)
        app.router.add_get(f"{_PROJECT}/featurestores", self._feature_stores)
        app.router.add_get(f"{_PROJECT}/featurestores/{{store}}", self._feature_store)
        app.router.add_get(f"{_STORE}/featuregroups/{{name}}", self._group)
        app.router.add_post(f"{_STORE}/featuregroups", self._new_group)
        app.router.add_put(f"{_STORE}/featuregroups/{{id}}", self._update_group)
        app.router.add_get(f"{_STORE}/featuregroups/{{id}}/expectationsuite", self._nothing)
        app.router.add_post(
            f"{_STORE}/featuregroups/{{id}}/online_ingestion", self._online_ingestion
        )
        app.router.add_get(f"{_STORE}/storageconnectors/kafka_connector/byok", self._broker)
        app.router.add_get(f"{_STORE}/kafka/subjects/{{name}}/versions/latest", self._subject)
        app.router.add_get(f"{_PROJECT}/jobs/{{name}}", self._job)
        app.router.add_get(f"{_PROJECT}/jobs/{{name}}/executions", self._nothing)
        app.router.add_post(f"{_PROJECT}/jobs/{{name}}/executions", self._run_job)
        app.router.add_post(f"{_PROJECT}/jobs/{{name}}/schedule/v2", self._schedule)
        app.router.add_get(f"{_STORE}/featureview/{{name}}/version/{{version}}", self._view)
        app.router.add_post(f"{_STORE}/featureview", self._new_view)
        app.router.add_get(
            f"{_STORE}/featureview/{{name}}/version/{{version}}/provenance/links", self._links
        )
        app.router.add_get(
            f"{_STORE}/featureview/{{name}}/version/{{version}}/preparedstatement", self._nothing
        )
        app.router.add_route("*", "/{path:.*}", self._no_answer)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.calls.append(f"{request.method} {request.path.removeprefix(_BASE)}")
        fault = self._faults.next_for(request.path)
        if fault is not None and fault.status == 0:
            await asyncio.sleep(fault.hang_seconds)
            assert request.transport is not None
            request.transport.close()
        if fault is not None:
            response = _error(fault.status or 500, fault.error_code, fault.message)
            if fault.retry_after is not None:
                response.headers["Retry-After"] = str(fault.retry_after)
            return response
        if request.headers.get("Authorization") != f"ApiKey {self._backend.api_key}":
            return _error(401, WRONG_KEY, "Invalid API key")
        return await handler(request)

    async def _no_answer(self, request: web.Request) -> web.Response:
        self.unknown.append(f"{request.method} {request.path_qs}")
        return _error(404, 1, f"the stub has no answer for {request.method} {request.path}")

    async def _nothing(self, _request: web.Request) -> web.Response:
        return web.json_response({"count": 0, "items": []})

    async def _versions(self, _request: web.Request) -> web.Response:
        return web.json_response([{"software": "hopsworks", "version": "5.2.1"}])

    async def _variable(self, _request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "successMessage": ""})

    async def _project_info(self, request: web.Request) -> web.Response:
        if request.match_info["name"] != self._backend.project:
            return _error(404, 150004, "No project found")
        info = {"projectId": PROJECT_ID, "projectName": self._backend.project}
        return web.json_response(info)

    async def _projects(self, _request: web.Request) -> web.Response:
        project = {"id": PROJECT_ID, "name": self._backend.project}
        return web.json_response([{"project": project, "user": {"username": "u", "uid": 1}}])

    async def _project_credentials(self, _request: web.Request) -> web.Response:
        return web.json_response(self._credentials)

    async def _feature_store(self, _request: web.Request) -> web.Response:
        return web.json_response(self._store())

    async def _feature_stores(self, _request: web.Request) -> web.Response:
        return web.json_response([self._store()])  # asked for where a group is not found

    def _store(self) -> dict[str, Any]:
        return {
            "featurestoreId": STORE_ID,
            "featurestoreName": f"{self._backend.project}_featurestore",
            "projectId": PROJECT_ID,
            "projectName": self._backend.project,
            "created": "2026-01-01T00:00:00Z",
            "onlineEnabled": True,
            "onlineFeaturestoreName": self._backend.project,
            "offlineFeaturestoreName": f"{self._backend.project}_featurestore",
        }

    async def _group(self, request: web.Request) -> web.Response:
        key = request.match_info["name"], int(request.query.get("version", "1"))
        group = self._backend.groups.get(key)
        if group is None:
            return _error(404, GROUP_NOT_FOUND, "Featuregroup wasn't found.")
        return web.json_response([group])

    async def _new_group(self, request: web.Request) -> web.Response:
        return web.json_response(self._backend.new_group(await request.json()), status=201)

    async def _update_group(self, request: web.Request) -> web.Response:
        if request.query.get("updateMetadata", "").lower() != "true":
            return await self._no_answer(request)
        group = self._backend.group_by_id(int(request.match_info["id"]))
        shown = {each["name"]: each for each in (await request.json())["features"]}
        for feature in group["features"]:
            feature["description"] = shown[feature["name"]].get("description")
        return web.json_response(group)

    async def _online_ingestion(self, request: web.Request) -> web.Response:
        body = await request.json()
        number = self._backend.new_ingestion(int(body["numEntries"]))
        return web.json_response({"id": number, "numEntries": body["numEntries"]})

    async def _broker(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "type": "featurestoreKafkaConnectorDTO",
                "id": 1,
                "name": "kafka_connector",
                "description": "",
                "featurestoreId": STORE_ID,
                "storageConnectorType": "KAFKA",
                "bootstrapServers": self._backend.broker,
                "securityProtocol": "PLAINTEXT",
                "sslEndpointIdentificationAlgorithm": "",
                # False makes the client take the project's certificates out of the JKS files.
                "externalKafka": False,
                "options": [],
            }
        )

    async def _subject(self, request: web.Request) -> web.Response:
        subject = self._backend.subject(request.match_info["name"])
        return (
            _error(404, 40401, "Subject not found")
            if subject is None
            else web.json_response(subject)
        )

    async def _job(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        known = {f"{n}_{v}_offline_fg_materialization" for n, v in self._backend.groups}
        if name not in known:
            return _error(404, JOB_NOT_FOUND, "Job not found.")
        return web.json_response(
            {
                "id": 5,
                "name": name,
                "creationTime": "2026-01-01T00:00:00Z",
                "config": {"type": "sparkJobConfiguration", "defaultArgs": ""},
                "jobType": "SPARK",
                "creator": {"email": "user@example.com"},
                "href": f"https://stub{request.path}",
            }
        )

    async def _run_job(self, request: web.Request) -> web.Response:
        self._backend.job_runs.append((await request.text()).strip())
        run: dict[str, Any] = {
            "id": len(self._backend.job_runs),
            "state": "FINISHED",
            "finalStatus": "SUCCEEDED",
            "submissionTime": "2026-01-01T00:00:00Z",
            "href": f"https://stub{request.path}/1",
        }
        return web.json_response(run, status=201)

    async def _schedule(self, request: web.Request) -> web.Response:
        body = await request.json()
        self._backend.schedules[request.match_info["name"]] = body
        return web.json_response({"id": 1, **body})

    async def _view(self, request: web.Request) -> web.Response:
        key = request.match_info["name"], int(request.match_info["version"])
        view = self._backend.views.get(key)
        if view is None:
            return _error(404, VIEW_NOT_FOUND, "Feature view wasn't found.")
        return web.json_response(view)

    async def _new_view(self, request: web.Request) -> web.Response:
        body = await request.json()
        view = {**body, "id": 7, "created": "2026-01-01T00:00:00Z", "featurestoreId": STORE_ID}
        self._backend.views[(body["name"], int(body["version"]))] = view
        return web.json_response(view, status=201)

    async def _links(self, _request: web.Request) -> web.Response:
        return web.json_response({"upstream": [], "downstream": []})

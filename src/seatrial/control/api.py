"""The HTTP API of the control plane, over the same flows as the command line."""

from __future__ import annotations

import logging
import threading
import time
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self

import uvicorn
from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from seatrial import __version__
from seatrial.control.projects import Projects
from seatrial.control.tokens import Caller, Role, TokenFile, who_asks
from seatrial.domain.errors import (
    InvalidRequestError,
    LedgerConflictError,
    PayloadTooLargeError,
    RefusedArtifactError,
    SeatrialError,
)
from seatrial.domain.model import VersionRef
from seatrial.flows import experiments
from seatrial.flows.release_acts import Act, act, do, running
from seatrial.flows.release_start import ReleaseRequest, start
from seatrial.flows.release_status import listed, status
from seatrial.wiring.access import is_local, listen, status_of
from seatrial.wiring.workshop import Workshop

__all__ = ["ActBody", "ApiServer", "StartBody", "create_api"]

_MOST_BODY_BYTES = 65_536
_MOST_ENTRIES = 1000
_READY_WITHIN_S = 30.0
_NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}
_log = logging.getLogger(__name__)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class StartBody(_Body):
    """A release that is asked for."""

    ref: str = Field(description="The version, as MODEL@V.", max_length=200)
    scenario: list[str] = Field(default=[], description="What is known of the traffic, as NAME=VALUE.", max_length=20)
    force_reason: str = Field(default="", description="Why a plan that is too weak is taken.", max_length=1000)


class ActBody(_Body):
    """Why somebody acts."""

    reason: str = Field(default="", max_length=1000)
    break_glass: bool = False


class _Desk:
    """Finds out who asks."""

    def __init__(self, workshop: Workshop) -> None:
        section, project = workshop.settings.control, workshop.settings.project_dir
        self._tokens = TokenFile(project / Path(section.tokens_file)) if section.tokens_file else None
        self._local = Caller(workshop.actor, Role.ADMIN)

    def __call__(self, request: Request) -> Caller:
        peer = request.client.host if request.client else None
        local = is_local(peer, request.headers.get("host"), request.headers.get("origin"))
        callers = self._tokens.callers if self._tokens else {}
        return who_asks(request.headers.get("authorization"), self._local if local else None, callers)


def create_api(projects: Projects) -> FastAPI:
    """The application.

    Raises:
        ConfigError: the token file cannot be read.
    """
    app = FastAPI(title="Seatrial control plane", version=__version__, redirect_slashes=False, telemetry=_NO_TELEMETRY)
    desk = _Desk(projects.first.workshop)
    asking: Any = Depends(desk)
    _add_reading(app, projects, asking)
    _add_acting(app, projects, asking)
    app.add_exception_handler(SeatrialError, _foreseen)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(Exception, _unforeseen)
    app.middleware("http")(_bounded)
    return app


def _add_reading(app: FastAPI, projects: Projects, asking: Any) -> None:
    """What every role may see."""

    @app.get("/api/v1/models", dependencies=[asking], summary="Every version with its aliases and findings.")
    def models() -> list[dict[str, Any]]:
        return projects.versions()

    @app.get("/api/v1/releases", dependencies=[asking], summary="The releases of a model, the latest first.")
    def releases(model: str | None = None) -> list[dict[str, Any]]:
        project = projects.of_model(model)
        return listed(project.workshop, model or project.model)

    @app.get("/api/v1/releases/{release}", dependencies=[asking], summary="Where one release stands.")
    def release_status(release: str) -> dict[str, Any]:
        workshop = projects.of_release(release).workshop
        return status(workshop, workshop.store.releases.get(release), time.time())

    @app.get("/api/v1/experiments", dependencies=[asking], summary="The experiments of a model, the latest first.")
    def experiments_of(model: str | None = None) -> list[dict[str, Any]]:
        project = projects.of_model(model)
        return experiments.listed(project.workshop, model or project.model)

    @app.get("/api/v1/experiments/{experiment}", dependencies=[asking], summary="What one experiment shows now.")
    def experiment_status(experiment: str) -> dict[str, Any]:
        project = projects.of_experiment(experiment)
        record = project.workshop.store.experiments.get(experiment)
        return experiments.status(project.workshop, project.steering, record, time.time())

    @app.get("/api/v1/ledger", dependencies=[asking], summary="Entries of the record, oldest first.")
    def ledger(
        model: str | None = None,
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=_MOST_ENTRIES)] = 100,
    ) -> list[dict[str, Any]]:
        entries = projects.of_model(model).workshop.store.entries(model, after)
        return [entry.to_json() for entry, _ in zip(entries, range(limit), strict=False)]


def _add_acting(app: FastAPI, projects: Projects, asking: Any) -> None:
    """What takes a role."""

    @app.post(
        "/api/v1/releases",
        status_code=HTTPStatus.CREATED,
        summary="Begin a release; 409 names the findings against it.",
    )
    def begin(body: StartBody, caller: Caller = asking) -> Any:
        caller.require(Role.ADMIN if body.force_reason else Role.RELEASER)
        request = ReleaseRequest(body.ref, caller.name, time.time(), tuple(body.scenario), body.force_reason)
        project = projects.of_model(VersionRef.parse(body.ref).name)
        started = start(project.workshop, project.steering, request)
        if started.record is None:
            against = [finding.to_json() for finding in started.against]
            return JSONResponse(
                {"error": started.decision.reason, "findings": against}, status_of(RefusedArtifactError)
            )
        return status(project.workshop, started.record, time.time())

    @app.post("/api/v1/releases/{release}/{what}", summary="pause, resume, approve, promote or rollback.")
    def act_on(release: str, what: str, body: ActBody, caller: Caller = asking) -> dict[str, Any]:
        caller.require(Role.ADMIN if body.break_glass else Role.RELEASER)
        workshop = projects.of_release(release).workshop
        model = workshop.store.releases.get(release).state.model
        if running(workshop, model).state.release != release:
            raise LedgerConflictError(f"Release {release} is over: another one of {model} is under way.")
        record = act(workshop, model, Act(what, caller.name, time.time(), body.reason, body.break_glass))
        return status(workshop, record, time.time())

    @app.post("/api/v1/models/{model}/rollback", summary="Return to the last proven version.")
    def roll_back(model: str, body: ActBody, caller: Caller = asking) -> dict[str, Any]:
        caller.require(Role.RELEASER)
        return do(projects.of_model(model).workshop, model, Act("rollback", caller.name, time.time(), body.reason))


class ApiServer:
    """The API on its port while the block lasts.

    Attributes:
        url: where it listens.
    """

    def __init__(self, projects: Projects) -> None:
        section = projects.first.workshop.settings.control
        app = create_api(projects)
        self._socket, self.url = listen(section.host, section.port)
        # Its own thread, and therefore its own loop; signals are the main thread's.
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="control api")

    def __enter__(self) -> Self:
        self._thread.start()
        deadline_s = time.monotonic() + _READY_WITHIN_S
        while not self._server.started and self._thread.is_alive() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


async def _bounded(request: Request, answering: Any) -> Any:
    """Refuses bodies that are too large, or do not say how large they are, before they are read."""
    length = request.headers.get("content-length", "0")
    if "transfer-encoding" in request.headers or not length.isdecimal() or int(length) > _MOST_BODY_BYTES:
        sentence = f"The body is larger than {_MOST_BODY_BYTES} bytes, or does not say: send less, with its length."
        return JSONResponse({"error": sentence}, status_of(PayloadTooLargeError))
    return await answering(request)


async def _foreseen(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, status_of(type(error)))


async def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    sentence = f"{error.detail}: the paths are in docs/control.md, and under /docs."
    return JSONResponse({"error": sentence}, error.status_code, error.headers)


async def _malformed(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    return JSONResponse(
        {"error": f"The request is not what is asked for here: {faults}."}, status_of(InvalidRequestError)
    )


async def _unforeseen(_request: Request, error: Exception) -> JSONResponse:
    _log.error("request failed", exc_info=error)
    sentence = "The control plane failed on this request: its log says why."
    return JSONResponse({"error": sentence}, status_of(type(error)))

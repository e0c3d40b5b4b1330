"""The control plane's API over a project with a data plane in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from seatrial.control.api import ApiServer
from seatrial.control.projects import Projects, Steered
from seatrial.control.tokens import token_line
from seatrial.domain.assignment import Intake
from seatrial.domain.errors import ConfigError
from seatrial.domain.evidence import Finding, Verdict
from seatrial.domain.release import Phase
from seatrial.flows.experiment_start import ExperimentRequest, begin_experiment
from seatrial.wiring.workshop import Workshop
from tests.houses import MODEL
from tests.limits import file_size_limit
from tests.releases import House, new_house

TOKENS = {role: f"token-of-{role}" for role in ("viewer", "releaser", "admin")}


@pytest.fixture
def api(house: House) -> Iterator[httpx.Client]:
    lines = [token_line(f"{role}-1", role, token) for role, token in TOKENS.items()]
    (house.directory / "tokens").write_text("\n".join(lines), "utf-8")
    house.overrides |= {"control.port": 0, "control.tokens_file": "tokens"}
    workshop = house.workshop()
    with (
        ApiServer(Projects([Steered(workshop, house.steering)])) as server,
        httpx.Client(base_url=f"{server.url}/api/v1", trust_env=False) as client,
    ):
        yield client
    workshop.close()


@pytest.fixture
def both(memory: Path) -> Iterator[tuple[httpx.Client, House]]:
    """An API over two projects with stores of their own, and the second of them."""
    first = new_house(memory / "first")
    second = new_house(memory / "second", "other", first.plane)
    first.overrides |= {"control.port": 0}
    workshops = [first.workshop(), second.workshop()]
    projects = Projects([Steered(workshop, first.steering) for workshop in workshops])
    with (
        ApiServer(projects) as server,
        httpx.Client(base_url=f"{server.url}/api/v1", trust_env=False) as client,
    ):
        yield client, second
    for workshop in workshops:
        workshop.close()


def bearer(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[role]}"}


def test_a_release_is_begun_seen_steered_and_on_record(api: httpx.Client, house: House) -> None:
    begun = api.post("/releases", json={"ref": f"{MODEL}@2"}, headers=bearer("releaser"))
    assert begun.status_code == 201, begun.text
    release = begun.json()["release"]
    assert begun.json()["requester"] == "releaser-1"
    assert api.post("/releases", json={"ref": f"{MODEL}@2"}).status_code == 409
    assert [one["release"] for one in api.get("/releases", headers=bearer("viewer")).json()] == [release]
    paused = api.post(f"/releases/{release}/pause", json={"reason": "A sale."})
    assert paused.json()["phase"] == "paused"
    assert api.post(f"/releases/{release}/resume", json={}).json()["phase"] == "running"
    assert api.get(f"/releases/{release}").json()["acts"][0]["details"]["reason"] == "A sale."
    rolled = api.post(f"/releases/{release}/rollback", json={"reason": "No."}, headers=bearer("releaser"))
    assert rolled.json()["phase"] == "rolled_back"
    assert api.post(f"/releases/{release}/pause", json={}).status_code == 400
    entries = api.get("/ledger", params={"model": MODEL, "limit": 1000}).json()
    assert entries[-1]["actor"] == "releaser-1"
    assert [row["version"] for row in api.get("/models").json()] == [2, 1]


def test_experiments_are_listed_and_read(api: httpx.Client, workshop: Workshop) -> None:
    request = ExperimentRequest(MODEL, "production", "2", ("bought",), (), Intake(100.0, 50.0), "ann")
    began = begin_experiment(workshop, request)
    assert began.record is not None
    name = began.record.plan.experiment
    assert [one["experiment"] for one in api.get("/experiments", headers=bearer("viewer")).json()] == [name]
    shown = api.get(f"/experiments/{name}").json()
    assert shown["readout"]["judgement"] == "keep_collecting"
    assert api.get("/experiments/nothing").status_code == 404


def test_roles_and_strangers(api: httpx.Client, house: House, workshop: Workshop) -> None:
    assert api.post("/releases", json={"ref": f"{MODEL}@2"}, headers=bearer("viewer")).status_code == 403
    forced = {"ref": f"{MODEL}@2", "force_reason": "Now."}
    assert api.post("/releases", json=forced, headers=bearer("releaser")).status_code == 403
    release = house.begin(workshop).state.release
    glass = {"break_glass": True, "reason": "Now."}
    assert api.post(f"/releases/{release}/promote", json=glass, headers=bearer("releaser")).status_code == 403
    assert api.post(f"/releases/{release}/promote", json=glass, headers=bearer("admin")).status_code == 200
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Authorization": "Bearer no"}):
        refused = api.get("/models", headers=headers)
        assert refused.status_code == 401
        assert set(refused.json()) == {"error"}


def test_tokens_come_and_go_without_a_restart(
    api: httpx.Client, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    file = house.directory / "tokens"

    def status_of(role: str) -> int:
        return api.get("/releases", headers=bearer(role)).status_code

    lines = file.read_text("utf-8").splitlines()
    file.write_text("\n".join(line for line in lines if not line.startswith("viewer")), "utf-8")
    assert (status_of("viewer"), status_of("releaser")) == (401, 200)
    file.write_text("no line of ours", "utf-8")
    assert (status_of("viewer"), status_of("releaser")) == (401, 200), "what was read last holds"
    file.unlink()
    assert (status_of("viewer"), status_of("releaser")) == (401, 200)
    told = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert told == ["file not reread"] * 2, "once a change, not once a request"
    file.write_text("\n".join(lines), "utf-8")
    assert status_of("viewer") == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/releases", {}, 400),
        ("/releases", {"ref": 7}, 400),
        ("/releases", {"ref": "tiny@2", "colour": "red"}, 400),
        ("/releases", {"ref": "../../etc"}, 400),
        ("/releases", {"ref": "tiny@9"}, 404),
        ("/releases", {"ref": "tiny@1"}, 400),
        ("/releases/nope/pause", {}, 404),
        ("/models/tiny/rollback", {}, 400),
        ("/nope", {}, 404),
        ("/releases", {"ref": "x" * 70_000}, 413),
    ],
)
def test_bad_requests_get_a_sentence_and_never_a_500(
    api: httpx.Client, path: str, body: dict[str, object], status: int
) -> None:
    answer = api.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]


def test_a_refused_version_names_its_findings(api: httpx.Client, workshop: Workshop) -> None:
    failed = Finding("acceptance.overload", f"{MODEL}@2", Verdict.FAIL, "It did not shed.")
    workshop.store.record_findings(MODEL, 2, [failed], "ann")
    refused = api.post("/releases", json={"ref": f"{MODEL}@2"})
    assert refused.status_code == 409
    assert [finding["check"] for finding in refused.json()["findings"]] == ["acceptance.overload"]


def test_a_full_disk_is_a_503_and_nothing_is_on_record(api: httpx.Client) -> None:
    seq = api.get("/ledger", params={"limit": 1000}).json()[-1]["seq"]
    with file_size_limit(1024):
        refused = api.post("/releases", json={"ref": f"{MODEL}@2"})
    assert refused.status_code == 503, refused.text
    assert "No room for the ledger" in refused.json()["error"]
    assert api.get("/releases").json() == []
    assert api.get("/ledger", params={"limit": 1000}).json()[-1]["seq"] == seq
    assert api.post("/releases", json={"ref": f"{MODEL}@2"}).status_code == 201


def test_a_plan_whose_shares_are_impossible_is_refused(house: House) -> None:
    house.overrides |= {"control.port": 0, "release.steps": (50.0, 10.0)}
    workshop = house.workshop()
    with ApiServer(Projects([Steered(workshop, house.steering)])) as server:
        refused = httpx.post(f"{server.url}/api/v1/releases", json={"ref": f"{MODEL}@2"}, trust_env=False)
    assert refused.status_code == 400
    assert "steps" in refused.json()["error"]
    workshop.close()


def test_what_is_away_or_not_there_is_told(api: httpx.Client, house: House) -> None:
    house.plane.answers = False
    assert api.post("/releases", json={"ref": f"{MODEL}@2"}).status_code == 503
    assert api.get("/ledger", params={"limit": 0}).status_code == 400
    assert api.put("/releases", json={}).status_code == 405
    described = httpx.get(api.base_url.copy_with(path="/openapi.json"), trust_env=False).json()
    assert "/api/v1/releases/{release}/{what}" in described["paths"]


def test_each_request_reaches_the_project_it_names(both: tuple[httpx.Client, House]) -> None:
    api, second = both
    rows = [(row["model"], row["version"]) for row in api.get("/models").json()]
    assert rows == [(MODEL, 2), (MODEL, 1), ("other", 2), ("other", 1)]
    begun = api.post("/releases", json={"ref": "other@2"})
    assert begun.status_code == 201, begun.text
    release = begun.json()["release"]
    assert api.get(f"/releases/{release}").json()["model"] == "other"
    assert [one["release"] for one in api.get("/releases?model=other").json()] == [release]
    assert api.get(f"/releases?model={MODEL}").json() == []
    assert api.post(f"/releases/{release}/pause", json={}).json()["phase"] == "paused"
    assert api.post("/models/other/rollback", json={}).json()["release"] == release
    assert {entry["model"] for entry in api.get("/ledger?model=other").json()} == {"other"}
    workshop = second.workshop()
    assert workshop.store.releases.latest()["other"].state.phase is Phase.ROLLED_BACK
    workshop.close()


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/releases", 400, "tiny, other"),
        ("GET", "/ledger", 400, "tiny, other"),
        ("GET", "/releases?model=nobody", 404, "tiny, other"),
        ("POST", "/models/nobody/rollback", 404, "tiny, other"),
        ("GET", "/releases/nobody-1", 404, "nobody-1"),
        ("POST", "/releases/nobody-1/pause", 404, "nobody-1"),
    ],
)
def test_a_request_that_fits_no_project_is_told_which_there_are(
    both: tuple[httpx.Client, House], method: str, path: str, status: int, words: str
) -> None:
    answer = both[0].request(method, path, json={} if method == "POST" else None)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]


def test_a_port_that_is_taken_is_told(api: httpx.Client, house: House) -> None:
    house.overrides["control.port"] = api.base_url.port
    workshop = house.workshop()
    with pytest.raises(ConfigError, match=r"set control\.port to another"):
        ApiServer(Projects([Steered(workshop, house.steering)]))
    workshop.close()

"""Feedback and journal over real HTTP: acknowledged, read back, administered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from seatrial.bundle import Bundle, BundleIndex
from seatrial.domain.inference import MetricValue, Outcome, TrueLabel
from seatrial.domain.model import VersionRef
from seatrial.serving.journal import Journal
from seatrial.serving.journal_files import JournalFiles
from tests.builders import onnx_bundle
from tests.data_plane import Response, Running, eventually, running
from tests.journals import POLICY, all_entries
from tests.limits import file_size_limit


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return onnx_bundle(tmp_path_factory.mktemp("served") / "bundle")


@pytest.fixture
def plane(bundle: Bundle, tmp_path: Path) -> Iterator[Running]:
    with running([bundle], journal=Journal(JournalFiles(tmp_path / "journal", POLICY))) as run:
        yield run


def send(plane: Running, document: Any) -> Response:
    return plane.request("POST", "/feedback", json.dumps(document))


def test_what_was_asked_and_what_turned_out_stand_in_the_journal(bundle: Bundle, tmp_path: Path) -> None:
    with running([bundle], journal=Journal(JournalFiles(tmp_path, POLICY))) as plane:
        request_id = plane.predict(["a good film", "awful"], unit="user-17").document["request_id"]
        plane.predict([])
        right = {"request_id": request_id, "index": 0, "label": "positive"}
        wrong = {"request_id": request_id, "index": 1, "label": "positive"}
        assert send(plane, right).document == {"accepted": 1, "duplicates": 0}
        assert send(plane, [right, wrong]).document == {"accepted": 1, "duplicates": 1}
        assert send(plane, {"unit": "user-17", "metric": "paid", "value": 9.5}).status == 200
    entries = all_entries(tmp_path)
    asked, refused = [entry.prediction for entry in entries if entry.prediction]
    assert (asked.request_id, asked.unit, asked.labels, asked.texts) == (
        request_id, "user-17", ("positive", "negative"), 2,
    )  # fmt: skip
    assert refused.outcome is Outcome.INVALID
    assert [entry.true_label for entry in entries if entry.true_label] == [
        TrueLabel(request_id, 0, "positive", "tiny", "1"),
        TrueLabel(request_id, 1, "positive", "tiny", "1"),
    ]
    assert [e.metric_value for e in entries if e.metric_value] == [MetricValue("paid", 9.5, "user-17")]


def test_feedback_is_counted_by_whether_the_answer_was_right(plane: Running) -> None:
    request_id = plane.predict(["a good film"]).document["request_id"]
    assert send(plane, {"request_id": request_id, "index": 0, "label": "negative"}).status == 200
    assert plane.samples()["feedback_total", "correct=false,model=tiny,version=1"] == 1
    eventually(lambda: plane.samples()["journal_bytes", ""] > 0)


@pytest.mark.parametrize(
    ("document", "status", "words"),
    [
        ({"request_id": "known", "index": 1, "label": "positive"}, 400, "had 1 texts"),
        ({"request_id": "known", "index": 0, "label": "blue"}, 400, "negative, positive"),
        ({"request_id": "r", "index": 0}, 400, "label"),
        ([], 400, "empty"),
        ([{"request_id": "r", "index": 0, "label": "a"}] * 1001, 413, "1000"),
        ({"request_id": "r", "index": 0, "label": "a", "x": "y" * 2**20}, 413, "bytes"),
    ],
)
def test_bad_feedback_gets_a_reason_and_leaves_no_trace(
    plane: Running, tmp_path: Path, document: Any, status: int, words: str
) -> None:
    headers = {"Content-Type": "application/json", "X-Request-Id": "known"}
    assert plane.request("POST", "/predict", '{"texts": ["good"]}', headers).status == 200
    answer = send(plane, document)
    assert (answer.status, words in answer.error) == (status, True)
    assert not [entry for entry in all_entries(tmp_path / "journal") if entry.true_label]


def test_other_methods_and_types_are_refused(plane: Running) -> None:
    assert plane.request("GET", "/feedback").status == 405
    assert plane.request("POST", "/feedback", "{}", {"Content-Type": "text/plain"}).status == 415


def test_the_description_names_feedback_only_where_it_is_taken(plane: Running, bundle: Bundle) -> None:
    path = plane.request("GET", "/openapi.json").document["paths"]["/feedback"]["post"]
    assert sorted(path["responses"]) == ["200", "400", "408", "413", "415", "503"]
    with running([bundle]) as without:
        assert "/feedback" not in without.request("GET", "/openapi.json").document["paths"]
        assert send(without, {}).status == 404
        assert without.request("GET", "/admin/journal", internal=True).status == 404


def test_a_full_disk_refuses_feedback_and_serves_on(plane: Running, tmp_path: Path) -> None:
    event = {"unit": "user-17", "metric": "paid", "value": 1}
    assert send(plane, event).status == 200
    with file_size_limit(64):
        for _ in range(3):
            refused = send(plane, event)
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert plane.predict(["good"]).status == 200
    assert send(plane, event).status == 200
    assert len([entry for entry in all_entries(tmp_path / "journal") if entry.metric_value]) == 2
    eventually(lambda: plane.samples().get(("journal_dropped_total", "reason=disk"), 0) >= 1)


def test_the_internal_port_gives_the_journal_page_by_page(plane: Running, tmp_path: Path) -> None:
    for i in range(5):
        assert send(plane, {"request_id": f"r{i}", "index": 0, "label": "a"}).status == 200
    after, found = "", list[str]()
    while True:
        page = plane.request("GET", f"/admin/journal?after={after}&limit=2", internal=True).document
        assert sorted(page) == ["damaged", "entries", "missed", "next"]
        assert (page["damaged"], page["missed"]) == (0, False)
        if not page["entries"]:
            break
        found += [entry["true_label"]["request_id"] for entry in page["entries"]]
        after = page["next"]
    assert found == [f"r{i}" for i in range(5)]
    assert plane.request("GET", f"/admin/journal?after={after}", internal=True).document["next"] == after
    for query in ("after=x", "limit=0", "limit=10001", "limit=-1", "limit=x", "limit=", "limit=1&limit=x"):
        answer = plane.request("GET", f"/admin/journal?{query}", internal=True)
        if query == "limit=":
            assert answer.status == 200
        else:
            assert answer.status == 400, query
            assert answer.error


def test_who_does_not_come_from_this_machine_reads_no_journal(plane: Running) -> None:
    for path in ("/admin/journal", "/admin/models"):
        assert plane.request("GET", path, headers={"Host": "rebound.example"}, internal=True).status == 401
        assert plane.request("GET", path).status == 404, "the public port knows nothing of it"
    assert plane.request("GET", "/metrics", headers={"Host": "scraped.example"}, internal=True).status == 200


def test_two_data_planes_share_a_journal(bundle: Bundle, tmp_path: Path) -> None:
    def ask(run: Running, name: str) -> None:
        for i in range(40):
            event = {"request_id": f"{name}{i}", "index": 0, "label": "positive"}
            assert send(run, event).status == 200
            assert run.predict(["good"], unit=f"{name}{i}").status == 200

    with (
        running([bundle], journal=Journal(JournalFiles(tmp_path, POLICY))) as first,
        running([bundle], journal=Journal(JournalFiles(tmp_path, POLICY))) as second,
        ThreadPoolExecutor(4) as pool,
    ):
        asked = [
            pool.submit(ask, run, name) for run, name in ((first, "a"), (second, "b"), (first, "c"), (second, "d"))
        ]
        for one in asked:
            one.result(60)
    entries = all_entries(tmp_path)
    expected = sorted(f"{name}{i}" for name in "abcd" for i in range(40))
    assert sorted(entry.true_label.request_id for entry in entries if entry.true_label) == expected
    assert sorted(str(entry.prediction.unit) for entry in entries if entry.prediction) == expected


def test_versions_are_loaded_switched_and_unloaded(tmp_path: Path) -> None:
    index = BundleIndex(tmp_path)
    for version in (1, 2):
        index.add(onnx_bundle(tmp_path / f"tiny-{version}", version=version))

    def find(ref: str) -> Bundle:
        return index.resolve(VersionRef.parse(ref), "onnx-fp32", verify=False)

    with running([find("tiny@1")], find_bundle=find) as run:

        def admin(path: str, **body: str) -> Response:
            return run.request("POST", f"/admin/{path}", json.dumps(body), internal=True)

        def served() -> dict[str, Any]:
            (model,) = run.request("GET", "/admin/models", internal=True).document["models"]
            return {"traffic": model["traffic"], "versions": [loaded["version"] for loaded in model["versions"]]}

        assert run.request("GET", "/admin/models", internal=True).document == {
            "models": [
                {
                    "model": "tiny",
                    "traffic": "1",
                    "versions": [{"version": "1", "artifact": "onnx-fp32", "labels": ["negative", "positive"]}],
                }
            ]
        }
        assert admin("load", ref="tiny@2").document == {"ref": "tiny@2"}
        assert served() == {"traffic": "1", "versions": ["1", "2"]}
        assert run.predict(["good"]).document["version"] == "1"
        assert admin("unload", ref="tiny@1").status == 409
        assert admin("switch", model="tiny", version="2").document == {"ref": "tiny@2"}
        assert run.predict(["good"]).document["version"] == "2"
        assert admin("unload", ref="tiny@1").document == {"ref": "tiny@1"}
        assert served() == {"traffic": "2", "versions": ["2"]}
        for path, body, status in (
            ("load", {"ref": "tiny@9"}, 404),
            ("load", {"ref": "giant@1"}, 404),
            ("load", {"ref": "tiny@@"}, 400),
            ("load", {}, 400),
            ("unload", {"ref": "tiny@1"}, 404),
            ("unload", {"ref": "tiny"}, 404),
            ("switch", {"model": "tiny", "version": "1"}, 404),
            ("switch", {"model": "tiny"}, 400),
        ):
            answer = admin(path, **body)
            assert answer.status == status, (path, body, answer.body)
            assert answer.error
        assert run.request("POST", "/admin/load", "x" * 70_000, internal=True).status == 413
        assert run.request("POST", "/admin/load", "{}", {"Content-Type": "text/plain"}, internal=True).status == 415
        assert run.request("GET", "/admin/load", internal=True).headers["allow"] == "POST"
        assert run.request("GET", "/admin/other", internal=True).status == 404

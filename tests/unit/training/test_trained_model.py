from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.bundle import Bundle
from seatrial.domain.errors import StorageFullError, UnsupportedModelError, UsageError
from seatrial.domain.model import Lineage
from seatrial.training.trained_model import Declared, TrainedModel, write_source
from tests.limits import file_size_limit

FOUND = ["negative", "positive"]
ORIGIN = {"origin": "trained", "data_sha256": "0" * 64, "code_revision": "test"}


def test_declared_labels_come_before_those_of_the_files() -> None:
    assert Declared(("bad", "good")).name_classes(FOUND, 2) == ("bad", "good")
    assert Declared().name_classes(FOUND, 2) == ("negative", "positive")


def test_labels_that_are_not_one_a_class_are_generic_when_found_and_refused_when_declared() -> None:
    assert Declared().name_classes(FOUND, 3) == ("LABEL_0", "LABEL_1", "LABEL_2")
    with pytest.raises(UsageError, match="give one a class"):
        Declared(("a", "b")).name_classes([], 3)


def test_the_same_labels_in_another_order_are_refused() -> None:
    with pytest.raises(UsageError, match="in the order negative, positive"):
        Declared(("positive", "negative")).name_classes(FOUND, 2)


def test_one_output_is_no_classifier() -> None:
    with pytest.raises(UnsupportedModelError, match="at least two classes"):
        Declared().name_classes(["LABEL_0"], 1)


def test_the_declared_limit_may_be_smaller_than_the_models() -> None:
    assert Declared(max_tokens=32).limit_tokens(64) == 32
    assert Declared(max_tokens=32).limit_tokens(None) == 32
    assert Declared().limit_tokens(64) == 64


@pytest.mark.parametrize(("declared", "found"), [(65, 64), (0, 64), (-1, None), (None, None)])
def test_an_impossible_limit_is_refused(declared: int | None, found: int | None) -> None:
    with pytest.raises(UsageError, match="max_tokens"):
        Declared(max_tokens=declared).limit_tokens(found)


def test_everything_in_the_directory_goes_into_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "made" / "deep").mkdir(parents=True)
    (tmp_path / "made" / "config.json").write_text("{}", "utf-8")
    (tmp_path / "made" / "deep" / "more.bin").write_bytes(b"more")
    trained = TrainedModel(tmp_path / "made", ("no", "yes"), 16, 3, {"accuracy": 0.5}, {"rate": "1"})
    bundle = write_source(trained, "m", ORIGIN, tmp_path / "bundle")
    bundle.verify()
    opened = Bundle.open(tmp_path / "bundle").manifest
    assert set(opened.files) == {"config.json", "deep/more.bin"}
    assert (opened.version, opened.pad_token_id, opened.signature.max_tokens) == (None, 3, 16)
    assert (opened.artifact.name, opened.artifact.profile, opened.findings) == ("source", "source", ())
    lineage = Lineage(key=opened.artifact.sha256, **opened.lineage)
    assert (lineage.metrics, lineage.parameters, lineage.code_revision) == ({"accuracy": 0.5}, {"rate": "1"}, "test")


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "weights").write_bytes(bytes(10_000))
    trained = TrainedModel(tmp_path / "made", ("no", "yes"), 16)
    with file_size_limit(5_000), pytest.raises(StorageFullError):
        write_source(trained, "m", ORIGIN, tmp_path / "bundles" / "bundle")
    assert list((tmp_path / "bundles").iterdir()) == []

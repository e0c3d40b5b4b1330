from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.domain.errors import UsageError
from seatrial.domain.model import Lineage, ModelVersion
from seatrial.registry.admission import check_destination, check_key, open_artifact, open_source
from tests.builders import SIGNATURE
from tests.mlflow_stores import file_bundle


@pytest.mark.parametrize("key", ["a", "0" * 64, "sha256:0af3", "x" * 200])
def test_digests_are_keys(key: str) -> None:
    assert check_key(Lineage(key)) == key


@pytest.mark.parametrize("key", ["", "a'b", "a b", "a`b", "键", "a\n", "x" * 201])
def test_a_key_that_no_filter_could_hold_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match="lineage key"):
        check_key(Lineage(key))


def test_a_bundle_may_replace_a_bundle_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    bundle = file_bundle(tmp_path / "bundle")
    for directory in (tmp_path / "absent", tmp_path / "empty", bundle.directory):
        assert check_destination(directory) == directory


def test_a_bundle_may_not_replace_anything_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path, tmp_path / "file"):
        with pytest.raises(UsageError, match="something else"):
            check_destination(place)


def test_a_bundle_made_before_registration_may_be_any_version(tmp_path: Path) -> None:
    bundle = file_bundle(tmp_path / "bundle")
    assert open_artifact(ModelVersion("tiny", 9, SIGNATURE), bundle.directory) == bundle
    assert open_source("tiny", SIGNATURE, bundle.directory) == bundle

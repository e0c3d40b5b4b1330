from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.domain.errors import UnknownArtifactError, UnknownVersionError, UsageError
from seatrial.domain.model import Alias
from seatrial.registry.mlflow_registry import MlflowRegistry
from tests.mlflow_stores import sqlite_registry


@pytest.fixture
def registry(tmp_path: Path, mlflow_database: Path) -> MlflowRegistry:
    return sqlite_registry(tmp_path / "registry", mlflow_database)


@pytest.fixture
def logged(registry: MlflowRegistry, tmp_path: Path) -> dict[str, str]:
    """What somebody logged with plain MLflow: files of a run, a logged model of MLflow 3, two registered versions."""
    (tmp_path / "model" / "sub").mkdir(parents=True)
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "sub" / "weights.bin").write_text("weights")
    with registry._connection.client() as client:
        experiment = client.create_experiment("theirs", (tmp_path / "theirs").as_uri())
        run = client.create_run(experiment).info
        client.log_artifacts(run.run_id, str(tmp_path / "model"), "model")
        model = client.create_logged_model(experiment, name="classifier", source_run_id=run.run_id)
        client.log_model_artifacts(model.model_id, str(tmp_path / "model"))
        client.create_registered_model("theirs")
        client.create_model_version("theirs", f"{run.artifact_uri}/model", run.run_id, await_creation_for=0)
        client.create_model_version("theirs", model.artifact_location, run.run_id, await_creation_for=0)
    registry.set_alias("theirs", Alias.PRODUCTION, 2)
    return {"run": run.run_id, "model": model.model_id}


@pytest.mark.parametrize(
    "uri",
    [
        "models:/theirs/1",
        "models:/theirs/2",
        "models:/theirs/Production",
        "models:/theirs/latest",
        "models:/theirs@production",
        "models:/{model}",
        "runs:/{run}/model",
        "runs:/{run}/model/",
        "runs:/{run}/classifier",
    ],
)
def test_a_model_is_copied_with_its_directories(
    registry: MlflowRegistry, logged: dict[str, str], tmp_path: Path, uri: str
) -> None:
    copied = registry.download_model(uri.format(**logged), tmp_path / "copied")
    assert copied == tmp_path / "copied"
    assert sorted(path.name for path in copied.iterdir()) == ["config.json", "sub"]
    assert (copied / "sub" / "weights.bin").read_text() == "weights"


@pytest.mark.parametrize("uri", ["runs:/{run}/model/sub/weights.bin", "runs:/{run}/classifier/sub/weights.bin"])
def test_a_single_file_is_copied_into_the_directory(
    registry: MlflowRegistry, logged: dict[str, str], tmp_path: Path, uri: str
) -> None:
    copied = registry.download_model(uri.format(**logged), tmp_path / "copied")
    assert [path.name for path in copied.iterdir()] == ["weights.bin"]


@pytest.mark.parametrize(
    "uri",
    [
        "models:/nobody/1",
        "models:/theirs/9",
        "models:/theirs/Staging",
        "models:/theirs/nonsense",
        "models:/theirs@candidate",
        "models:/m-00000000000000000000000000000000",
    ],
)
def test_an_unknown_version_is_named(
    registry: MlflowRegistry, logged: dict[str, str], tmp_path: Path, uri: str
) -> None:
    with pytest.raises(UnknownVersionError, match=uri):
        registry.download_model(uri, tmp_path / "copied")
    assert not (tmp_path / "copied").exists()


@pytest.mark.parametrize("uri", ["runs:/0123/model", "runs:/{run}/nothing", "runs:/{run}/it's", "runs:/{run}/../x"])
def test_unknown_files_of_a_run_are_named(
    registry: MlflowRegistry, logged: dict[str, str], tmp_path: Path, uri: str
) -> None:
    with pytest.raises(UnknownArtifactError, match="runs:/"):
        registry.download_model(uri.format(**logged), tmp_path / "copied")
    assert not (tmp_path / "copied").exists()


@pytest.mark.parametrize(
    "uri", ["", "models:/", "models:/a/b/c", "models:/a@b/c", "runs:/", "runs:/0123", "s3://bucket/x", "/etc/passwd"]
)
def test_another_uri_is_refused(registry: MlflowRegistry, tmp_path: Path, uri: str) -> None:
    with pytest.raises(UsageError, match="names no model"):
        registry.download_model(uri, tmp_path / "copied")


def test_an_earlier_copy_is_replaced_whole_or_kept(
    registry: MlflowRegistry, logged: dict[str, str], tmp_path: Path
) -> None:
    registry.download_model(f"runs:/{logged['run']}/model/sub", tmp_path / "copied")
    with pytest.raises(UnknownVersionError):
        registry.download_model("models:/theirs/9", tmp_path / "copied")
    assert [path.name for path in (tmp_path / "copied").iterdir()] == ["weights.bin"]
    registry.download_model("models:/theirs/1", tmp_path / "copied")
    registry.download_model("models:/theirs/1", tmp_path / "copied")
    assert sorted(path.name for path in (tmp_path / "copied").iterdir()) == ["config.json", "sub"]

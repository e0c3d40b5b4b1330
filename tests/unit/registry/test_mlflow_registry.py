from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from seatrial.bundle import Bundle
from seatrial.config import Settings
from seatrial.domain.errors import (
    ConfigError,
    StorageFullError,
    UnsupportedModelError,
    UsageError,
)
from seatrial.domain.model import Alias, Stage
from seatrial.registry.mlflow_registry import MlflowRegistry
from tests.builders import SIGNATURE
from tests.limits import file_size_limit
from tests.mlflow_stores import file_bundle, lineage, register, sqlite_registry


@pytest.fixture
def registry(tmp_path: Path, mlflow_database: Path) -> MlflowRegistry:
    return sqlite_registry(tmp_path / "registry", mlflow_database)


@pytest.fixture
def client(tmp_path: Path, registry: MlflowRegistry) -> Iterator[Any]:
    """The plain client of somebody's own script on the same database."""
    registry.list_models()  # MLflow is imported with Seatrial's settings
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path / 'registry' / 'mlflow.db'}"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*stages will be removed", FutureWarning)  # what the script uses
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="mlflow")  # MLflow's use of SQLAlchemy
        yield MlflowClient(tracking_uri=uri, registry_uri=uri)


def run_of(client: Any, number: int = 1) -> Any:
    return client.get_run(client.get_model_version("tiny", str(number)).run_id)


def test_the_lines_of_an_existing_script_work(registry: MlflowRegistry, client: Any, tmp_path: Path) -> None:
    register(registry, tmp_path), register(registry, tmp_path)
    registry.set_alias("tiny", Alias.PRODUCTION, 1)
    registry.set_alias("tiny", Alias.PRODUCTION, 2)
    latest = client.get_latest_versions("tiny", stages=["Production"])
    assert [int(version.version) for version in latest] == [2]
    files = Path(url2pathname(urlsplit(latest[0].source).path))
    assert Bundle.open(files / "source").manifest.model == "tiny"
    assert client.get_model_version_by_alias("tiny", "production").version == latest[0].version

    client.transition_model_version_stage("tiny", 1, stage="Staging")
    assert registry.stages("tiny") == {1: Stage.STAGING, 2: Stage.PRODUCTION}


def test_a_foreign_move_is_seen_and_taken_back(registry: MlflowRegistry, client: Any, tmp_path: Path) -> None:
    for _ in range(3):
        register(registry, tmp_path)
    registry.set_alias("tiny", Alias.PRODUCTION, 1)
    client.transition_model_version_stage("tiny", "2", stage="Production")
    client.transition_model_version_stage("tiny", "3", stage="Staging")
    client.set_registered_model_alias("tiny", "candidate", "3")
    client.set_registered_model_alias("tiny", "champion", "3")
    assert registry.stages("tiny") == {1: Stage.PRODUCTION, 2: Stage.PRODUCTION, 3: Stage.STAGING}
    assert registry.aliases("tiny") == {Alias.PRODUCTION: 1, Alias.CANDIDATE: 3}

    registry.set_alias("tiny", Alias.PRODUCTION, 1)
    registry.delete_alias("tiny", Alias.STAGING)
    registry.delete_alias("tiny", Alias.CANDIDATE)
    assert registry.stages("tiny") == {1: Stage.PRODUCTION, 2: Stage.ARCHIVED, 3: Stage.NONE}
    assert registry.aliases("tiny") == {Alias.PRODUCTION: 1}


def test_a_version_of_another_tool_is_named_with_the_way_in(
    registry: MlflowRegistry, client: Any, tmp_path: Path
) -> None:
    register(registry, tmp_path)
    client.create_model_version("tiny", "/somewhere", await_creation_for=0)
    with pytest.raises(UnsupportedModelError, match="seatrial register --from models:/tiny/2"):
        registry.get_version("tiny", 2)
    assert [version.version for version in registry.list_versions("tiny")] == [1]
    assert registry.stages("tiny") == {1: Stage.NONE, 2: Stage.NONE}
    assert register(registry, tmp_path).version == 3


def test_a_model_of_another_tool_is_left_out_until_it_has_a_version(
    registry: MlflowRegistry, client: Any, tmp_path: Path
) -> None:
    client.create_registered_model("tiny")
    client.create_registered_model("theirs")
    assert registry.list_models() == []
    assert registry.list_versions("theirs") == []
    register(registry, tmp_path)
    assert registry.list_models() == ["tiny"]


@pytest.mark.parametrize("tag", ["", "{}", "[1]", '{"labels": ["a"], "max_tokens": 1, "inputs": [], "outputs": []}'])
def test_an_altered_signature_is_told(registry: MlflowRegistry, client: Any, tmp_path: Path, tag: str) -> None:
    register(registry, tmp_path)
    client.set_model_version_tag("tiny", "1", "seatrial.signature", tag)
    with pytest.raises(UnsupportedModelError, match="was altered"):
        registry.get_version("tiny", 1)


def test_the_run_tells_where_the_version_came_from(registry: MlflowRegistry, client: Any, tmp_path: Path) -> None:
    origin = replace(
        lineage("key-1"),
        parameters={"epochs": "3", "note": "x" * 9000, **{f"p{i}": "v" for i in range(150)}},
        metrics={"accuracy": 0.9, "slice/film": 0.8},
    )
    bundle = file_bundle(tmp_path / "bundle")
    registry.create_version("tiny", SIGNATURE, origin, bundle.directory)
    run = run_of(client)
    assert run.info.status == "FINISHED"
    assert run.data.tags["seatrial.key"] == "key-1"
    assert run.data.tags["seatrial.data_sha256"] == "0" * 64
    assert len(run.data.params) == 152
    assert run.data.params["epochs"] == "3"
    assert run.data.params["note"] == "x" * 6000
    assert run.data.metrics == {"accuracy": 0.9, "slice_film": 0.8}
    logged = client.download_artifacts(run.info.run_id, "lineage.json", str(tmp_path))
    assert json.loads(Path(logged).read_text("utf-8")) == origin.to_json()


def test_nothing_is_written_to_the_working_directory_or_the_process(
    tmp_path: Path, mlflow_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    registry = sqlite_registry(tmp_path / "registry")
    version = register(registry, tmp_path)
    registry.fetch_bundle(version, "source", tmp_path / "fetched")
    registry.download_model("models:/tiny/1", tmp_path / "downloaded")
    assert list((tmp_path / "work").iterdir()) == []
    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert "MLFLOW_REGISTRY_URI" not in os.environ
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


def test_mlflow_is_not_imported_before_it_is_needed() -> None:
    program = (
        "import sys; from seatrial.registry.mlflow_registry import MlflowRegistry; "
        "MlflowRegistry('sqlite:///x.db', '/x', 'e', 1); "
        "print([name for name in ('mlflow', 'sqlalchemy', 'pandas', 'requests') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_database_needs_a_place_for_files() -> None:
    with pytest.raises(UsageError, match="artifact_uri"):
        MlflowRegistry("sqlite:///mlflow.db", "", "seatrial", 10)


def test_the_home_of_a_project_may_have_any_letters(tmp_path: Path, mlflow_database: Path) -> None:
    home = tmp_path / "评价 模型 100%41 #1?"
    home.mkdir()
    shutil.copyfile(mlflow_database, home / "mlflow.db")
    settings = Settings(home=home)
    registry = MlflowRegistry(settings.tracking_uri, settings.artifact_uri, "seatrial", 10)
    version = register(registry, tmp_path)
    Bundle.open(registry.fetch_bundle(version, "source", tmp_path / "取 回"))
    assert (home / "mlartifacts").is_dir()


def test_a_full_disk_is_told_and_the_next_attempt_completes_the_same_version(
    registry: MlflowRegistry, client: Any, tmp_path: Path
) -> None:
    bundle = file_bundle(tmp_path / "bundle", "x" * 4_000_000)
    with file_size_limit(3_000_000), pytest.raises(StorageFullError, match="free some space"):
        registry.create_version("tiny", SIGNATURE, lineage("key-1"), bundle.directory)
    assert registry.list_models() == []
    version = registry.create_version("tiny", SIGNATURE, lineage("key-1"), bundle.directory)
    with file_size_limit(3_000_000), pytest.raises(StorageFullError, match="No room"):
        registry.fetch_bundle(version, "source", tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()
    assert list(tmp_path.glob(".fetched*")) == []
    runs = client.search_runs([run_of(client).info.experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"]


def test_a_deleted_experiment_is_told(registry: MlflowRegistry, client: Any, tmp_path: Path) -> None:
    register(registry, tmp_path)
    client.delete_experiment(run_of(client).info.experiment_id)
    with pytest.raises(ConfigError, match="mlflow experiments restore"):
        register(registry, tmp_path)


def test_an_experiment_that_exists_is_used(registry: MlflowRegistry, client: Any, tmp_path: Path) -> None:
    theirs = client.create_experiment("seatrial", artifact_location=(tmp_path / "theirs").as_uri())
    register(registry, tmp_path)
    assert run_of(client).info.experiment_id == theirs
    assert (tmp_path / "theirs").is_dir()


def test_a_deleted_version_can_be_registered_again(registry: MlflowRegistry, client: Any, tmp_path: Path) -> None:
    bundle = file_bundle(tmp_path / "bundle")
    registry.create_version("tiny", SIGNATURE, lineage("key-1"), bundle.directory)
    client.delete_model_version("tiny", "1")
    again = registry.create_version("tiny", SIGNATURE, lineage("key-1"), bundle.directory)
    assert list(registry.list_versions("tiny")) == [again]
    Bundle.open(registry.fetch_bundle(again, "source", tmp_path / "fetched"))


def test_of_two_versions_with_one_key_the_first_stays(registry: MlflowRegistry, client: Any, tmp_path: Path) -> None:
    bundle = file_bundle(tmp_path / "bundle")
    first = registry.create_version("tiny", SIGNATURE, lineage("key-1"), bundle.directory)
    stored, run = client.get_model_version("tiny", "1"), run_of(client)
    # What another process does that asked before the first version was there.
    rival = client.create_run(run.info.experiment_id, tags=run.data.tags)
    client.create_model_version("tiny", stored.source, rival.info.run_id, tags=stored.tags, await_creation_for=0)

    assert registry.create_version("tiny", SIGNATURE, lineage("key-1"), bundle.directory) == first
    assert list(registry.list_versions("tiny")) == [first]
    assert [left.info.run_id for left in client.search_runs([run.info.experiment_id])] == [run.info.run_id]


def test_a_duplicate_that_somebody_uses_stays(registry: MlflowRegistry, client: Any, tmp_path: Path) -> None:
    bundle = file_bundle(tmp_path / "bundle")
    first = registry.create_version("tiny", SIGNATURE, lineage("key-1"), bundle.directory)
    for _ in range(3):
        client.copy_model_version("models:/tiny/1", "tiny")
    client.set_registered_model_alias("tiny", "theirs", "2")
    client.transition_model_version_stage("tiny", "3", "Staging")
    assert registry.create_version("tiny", SIGNATURE, lineage("key-1"), bundle.directory) == first
    assert [version.version for version in registry.list_versions("tiny")] == [1, 2, 3]


def test_a_copy_under_another_name_is_a_version(
    registry: MlflowRegistry, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    version = register(registry, tmp_path)
    client.copy_model_version("models:/tiny/1", "copied")
    copied = registry.get_version("copied", 1)
    assert copied.signature == version.signature
    assert registry.source_uri(copied) == registry.source_uri(version)
    Bundle.open(registry.fetch_bundle(copied, "source", tmp_path / "fetched"))
    assert list((tmp_path / "work").iterdir()) == []


def test_many_versions_and_models_are_listed(registry: MlflowRegistry, client: Any, tmp_path: Path) -> None:
    register(registry, tmp_path)
    stored = client.get_model_version("tiny", "1")
    for number in range(2, 5):
        client.create_model_version("tiny", stored.source, stored.run_id, tags=stored.tags, await_creation_for=0)
        client.create_registered_model(f"m{number}", {"seatrial.model": f"m{number}"})
    assert [version.version for version in registry.list_versions("tiny")] == [1, 2, 3, 4]
    assert registry.list_models() == ["m2", "m3", "m4", "tiny"]

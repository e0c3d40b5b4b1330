"""Registering a version survives kill -9 at any moment, and several processes at once."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from seatrial.bundle import Bundle
from seatrial.registry.mlflow_registry import MlflowRegistry
from tests.builders import SIGNATURE
from tests.mlflow_stores import file_bundle, lineage, sqlite_registry

pytestmark = pytest.mark.slow

KEY = "key-1"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return file_bundle(tmp_path_factory.mktemp("source") / "bundle")


def killed_at(moment: int, directory: Path, source: Bundle) -> bool:
    from tests.registry_process import register, start

    process = start(register, directory, source.directory, KEY, moment)
    process.join(120)
    assert process.exitcode in (0, -signal.SIGKILL)
    return bool(process.exitcode)


def moments(directory: Path) -> list[str]:
    return (directory / "moments").read_text("utf-8").splitlines()


def check_completes(directory: Path, source: Bundle) -> None:
    """The same call again ends in exactly one whole version and one finished run."""
    registry = sqlite_registry(directory)
    version = registry.create_version("tiny", SIGNATURE, lineage(KEY), source.directory)
    assert version.version == 1
    assert list(registry.list_versions("tiny")) == [version]
    fetched = Bundle.open(registry.fetch_bundle(version, "source", directory / "fetched"))
    assert fetched.manifest == source.manifest
    assert runs(registry) == ["FINISHED"]


def runs(registry: MlflowRegistry) -> list[str]:
    """The status of every run that is not deleted."""
    with registry._connection.client() as client:
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        return [run.info.status for run in client.search_runs(experiments)]


def test_a_version_is_completed_after_a_kill_at_any_moment(
    tmp_path: Path, mlflow_database: Path, source: Bundle
) -> None:
    sqlite_registry(tmp_path / "whole", mlflow_database)
    assert not killed_at(0, tmp_path / "whole", source)
    names = moments(tmp_path / "whole")
    assert {"before create_run", "after create_run", "after create_model_version"} <= set(names)
    # Each kind of moment once: the first time it comes.
    chosen = sorted(names.index(name) + 1 for name in set(names))
    for moment in chosen:
        directory = tmp_path / str(moment)
        sqlite_registry(directory, mlflow_database)
        assert killed_at(moment, directory, source)
        check_completes(directory, source)


def test_a_kill_while_the_database_is_made_leaves_none_or_a_whole_one(tmp_path: Path, source: Bundle) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    assert not killed_at(0, whole, source)
    names = moments(whole)
    making = names[: names.index("before search_model_versions")]
    assert {"before _upgrade_db", "after _upgrade_db", "os.rename"} <= set(making)
    for moment in (making.index("before _upgrade_db") + 1, making.index("os.rename") + 1, len(making) + 1):
        directory = tmp_path / str(moment)
        directory.mkdir()
        assert killed_at(moment, directory, source)
        assert (directory / "mlflow.db").exists() == (moment > making.index("os.rename") + 1)
        check_completes(directory, source)


@pytest.mark.parametrize("keys", [("a", "b", "c"), ("a", "a", "a")], ids=["different keys", "the same key"])
def test_processes_that_register_at_once(
    tmp_path: Path, mlflow_database: Path, source: Bundle, keys: tuple[str, ...]
) -> None:
    from tests.registry_process import gate, register_together, start

    registry = sqlite_registry(tmp_path, mlflow_database)
    together = gate(len(keys))
    processes = [start(register_together, tmp_path, source.directory, key, together) for key in keys]
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    told = Counter(int(path.read_text()) for path in tmp_path.glob("*.version"))
    assert sorted(told) == [version.version for version in registry.list_versions("tiny")]
    assert len(told) == len(set(keys))
    assert runs(registry) == ["FINISHED"] * len(set(keys))
    for version in registry.list_versions("tiny"):
        Bundle.open(registry.fetch_bundle(version, "source", tmp_path / f"fetched-{version.version}"))

from __future__ import annotations

import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seatrial.domain.errors import DependencyError, UnreachableError
from seatrial.domain.model import Alias, Stage
from seatrial.registry.mlflow_database import prepare_database
from seatrial.registry.mlflow_registry import MlflowRegistry
from tests.limits import file_size_limit
from tests.mlflow_stores import free_port, register, sqlite_registry
from tests.servers import postgresql


def refused(path: Path) -> str:
    started_s = time.monotonic()
    with pytest.raises(UnreachableError, match="Restore it from a backup") as caught:
        sqlite_registry(path.parent).list_models()
    assert time.monotonic() - started_s < 10, "MLflow itself tries for 100 s"
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"not a database, " * 1000)
    assert "not a database" in refused(path)
    assert path.read_bytes() == b"not a database, " * 1000


def test_a_truncated_database_is_told(tmp_path: Path, mlflow_database: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(mlflow_database.read_bytes()[:8192])
    assert "malformed" in refused(path)


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE ledger (seq INTEGER)")
    database.close()
    before = path.read_bytes()
    assert "not a database of MLflow" in refused(path)
    assert path.read_bytes() == before


def test_a_directory_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").mkdir()
    refused(tmp_path / "mlflow.db")


def test_a_file_where_its_directory_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("x")
    with pytest.raises(UnreachableError, match="state"):
        prepare_database(f"sqlite:///{tmp_path / 'state' / 'mlflow.db'}", "", 1)


def test_a_full_disk_leaves_no_database(tmp_path: Path) -> None:
    with file_size_limit(100_000), pytest.raises(DependencyError):
        sqlite_registry(tmp_path).list_models()
    assert not (tmp_path / "mlflow.db").exists()


def test_a_new_database_replaces_an_empty_file_and_what_a_killed_process_left(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").touch()
    (tmp_path / ".mlflow.db.partial").write_text("half a database")
    prepare_database(f"sqlite:///{tmp_path / 'mlflow.db'}", str(tmp_path / "files"), 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mlflow.db.lock", "mlflow.db"]
    assert sqlite_registry(tmp_path).list_models() == []


@pytest.mark.parametrize("name", ["with space", "评价 模型", "100%41", "a+b=c&d"])
def test_its_path_may_have_any_letters(tmp_path: Path, mlflow_database: Path, name: str) -> None:
    assert sqlite_registry(tmp_path / name, mlflow_database).list_models() == []


def test_two_that_make_it_at_once_make_one(tmp_path: Path) -> None:
    registries = [sqlite_registry(tmp_path) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda registry: registry.list_models(), registries)) == [[], []]


def test_a_database_server_that_is_not_there_is_told_at_once() -> None:
    import mlflow  # noqa: F401  its import is not what is timed

    registry = MlflowRegistry(f"postgresql://ann:s3cret@127.0.0.1:{free_port()}/mlflow", "/files", "e", 1)
    started_s = time.monotonic()
    with pytest.raises(UnreachableError, match="Connection refused") as caught:
        registry.list_models()
    assert time.monotonic() - started_s < 3
    assert "s3cret" not in str(caught.value)


def test_a_package_that_a_database_needs_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        uri = f"mysql+pymysql://127.0.0.1:{listener.getsockname()[1]}/mlflow"
        with pytest.raises(DependencyError, match="pymysql"):
            prepare_database(uri, "", 1)


@pytest.mark.slow
def test_postgresql_keeps_versions_too(tmp_path: Path) -> None:
    with postgresql() as uri:
        registry = MlflowRegistry(uri, (tmp_path / "files").as_uri(), "seatrial", 10)
        version = register(registry, tmp_path)
        registry.set_alias("tiny", Alias.PRODUCTION, 1)
        assert list(registry.list_versions("tiny")) == [version]
        assert registry.stages("tiny") == {1: Stage.PRODUCTION}
        with pytest.raises(UnreachableError, match="nobody"):
            MlflowRegistry(uri.replace("postgres@", "nobody@"), "/files", "seatrial", 10).list_models()

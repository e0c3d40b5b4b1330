"""What several directories of tests share and is dear to make: once for all of them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import mlflow_stores

# Doctests are collected from src; what tests share is no test, and some of it is dear to import.
collect_ignore = [
    str(path)
    for path in Path(__file__).parent.rglob("*.py")
    if not path.name.startswith("test_") and path.name != "conftest.py"
]

# A shell starts background jobs with SIGINT ignored, and children inherit that: Ctrl-C could not be tested in them.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sqlite database with MLflow's tables, to be copied."""
    return mlflow_stores.new_database(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Iterator[str]:
    """The URL of a tracking server; tests use models of their own on it."""
    with mlflow_stores.server(tmp_path_factory.mktemp("server"), mlflow_database) as url:
        yield url

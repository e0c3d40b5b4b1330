"""Everything that our OpenAPI document allows is answered as it says: no 500, no undescribed status, body or type."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.builders import onnx_bundle
from tests.data_plane import Running, running

EXAMPLES = 25
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

schemathesis.serializer.alias("text/csv", "text/plain")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    bundle = onnx_bundle(Path(tmp_path_factory.mktemp("served")) / "bundle")
    with running([bundle]) as run:
        yield run


def test_whatever_the_description_allows_is_answered_as_described(plane: Running) -> None:
    schema: Any = schemathesis.openapi.from_url(f"{plane.addresses.public_url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 20
    for operation in operations:
        _ask(operation, {})
        if "{model}" in operation.path:
            _ask(operation, {"model": "tiny"})


def _ask(operation: Any, names: dict[str, str]) -> None:
    """Asks one path with whatever fits it, `names` in its path."""

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        case.path_parameters = {**(case.path_parameters or {}), **names}
        case.call_and_validate(checks=CHECKS)

    ask()

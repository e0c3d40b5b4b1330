"""What every ModelRegistry must do: the contract between the store, the flows and whatever keeps the versions."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.bundle import Bundle
from seatrial.domain.errors import (
    BundleAlteredError,
    UnknownArtifactError,
    UnknownModelError,
    UnknownVersionError,
    UsageError,
)
from seatrial.domain.model import Alias, ModelRegistry, ModelVersion, Signature, Stage
from seatrial.registry.memory_registry import MemoryRegistry
from seatrial.registry.mlflow_registry import MlflowRegistry
from tests.builders import SIGNATURE
from tests.mlflow_stores import file_bundle, lineage, sqlite_registry

CANDIDATE, STAGING, PRODUCTION, PREVIOUS = Alias


@pytest.fixture(params=["memory", "sqlite", "server"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> ModelRegistry:
    if request.param == "memory":
        return MemoryRegistry(tmp_path / "registry")
    if request.param == "sqlite":
        return sqlite_registry(tmp_path / "registry", request.getfixturevalue("mlflow_database"))
    return MlflowRegistry(request.getfixturevalue("mlflow_server"), "", f"e-{uuid.uuid4().hex}", 20)


@pytest.fixture
def name() -> str:
    """A model of the test's own: the server is shared."""
    return f"tiny-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def create(registry: ModelRegistry, name: str, tmp_path: Path) -> Callable[..., ModelVersion]:
    """Registers one more version of the test's model."""

    def create_version(text: str = "weights", key: str = "") -> ModelVersion:
        bundle = file_bundle(tmp_path / uuid.uuid4().hex, text, model=name)
        return registry.create_version(name, SIGNATURE, lineage(key), bundle.directory)

    return create_version


def weights(directory: Path) -> str:
    return (directory / "weights.bin").read_text("utf-8")


def test_the_first_version_is_1_and_is_found_again(
    registry: ModelRegistry, name: str, create: Callable[..., ModelVersion]
) -> None:
    version = create()
    assert version == ModelVersion(name, 1, SIGNATURE)
    assert registry.get_version(name, 1) == version
    assert registry.list_versions(name)[0] == version
    assert name in registry.list_models()


def test_versions_are_numbered_and_listed_in_order(
    registry: ModelRegistry, name: str, create: Callable[..., ModelVersion]
) -> None:
    made = [create() for _ in range(3)]
    assert [version.version for version in made] == [1, 2, 3]
    assert list(registry.list_versions(name)) == made


def test_models_are_listed_in_order(registry: ModelRegistry, name: str, tmp_path: Path) -> None:
    names = [f"{name}-b", f"{name}-a", f"{name}-c"]
    for model in names:
        bundle = file_bundle(tmp_path / model, model=model)
        registry.create_version(model, SIGNATURE, lineage(), bundle.directory)
    listed = list(registry.list_models())
    assert listed == sorted(listed)
    assert set(names) <= set(listed)


def test_the_same_key_is_the_same_version(
    registry: ModelRegistry, name: str, create: Callable[..., ModelVersion]
) -> None:
    first = create(key="one")
    assert create(key="two").version == 2
    assert create(key="one") == first
    assert len(registry.list_versions(name)) == 2


def test_the_same_key_under_another_name_is_another_version(
    registry: ModelRegistry, name: str, create: Callable[..., ModelVersion], tmp_path: Path
) -> None:
    create(key="one")
    other = f"{name}-other"
    bundle = file_bundle(tmp_path / "other", model=other)
    assert registry.create_version(other, SIGNATURE, lineage("one"), bundle.directory).name == other


def test_a_signature_comes_back_as_it_was(registry: ModelRegistry, name: str, tmp_path: Path) -> None:
    signature = Signature(("很差", "fine 'quoted' \\ `label`", "good"), 512)
    bundle = file_bundle(tmp_path / "bundle", model=name, signature=signature)
    registry.create_version(name, signature, lineage(), bundle.directory)
    assert registry.get_version(name, 1).signature == signature


def test_registering_at_the_same_time_gives_each_its_version(
    registry: ModelRegistry, name: str, create: Callable[..., ModelVersion]
) -> None:
    create()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(create, ["a", "b", "c", "d"]))
    assert {version.version for version in made} == {2, 3, 4, 5}
    assert len(registry.list_versions(name)) == 5


def test_a_lineage_may_hold_anything(registry: ModelRegistry, name: str, tmp_path: Path) -> None:
    bundle = file_bundle(tmp_path / "bundle", model=name)
    strange = replace(
        lineage(),
        data_sha256=None,
        parameters={f"p{i}": "x" * 10_000 for i in range(120)} | {"模型/../ü:%": "", "": "empty name", "/": "slash"},
        metrics={"nan": float("nan"), "inf": float("inf"), "a b/c": 1.0, "精度": 0.5},
    )
    assert registry.create_version(name, SIGNATURE, strange, bundle.directory).version == 1


def test_a_source_bundle_is_fetched_whole(
    registry: ModelRegistry, create: Callable[..., ModelVersion], tmp_path: Path
) -> None:
    fetched = registry.fetch_bundle(create("these"), "source", tmp_path / "deep" / "fetched")
    assert fetched == tmp_path / "deep" / "fetched"
    assert weights(Bundle.open(fetched).directory) == "these"
    assert sorted(path.name for path in fetched.iterdir()) == ["manifest.json", "tokenizer", "weights.bin"]
    assert [path.name for path in fetched.parent.iterdir()] == ["fetched"]


def test_fetching_replaces_a_bundle(
    registry: ModelRegistry, create: Callable[..., ModelVersion], tmp_path: Path
) -> None:
    registry.fetch_bundle(create("old"), "source", tmp_path / "fetched")
    registry.fetch_bundle(create("new"), "source", tmp_path / "fetched")
    assert weights(tmp_path / "fetched") == "new"


def test_fetching_never_replaces_anything_else(
    registry: ModelRegistry, create: Callable[..., ModelVersion], tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds something else"):
        registry.fetch_bundle(create(), "source", tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_more_bundles_are_kept_beside_the_source(
    registry: ModelRegistry, name: str, create: Callable[..., ModelVersion], tmp_path: Path
) -> None:
    version = create("source")
    converted = file_bundle(tmp_path / "onnx", "graph", model=name, version=1, name="onnx-fp32")
    uri = registry.add_bundle(version, converted.directory)
    assert uri == f"{registry.source_uri(version).rstrip('/')}/onnx-fp32"
    assert registry.add_bundle(version, converted.directory) == uri
    assert weights(registry.fetch_bundle(version, "onnx-fp32", tmp_path / "a")) == "graph"
    assert weights(registry.fetch_bundle(version, "source", tmp_path / "b")) == "source"


def test_a_bundle_made_again_replaces_the_old_one(
    registry: ModelRegistry, name: str, create: Callable[..., ModelVersion], tmp_path: Path
) -> None:
    version = create()
    for text in ("first", "again", "longer than both"):
        bundle = file_bundle(tmp_path / text, text, model=name, version=1, name="onnx-fp32")
        registry.add_bundle(version, bundle.directory)
        assert weights(registry.fetch_bundle(version, "onnx-fp32", tmp_path / "fetched")) == text


def test_an_unknown_artifact_is_named_with_the_known_ones(
    registry: ModelRegistry, create: Callable[..., ModelVersion], tmp_path: Path
) -> None:
    version = create()
    for artifact in ("onnx-fp32", "..", "../..", "", "source/tokenizer"):
        with pytest.raises(UnknownArtifactError, match="source"):
            registry.fetch_bundle(version, artifact, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_bundles_of_something_else_are_refused(
    registry: ModelRegistry, name: str, create: Callable[..., ModelVersion], tmp_path: Path
) -> None:
    version = create()
    strangers = {
        "model": file_bundle(tmp_path / "model", model=f"{name}-other", version=1, name="x"),
        "version": file_bundle(tmp_path / "version", model=name, version=2, name="x"),
        "signature": file_bundle(
            tmp_path / "signature", model=name, version=1, name="x", signature=Signature(("a", "b"), 64)
        ),
        "artifact": file_bundle(tmp_path / "artifact", model=name, version=1, name="../x"),
    }
    for bundle in strangers.values():
        with pytest.raises(UsageError):
            registry.add_bundle(version, bundle.directory)
    with pytest.raises(UnknownArtifactError):
        registry.fetch_bundle(version, "x", tmp_path / "fetched")


def test_a_source_that_does_not_fit_leaves_no_version(registry: ModelRegistry, name: str, tmp_path: Path) -> None:
    good = file_bundle(tmp_path / "good", model=name)
    registered = file_bundle(tmp_path / "registered", model=name, version=4)
    altered = file_bundle(tmp_path / "altered", model=name)
    (altered.directory / "weights.bin").write_text("WEIGHTS", "utf-8")
    with pytest.raises(UsageError, match="is of model"):
        registry.create_version(f"{name}-other", SIGNATURE, lineage(), good.directory)
    with pytest.raises(UsageError, match="another signature"):
        registry.create_version(name, Signature(("a", "b"), 64), lineage(), good.directory)
    with pytest.raises(UsageError, match="already"):
        registry.create_version(name, SIGNATURE, lineage(), registered.directory)
    with pytest.raises(BundleAlteredError):
        registry.create_version(name, SIGNATURE, lineage(), altered.directory)
    for key in ("", "it's", "two words", "x" * 201):
        with pytest.raises(UsageError, match="lineage key"):
            registry.create_version(name, SIGNATURE, replace(lineage(), key=key), good.directory)
    with pytest.raises(UnknownModelError):
        registry.list_versions(name)


@pytest.mark.parametrize(
    "ask",
    [
        lambda registry, name, _: registry.get_version(name, 1),
        lambda registry, name, _: registry.list_versions(name),
        lambda registry, name, _: registry.source_uri(ModelVersion(name, 1, SIGNATURE)),
        lambda registry, name, path: registry.fetch_bundle(ModelVersion(name, 1, SIGNATURE), "source", path),
        lambda registry, name, _: registry.set_alias(name, PRODUCTION, 1),
        lambda registry, name, _: registry.delete_alias(name, PRODUCTION),
        lambda registry, name, _: registry.aliases(name),
        lambda registry, name, _: registry.stages(name),
        lambda registry, name, _: registry.set_tag(name, "key", "value"),
        lambda registry, name, _: registry.tags(name),
    ],
)
def test_an_unknown_model_is_named(
    registry: ModelRegistry, name: str, tmp_path: Path, ask: Callable[[ModelRegistry, str, Path], object]
) -> None:
    with pytest.raises(UnknownModelError, match=name):
        ask(registry, name, tmp_path / "fetched")


@pytest.mark.parametrize("number", [0, -1, 2, 10**18, 10**30])
def test_an_unknown_version_is_named(
    registry: ModelRegistry, name: str, create: Callable[..., ModelVersion], number: int, tmp_path: Path
) -> None:
    create()
    stranger = ModelVersion(name, number, SIGNATURE)
    with pytest.raises(UnknownVersionError, match=str(number)):
        registry.get_version(name, number)
    with pytest.raises(UnknownVersionError):
        registry.set_alias(name, PRODUCTION, number)
    with pytest.raises(UnknownVersionError):
        registry.fetch_bundle(stranger, "source", tmp_path / "fetched")
    with pytest.raises(UnknownVersionError):
        registry.source_uri(stranger)
    assert registry.aliases(name) == {}


def test_an_alias_moves_and_goes(registry: ModelRegistry, name: str, create: Callable[..., ModelVersion]) -> None:
    create(), create()
    assert registry.aliases(name) == {}
    registry.set_alias(name, CANDIDATE, 1)
    registry.set_alias(name, CANDIDATE, 2)
    registry.set_alias(name, CANDIDATE, 2)
    registry.set_alias(name, PRODUCTION, 1)
    assert registry.aliases(name) == {CANDIDATE: 2, PRODUCTION: 1}
    registry.delete_alias(name, CANDIDATE)
    registry.delete_alias(name, CANDIDATE)
    assert registry.aliases(name) == {PRODUCTION: 1}


def test_stages_follow_the_strongest_alias(
    registry: ModelRegistry, name: str, create: Callable[..., ModelVersion]
) -> None:
    for _ in range(3):
        create()
    steps: list[tuple[Alias, int | None, str]] = [
        (CANDIDATE, 1, "None None None"),
        (STAGING, 1, "Staging None None"),
        (PRODUCTION, 1, "Production None None"),
        (STAGING, None, "Production None None"),
        (CANDIDATE, 2, "Production None None"),
        (STAGING, 2, "Production Staging None"),
        (STAGING, 3, "Production None Staging"),
        (PRODUCTION, 2, "Archived Production Staging"),
        (PREVIOUS, 1, "Archived Production Staging"),
        (PRODUCTION, 1, "Production None Staging"),  # 2 is still the candidate
        (PREVIOUS, 2, "Production Archived Staging"),
        (PRODUCTION, None, "Archived Archived Staging"),
    ]
    for alias, version, expected in steps:
        if version is None:
            registry.delete_alias(name, alias)
        else:
            registry.set_alias(name, alias, version)
        stages = registry.stages(name)
        assert " ".join(stages[number] for number in (1, 2, 3)) == expected, (alias, version)


def test_a_new_version_has_no_stage(registry: ModelRegistry, name: str, create: Callable[..., ModelVersion]) -> None:
    create()
    assert registry.stages(name) == {1: Stage.NONE}


def test_tags_are_kept_and_replaced(registry: ModelRegistry, name: str, create: Callable[..., ModelVersion]) -> None:
    create()
    registry.set_tag(name, "seatrial.ledger_head", "1 abc")
    registry.set_tag(name, "seatrial.ledger_head", "2 " + "d" * 5000)
    registry.set_tag(name, "字", "值 'quoted'")
    tags = registry.tags(name)
    assert tags["seatrial.ledger_head"] == "2 " + "d" * 5000
    assert tags["字"] == "值 'quoted'"


def test_impossible_names_are_refused(registry: ModelRegistry, tmp_path: Path) -> None:
    bundle = file_bundle(tmp_path / "bundle")
    for name in ("", "a/b", "..", "a'b", "模型", "x" * 101):
        with pytest.raises(UsageError, match="cannot be a model name"):
            registry.create_version(name, SIGNATURE, lineage(), bundle.directory)

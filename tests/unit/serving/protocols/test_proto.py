"""The generated stubs: as the proto file says, and no trouble for other packages' stubs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from google.protobuf import descriptor_pb2, descriptor_pool

from seatrial.serving.protocols.proto import inference_pb2

ROOT = Path(__file__).parents[4]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_stubs", ROOT / "tools" / "write_stubs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_stubs_are_what_the_proto_file_says() -> None:
    write_stubs = script()
    for name, text in write_stubs.stubs().items():
        assert (write_stubs.PROTO / name).read_text("utf-8") == text, "run: python tools/write_stubs.py"


def test_another_package_may_register_the_same_names() -> None:
    """What tritonclient's, kserve's and mlserver's stubs do when they are imported."""
    other = descriptor_pb2.FileDescriptorProto(name="grpc_service.proto", package="inference", syntax="proto3")
    other.message_type.add(name="ServerLiveRequest").field.add(name="extra", number=1, type=9, label=1)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(other.SerializeToString())
    assert "extra" in pool.FindMessageTypeByName("inference.ServerLiveRequest").fields_by_name
    assert "extra" not in inference_pb2.ServerLiveRequest.DESCRIPTOR.fields_by_name

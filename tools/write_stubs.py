"""Writes the gRPC stubs that follow from serving/protocols/proto/inference.proto.

    python tools/write_stubs.py            writes inference_pb2.py and inference_pb2.pyi beside it

A test runs this and fails when a stub is not what the proto file says.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from grpc_tools import protoc

PROTO = Path(__file__).parent.parent / "src" / "seatrial" / "serving" / "protocols" / "proto"
STUBS = ("inference_pb2.py", "inference_pb2.pyi")

_SHARED_POOL = "_descriptor_pool.Default()"
_OWN_POOL = "_descriptor_pool.DescriptorPool()"


def stubs() -> dict[str, str]:
    """The text of each stub, with descriptors in a pool of its own instead of the process's shared one."""
    with tempfile.TemporaryDirectory() as directory:
        arguments = ["protoc", f"-I{PROTO}", f"--python_out={directory}", f"--pyi_out={directory}", "inference.proto"]
        if protoc.main(arguments):
            raise SystemExit("protoc refused inference.proto: see its message above.")
        written = {name: (Path(directory) / name).read_text("utf-8") for name in STUBS}
    if written[STUBS[0]].count(_SHARED_POOL) != 1:
        raise SystemExit("protoc writes its stubs otherwise than this script expects: look for the descriptor pool.")
    written[STUBS[0]] = written[STUBS[0]].replace(_SHARED_POOL, _OWN_POOL)
    return written


def main() -> None:
    """Writes the files."""
    for name, text in stubs().items():
        (PROTO / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()

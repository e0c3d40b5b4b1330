"""The Open Inference Protocol V2 over gRPC: messages as bytes, so that a fault in our own stubs is seen, too."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.acceptance.figures import Asked
from seatrial.acceptance.subject import Subject

__all__ = ["delimited", "infer_request", "probe_grpc"]

_SERVICE = "/inference.GRPCInferenceService/"
_TRUE = b"\x08\x01"
"""A message whose first field is true."""
_TIMEOUT_S = 60.0


def probe_grpc(address: str, subject: Subject) -> Iterator[Asked]:
    """Asks whether server and model live, infers with and without a version, and asks for what does not exist.

    Args:
        address: ``host:port``.

    Source: Open Inference Protocol, ``open_inference_grpc.proto``.
    """
    import grpc

    model, version, text = delimited(1, subject.model), subject.version, subject.rows.texts[0]
    with grpc.insecure_channel(address) as channel:

        def ask(call: str, message: bytes, code: str = "OK", expected: bytes = b"") -> Asked:
            name = f"gRPC {call}" if code == "OK" else f"gRPC {call}, {code}"
            try:
                answer = channel.unary_unary(_SERVICE + call)(message, timeout=_TIMEOUT_S)
            except grpc.RpcError as error:
                ended = error.code().name
                return Asked(name, "" if ended == code else f"{ended} instead of {code}: {error.details()}")
            if code != "OK":
                return Asked(name, f"OK instead of {code}")
            return Asked(name, "" if expected in answer else f"an answer without {expected!r}")

        yield ask("ServerLive", b"", expected=_TRUE)
        yield ask("ServerReady", b"", expected=_TRUE)
        yield ask("ModelReady", model, expected=_TRUE)
        yield ask("ServerMetadata", b"", expected=b"seatrial")
        yield ask("ModelMetadata", model, expected=subject.model.encode())
        for named in ("", version):
            asked = infer_request(subject.model, named, text)
            yield ask("ModelInfer", asked, expected=delimited(2, version))
        yield ask("ModelInfer", infer_request("no-such-model", "", text), "NOT_FOUND")
        yield ask("ModelInfer", model, "INVALID_ARGUMENT")


def infer_request(model: str, version: str, text: str) -> bytes:
    """A ModelInferRequest about one text.

    Args:
        version: empty for the one that has the traffic.
    """
    contents = delimited(8, text)  # bytes_contents
    shape = delimited(3, b"\x01")  # [1], packed
    tensor = delimited(1, "text") + delimited(2, "BYTES") + shape + delimited(5, contents)
    return delimited(1, model) + (delimited(2, version) if version else b"") + delimited(5, tensor)


def delimited(field: int, content: str | bytes) -> bytes:
    """A length-delimited field of a protobuf message.

    Source: Protocol Buffers, "Encoding": tag ``field << 3 | 2``, length as varint, bytes.

    Example:
        >>> delimited(1, "tiny").hex(" ")
        '0a 04 74 69 6e 79'
    """
    encoded = content.encode() if isinstance(content, str) else content
    return bytes([field << 3 | 2]) + _varint(len(encoded)) + encoded


def _varint(number: int) -> bytes:
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])

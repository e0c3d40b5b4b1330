"""The messages written by hand are those of the protocol. Real answers: tests/integration/test_acceptance.py."""

from __future__ import annotations

import pytest

from seatrial.acceptance.probes_grpc import delimited, infer_request, probe_grpc
from seatrial.serving.protocols.proto import inference_pb2 as pb
from tests.trials import subject
from tests.waiting import free_port


@pytest.mark.parametrize("text", ["fine", "x" * 127, "x" * 128, "电影" * 20_000])
def test_an_inference_request_is_what_the_protocol_reads(text: str) -> None:
    request = pb.ModelInferRequest.FromString(infer_request("tiny", "7", text))
    (tensor,) = request.inputs
    assert (request.model_name, request.model_version) == ("tiny", "7")
    assert (tensor.name, tensor.datatype, list(tensor.shape)) == ("text", "BYTES", [1])
    assert [content.decode() for content in tensor.contents.bytes_contents] == [text]


def test_a_request_may_name_no_version() -> None:
    assert pb.ModelInferRequest.FromString(infer_request("tiny", "", "fine")).model_version == ""
    assert pb.ModelReadyRequest.FromString(delimited(1, "tiny")).name == "tiny"


def test_nobody_there_is_a_fault_of_each_call() -> None:
    asked = list(probe_grpc(f"127.0.0.1:{free_port()}", subject()))
    assert len(asked) == 9
    assert all("UNAVAILABLE" in one.fault for one in asked)

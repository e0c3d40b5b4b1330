"""The whole contract: every protocol that the data plane speaks, asked once about a version."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from seatrial.acceptance.figures import Asked
from seatrial.acceptance.probes import Probe, predict_probes, probe
from seatrial.acceptance.probes_grpc import probe_grpc
from seatrial.acceptance.probes_v2 import mlflow_probes, v2_probes
from seatrial.acceptance.subject import Served, Subject

__all__ = ["HTTP_PROTOCOLS", "ask_contract"]

HTTP_PROTOCOLS: Sequence[Callable[[Subject], Iterator[Probe]]] = (predict_probes, v2_probes, mlflow_probes)
"""A table of probes for each protocol over HTTP."""


def ask_contract(served: Served, subject: Subject) -> list[Asked]:
    """Asks everything; gRPC only where it is spoken (`serving.grpc`)."""
    asked = [one for table in HTTP_PROTOCOLS for one in probe(served, table(subject))]
    return [*asked, *probe_grpc(served.grpc, subject)] if served.grpc else asked

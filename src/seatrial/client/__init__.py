"""Asking a data plane from Python: typed answers, time limits, and repeats of what is safe to repeat.

Belongs here: the two clients, what they send and read, when they try again, streaming over more texts than fit.
Does not belong: what a data plane does with a request (serving), files (flows), measuring load (loadgen).
Called by: flows, and people through `seatrial.Client` and `seatrial.AsyncClient`.
"""

from seatrial.client.async_client import AsyncClient
from seatrial.client.exchange import Patience
from seatrial.client.messages import Health, Prediction, Predictions
from seatrial.client.streaming import in_order
from seatrial.client.sync_client import Client

__all__ = ["AsyncClient", "Client", "Health", "Patience", "Prediction", "Predictions", "in_order"]

"""MLflow's scoring protocol: what `mlflow models serve` answers, for clients that know nothing else.

Source: MLflow 3.17, mlflow/pyfunc/scoring_server; nothing of MLflow is imported.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from seatrial.domain.errors import InvalidRequestError, MediaTypeError
from seatrial.serving.asgi import Reply, Scope, header, json_reply
from seatrial.serving.exchange import Asked, Served
from seatrial.serving.http_errors import mlflow_error_reply
from seatrial.serving.wire import check_media_type, check_unit

__all__ = [
    "MLFLOW_VERSION",
    "Invocation",
    "MlflowProtocol",
    "MlflowResponse",
    "Parameters",
    "Prediction",
    "SplitFrame",
]

MLFLOW_VERSION = "3.17.2"
"""What /version says: the MLflow whose protocol is spoken, since none is installed here."""

_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_COLUMN = "text"
_EXAMPLE = '{"inputs": ["The film was great."]}'


class SplitFrame(msgspec.Struct, frozen=True):
    """A table as pandas writes it with orient="split"; an index is read over."""

    columns: Annotated[list[str], Meta(examples=[["text"]])]
    data: Annotated[list[list[Any]], Meta(examples=[[["The film was great."], ["Poor plot."]]])]


class Parameters(msgspec.Struct, frozen=True):
    """What may be said about a request."""

    max_length: Annotated[int | None, Meta(description="Tokens each text is cut to.", examples=[128])] = None
    unit: Annotated[str | None, Meta(description="User or session.", examples=["user-17"])] = None


class Invocation(msgspec.Struct, frozen=True):
    """Texts in exactly one of four forms."""

    dataframe_split: SplitFrame | None = None
    dataframe_records: Annotated[
        list[dict[str, Any]] | None, Meta(description="A row each.", examples=[[{"text": "The film was great."}]])
    ] = None
    instances: Annotated[
        list[Any] | None, Meta(description="Texts, or objects with `text`.", examples=[["The film was great."]])
    ] = None
    inputs: Annotated[
        str | list[Any] | dict[str, Any] | None,
        Meta(description="A text, texts, or an object with `text`.", examples=[["The film was great."]]),
    ] = None
    params: Parameters | None = None


class Prediction(msgspec.Struct, frozen=True):
    """What the model says about one text."""

    label: Annotated[str, Meta(examples=["positive"])]
    score: Annotated[float, Meta(description="Probability of the label.", examples=[0.98])]
    probabilities: Annotated[list[float], Meta(description="Of all labels, in order.", examples=[[0.02, 0.98]])]


class MlflowResponse(msgspec.Struct, frozen=True):
    """What the model says, in the order of the texts."""

    predictions: list[Prediction]


_decoder = msgspec.json.Decoder(Invocation)


class MlflowProtocol:
    """Reads and writes the bodies of /invocations."""

    def parse(self, scope: Scope, body: bytes) -> Asked[None]:
        """Reads a request.

        Raises:
            MediaTypeError: it is neither JSON nor CSV.
            InvalidRequestError: it is no request.
        """
        content_type = header(scope, b"content-type") or ""
        encoding = header(scope, b"content-encoding")
        if content_type.partition(";")[0].strip().lower() == "text/csv":
            check_media_type("application/json;" + content_type.partition(";")[2], encoding)
            return Asked(_from_csv(body), None)
        if not content_type:
            raise MediaTypeError("The request has no Content-Type: send application/json or text/csv.")
        check_media_type(content_type, encoding)
        invocation = _decode(body)
        params = invocation.params or Parameters()
        unit = None if params.unit is None else check_unit(params.unit)
        return Asked(_texts(invocation), None, params.max_length, unit)

    def render(self, served: Served[None]) -> Reply:
        """Writes an answer."""
        rows = [
            Prediction(score.label, max(score.probabilities), score.probabilities) for score in served.answer.scores
        ]
        return json_reply(200, MlflowResponse(rows))

    def refuse(self, error: Exception) -> Reply:
        """Writes an error in MLflow's words and ours."""
        return mlflow_error_reply(error)


def _decode(body: bytes) -> Invocation:
    try:
        return _decoder.decode(body)
    except RecursionError:
        raise InvalidRequestError(f"The body is nested too deeply: send {_EXAMPLE}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"The body is no invocation ({error}): send {_EXAMPLE}.") from None


def _texts(invocation: Invocation) -> list[str]:
    forms = [name for name in _FORMS if getattr(invocation, name) is not None]
    if len(forms) != 1:
        found = " and ".join(forms) or "none"
        raise InvalidRequestError(f"The body has {found} of {', '.join(_FORMS)}: send exactly one of them.")
    if invocation.dataframe_split is not None:
        found_texts = _of_column(invocation.dataframe_split.columns, invocation.dataframe_split.data)
    elif invocation.dataframe_records is not None:
        found_texts = [_of_record(row) for row in invocation.dataframe_records]
    elif invocation.instances is not None:
        found_texts = [_of_element(element) for element in invocation.instances]
    else:
        found_texts = _of_inputs(invocation.inputs)
    for index, text in enumerate(found_texts):
        if not isinstance(text, str):
            raise InvalidRequestError(f"Row {index} has no text but {type(text).__name__}: send strings.")
    return found_texts


def _of_inputs(inputs: Any) -> list[Any]:
    if isinstance(inputs, str):
        return [inputs]
    if isinstance(inputs, dict):
        inputs = _of_record(inputs)
        return inputs if isinstance(inputs, list) else [inputs]
    return [_of_element(element) for element in inputs]


def _of_element(element: Any) -> Any:
    """A text that stands alone, in an object, or as the one cell of a row."""
    if isinstance(element, dict):
        return _of_record(element)
    return element[0] if isinstance(element, list) and len(element) == 1 else element


def _of_record(record: Mapping[str, Any]) -> Any:
    """The text of an object: of its field `text`, or of its only field."""
    if _COLUMN in record:
        return record[_COLUMN]
    if len(record) == 1:
        return next(iter(record.values()))
    raise InvalidRequestError(f"A row has {len(record)} fields and none is {_COLUMN!r}: name the text so.")


def _of_column(columns: list[str], rows: list[list[Any]]) -> list[Any]:
    if _COLUMN in columns:
        place = columns.index(_COLUMN)
    elif len(columns) == 1:
        place = 0
    else:
        raise InvalidRequestError(f"The table has {len(columns)} columns and none is {_COLUMN!r}: name the text so.")
    for index, row in enumerate(rows):
        if len(row) != len(columns):
            raise InvalidRequestError(f"Row {index} has {len(row)} cells and the table {len(columns)} columns.")
    return [row[place] for row in rows]


def _from_csv(body: bytes) -> list[str]:
    try:
        # A cell may be as long as the body, which is limited already; the module's own limit is one for all threads.
        csv.field_size_limit(max(csv.field_size_limit(), len(body)))
        columns, *rows = [
            row for row in csv.reader(io.StringIO(str(body, "utf-8-sig"), newline=""), strict=True) if row
        ]
    except UnicodeDecodeError:
        raise InvalidRequestError("The table is not UTF-8: encode it so.") from None
    except csv.Error as error:
        raise InvalidRequestError(
            f"The table is no CSV ({error}): send a line of column names, then the rows."
        ) from None
    except ValueError:
        raise InvalidRequestError("The table is empty: send a line of column names, then the rows.") from None
    return _of_column(columns, rows)

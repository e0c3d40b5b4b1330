"""What a V2 request means."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.domain.errors import InvalidRequestError, UnsupportedFeatureError
from seatrial.domain.inference import TokenBatch
from seatrial.serving.protocols.tensors import Tensor, from_json
from seatrial.serving.protocols.v2_inference import ChosenOutput, ask

TEXT = from_json("text", "BYTES", [2], ["good", "bad"])
IDS = from_json("input_ids", "INT64", [2, 3], [[2, 5, 3], [2, 3, 0]])
MASK = from_json("attention_mask", "INT32", [2, 3], [1, 1, 1, 1, 1, 0])


def test_texts_are_asked_for_every_output_and_token_ids_for_logits() -> None:
    asked = ask("7", [TEXT], [], {})
    assert (asked.inputs, asked.form.echo_id) == (["good", "bad"], "7")
    assert asked.form.outputs == ("label", "probabilities", "logits")
    assert asked.form.label_shape == (2,)
    asked = ask("", [IDS, MASK], [], {})
    assert isinstance(asked.inputs, TokenBatch)
    assert (asked.inputs.ids.tolist(), asked.inputs.offsets.tolist()) == ([2, 5, 3, 2, 3], [0, 3, 5])
    assert asked.form.outputs == ("logits",)
    assert asked.form.label_shape == (2, 1)


def test_token_ids_without_a_mask_are_all_real() -> None:
    asked = ask("", [IDS], [], {})
    assert isinstance(asked.inputs, TokenBatch)
    assert asked.inputs.tokens == 6


@pytest.mark.parametrize("mask", [[0, 1, 1, 1, 1, 0], [1, 0, 1, 1, 1, 0], [1, 1, 2, 1, 1, 0], [1, 1, -1, 1, 1, 1]])
def test_a_mask_that_is_no_padding_on_the_right_is_refused(mask: list[int]) -> None:
    with pytest.raises(InvalidRequestError, match="attention_mask"):
        ask("", [IDS, from_json("attention_mask", "INT64", [2, 3], mask)], [], {})


@pytest.mark.parametrize(
    "tensors",
    [
        [],
        [TEXT, TEXT],
        [TEXT, IDS],
        [MASK],
        [from_json("words", "BYTES", [1], ["good"])],
        [from_json("text", "INT64", [1], [1])],
        [from_json("text", "BYTES", [1, 2], ["a", "b"])],
        [from_json("input_ids", "BYTES", [1, 1], ["a"])],
        [from_json("input_ids", "INT64", [3], [1, 2, 3])],
        [IDS, from_json("attention_mask", "INT64", [3, 2], [1] * 6)],
    ],
)
def test_other_inputs_are_refused(tensors: list[Tensor]) -> None:
    with pytest.raises(InvalidRequestError):
        ask("", tensors, [], {})


def test_outputs_are_chosen_in_order_and_in_form() -> None:
    chosen = [ChosenOutput("logits", {"binary_data": False}), ChosenOutput("label", {})]
    form = ask("", [TEXT], chosen, {"binary_data_output": True}).form
    assert form.outputs == ("logits", "label")
    assert form.binary == {"label"}
    assert ask("", [TEXT], [], {"binary_data_output": True}).form.binary == {"label", "probabilities", "logits"}
    for bad in ([ChosenOutput("scores", {})], [ChosenOutput("label", {}), ChosenOutput("label", {})]):
        with pytest.raises(InvalidRequestError):
            ask("", [TEXT], bad, {})


def test_parameters_are_read_strictly_and_unknown_ones_read_over() -> None:
    asked = ask("", [TEXT], [], {"max_length": 8, "unit": "user-17", "timeout": 1_500_000, "colour": "red"})
    assert (asked.max_length, asked.unit, asked.within_s) == (8, "user-17", 1.5)
    assert ask("", [TEXT], [], {"timeout": 0}).within_s is None
    wrong: list[dict[str, Any]] = [
        {"max_length": True}, {"max_length": "8"}, {"unit": 7}, {"unit": ""}, {"timeout": 1.5},
        {"binary_data_output": 1},
    ]  # fmt: skip
    for parameters in wrong:
        with pytest.raises(InvalidRequestError):
            ask("", [TEXT], [], parameters)


def test_what_is_not_offered_is_said() -> None:
    with pytest.raises(UnsupportedFeatureError, match="sequences"):
        ask("", [TEXT], [], {"sequence_id": 3})
    for parameters in ({"classification": 3}, {"shared_memory_region": "r"}):
        with pytest.raises(UnsupportedFeatureError):
            ask("", [TEXT], [ChosenOutput("label", parameters)], {})


def test_the_shorter_of_two_time_limits_counts() -> None:
    asked = ask("", [TEXT], [], {"timeout": 1_000_000})
    assert [asked.within(limit_s).within_s for limit_s in (None, 0.5, 2.0)] == [1.0, 0.5, 1.0]

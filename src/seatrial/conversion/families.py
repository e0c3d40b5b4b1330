"""Where the encoders of the BERT family keep their parts: one reader a family, one description of all of them.

All of these compute the same thing with other names: word and position embeddings, a normalisation, layers of
attention and feed-forward that each add to their input and normalise the sum, and a head that reads the first token.
What differs in arithmetic is stated by fields of `Encoder`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seatrial.domain.errors import UnsupportedModelError

__all__ = ["Encoder", "Layer", "read_encoder"]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """The modules of one layer, as PyTorch holds them."""

    query: Any
    key: Any
    value: Any
    attention_output: Any
    attention_norm: Any
    widen: Any
    activation: Any
    narrow: Any
    output_norm: Any


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """A sequence classifier of the BERT family, taken apart.

    Attributes:
        words: (vocabulary, embedding) weights.
        positions: (longest, embedding) weights.
        token_type: (embedding,) added to every token, or None; requests have one text, hence type 0 throughout.
        embedding_norm: normalises the sum of these.
        projection: from the embedding's width to the layers', or None.
        layers: first to last.
        heads: attention heads of each.
        position_pad_id: None where positions count all tokens from 0. Else the id that RoBERTa's way of counting
            leaves out: such a token has this very number as its position, the others count from the number after it.
        head: from (texts, 1, hidden) first tokens to (texts, labels) logits.
        head_modules: the modules it uses, to be exported with it.
    """

    words: Any
    positions: Any
    token_type: Any
    embedding_norm: Any
    projection: Any
    layers: tuple[Layer, ...]
    heads: int
    position_pad_id: int | None
    head: Callable[[Any], Any]
    head_modules: tuple[Any, ...]


def read_encoder(model: Any) -> Encoder:
    """Takes a sequence classifier of transformers apart.

    The class is asked for by its name: a subclass, or a variant in the configuration, may compute something else.

    Raises:
        UnsupportedModelError: it is of no family known here, or configured to compute something else.
    """
    name, config = type(model).__name__, model.config
    reader = _READERS.get(name)
    if reader is None:
        raise UnsupportedModelError(f"The unpadded graph is not built for {name}.")
    if getattr(config, "is_decoder", False) or getattr(config, "add_cross_attention", False):
        raise UnsupportedModelError(f"The unpadded graph is not built for {name} as a decoder.")
    if getattr(config, "position_embedding_type", "absolute") != "absolute":
        raise UnsupportedModelError(f"The unpadded graph is not built for {name} with relative positions.")
    encoder = reader(model)
    if len(encoder.layers) < 2:
        raise UnsupportedModelError(f"The unpadded graph is not built for {name} with a single layer.")
    return encoder


def _read_bert(model: Any) -> Encoder:
    return _read_layered(model, model.bert, None, _bert_head(model), (model.bert.pooler, model.classifier))


def _bert_head(model: Any) -> Callable[[Any], Any]:
    return lambda first_tokens: model.classifier(model.bert.pooler(first_tokens))


def _read_roberta(model: Any) -> Encoder:
    pad_id = int(model.roberta.embeddings.padding_idx)
    return _read_layered(model, model.roberta, pad_id, model.classifier, (model.classifier,))


def _read_electra(model: Any) -> Encoder:
    return _read_layered(model, model.electra, None, model.classifier, (model.classifier,))


def _read_layered(
    model: Any, encoder: Any, position_pad_id: int | None, head: Callable[[Any], Any], head_modules: tuple[Any, ...]
) -> Encoder:
    """BERT and those that kept the names of its modules."""
    embeddings = encoder.embeddings
    return Encoder(
        words=embeddings.word_embeddings.weight,
        positions=embeddings.position_embeddings.weight,
        token_type=embeddings.token_type_embeddings.weight[0],
        embedding_norm=embeddings.LayerNorm,
        projection=getattr(encoder, "embeddings_project", None),
        layers=tuple(
            Layer(
                query=layer.attention.self.query,
                key=layer.attention.self.key,
                value=layer.attention.self.value,
                attention_output=layer.attention.output.dense,
                attention_norm=layer.attention.output.LayerNorm,
                widen=layer.intermediate.dense,
                activation=layer.intermediate.intermediate_act_fn,
                narrow=layer.output.dense,
                output_norm=layer.output.LayerNorm,
            )
            for layer in encoder.encoder.layer
        ),
        heads=model.config.num_attention_heads,
        position_pad_id=position_pad_id,
        head=head,
        head_modules=head_modules,
    )


def _read_distilbert(model: Any) -> Encoder:
    embeddings = model.distilbert.embeddings

    def head(first_tokens: Any) -> Any:
        return model.classifier(model.pre_classifier(first_tokens[:, 0]).relu())

    return Encoder(
        words=embeddings.word_embeddings.weight,
        positions=embeddings.position_embeddings.weight,
        token_type=None,
        embedding_norm=embeddings.LayerNorm,
        projection=None,
        layers=tuple(
            Layer(
                query=layer.attention.q_lin,
                key=layer.attention.k_lin,
                value=layer.attention.v_lin,
                attention_output=layer.attention.out_lin,
                attention_norm=layer.sa_layer_norm,
                widen=layer.ffn.lin1,
                activation=layer.ffn.activation,
                narrow=layer.ffn.lin2,
                output_norm=layer.output_layer_norm,
            )
            for layer in model.distilbert.transformer.layer
        ),
        heads=model.config.n_heads,
        position_pad_id=None,
        head=head,
        head_modules=(model.pre_classifier, model.classifier),
    )


_READERS: dict[str, Callable[[Any], Encoder]] = {
    "BertForSequenceClassification": _read_bert,
    "RobertaForSequenceClassification": _read_roberta,
    "XLMRobertaForSequenceClassification": _read_roberta,
    "CamembertForSequenceClassification": _read_roberta,
    "ElectraForSequenceClassification": _read_electra,
    "DistilBertForSequenceClassification": _read_distilbert,
}

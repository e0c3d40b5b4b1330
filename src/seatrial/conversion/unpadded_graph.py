"""The same arithmetic as a BERT-family classifier, on packed tokens: what the profile ``unpadded`` exports.

Linear layers see every token once and no padding. Attention alone needs texts in rows, so each head's part of a token
is gathered into the rows of ``Layout.PACKED`` and out of them again, which spares the transpositions too. A
classifier's head reads nothing but first tokens: in the last layer only they ask, and only they go on. None of this
changes a result by more than rounding.

Imported only where a graph is exported: it needs torch at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from seatrial.conversion.families import Encoder, Layer

__all__ = ["UnpaddedClassifier"]

_NO_WEIGHT = float(torch.finfo(torch.float32).min)


class UnpaddedClassifier(torch.nn.Module):  # type: ignore[misc]  # torch is not followed by the type checker
    """From the tensors of ``Layout.PACKED`` to logits.

    Args:
        encoder: the parts of the model, in evaluation mode.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        *layers, last = encoder.layers
        self._heads = encoder.heads
        self._position_pad_id = encoder.position_pad_id
        self._words = _constant(encoder.words)
        token_type = 0 if encoder.token_type is None else encoder.token_type
        self._positions = _constant(encoder.positions + token_type)
        self._embedding_norm = encoder.embedding_norm
        self._projection = torch.nn.Identity() if encoder.projection is None else _Product(encoder.projection)
        self._layers = torch.nn.ModuleList(_TokenLayer(layer, encoder.heads) for layer in layers)
        self._last = _FirstTokenLayer(last, encoder.heads)
        self._head = encoder.head
        self._head_modules = torch.nn.ModuleList(encoder.head_modules)

    def forward(
        self,
        input_ids: Any,
        position_ids: Any,
        cell_tokens: Any,
        cell_texts: Any,
        token_cells: Any,
        first_tokens: Any,
        slot_texts: Any,
        text_slots: Any,
    ) -> Any:
        """Logits of tensors as ``text.layout.lay_out`` describes them.

        Returns:
            (texts, labels) float32.
        """
        if self._position_pad_id is not None:
            position_ids = _count_words(input_ids, position_ids, self._position_pad_id)
        tokens = self._embedding_norm(self._words[input_ids] + self._positions[position_ids])
        tokens = self._projection(tokens)  # (tokens, hidden)
        cells = _Cells(cell_tokens, cell_texts)
        every_token = _meeting(cells, token_cells, cells, self._heads, merged=True)
        for layer in self._layers:
            tokens = layer(tokens, every_token)
        slots = _Cells(slot_texts, slot_texts)  # first tokens are counted as their texts are
        first = _meeting(slots, text_slots, cells, self._heads, merged=False)
        return self._head(self._last(tokens, first_tokens, first)[:, None])


class _Cells(NamedTuple):
    """What sits in the cells of attention's rows.

    Attributes:
        members: (rows, width) numbers of the packed vectors, ``EMPTY`` for none.
        texts: (rows, width) the text each belongs to.
    """

    members: Any
    texts: Any


class _Meeting(NamedTuple):
    """Who attends to whom. A packed vector has a part for each head, and parts are numbered through all vectors.

    Attributes:
        queries: (rows, heads, width of askers) the part in each cell.
        keys: (rows, heads, width) the same.
        values: (rows, heads, width) the same.
        back: (askers, heads) in which of all cells, counted through rows and heads, each asker's context is.
        mask: (rows, 1, width of askers, width) float32, added to scores: another text, or none, weighs nothing.
    """

    queries: Any
    keys: Any
    values: Any
    back: Any
    mask: Any

    def attend(self, asking: Any, answering: Any, head_size: int) -> Any:
        """(askers, hidden) contexts of packed queries, keys and values.

        Args:
            asking: (askers, parts * head size), the queries among them.
            answering: (answerers, parts * head size), the keys and values among them.
        """
        asking, answering = asking.reshape(-1, head_size), answering.reshape(-1, head_size)
        scores = torch.matmul(asking[self.queries], answering[self.keys].transpose(2, 3)) + self.mask
        contexts = torch.matmul(torch.softmax(scores, dim=-1), answering[self.values])
        return contexts.reshape(-1, head_size)[self.back].flatten(1)


def _meeting(askers: _Cells, cells_of_askers: Any, answerers: _Cells, heads: int, *, merged: bool) -> _Meeting:
    """The meeting of askers and answerers in rows.

    Args:
        cells_of_askers: (askers,) the cell of each.
        merged: queries, keys and values lie side by side in one matrix; else queries have their own.
    """
    head = torch.arange(heads)[:, None]  # (heads, 1)
    width = askers.members.shape[1]
    before = torch.div(cells_of_askers, width, rounding_mode="trunc") * (width * (heads - 1))
    answering = 3 if merged else 2

    def parts(cells: _Cells, place: int, parts_of_each: int) -> Any:
        return cells.members[:, None] * (parts_of_each * heads) + (head + place * heads)

    strangers = askers.texts[:, None, :, None] != answerers.texts[:, None, None, :]
    return _Meeting(
        queries=parts(askers, 0, 3 if merged else 1),
        keys=parts(answerers, answering - 2, answering),
        values=parts(answerers, answering - 1, answering),
        back=(cells_of_askers + before)[:, None] + head[:, 0] * width,
        mask=strangers.to(torch.float32) * _NO_WEIGHT,
    )


class _Layer(torch.nn.Module):  # type: ignore[misc]  # see above
    """What every layer does once attention is done."""

    def __init__(self, layer: Layer, heads: int) -> None:
        super().__init__()
        self._head_size = layer.query.out_features // heads
        self._attention_output = _Product(layer.attention_output)
        self._attention_norm = layer.attention_norm
        self._widen = _Product(layer.widen)
        self._activation = layer.activation
        self._narrow = _Product(layer.narrow)
        self._output_norm = layer.output_norm

    def _go_on(self, contexts: Any, tokens: Any) -> Any:
        tokens = self._attention_norm(self._attention_output(contexts) + tokens)
        return self._output_norm(self._narrow(self._activation(self._widen(tokens))) + tokens)


class _TokenLayer(_Layer):
    """A layer in which every token asks."""

    def __init__(self, layer: Layer, heads: int) -> None:
        super().__init__(layer, heads)
        self._all = _Product(_scaled(layer.query, self._head_size), layer.key, layer.value)

    def forward(self, tokens: Any, meeting: _Meeting) -> Any:
        """(tokens, hidden) of the same."""
        everything = self._all(tokens)
        return self._go_on(meeting.attend(everything, everything, self._head_size), tokens)


class _FirstTokenLayer(_Layer):
    """The last layer, in which only first tokens ask."""

    def __init__(self, layer: Layer, heads: int) -> None:
        super().__init__(layer, heads)
        self._query = _Product(_scaled(layer.query, self._head_size))
        self._answers = _Product(layer.key, layer.value)

    def forward(self, tokens: Any, first_tokens: Any, meeting: _Meeting) -> Any:
        """(texts, hidden) of (tokens, hidden)."""
        firsts = tokens[first_tokens]
        contexts = meeting.attend(self._query(firsts), self._answers(tokens), self._head_size)
        return self._go_on(contexts, firsts)


class _Product(torch.nn.Module):  # type: ignore[misc]  # see above
    """One or more linear layers of the same input side by side, their weights stored as they are multiplied."""

    def __init__(self, *layers: Any) -> None:
        super().__init__()
        self._weight = _constant(torch.cat([layer.weight for layer in layers]).t())
        self._bias = _constant(torch.cat([layer.bias for layer in layers]))

    def forward(self, vectors: Any) -> Any:
        """(vectors, output) of (vectors, input)."""
        return torch.matmul(vectors, self._weight) + self._bias


def _scaled(query: Any, head_size: int) -> Any:
    """A copy of the layer that makes queries, with attention's division by the root of the head size in it."""
    copy = torch.nn.Linear(query.in_features, query.out_features)
    copy.weight = _constant(query.weight * head_size**-0.5)
    copy.bias = _constant(query.bias * head_size**-0.5)
    return copy


def _count_words(input_ids: Any, position_ids: Any, pad_id: int) -> Any:
    """RoBERTa's positions (tokens,): tokens other than the pad count on from its id, and the pad itself stays at it.

    Source: transformers, ``RobertaEmbeddings.create_position_ids_from_input_ids``, after fairseq's make_positions.
    """
    counts = (input_ids != pad_id).to(torch.int64)
    through = torch.cumsum(counts, dim=0)
    first_tokens = torch.arange(input_ids.shape[0]) - position_ids  # of each token's own text
    return (through - (through - counts)[first_tokens]) * counts + pad_id


def _constant(tensor: Any) -> Any:
    return torch.nn.Parameter(tensor.detach().clone().contiguous(), requires_grad=False)

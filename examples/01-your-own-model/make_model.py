"""Stands for your own training code: trains a small BERT classifier and saves it as Hugging Face does.

Seatrial is not used here. Two things are left behind, and they are all that Seatrial is given:

- ``model/``: config.json, model.safetensors and tokenizer.json, by ``save_pretrained``;
- ``reviews.csv``: labelled rows that the model was not trained on.

The reviews are made up. In every third of them counting words is not enough: "My old kettle was noisy, this one is
quiet" and "My old kettle was quiet, this one is noisy" hold the same words. One in fifty carries the wrong label, since
in real life no labels are perfect.
"""

from __future__ import annotations

import csv
import random
import shutil
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
from transformers.utils import logging

HERE = Path(__file__).parent
LABELS = ("negative", "positive")
SEED = 0
TRAINING_ROWS, HELD_OUT_ROWS = 6000, 2000
MISLABELLED_RATIO = 0.02
MAX_TOKENS = 48
STEPS, BATCH_SIZE, LEARNING_RATE = 300, 32, 2e-3
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

THINGS = ("kettle", "lamp", "chair", "backpack", "blender", "headset", "keyboard", "jacket", "tent", "bicycle")
BAD = ("flimsy", "noisy", "clumsy", "unreliable", "shabby", "slow", "awkward", "disappointing", "poor", "ugly")
GOOD = ("sturdy", "quiet", "elegant", "reliable", "handsome", "quick", "handy", "delightful", "excellent", "beautiful")
DEGREES = ("really", "rather", "very", "quite", "surprisingly")
WHEN = ("after a week", "since spring", "every single day", "from the first day on", "at our house", "for the price")
PLAIN = (
    "The {thing} is {degree} {word}.",
    "A {degree} {word} {thing}, {when}.",
    "I bought this {thing} for my sister and she finds it {degree} {word}.",
    "This {thing} has been {degree} {word} {when}.",
    "My third {thing} from this shop, {degree} {word} {when}.",
)
TURNED = (
    "I expected a {degree} {other} {thing} and got one that is {word}.",
    "My old {thing} was {degree} {other}, this one is {word} {when}.",
    "It looked {other} in the shop, but the {thing} is {degree} {word} {when}.",
    "People call this {thing} {other}, mine has been {degree} {word}.",
)


def write_review(rng: random.Random) -> tuple[str, int]:
    """A made-up review and its label, an index into LABELS."""
    label = rng.randrange(2)
    word, other = rng.choice((BAD, GOOD)[label]), rng.choice((GOOD, BAD)[label])
    form = rng.choice(TURNED if rng.random() < 1 / 3 else PLAIN)
    parts = {"thing": rng.choice(THINGS), "degree": rng.choice(DEGREES), "when": rng.choice(WHEN)}
    return form.format(word=word, other=other, **parts), label


def write_reviews(count: int) -> list[tuple[str, int]]:
    """So many different reviews, the same ones every time."""
    rng = random.Random(SEED)
    reviews: dict[str, int] = {}
    while len(reviews) < count:
        text, label = write_review(rng)
        reviews[text] = 1 - label if rng.random() < MISLABELLED_RATIO else label
    return list(reviews.items())


def make_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer of BERT's kind, trained on the texts."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=600, special_tokens=list(SPECIAL), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, **names)


def train(reviews: list[tuple[str, int]], tokenizer: PreTrainedTokenizerFast) -> BertForSequenceClassification:
    """A BERT of two layers, trained from nothing."""
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=MAX_TOKENS,
        id2label=dict(enumerate(LABELS)),
        label2id={label: column for column, label in enumerate(LABELS)},
    )
    model = BertForSequenceClassification(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
    rng = random.Random(SEED)
    for step in range(1, STEPS + 1):
        texts, labels = zip(*rng.sample(reviews, BATCH_SIZE), strict=True)
        inputs = tokenizer(list(texts), padding=True, return_tensors="pt")
        inputs.pop("token_type_ids", None)
        loss = model(**inputs, labels=torch.tensor(labels)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"  step {step} of {STEPS}: loss {loss.item():.3f}", flush=True)
    return model.eval()


def main() -> None:
    """Leaves both behind, the model last and at once: where there is a model, this was done."""
    logging.disable_progress_bar()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # the model is so small that sharing the work costs more than it saves
    reviews = write_reviews(TRAINING_ROWS + HELD_OUT_ROWS)
    with (HERE / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("text", "label"))
        rows.writerows((text, LABELS[label]) for text, label in reviews[TRAINING_ROWS:])
    tokenizer = make_tokenizer([text for text, _ in reviews[:TRAINING_ROWS]])
    model = train(reviews[:TRAINING_ROWS], tokenizer)
    partial = HERE / ".model-partial"
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    partial.rename(HERE / "model")


if __name__ == "__main__":
    main()

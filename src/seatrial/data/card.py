"""The data card: what a person should know of prepared rows before trusting figures made with them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seatrial.config import DataSettings
from seatrial.data.cleaning import Cleaned
from seatrial.data.digest import rows_sha256
from seatrial.data.sources.source import SourceFacts
from seatrial.data.split import Split
from seatrial.domain.dataset import Dataset, LabelledRows

__all__ = ["FORMAT_VERSION", "Preparation", "build_card", "render_card"]

FORMAT_VERSION = 1
# More labels or domains than this are told in card.json only.
_NAMES_SHOWN = 30
_QUANTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Preparation:
    """How the rows of a dataset came about."""

    facts: SourceFacts
    settings: DataSettings
    cleaned: Cleaned
    split: Split


def build_card(dataset: Dataset, preparation: Preparation) -> dict[str, Any]:
    """The card as a JSON-ready document. It holds no time and no path, so that equal data have equal cards."""
    settings, cleaned = preparation.settings, preparation.cleaned
    return {
        "format_version": FORMAT_VERSION,
        "name": dataset.name,
        "sha256": dataset.sha256,
        "labels": list(dataset.labels),
        "source": preparation.facts.to_json(),
        "settings": {
            "validation_ratio": settings.validation_ratio,
            "test_ratio": settings.test_ratio,
            "fraction": settings.fraction,
            "empty_texts": settings.empty_texts,
        },
        "cleaning": {
            "read": cleaned.read,
            "kept": len(cleaned.rows),
            "dropped": [
                {"reason": drop.reason, "rows": drop.rows, "examples": list(drop.examples)} for drop in cleaned.drops
            ],
        },
        "thinned": preparation.split.thinned,
        "reworded": _reworded(dataset),
        "splits": {name: _describe(rows, dataset.labels) for name, rows in dataset.splits.items()},
    }


def render_card(card: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    source, settings, reworded = card["source"], card["settings"], card["reworded"]
    caveats = "".join(f"- {caveat}\n" for caveat in source["caveats"]) or "- None are known.\n"
    return f"""# Data card: {card["name"]}

{source["description"]}

| | |
|---|---|
| Origin | {source["origin"]} |
| Licence | {source["licence"]} |
| Please cite | {source["citation"] or "nothing stated"} |
| sha256 of the source | `{source["sha256"]}` |
| sha256 of the prepared rows | `{card["sha256"]}` |

## Know before you trust figures

{caveats}
## Splits

{_splits_table(card["splits"])}
Groups stay whole: the side of a row depends on the sha256 of its group alone (test {settings["test_ratio"]:.0%},
validation {settings["validation_ratio"]:.0%} of the groups). No text and no group stands on two sides. Of the test
rows {reworded["test"]:,}, of the validation rows {reworded["validation"]:,} repeat a training row but for case,
punctuation and spacing.

## Labels

{_counts_table(card["splits"], "labels")}
## Domains

{_counts_table(card["splits"], "domains")}
## What cleaning did

{_cleaning_list(card)}"""


def _splits_table(splits: Mapping[str, Any]) -> str:
    measures = list(next(iter(splits.values()))["characters"])
    return _table(
        ["split", "rows", "groups", *(f"characters, {measure}" for measure in measures), "sha256"],
        [
            [
                name,
                f"{split['rows']:,}",
                f"{split['groups']:,}",
                *(f"{split['characters'][measure]:,.0f}" for measure in measures),
                f"`{split['sha256'][:16]}…`",
            ]
            for name, split in splits.items()
        ],
    )


def _counts_table(splits: Mapping[str, Any], what: str) -> str:
    """A row for each label or domain, the first few of them, and a column for each split."""
    names = list(dict.fromkeys(name for split in splits.values() for name in split[what]))
    rows = [
        [
            name or "not stated",
            *(
                f"{split[what].get(name, 0):,} ({split[what].get(name, 0) / split['rows']:.1%})"
                for split in splits.values()
            ),
        ]
        for name in names[:_NAMES_SHOWN]
    ]
    others = len(names) - len(rows)
    return _table(["", *splits], rows) + (f"\nAnd {others:,} more, see card.json.\n" if others else "")


def _cleaning_list(card: Mapping[str, Any]) -> str:
    cleaning = card["cleaning"]
    lines = [
        "Every text is in Unicode form NFC, without control characters and with single spaces.\n",
        f"- {cleaning['read']:,} rows read, {cleaning['kept']:,} kept",
        *(
            f"- {drop['rows']:,} left out: {drop['reason']} (such as {', '.join(drop['examples'][:3])})"
            for drop in cleaning["dropped"]
        ),
    ]
    if card["thinned"]:
        lines.append(f"- {card['thinned']:,} training rows not used: data.fraction is {card['settings']['fraction']}")
    return "\n".join(lines) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


def _reworded(dataset: Dataset) -> dict[str, int]:
    """Rows held out whose words stand in training too, in the same order: too few to matter, or a reason to regroup."""
    trained = {_words(text) for text in dataset.train.texts}
    held_out = {"validation": dataset.validation, "test": dataset.test}
    return {
        name: sum(words in trained for words in map(_words, rows.texts) if words) for name, rows in held_out.items()
    }


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def _describe(rows: LabelledRows, labels: Sequence[str]) -> dict[str, Any]:
    """Counts of one split, which has at least one row."""
    lengths = np.array([len(text) for text in rows.texts])
    counts = np.bincount(rows.labels, minlength=len(labels))
    quantiles = np.quantile(lengths, list(_QUANTILES.values())).tolist()
    return {
        "rows": len(rows),
        "groups": len(set(rows.groups)),
        "labels": {label: int(count) for label, count in zip(labels, counts, strict=True)},
        "domains": dict(sorted(Counter(rows.domains).items())),
        "characters": {
            "least": int(lengths.min()),
            **dict(zip(_QUANTILES, quantiles, strict=True)),
            "most": int(lengths.max()),
            "mean": float(lengths.mean()),
        },
        "sha256": rows_sha256(rows, labels),
    }

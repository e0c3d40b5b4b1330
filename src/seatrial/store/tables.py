"""The tables as the code uses them; `migrations` makes them, and a test compares the two."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, Table, Text

__all__ = [
    "alias_intents",
    "deliveries",
    "experiment_epochs",
    "experiments",
    "leases",
    "ledger",
    "metadata",
    "release_acts",
    "release_looks",
    "releases",
]

metadata = MetaData()

# On sqlite only INTEGER names the row id itself.
_SEQ = BigInteger().with_variant(Integer(), "sqlite")

# `at` and `payload` are text exactly as it was hashed: a database's own types would give back another form of it.
ledger = Table(
    "ledger",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=True),
    Column("payload", Text, nullable=False),
    Column("previous_sha256", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Index("ledger_by_model", "model", "seq"),
)

alias_intents = Table(
    "alias_intents",
    metadata,
    Column("model", Text, primary_key=True),
    Column("alias", Text, primary_key=True),
    Column("version", Integer, nullable=True),
    Column("seq", _SEQ, ForeignKey("ledger.seq"), nullable=False),
    Column("applied", Boolean, nullable=False),
)

# `active_model` is the model while the release is under way, and nothing after: at most one of a model at once.
releases = Table(
    "releases",
    metadata,
    Column("release", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("active_model", Text, nullable=True, unique=True),
    Column("begun_seq", _SEQ, ForeignKey("ledger.seq"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("plan", Text, nullable=False),
    Column("baseline", Text, nullable=False),
    Column("mirror_percent", Float, nullable=False),
    Column("state", Text, nullable=False),
    Column("reports", Text, nullable=False),
    Column("told", Text, nullable=False),
)

release_looks = Table(
    "release_looks",
    metadata,
    Column("release", Text, ForeignKey("releases.release"), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reports", Text, nullable=False),
)

release_acts = Table(
    "release_acts",
    metadata,
    Column("release", Text, ForeignKey("releases.release"), primary_key=True),
    Column("seq", _SEQ, ForeignKey("ledger.seq"), primary_key=True, autoincrement=False),
)

# `active_model` as for releases. An epoch began when its ledger entry was written.
experiments = Table(
    "experiments",
    metadata,
    Column("experiment", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("active_model", Text, nullable=True, unique=True),
    Column("begun_seq", _SEQ, ForeignKey("ledger.seq"), nullable=False),
    Column("ended_seq", _SEQ, ForeignKey("ledger.seq"), nullable=True),
    Column("control", Integer, nullable=False),
    Column("treatment", Integer, nullable=False),
    Column("requester", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("verdict", Text, nullable=False),
)

experiment_epochs = Table(
    "experiment_epochs",
    metadata,
    Column("experiment", Text, ForeignKey("experiments.experiment"), primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("seq", _SEQ, ForeignKey("ledger.seq"), nullable=False),
    Column("units_percent", Float, nullable=False),
    Column("treatment_percent", Float, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("until_s", Float, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("receiver", Text, primary_key=True),
    Column("seq", _SEQ, nullable=False),
    Column("failing_since_s", Float, nullable=True),
    Column("fault", Text, nullable=False),
)

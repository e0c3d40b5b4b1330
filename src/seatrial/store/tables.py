"""The tables as the code uses them; `migrations` makes them, and a test compares the two."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, Table, Text

__all__ = ["alias_intents", "ledger", "metadata"]

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

"""Experiments with their epochs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["upgrade"]

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes the tables."""
    seq = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "experiments",
        sa.Column("experiment", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("active_model", sa.Text, nullable=True, unique=True),
        sa.Column("begun_seq", seq, sa.ForeignKey("ledger.seq"), nullable=False),
        sa.Column("ended_seq", seq, sa.ForeignKey("ledger.seq"), nullable=True),
        sa.Column("control", sa.Integer, nullable=False),
        sa.Column("treatment", sa.Integer, nullable=False),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
    )
    op.create_table(
        "experiment_epochs",
        sa.Column("experiment", sa.Text, sa.ForeignKey("experiments.experiment"), primary_key=True),
        sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", seq, sa.ForeignKey("ledger.seq"), nullable=False),
        sa.Column("units_percent", sa.Float, nullable=False),
        sa.Column("treatment_percent", sa.Float, nullable=False),
    )

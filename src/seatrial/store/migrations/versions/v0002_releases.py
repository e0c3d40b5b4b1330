"""Releases with every look at them, what people did about them, and the lease of the controller."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["upgrade"]

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the tables."""
    seq = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "releases",
        sa.Column("release", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("active_model", sa.Text, nullable=True, unique=True),
        sa.Column("begun_seq", seq, sa.ForeignKey("ledger.seq"), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("baseline", sa.Text, nullable=False),
        sa.Column("mirror_percent", sa.Float, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reports", sa.Text, nullable=False),
        sa.Column("told", sa.Text, nullable=False),
    )
    op.create_table(
        "release_looks",
        sa.Column("release", sa.Text, sa.ForeignKey("releases.release"), primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reports", sa.Text, nullable=False),
    )
    op.create_table(
        "release_acts",
        sa.Column("release", sa.Text, sa.ForeignKey("releases.release"), primary_key=True),
        sa.Column("seq", seq, sa.ForeignKey("ledger.seq"), primary_key=True, autoincrement=False),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("until_s", sa.Float, nullable=False),
    )

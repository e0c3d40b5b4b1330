"""Up to where each receiver of notifications has been told what is in the ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["upgrade"]

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "deliveries",
        sa.Column("receiver", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("failing_since_s", sa.Float, nullable=True),
        sa.Column("fault", sa.Text, nullable=False),
    )

"""The schema's history: one module a revision under ``versions/``, run when a store is opened.

Belongs here: revisions, and bringing a database to the newest one.
Does not belong: what the tables mean.
Called by: ``store.database``. Revisions are never edited once released; a change of schema is a new revision.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

__all__ = ["NEWEST", "VERSION_TABLE", "current_revision", "upgrade"]

NEWEST = "0004"
"""The revision this release works with."""
VERSION_TABLE = "seatrial_schema"
"""Alembic's own default name would clash with MLflow's in a shared PostgreSQL database."""


def current_revision(connection: Connection) -> str | None:
    """The database's revision, None before the first; spares the import of alembic where nothing is to be done."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608  a constant


def upgrade(connection: Connection, to: str = NEWEST) -> None:
    """Brings the database to a revision, inside the caller's transaction."""
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(__file__).parent))
    context = MigrationContext.configure(
        connection,
        opts={
            "version_table": VERSION_TABLE,
            # What `alembic upgrade` itself calls; the command would demand an env.py and a transaction of its own.
            "fn": lambda revision, _context: scripts._upgrade_revs(to, revision),
        },
    )
    with Operations.context(context):
        context.run_migrations()

"""The revisions, one module each, named by number.

Belongs here: changes of the schema, in order; a released one is never edited.
Does not belong: running them (the package above), what the tables mean (``store.tables``).
Called by: alembic, through ``store.migrations.upgrade``.
"""

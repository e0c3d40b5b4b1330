"""Durable state: the ledger, and which version has which alias.

The store is the truth about aliases. An alias moves when its intent row and its ledger entry commit, together, in one
transaction; registries and indexes follow afterwards. The ledger is append-only and hash-chained: what was found,
made, decided and moved, by whom and when, and nothing in it changes without `Store.verify` saying so.

Belongs here: the ledger and its verification, alias intents, releases and the controller's lease, how far receivers of
notifications are, the database's schema and its migrations.
Does not belong: deciding what to record or to move (flows), following a move (registry, bundle index).
Called by: flows and wiring. Calls: domain and config; the only package that imports SQLAlchemy and alembic, which this
charter leaves to the modules below it, so that `import seatrial.store` stays light.
"""

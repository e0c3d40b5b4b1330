"""Step 4, register: where versions and their bundles are kept, and where people look for what is in production.

`MlflowRegistry` keeps them in MLflow, on this machine or on a tracking server; `MemoryRegistry` is the fake that
passes the same contract. A registry follows the store: it never decides which version has which role. Registering is
idempotent by the lineage's key, so that a killed command is completed by running it again.

Belongs here: versions, bundles, aliases and stages as a registry holds them, and every word spoken to MLflow.
Does not belong: deciding roles (flows, store), judging or converting a model, reading a foreign model's files.
Called by: wiring. Calls: domain, config, bundle; MLflow is imported inside functions, when first used.
"""

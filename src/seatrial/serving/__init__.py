"""Serving, the data plane: requests in, predictions out, the facts of each request recorded once.

One process serves several versions on one event loop; engines run in worker threads and share one oldest-first queue.
It keeps serving when registry, store and control plane are down, and needs no torch, transformers, mlflow, scipy or
SQLAlchemy.

Belongs here: HTTP, the choice of the variant, batching, versions that come and go, the door for people's own code,
metrics, start-up and drain.
Does not belong: running a model (engines are handed in), tokenising and layout (text), deciding what may be served
(the bundle's findings do).
Called by: wiring. Calls: domain, config, bundle, text.
"""

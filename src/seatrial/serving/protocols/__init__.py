"""The protocols: each reads requests and writes answers in its own words, and does nothing else.

Belongs here: parsing and rendering of /predict, Open Inference Protocol V2 (REST and gRPC) and MLflow scoring; what
those protocols say about models and server.
Does not belong: picking, deadlines, recording, disconnects (serving.exchange and serving.http_endpoint, once for all).
Called by: serving's applications and its gRPC server. Calls: serving's data plane, domain.
"""

"""The messages of V2 over gRPC: `inference.proto` and what protoc makes of it.

The descriptors live in a pool of their own, so that a process may hold other packages' stubs of the same protocol.

Belongs here: the proto file, and the stubs that tools/write_stubs.py generates from it.
Does not belong: what the messages mean (serving.protocols.v2_grpc).
Called by: serving.protocols.
"""

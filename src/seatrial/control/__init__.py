"""The control plane: looks at running releases, moves them on, and lets people steer them over HTTP.

Belongs here: the controller with its lease and its loop, the HTTP API with its tokens, supervising both planes.
Does not belong: deciding (release), what people may do (flows), serving predictions (serving).
Called by: the command line. The data plane never needs it: it keeps its split and goes on serving.
"""

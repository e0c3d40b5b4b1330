"""Engines: a stored artifact, loaded on one device, that turns laid-out batches into logits.

Belongs here: loading an artifact so that a wrong one is refused at once, running it, the deterministic fake.
Does not belong: queues, threads and HTTP (serving), tokenising and layout (text), making artifacts (conversion).
Called by: wiring, which hands engines to evaluation, conversion's parity gate and serving.
"""

"""Load on a server, and what came of it: closed and open loop over raw HTTP/1.1, in a process of its own.

Belongs here: what is sent (mixes), when (arrivals), the thin client, the windows and percentiles, the CPU and memory
of a process tree.
Does not belong: what a figure means for a version (acceptance), starting servers (flows, benchmarks), a client for
users (client): this one knows nothing but what a measurement needs.
Called by: acceptance, flows and benchmarks.
"""

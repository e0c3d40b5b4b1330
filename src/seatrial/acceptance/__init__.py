"""Step 6, deployment test: a version is served in its own process and must do there what it promises.

Belongs here: what is asked and measured (probes, golden rows, loads), how the figures are judged, the report.
Does not belong: how a data plane is started (it is handed in), what moves because of the findings (flows).
Called by: wiring.
"""

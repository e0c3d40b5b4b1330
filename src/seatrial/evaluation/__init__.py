"""Step "evaluate": what a version shows on rows it has never seen, as findings and as a page to read.

It judges logits that the caller computed and never runs a model, so that the same code judges every artifact.

Belongs here: metrics, calibration, slices, the baseline, the comparison with production, the gates, their report.
Does not belong: running a model (engines), tests and bounds (stats), how a page looks (reports).
Called by: wiring. Start at ``evaluate.evaluate`` and ``report.write_report``.
"""

"""Step "convert": artifacts of a version that a data plane can serve, each proven against the source model.

An artifact is trusted for its answers, not for the tool that made it: every one is loaded, asked the evaluation rows
and judged, and a failing one is kept for inspection but can never be served.

Belongs here: exporting to ONNX, quantising, checking graphs, the parity gate, reusing what is made already.
Does not belong: running artifacts (engines, handed in), scoring rows (text), the form of a bundle (bundle).
Called by: wiring. Start at ``convert.convert``; the gate is ``parity.check_parity``.
"""

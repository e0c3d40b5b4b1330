"""Step 9, compare: what an A/B experiment's units show, and what follows.

Belongs here: joining exposures with outcomes, the readout at a look, its findings and its page, how many units a plan
will need.
Does not belong: assigning units, storage, clocks, what carries a judgement out; the statistics themselves, which are
`stats`.
Called by: wiring.
"""

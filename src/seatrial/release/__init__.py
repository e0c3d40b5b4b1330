"""Step 8, release: what a canary's counters prove, and what is done because of it.

Belongs here: evidence from counters, the decision, what a plan will cost and find, its rehearsal on simulated traffic.
Does not belong: routing, storage, clocks, what carries a decision out; the statistics themselves, which are `stats`.
Called by: wiring.
"""

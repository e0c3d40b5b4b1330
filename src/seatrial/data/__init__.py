"""Step 1, prepare: labelled texts from a source, cleaned, split without leakage, with a card people can read.

Belongs here: sources, fetching what they need, cleaning, the split, the reference profile, the prepared directory.
Does not belong: tokenising (text), training, judging a model (evaluation), drift itself.
Called by: wiring.
"""

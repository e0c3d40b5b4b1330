"""Statistics: one method a file, pure functions over counts, each with its paper.

Belongs here: exact tests and bounds, e-processes that hold at every look, and what else decides from counts.
Does not belong: anything that knows where counts come from, or what a verdict leads to.
Called by: evaluation, conversion, release.
"""

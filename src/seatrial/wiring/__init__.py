"""The composition root: settings become objects here, and steps are handed to each other.

Belongs here: the only imports of step packages outside themselves, always inside functions so that a command pays
only for the steps it uses.
Does not belong: the order of steps (flows), any rule of a step.
Called by: flows.
"""

"""The life of a model as functions: develop, deploy, keep the record, demonstrate.

Belongs here: which step follows which, what is remembered of them, and what goes on record.
Does not belong: how a step works (the steps), how results look (cli).
Called by: cli, and people through `seatrial.Project`.
"""

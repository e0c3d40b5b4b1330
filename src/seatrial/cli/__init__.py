"""The command line: thin.

Belongs here: parsing, calling flows, printing, exit codes, the progress display, logging set-up.
Does not belong: any decision about models.
Called by: the `seatrial` script.
"""

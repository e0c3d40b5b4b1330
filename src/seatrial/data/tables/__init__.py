"""Whole rows of table files, in and out, for batch scoring: every column kept, a bad row told instead of refused.

Belongs here: reading CSV, TSV, JSONL and Parquet row by row in constant memory, and writing them so.
Does not belong: labelled rows and their strict reading (data.sources), what is done with the rows (flows).
Called by: wiring.
"""

"""Where rows come from: one source a file, all behind `DataSource`.

Belongs here: reading a source's own format into raw rows, and what is known of it (licence, citation, caveats).
Does not belong: cleaning and judging the rows (cleaning), fetching (packages, web).
Called by: prepare, through `open_source`.
"""

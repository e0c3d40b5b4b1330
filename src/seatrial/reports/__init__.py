"""HTML reports that open offline, one look for all.

A report is a `page.Page` of findings, key figures and sections; its blocks are `markupsafe.Markup`, made by `blocks`
and `charts`. No script, no outside resource, no date: equal input gives equal bytes.

Belongs here: the template and its style, findings tables, badges, pictures, the wording of numbers.
Does not belong: anything that knows which step reports, or what its figures mean.
Called by: the steps that write reports, and whoever words a number for a person (`formatting` imports nothing).
"""

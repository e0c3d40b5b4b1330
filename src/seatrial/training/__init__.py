"""Step "train": rows become a model, and a model trained elsewhere becomes one of ours; both end as a source bundle.

Belongs here: the text classifier, the door for people's own trainers, recognising foreign models, and the source
bundle, whose bytes depend on nothing but what went in.
Does not belong: reading and splitting rows (data), judging the result (evaluation), registering it (registry),
fetching weights that arrive as a package (data), other artifacts than the source (conversion).
Called by: wiring, which hands `train_bundle` and `adopt` to the flows.
"""

"""From texts to tensors and from logits to labels: the only implementation in the project.

Training, evaluation, parity and serving all read text through this package, so that what was measured is what
answers.

Belongs here: tokenising, laying a ragged batch out for an artifact, softmax and the choice of the label.
Does not belong: running a model (engines), queues (serving), cleaning of rows (data).
Called by: data, training, evaluation, conversion, serving.
"""

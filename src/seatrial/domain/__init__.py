"""The nouns of Seatrial and the protocols its steps meet through.

Belongs here: frozen value objects, protocols, pure rules about them, and the error tree.
Does not belong: input or output, a clock, randomness, a third-party import other than numpy's array types.
Called by: every other package. Calls: nothing of Seatrial.
"""

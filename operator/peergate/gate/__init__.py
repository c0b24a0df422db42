"""The pure decision: who asks, what it would do, which rules apply, who signed, and the answer in words.

Nothing here reads a clock, a file or the network, and nothing raises: ``decide`` is a function of the review,
the snapshot and the time it is given.
"""

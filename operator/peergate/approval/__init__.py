"""The signed statement: canonical bytes, envelopes, keys, verification. No I/O, no clock, no randomness."""

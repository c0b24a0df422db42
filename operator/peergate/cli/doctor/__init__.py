"""``peergate doctor``: what leads round the gate, and what is wrong with the installation.

Reading (``cluster``, ``asking``, ``canary``) and judging are apart: every check is a pure function from what
was read to findings.
"""

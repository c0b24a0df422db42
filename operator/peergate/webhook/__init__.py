"""The HTTPS edge: bytes from the API server in, a verdict as bytes out.

Decides nothing: what a verdict is, is ``gate``'s; how it is written and carried is this package's.
"""

"""The operator's controllers, and what an installation of it consists of."""

"""Adapters to the API server: what the gate knows of the cluster, and the few things it writes there."""

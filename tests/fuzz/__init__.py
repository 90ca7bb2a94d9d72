"""Hostile input: no crash, no hang, always a reason."""

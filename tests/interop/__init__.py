"""Requests signed by libraries that are not ours, through a running gateway."""

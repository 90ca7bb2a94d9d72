"""Signing: keys, requests, and how they are shown; checked with a library by others."""

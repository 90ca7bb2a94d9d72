"""Explanations: for every known mistake a request that has exactly this one."""

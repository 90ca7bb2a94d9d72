"""Benchmarks of whole parts at the size of a fleet."""

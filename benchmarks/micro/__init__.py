"""Benchmarks of one function at a time, inside of one process."""

"""The load generator and the backend of the benchmarks: two small C programs, so that one core can feed another."""

"""The store as a fleet has it: a master with sentinels, and a cluster, of real servers that fail during traffic."""

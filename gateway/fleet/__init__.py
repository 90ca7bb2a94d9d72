"""A simulated fleet: many devices that poll and report at a fixed arrival rate, each answer judged and timed."""

"""What can be tried when a signature does not hold: one file for each part of the request that may differ."""

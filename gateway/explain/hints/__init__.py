"""Known mistakes, one file for each family: what was found, how it was proven, what to change."""

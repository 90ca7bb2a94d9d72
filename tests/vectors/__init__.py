"""Data made by others: examples of the RFCs, the HTTP working group's structured-field tests, Wycheproof."""

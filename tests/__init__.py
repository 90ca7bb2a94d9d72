"""The test suite; `reference` is the naive second reading of the same RFCs, `vectors` runs data made by others."""

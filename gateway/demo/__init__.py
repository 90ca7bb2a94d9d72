"""A whole small fleet on one machine: a WFM, certificates, devices and their traffic, good and bad."""

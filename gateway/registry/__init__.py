"""Device records: where they are kept, how they are read and written, and how changes reach every worker."""

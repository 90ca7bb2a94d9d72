"""Which server of an upstream gets a request, and which gets none for now: decisions, without any I/O."""

"""Tell step by step what the gateway sees in one captured request, and what to change. Synchronous and without I/O."""

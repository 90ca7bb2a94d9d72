"""RFC 9421 and RFC 9530 for requests: algorithms, engines, verification. Synchronous and without I/O."""

"""The native module beside the reference, by generated and mutated messages."""

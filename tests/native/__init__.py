"""The native module beside the reference, by hand-picked cases."""

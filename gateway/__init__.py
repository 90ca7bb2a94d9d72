"""wfm-gateway: verifies the HTTP message signature of every device in front of a Margo Workload Fleet Manager."""

__version__ = "0.1.0"

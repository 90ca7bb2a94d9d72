"""The two ends of the gateway: the listening side and the backend's side, and the processes around them."""

"""What the gateway tells about itself: log lines now, metrics and traces with later issues."""

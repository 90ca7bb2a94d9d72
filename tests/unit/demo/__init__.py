"""The demo's parts without a gateway."""

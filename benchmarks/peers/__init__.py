"""What the gateway is compared with. Each peer starts with one command and says why it cannot be had here."""

"""How many requests a client, an address or a tenant may send: token buckets in bounded memory."""

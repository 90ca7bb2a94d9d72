"""The admin API: the operations of the registry over HTTP, on a private listener (R29)."""

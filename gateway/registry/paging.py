"""The registry a piece at a time, at a cost that does not grow with the registry: SCAN, with its cursor as the mark."""

import re
from typing import Any, Final, TypeAlias

from gateway.reasons import ConfigError, Reason
from gateway.registry import store_client
from gateway.registry.store_url import RemoteStore

_MARK: Final = re.compile(r"([0-9]{1,3})\.([0-9]{1,20})")
"""Which of the servers, and its cursor."""

Piece: TypeAlias = tuple[list[tuple[bytes, bytes]], str]
"""Keys with what they hold, and the mark of the next piece; empty behind the last."""


def piece(client: Any, endpoint: RemoteStore, prefix: bytes, mark: str, looked_at: int) -> Piece:
    """The keys that begin with `prefix` among the next `looked_at` (about) of the store.

    What is there from the first piece to the last comes at least once, whatever is added or removed meanwhile.

    :param mark: as an earlier piece gave it; empty for the first
    :raises ConfigError: config.invalid for a mark that no piece gave; config.store_unreachable
    """
    found = _MARK.fullmatch(mark or "0.0")
    servers = store_client.servers(client)
    if found is None or int(found[1]) >= len(servers) or int(found[2]) >= 1 << 64:
        raise ConfigError(Reason.CONFIG_INVALID, "the cursor is none that a page of this list gave")
    at = int(found[1])
    with store_client.translated(endpoint):
        cursor, scanned = servers[at].scan(int(found[2]), match=prefix + b"*", count=looked_at)
        names = list(dict.fromkeys(scanned))
        values: list[bytes | None] = client.mget(names) if names else []
    if cursor == 0:
        at += 1
    following = f"{at}.{cursor}" if at < len(servers) else ""
    return [(name, data) for name, data in zip(names, values, strict=True) if data is not None], following

"""Waits until what a command wrote is safe: on the disk of the embedded store, or with a replica of a master."""

from typing import Any, Final

from gateway.registry import store_client
from gateway.registry.store_url import Endpoint, RemoteStore

_DISK_TIMEOUT_MS: Final = 4000
_REPLICA_TIMEOUT_MS: Final = 4000


def settle(client: Any, store: RemoteStore) -> None:
    """Wait for what was written on the client's connection so far.

    :raises ConfigError: config.store_unreachable when it is written, but not safe
    """
    with store_client.translated(store):
        if isinstance(store, Endpoint):
            safe = not store.embedded or client.waitaof(1, 0, _DISK_TIMEOUT_MS)[0] >= 1
            where = "onto its disk"
        else:
            safe = all(with_replica(server) for server in store_client.servers(client))
            where = "to a replica, so a failover would lose it"
    if not safe:
        raise store_client.trouble(store, f"has the change in memory, but does not get it {where}")


def with_replica(client: Any) -> bool:
    """Wait until a replica has what was written on this connection; a master without replicas is all there is."""
    if int(client.info("replication")["connected_slaves"]) == 0:
        return True
    return int(client.wait(1, _REPLICA_TIMEOUT_MS)) >= 1

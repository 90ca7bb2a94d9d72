"""Opens a blocking connection to a store, and puts what goes wrong with it into one sentence."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gateway.reasons import ConfigError, Reason
from gateway.registry import slots
from gateway.registry.answers import Unavailable
from gateway.registry.cluster_client import ClusterClient
from gateway.registry.slots import SLOTS, Address, SlotMap
from gateway.registry.store_url import ClusterStore, Endpoint, RemoteStore, SentinelStore

TIMEOUT_S: Final = 5.0
SENTINEL_TIMEOUT_S: Final = 1.0
_OLDEST: Final = (6, 2)


def connect(store: RemoteStore) -> "redis.Redis":
    """A client of one connection, tried out: it answers, lets us in, and is not too old. Of a master with sentinels it
    is to the present master, and ends with its rule. Of a cluster it is one connection to each master, which takes
    commands with one key.

    :raises ConfigError: config.store_unreachable
    """
    if isinstance(store, ClusterStore):
        return _cluster(store)
    return _server(find_master(store) if isinstance(store, SentinelStore) else store)


def servers(client: Any) -> list[Any]:
    """The client of each server that is written to: of one, or of all masters of a cluster."""
    return list(client.masters.values()) if isinstance(client, ClusterClient) else [client]


def _cluster(store: ClusterStore) -> "redis.Redis":
    def look(known: Sequence[Address]) -> SlotMap:
        return find_map(store, known)

    with translated(store):
        client: Any = ClusterClient(look, lambda address: _server(store.server(*address)))
    return client  # type: ignore[no-any-return]  # as far as commands go


def find_map(store: ClusterStore, known: Sequence[Address] = ()) -> SlotMap:
    """Ask all nodes that the store names, and those that are `known`; the one with the highest epoch knows best.

    :raises ConfigError: config.store_unreachable if none of them knows, or slots have no master
    """
    found: list[SlotMap] = []
    why = ""
    for host, port in dict.fromkeys((*store.addresses, *known)):
        try:
            found.append(_ask_node(store.server(host, port)))
        except redis.exceptions.RedisError as error:
            why = f"the node {host}:{port} cannot be asked: {_said(error)}"
    if not found:
        raise trouble(store, f"cannot be reached: {why}")
    best = max(found, key=lambda one: one.rank)
    if best.served < SLOTS:
        raise trouble(store, f"has a master for {best.served} of its {SLOTS} slots only")
    return best


def _ask_node(endpoint: Endpoint) -> SlotMap:
    timeouts = {"socket_timeout": SENTINEL_TIMEOUT_S, "socket_connect_timeout": SENTINEL_TIMEOUT_S}
    client: Any
    with contextlib.closing(redis.Redis(**(options(endpoint) | timeouts))) as client:
        for command in ("CLUSTER INFO", "CLUSTER SLOTS"):
            client.set_response_callback(command, lambda reply, **_: reply)
        info = client.execute_command("CLUSTER INFO")
        read = slots.read(info, client.execute_command("CLUSTER SLOTS"), endpoint.host)
    if isinstance(read, Unavailable):
        raise redis.exceptions.InvalidResponse(read.detail)
    return read


def _server(endpoint: Endpoint) -> "redis.Redis":
    with translated(endpoint):
        client = redis.Redis(**options(endpoint))
    try:
        with translated(endpoint):
            client.ping()
            server = _version(client)
            if server[1] < _OLDEST:
                found = ".".join(map(str, server[1]))
                raise trouble(endpoint, f"is version {found}: Redis 6.2 or later, or Valkey, is needed")
            if endpoint.replicated and client.info("replication")["role"] != "master":
                raise trouble(endpoint, "is named as the master, but is a replica: try again when the failover is over")
    except ConfigError:
        client.close()
        raise
    return client


def find_master(store: SentinelStore) -> Endpoint:
    """Ask all sentinels; the one with the highest configuration epoch knows best.

    :raises ConfigError: config.store_unreachable if none of them knows
    """
    known: list[tuple[int, str, int]] = []
    why = ""
    for host, port in store.addresses:
        where = f"the sentinel {host}:{port}"
        try:
            epoch, address = _ask_sentinel(store.server(host, port), store.master)
            known.append((epoch, *address))
        except redis.exceptions.ResponseError as error:
            why = f"{where} answers: {_said(error)}"
        except (redis.exceptions.RedisError, TypeError, ValueError, KeyError) as error:
            why = f"{where} cannot be asked: {_said(error)}"
    if not known:
        raise trouble(store, f"cannot be reached: {why}")
    _, host, port = max(known)
    return store.server(host, port, store.db)


def _ask_sentinel(endpoint: Endpoint, master: str) -> tuple[int, tuple[str, int]]:
    timeouts = {"socket_timeout": SENTINEL_TIMEOUT_S, "socket_connect_timeout": SENTINEL_TIMEOUT_S}
    settings = options(endpoint) | timeouts
    try:
        # Sentinels have their own passwords, or none: the master's is offered only to one that asks for it.
        return _master_by(settings | {"username": None, "password": None}, master)
    except redis.exceptions.AuthenticationError:
        if not endpoint.password:
            raise
        return _master_by(settings, master)


def _master_by(settings: dict[str, Any], master: str) -> tuple[int, tuple[str, int]]:
    sentinel: Any
    with contextlib.closing(redis.Redis(**settings)) as sentinel:
        epoch = int(sentinel.sentinel_master(master)["config-epoch"])
        host, port = sentinel.sentinel_get_master_addr_by_name(master)
        return epoch, (host.decode() if isinstance(host, bytes) else host, int(port))


def version(client: "redis.Redis", endpoint: RemoteStore) -> str:
    """Product and version of the server, for example `valkey 9.1.2`; empty if it does not tell.

    :raises ConfigError: config.store_unreachable
    """
    with translated(endpoint):
        product, numbers = _version(client)
    return f"{product} {'.'.join(map(str, numbers))}" if product else ""


def _version(client: "redis.Redis") -> tuple[str, tuple[int, ...]]:
    try:
        info: dict[str, Any] = client.info("server")
    except redis.exceptions.NoPermissionError:
        return "", _OLDEST  # a hosted store may hide it
    for product in ("valkey", "redis"):
        text = info.get(f"{product}_version")
        if text is not None:
            return product, tuple(int(part) for part in str(text).split(".") if part.isdigit())
    return "", _OLDEST


def options(endpoint: Endpoint) -> dict[str, Any]:
    """How redis-py is to connect to one server.

    Its pool hands the one connection out again and again, to pipelines too: WAIT and WAITAOF speak of what was written
    on their own connection only, and a `single_connection_client` has another one for its pipelines.
    """
    found: dict[str, Any] = {
        "db": endpoint.db,
        "username": endpoint.user or None,
        "password": endpoint.password or None,
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    if endpoint.path:
        del found["socket_connect_timeout"]
        return found | {"unix_socket_path": endpoint.path}
    found |= {"host": endpoint.host, "port": endpoint.port}
    if endpoint.tls:
        found |= {
            "ssl": True,
            "ssl_ca_certs": None if endpoint.ca is None else str(endpoint.ca),
            "ssl_certfile": None if endpoint.client_cert is None else str(endpoint.client_cert),
            "ssl_keyfile": None if endpoint.client_key is None else str(endpoint.client_key),
        }
    return found


@contextlib.contextmanager
def translated(endpoint: RemoteStore) -> Iterator[None]:
    """Turn what redis-py raises into one ConfigError."""
    try:
        yield
    except redis.exceptions.AuthenticationError as error:
        who = f"user {endpoint.user}" if endpoint.user else "the default user"
        raise trouble(endpoint, f"does not let {who} in: {_said(error)}") from error
    except redis.exceptions.TimeoutError as error:
        raise trouble(endpoint, f"does not answer within {TIMEOUT_S:.0f} s") from error
    except redis.exceptions.ConnectionError as error:
        raise trouble(endpoint, f"cannot be reached: {_said(error)}") from error
    except redis.exceptions.InvalidResponse as error:
        raise trouble(endpoint, "does not speak the Redis protocol") from error
    except redis.exceptions.ReadOnlyError as error:
        raise trouble(endpoint, "is a replica that cannot be written to: name the primary") from error
    except redis.exceptions.NoPermissionError as error:
        raise trouble(endpoint, f"does not allow that to user {endpoint.user or 'default'}: {_said(error)}") from error
    except redis.exceptions.OutOfMemoryError as error:
        raise trouble(endpoint, "is full: give it more memory") from error
    except redis.exceptions.RedisError as error:
        raise trouble(endpoint, f"refused: {_said(error)}") from error


def trouble(endpoint: RemoteStore, what: str) -> ConfigError:
    """The operator's error about this store."""
    return ConfigError(Reason.CONFIG_STORE, f"the store {endpoint} {what}")


def _said(error: Exception) -> str:
    # Of a pipeline redis-py repeats the whole command, certificates and all.
    text = str(error).rpartition(" caused error: ")[2]
    return (text.splitlines() or [type(error).__name__])[0].rstrip(".")

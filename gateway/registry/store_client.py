"""Opens a blocking connection to a store, and puts what goes wrong with it into one sentence."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gateway.reasons import ConfigError, Reason
from gateway.registry.store_url import Endpoint

TIMEOUT_S: Final = 5.0
_OLDEST: Final = (6, 2)


def connect(endpoint: Endpoint) -> "redis.Redis":
    """A client of one connection, tried out: it answers, lets us in, and is not too old.

    :raises ConfigError: config.store_unreachable
    """
    with translated(endpoint):
        client = redis.Redis(**_options(endpoint))
    try:
        with translated(endpoint):
            client.ping()
            server = _version(client)
            if server[1] < _OLDEST:
                found = ".".join(map(str, server[1]))
                raise trouble(endpoint, f"is version {found}: Redis 6.2 or later, or Valkey, is needed")
    except ConfigError:
        client.close()
        raise
    return client


def version(client: "redis.Redis", endpoint: Endpoint) -> str:
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


def _options(endpoint: Endpoint) -> dict[str, Any]:
    options: dict[str, Any] = {
        "db": endpoint.db,
        "username": endpoint.user or None,
        "password": endpoint.password or None,
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "single_connection_client": True,
    }
    if endpoint.path:
        del options["socket_connect_timeout"]
        return options | {"unix_socket_path": endpoint.path}
    options |= {"host": endpoint.host, "port": endpoint.port}
    if endpoint.tls:
        options |= {
            "ssl": True,
            "ssl_ca_certs": None if endpoint.ca is None else str(endpoint.ca),
            "ssl_certfile": None if endpoint.client_cert is None else str(endpoint.client_cert),
            "ssl_keyfile": None if endpoint.client_key is None else str(endpoint.client_key),
        }
    return options


@contextlib.contextmanager
def translated(endpoint: Endpoint) -> Iterator[None]:
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


def trouble(endpoint: Endpoint, what: str) -> ConfigError:
    """The operator's error about this store."""
    return ConfigError(Reason.CONFIG_STORE, f"the store {endpoint} {what}")


def _said(error: Exception) -> str:
    # Of a pipeline redis-py repeats the whole command, certificates and all.
    text = str(error).rpartition(" caused error: ")[2]
    return (text.splitlines() or [type(error).__name__])[0].rstrip(".")

"""From the configured store to the endpoint that the request path of a worker connects to (R27)."""

from pathlib import Path

from msgspec import structs

from gateway.config import Store
from gateway.reasons import ConfigError, Reason
from gateway.registry.store_url import EmbeddedStore, Endpoint, parse


def store_target(store: Store) -> EmbeddedStore | Endpoint:
    """The embedded store to run, or the server to connect to, with user, password and TLS files of the configuration.

    :raises ConfigError: config.invalid, config.unreadable
    """
    target = parse(store.url)
    if isinstance(target, EmbeddedStore):
        return target
    password = target.password
    if store.password_file is not None:
        try:
            password = Path(store.password_file).read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            message = f"store.password_file: cannot read {store.password_file} ({error})"
            raise ConfigError(Reason.CONFIG_UNREADABLE, message) from error
    return structs.replace(
        target,
        user=store.user or target.user,
        password=password,
        ca=_path(store.ca),
        client_cert=_path(store.client_cert),
        client_key=_path(store.client_key),
    )


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)

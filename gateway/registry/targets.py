"""From the configuration's `[store]` to what can be connected to: one target for the request path, one for commands."""

from pathlib import Path

import msgspec

from gateway.config.store import Store as StoreSection
from gateway.reasons import ConfigError, Reason
from gateway.registry.store_url import EmbeddedStore, RemoteStore, StoreTarget, parse


def request_target(section: StoreSection) -> StoreTarget:
    """What the request path uses: `store.url` with `store.user` and its password.

    :raises ConfigError: config.invalid, config.unreadable
    """
    target = _with_files(parse(section.url), section)
    if isinstance(target, EmbeddedStore) or section.password_file is None:
        return target
    changes = {"password": _read_password(Path(section.password_file))}
    if section.user is not None:
        changes["user"] = section.user
    return msgspec.structs.replace(target, **changes)


def recording_target(section: StoreSection, target: RemoteStore) -> RemoteStore:
    """What workers use to record devices: `target`, the request path's, for `store.onboarding_user` if there is one
    (R27).

    :raises ConfigError: config.unreadable
    """
    if section.onboarding_user is None or section.onboarding_password_file is None:
        return target
    password = _read_password(Path(section.onboarding_password_file), "onboarding_password_file")
    return msgspec.structs.replace(target, user=section.onboarding_user, password=password)


def admin_target(section: StoreSection) -> StoreTarget:
    """What commands use to write: `store.admin_url` with the credentials inside of it, else as the request path.

    :raises ConfigError: config.invalid, config.unreadable
    """
    if section.admin_url is None:
        return request_target(section)
    return _with_files(parse(section.admin_url), section)


def _with_files(target: StoreTarget, section: StoreSection) -> StoreTarget:
    if isinstance(target, EmbeddedStore) or not target.tls:
        return target
    files = {name: getattr(section, name) for name in ("ca", "client_cert", "client_key")}
    return msgspec.structs.replace(target, **{name: Path(path) for name, path in files.items() if path is not None})


def _read_password(path: Path, name: str = "password_file") -> str:
    try:
        return path.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"store.{name} {path} cannot be read: {error}") from error

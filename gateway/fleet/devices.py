"""The devices of a simulated fleet: from a folder of keys, or newly made."""

import datetime
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from gateway.demo.pki import Authority, Identity, issue_all
from gateway.model import Algorithm
from gateway.reasons import ConfigError, Reason
from gateway.registry.keys import is_client_id

_SUFFIX: Final = ".key"


class Credential(msgspec.Struct, frozen=True):
    """A client id, and its private key as PEM or DER."""

    client_id: str
    key: bytes


def read_folder(folder: Path, wanted: int | None) -> Iterator[Credential]:
    """The devices in `folder`, one `ID.key` each, in the order of their names.

    :param wanted: how many are needed; None: all of them
    :raises ConfigError: config.unreadable, config.invalid: no such folder, or not that many keys
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.name.endswith(_SUFFIX))
    except OSError as error:
        raise ConfigError(
            Reason.CONFIG_UNREADABLE,
            f"the key directory {folder} cannot be read ({(error.strerror or str(error)).lower()}): make one with "
            f"`wfm-gateway fleet --make {folder} --devices 1000`",
        ) from error
    if len(files) < (wanted or 1):
        raise ConfigError(
            Reason.CONFIG_INVALID,
            f"{folder} holds {len(files)} keys (ID.key) where {wanted or 'at least 1'} must be: make them with "
            f"`wfm-gateway fleet --make DIR --devices {wanted or 1000}`",
        )
    for path in files[:wanted]:
        client_id = path.name.removesuffix(_SUFFIX)
        if not is_client_id(client_id):
            raise ConfigError(Reason.CONFIG_INVALID, f"{path} is not named after a client id")
        try:
            yield Credential(client_id, path.read_bytes())
        except OSError as error:
            raise ConfigError(Reason.CONFIG_UNREADABLE, f"{path} cannot be read: {error.strerror}") from error


def make(authority: Authority, count: int, algorithm: Algorithm) -> Iterator[Identity]:
    """New devices with ids of their own, made on every core."""
    digits = len(str(count))
    wanted = [(f"fleet-{number:0{digits}}", algorithm) for number in range(count)]
    for chunk in issue_all(authority, wanted, datetime.datetime.now(datetime.UTC)):
        yield from chunk


def take_folder(folder: Path, option: str) -> None:
    """Make a folder for new keys; it must not hold anything yet.

    :raises ConfigError: config.invalid, config.unreadable
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(Reason.CONFIG_INVALID, f"{option} {folder} is not empty; name a new folder")
    except OSError as error:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"{option} {folder} cannot be used: {error.strerror}") from error


def write(folder: Path, named: Iterable[tuple[str, Identity]], done: Callable[[int], None]) -> None:
    """Keep what each device has under its client id: `ID.pem`, and `ID.key` readable by the owner only."""
    for client_id, identity in named:
        (folder / f"{client_id}.pem").write_bytes(identity.certificate_pem)
        key = folder / f"{client_id}{_SUFFIX}"
        key.touch(mode=0o600)
        key.write_bytes(identity.key_pem)
        done(1)

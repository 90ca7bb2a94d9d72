"""Who is in the demo's fleet: names, algorithms, and the folder that keeps them."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.demo.pki import Identity
from gateway.model import Algorithm
from gateway.reasons import ConfigError, Reason

_RSA: Final = (Algorithm.RSA_PSS_SHA512, Algorithm.RSA_V1_5_SHA256, Algorithm.RSA_PSS_SHA256)
_QUICK: Final = (
    *[Algorithm.ECDSA_P256_SHA256] * 6,
    *[Algorithm.ECDSA_P384_SHA384] * 2,
    *[Algorithm.ED25519] * 2,
)
"""Shares of the quick algorithms: P-256 is what the field uses most."""
_NEWCOMERS_MOST: Final = 25
_RSA_MOST: Final = 4
"""Devices per RSA algorithm at most: an RSA key takes a thousand times longer to make than the others."""


def plan(devices: int) -> list[tuple[str, Algorithm]]:
    """Client id and algorithm of each device. Six or more have every algorithm among them."""
    first = [*dict.fromkeys(_QUICK), *_RSA][:devices]
    rsa_more = min(_RSA_MOST, devices // 20) - 1
    more = [algorithm for algorithm in _RSA for _ in range(rsa_more)]
    rest = [_QUICK[number % len(_QUICK)] for number in range(devices - len(first) - len(more))]
    return [(str(uuid.uuid4()), algorithm) for algorithm in (*first, *more, *rest)]


def thieves(algorithms: Sequence[Algorithm]) -> list[tuple[str, Algorithm]]:
    """One identity per algorithm that nobody registers: it signs what must be refused."""
    return [(f"thief-{algorithm}", algorithm) for algorithm in dict.fromkeys(algorithms)]


def newcomers(devices: int) -> int:
    """How many of the devices are in no registry when the demo begins."""
    return max(min(devices // 4, _NEWCOMERS_MOST), min(devices - 1, 1))


def take_folder(folder: Path) -> None:
    """Make the folder to keep; it must not hold anything yet.

    :raises ConfigError: config.invalid, config.unreadable
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(Reason.CONFIG_INVALID, f"--keep {folder} is not empty; name a new folder")
    except OSError as error:
        raise ConfigError(Reason.CONFIG_UNREADABLE, f"--keep {folder} cannot be used: {error.strerror}") from error


def write_files(folder: Path, identities: Sequence[Identity]) -> None:
    """Keep what a device has: `devices/ID.pem`, `devices/ID.key` (readable by the owner only)."""
    devices = folder / "devices"
    devices.mkdir(mode=0o700)
    for identity in identities:
        (devices / f"{identity.name}.pem").write_bytes(identity.certificate_pem)
        key = devices / f"{identity.name}.key"
        key.touch(mode=0o600)
        key.write_bytes(identity.key_pem)

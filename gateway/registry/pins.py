"""Pins: fingerprints of certificates or keys that an operator vouches for before their devices first call (R19)."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.clock import Clock
from gateway.model import Certificate
from gateway.reasons import ConfigError, Reason
from gateway.registry import paging, safety, store_client
from gateway.registry.changeset import CHANGES_LIMIT
from gateway.registry.keys import CHANGES, pin_key
from gateway.registry.store_url import RemoteStore

if TYPE_CHECKING:
    import redis

# As `openssl x509 -fingerprint -sha256` prints it, with or without colons and what stands before the `=`.
_FINGERPRINT: Final = re.compile(r"(?:sha-?256(?: fingerprint)?\s*[=:]\s*)?((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})", re.I)
_WANTED: Final = "64 hex digits: the SHA-256 of a certificate or of its SubjectPublicKeyInfo"


class Pin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One pin: `sha256` is that of a certificate or of a key (the keyid of Margo devices), in lower-case hex; `added`
    is in seconds since 1970."""

    realm: str
    sha256: str
    added: int
    who: str = ""
    note: str = ""


_decoder: Final = msgspec.json.Decoder(Pin)


def lookup_keys(realm: str, certificate: Certificate) -> tuple[bytes, bytes]:
    """The two store keys of which one must hold a pin; `is_pin` tells about each value."""
    return pin_key(realm, certificate.sha256), pin_key(realm, certificate.spki_sha256)


def is_pin(value: object, realm: str, certificate: Certificate) -> bool:
    """Is what the store returned a pin of this very certificate, or of its key? R25: a stray reply pins nothing."""
    if not isinstance(value, bytes):
        return False
    try:
        pin = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return pin.realm == realm and pin.sha256 in (certificate.sha256, certificate.spki_sha256)


def fingerprint(text: str) -> str:
    """A SHA-256 fingerprint in lower-case hex without colons.

    :raises ConfigError: config.invalid
    """
    found = _FINGERPRINT.fullmatch(text.strip())
    if found is None:
        raise ConfigError(Reason.CONFIG_INVALID, f"the fingerprint {text[:100]!r} is not {_WANTED}")
    return found[1].replace(":", "").lower()


class Pins:
    """The pins of a store that is open for administration.

    Every method raises ConfigError (config.store_unreachable) when the store cannot be reached or used.
    """

    def __init__(self, client: "redis.Redis", endpoint: RemoteStore, who: str, clock: Clock) -> None:
        self._client: Any = client
        self._endpoint = endpoint
        self._who = who
        self._clock = clock

    def add(self, realm: str, sha256: str, note: str = "") -> bool:
        """Pin a fingerprint; False: it was pinned already, and stays as it was."""
        now_s = int(self._clock.now())
        pin = Pin(realm=realm, sha256=sha256, added=now_s, who=self._who, note=note)
        with store_client.translated(self._endpoint):
            if self._client.exists(pin_key(realm, sha256)):
                return False
            self._tell("pinned", realm, sha256, now_s)
            added = bool(self._client.set(pin_key(realm, sha256), msgspec.json.encode(pin), nx=True))
        safety.settle(self._client, self._endpoint)
        return added

    def remove(self, realm: str, sha256: str) -> bool:
        """Take a pin back; False: there was none. Who was onboarded by it stays a client."""
        with store_client.translated(self._endpoint):
            if not self._client.exists(pin_key(realm, sha256)):
                return False
            self._tell("unpinned", realm, sha256, int(self._clock.now()))
            removed = bool(self._client.delete(pin_key(realm, sha256)))
        safety.settle(self._client, self._endpoint)
        return removed

    def iterate(self, realm: str) -> Iterator[Pin]:
        """All pins of a realm, in no order; what is no pin is left out."""
        prefix = pin_key(realm, "")
        with store_client.translated(self._endpoint):
            for name in self._client.scan_iter(match=prefix + b"*", count=1000):
                pin = _read(realm, name, self._client.get(name) or b"")
                if pin is not None:
                    yield pin

    def page(self, realm: str, mark: str, looked_at: int) -> tuple[list[Pin], str]:
        """Pins of a realm a piece at a time, in no order; see `paging.piece`."""
        prefix = pin_key(realm, "")
        found, following = paging.piece(self._client, self._endpoint, prefix, mark, looked_at)
        return [pin for name, value in found if (pin := _read(realm, name, value)) is not None], following

    def _tell(self, what: str, realm: str, sha256: str, now_s: int) -> None:
        # Before the change itself: an entry too many is better than a change that nobody can account for.
        notice = {"realm": realm, "id": "", "what": what, "who": self._who, "when": now_s, "sha256": sha256}
        self._client.xadd(CHANGES, notice, maxlen=CHANGES_LIMIT, approximate=True)


def _read(realm: str, name: bytes, value: bytes) -> Pin | None:
    """A pin, if it is one of that realm under its own name."""
    try:
        pin = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return pin if pin.realm == realm and name == pin_key(realm, pin.sha256) else None

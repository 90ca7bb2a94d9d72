"""The bounded pool of parsed public keys, each in the form that an engine takes."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gateway._native import Refused
from gateway.model import Certificate, KeyType
from gateway.reasons import Reason

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
Form: TypeAlias = Callable[[PublicKey], Any]

_CURVES: Final = {"secp256r1": KeyType.P256, "secp384r1": KeyType.P384}
_CHANCES: Final = 16
"""Keys in use that one newcomer may pass over: bounds what it costs when all are."""


class _Entry(msgspec.Struct, gc=False):
    """A key with what its SPKI says of it, and whether it was used since somebody last looked for room."""

    key: Any
    key_type: KeyType
    bits: int
    used: bool = False


class KeyPool:
    """Parsed public keys by SPKI, at most `entries` of them.

    Who leaves is decided by second chance: the oldest key that was not used since the last look. A hit so costs one
    look-up and one flag.

    :param form: what the engine takes, made of a key that `cryptography` has parsed and found on its curve
    """

    def __init__(self, entries: int = 16_384, form: Form | None = None) -> None:
        self._entries = entries
        self._form = form
        self._keys: OrderedDict[str, _Entry] = OrderedDict()

    def get(self, certificate: Certificate) -> Any:
        """The certificate's key, parsed from its SPKI at first use.

        :raises Refused: store.bad_answer, the record says another kind of key than the SPKI holds (R25)
        """
        entry = self._keys.get(certificate.spki_sha256)
        if entry is None:
            entry = self._add(certificate)
        else:
            entry.used = True
        if entry.key_type is not certificate.key_type or entry.bits != certificate.bits:
            raise _misstated(certificate)
        return entry.key

    def _add(self, certificate: Certificate) -> _Entry:
        key, key_type, bits = _parsed(certificate)
        entry = _Entry(key if self._form is None else self._form(key), key_type, bits)
        if len(self._keys) >= self._entries:
            self._make_room()
        self._keys[certificate.spki_sha256] = entry
        return entry

    def _make_room(self) -> None:
        for _ in range(_CHANCES):
            name, oldest = self._keys.popitem(last=False)
            if not oldest.used:
                return
            oldest.used = False
            self._keys[name] = oldest
        self._keys.popitem(last=False)


def _parsed(certificate: Certificate) -> tuple[PublicKey, KeyType, int]:
    try:
        key = load_der_public_key(certificate.spki)
    except (ValueError, UnsupportedAlgorithm):
        raise _misstated(certificate) from None
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return key, _CURVES[key.curve.name], key.key_size
    if isinstance(key, rsa.RSAPublicKey):
        return key, KeyType.RSA, key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key, KeyType.ED25519, 256
    raise _misstated(certificate)


def _misstated(certificate: Certificate) -> Refused:
    return Refused(Reason.STORE_ANSWER, f"the record of certificate {certificate.sha256} misstates its key")

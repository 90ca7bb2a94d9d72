"""Signs what was verified, for backends that others can reach (R17): a compact JWS (RFC 7515) per request."""

import base64
import hashlib
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.clock import Clock
from gateway.model import Admitted, Algorithm
from gateway.reasons import ConfigError, Reason
from gateway.signing.keys import algorithms_of, keyid_of, load_private_key, raw_signature

FIELD: Final = "Wfm-Assertion"
LIFETIME_S: Final = 30
"""How long an assertion counts: the way from the gateway to the backend, and the difference of their clocks."""

# RFC 7518 §3.4, RFC 8037 §3.1: both take the signature as RFC 9421 has it, r‖s or 64 octets.
_NAMES: Final = {
    Algorithm.ECDSA_P256_SHA256: "ES256",
    Algorithm.ECDSA_P384_SHA384: "ES384",
    Algorithm.ED25519: "EdDSA",
}


class Assertions:
    """Signs with the key of `[upstream] assertion_key`; a backend that has its public key needs to trust no network."""

    def __init__(self, path: str, clock: Clock) -> None:
        """
        :raises ConfigError: config.unreadable, config.invalid: the file, or a key that is neither EC nor Ed25519
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            message = f"upstream.assertion_key: cannot read {path} ({(error.strerror or str(error)).lower()})"
            raise ConfigError(Reason.CONFIG_UNREADABLE, message) from None
        self._key = load_private_key(data, name=path)
        self._algorithm = algorithms_of(self._key)[0]
        if self._algorithm not in _NAMES:
            message = "upstream.assertion_key: wanted a P-256, P-384 or Ed25519 key"
            raise ConfigError(Reason.CONFIG_INVALID, message)
        header = {"alg": _NAMES[self._algorithm], "typ": "wfm-assertion+jwt", "kid": keyid_of(self._key)}
        self._header = _encoded(orjson.dumps(header))
        self._clock = clock

    def make(self, admitted: Admitted, target: bytes) -> str:
        """The assertion for one request: who, with which certificate, and for which method, target, Host and digest.

        :param target: as the backend will see it
        """
        verified, head = admitted.verified, admitted.head
        now = int(self._clock.now())
        claims: dict[str, Any] = {
            "iss": "wfm-gateway",
            "sub": verified.client.client_id,
            "realm": verified.client.realm,
            "cert_sha256": verified.certificate.sha256,
            "method": head.method.decode("ascii"),
            "target": target.decode("ascii"),
            "authority": verified.authority.decode("ascii"),
            "content_digest": [value.decode("ascii") for value in head.values(b"content-digest")],
            "body_verified": admitted.body_verified,
            "base_sha256": hashlib.sha256(verified.base).hexdigest(),
            "iat": now,
            "exp": now + LIFETIME_S,
        }
        signed = self._header + b"." + _encoded(orjson.dumps(claims))
        return (signed + b"." + _encoded(raw_signature(self._key, self._algorithm, signed))).decode("ascii")


def _encoded(data: bytes) -> bytes:
    # RFC 7515 §2: base64url without padding.
    return base64.urlsafe_b64encode(data).rstrip(b"=")

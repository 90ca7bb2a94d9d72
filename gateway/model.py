"""The frozen values that flow through the gateway, in the order in which a request makes them."""

from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from gateway.reasons import TABLE, Reason, Row

if TYPE_CHECKING:
    from gateway._native import Candidate, Head


Mode: TypeAlias = Literal["enforce", "observe", "passthrough"]
"""What becomes of a signed request that does not verify: it is refused, or reported and forwarded without identity; or
nobody looks (R16)."""


class Algorithm(StrEnum):
    """Signature algorithms by their RFC 9421 §6.2.2 names (`rsa-pss-sha256` is Margo's own: PSS, SHA-256, salt 32)."""

    ECDSA_P256_SHA256 = "ecdsa-p256-sha256"
    ECDSA_P384_SHA384 = "ecdsa-p384-sha384"
    RSA_V1_5_SHA256 = "rsa-v1_5-sha256"
    RSA_PSS_SHA256 = "rsa-pss-sha256"
    RSA_PSS_SHA512 = "rsa-pss-sha512"
    ED25519 = "ed25519"


class KeyType(StrEnum):
    """What kind of key a certificate holds; RSA is the only one that fits several algorithms."""

    P256 = "p256"
    P384 = "p384"
    RSA = "rsa"
    ED25519 = "ed25519"


class Status(StrEnum):
    """Where a client stands. Only `active` ones are let through."""

    PENDING = "pending"
    ACTIVE = "active"
    REVOKED = "revoked"
    RETIRED = "retired"
    TOMBSTONE = "tombstone"


class Peer(msgspec.Struct, frozen=True, gc=False):
    """Who opened the connection: `address` is an IP address in text, or "" for a unix socket; `tls` is true on our own
    TLS listener. `vouches`: what it forwards may count, if it is a trusted proxy; false for a connection of which a
    PROXY header names no client."""

    address: str
    tls: bool = False
    vouches: bool = True


class External(msgspec.Struct, frozen=True, gc=False):
    """How the device saw the request: `scheme`, the `authorities` to try in this order (R7), the device's
    `client_address`."""

    scheme: bytes
    authorities: tuple[bytes, ...]
    client_address: str


class Certificate(msgspec.Struct, frozen=True, gc=False):
    """What the request path needs of one X.509 certificate. Digests are lower-case hex; times are seconds since 1970;
    `bits` is
    the key size; `retire_after` ends an overlap of two certificates; `issued` is what revocation lists know it by
    (`gateway.registry.issued`)."""

    sha256: str
    spki: bytes
    spki_sha256: str
    key_type: KeyType
    bits: int
    not_before: int
    not_after: int
    retire_after: int | None = None
    issued: bytes = b""


class Client(msgspec.Struct, frozen=True, gc=False):
    """One device as the registry knows it. `require_covered_digest` None means: as the policy says."""

    realm: str
    client_id: str
    status: Status
    certificates: tuple[Certificate, ...]
    require_covered_digest: bool | None = None
    labels: tuple[tuple[str, str], ...] = ()
    tenant: str = ""


class Job(msgspec.Struct, frozen=True, gc=False):
    """One public-key operation for an engine: does `signature` fit `base` under `certificate`'s key and `algorithm`?

    Made by `gateway.signature.verify.prepare`, which has checked size and range. `der` is an ECDSA `signature` (r‖s)
    in the
    form that libraries take, b"" for other algorithms.
    """

    certificate: Certificate
    algorithm: Algorithm
    base: bytes
    signature: bytes
    der: bytes


class Verified(msgspec.Struct, frozen=True, gc=False):
    """Proof that a signature holds. Only `gateway.signature.verify` makes one (a test enforces it).

    `authority` is the spelling that verified (R7), `base` the signature base that was signed.
    """

    candidate: "Candidate"
    client: Client
    certificate: Certificate
    algorithm: Algorithm
    authority: bytes
    base: bytes


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """Proof that a request may go to the backend. Only `gateway.policy` makes one (a test enforces it).

    `claims` are the replay claims to release if no byte reaches the backend; `notes` are worth a log line; `route` is
    the name of the route.
    """

    head: "Head"
    external: External
    verified: Verified
    body_verified: bool
    claims: tuple[bytes, ...]
    notes: tuple[str, ...] = ()
    route: str = ""


class Composed(msgspec.Struct, frozen=True, gc=False):
    """A request of an open route: the gateway composes it anew, without a body and with allow-listed fields only
    (R16)."""

    method: bytes
    target: bytes
    authority: bytes
    external: External
    fields: tuple[tuple[str, str], ...]
    route: str = ""


class Unverified(msgspec.Struct, frozen=True, gc=False):
    """A request that may go to the backend although nothing is proven, because its route's `mode` says so: it goes
    without any `Wfm-*` field. Only `gateway.policy` makes one (a test enforces it).

    `refusal` is what would have been said in mode `enforce`, None if nobody looked; `client_id` is what the request
    claims, "" if it claims none.
    """

    head: "Head"
    external: External
    route: str
    mode: Mode
    client_id: str
    refusal: "Refusal | None"


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """One "no", with its `reason` and what is known: `detail` says more to the operator and never reaches the device,
    `hint` what the operator may have to configure. `tells_who_is_known`: the registry was asked and no signature has
    held, so that the reason alone would tell anybody who is registered. `route` is set where no later step
    knows it. `retry_after_s` goes before the reason's own."""

    reason: Reason
    detail: str = ""
    client_id: str = ""
    allow: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tells_who_is_known: bool = False
    hint: str = ""
    route: str = ""
    retry_after_s: int | None = None

    @property
    def row(self) -> Row:
        """The table row of the reason."""
        return TABLE[self.reason]

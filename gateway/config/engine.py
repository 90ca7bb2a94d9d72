"""Section `[engine]`: which library does the arithmetic of each kind of key."""

from typing import Literal

from msgspec import Struct

Ecdsa = Literal["auto", "batch", "fast", "single"]
EdDsa = Literal["auto", "batch", "single"]


class Engine(Struct, frozen=True, kw_only=True, gc=False):
    """`auto` takes the cheapest that this machine has. `batch` verifies up to eight at once (Intel's crypto_mb, on CPUs
    with AVX-512 IFMA), `fast` one by one with AWS-LC (extra `fast`), `single` one by one with `cryptography`.

    RSA keys are always verified by `cryptography`. To name an engine that the machine does not have is an error."""

    p256: Ecdsa = "auto"
    p384: Ecdsa = "auto"
    ed25519: EdDsa = "auto"

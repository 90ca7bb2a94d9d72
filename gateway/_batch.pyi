"""The contract of the batch module: Intel's crypto_mb. Built on Linux x86-64 only; runs on CPUs with AVX-512 IFMA
only.

A lane is a tuple of three `bytes`: the key's point, the signature, and what was signed. Each call takes one to eight
lanes and answers each, in order; one lane costs as much as eight. True is never said of a signature whose numbers are
out of range. The GIL is released meanwhile.
"""

from typing import Final, TypeAlias

LANES: Final[int]
"""How many lanes one call takes: 8."""

FEATURES: Final[int]
"""What the functions below want of CPU and operating system, in the bits of `cpu_features`."""

_Lane: TypeAlias = tuple[bytes, bytes, bytes]

def cpu_features() -> int:
    """What CPU and operating system offer, in the bits that crypto_mb's `cpu_features.h` names."""

def library() -> str:
    """Name and version of the library inside."""

def verify_p256(lanes: list[_Lane]) -> list[bool]:
    """ECDSA over P-256: point X‖Y (64 octets), r‖s (64 octets), SHA-256 of the message (32 octets).

    The point must be one of the curve: only its range is checked here.

    :raises TypeError: a lane is something else
    :raises ValueError: a length is wrong, or there is no lane, or more than eight
    """

def verify_p384(lanes: list[_Lane]) -> list[bool]:
    """ECDSA over P-384: point X‖Y (96 octets), r‖s (96 octets), SHA-384 of the message (48 octets).

    The point must be one of the curve: only its range is checked here.

    :raises TypeError: a lane is something else
    :raises ValueError: a length is wrong, or there is no lane, or more than eight
    """

def verify_ed25519(lanes: list[_Lane]) -> list[bool]:
    """Ed25519: public key (32 octets), signature (64 octets), the message itself.

    :raises TypeError: a lane is something else
    :raises ValueError: a length is wrong, or there is no lane, or more than eight
    """

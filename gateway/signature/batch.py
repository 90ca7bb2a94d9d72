"""The batch engine: eight signatures at once with Intel's crypto_mb, where the CPU has AVX-512 IFMA."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.model import Algorithm, Job
from gateway.signature.engine import Engine
from gateway.signature.keys import KeyPool, PublicKey

Native: TypeAlias = Callable[[list[tuple[bytes, bytes, bytes]]], list[bool]]
"""One of the functions of `gateway._batch`."""

LANES: Final = 8
POOLED_POINTS: Final = 65_536
"""A point with its entry takes 0.3 KB, an eighth of a parsed key."""

_P256: Final = Algorithm.ECDSA_P256_SHA256
_P384: Final = Algorithm.ECDSA_P384_SHA384
_ED25519: Final = Algorithm.ED25519


def missing() -> str:
    """Why there is no batch engine on this machine; "" if there is one."""
    try:
        from gateway import _batch
    except ImportError:
        return "it is built on Linux x86-64 only, and with ipp-crypto-static installed"
    # Its form for newer CPUs with AVX2 alone is another code, which nothing here has tried.
    return "" if has_all(_batch.cpu_features(), _batch.FEATURES) else "this CPU has no AVX-512 IFMA"


def has_all(features: int, wanted: int) -> bool:
    """Is every bit of `wanted` in `features`?"""
    return features & wanted == wanted


class BatchEngine:
    """Answers up to eight jobs of one algorithm for the price of two or three.

    A lane's no is never told: the oracle is asked again, and its answer counts. So the answers differ from the oracle's
    only if a lane said yes where the oracle says no, which the tests look for.

    :param oracle: what has the last word on every no
    :param singles: what takes a batch that is too small, for each algorithm
    :param worth: from how many jobs on a batch costs less than as many single ones
    :param natives: the functions of `gateway._batch`
    """

    def __init__(
        self,
        oracle: Engine,
        singles: Mapping[Algorithm, Engine],
        worth: Mapping[Algorithm, int],
        natives: Mapping[Algorithm, Native],
        name: str,
    ) -> None:
        self.name = name
        self._oracle = oracle
        self._singles = singles
        self._worth = worth
        self._natives = natives
        self._points = KeyPool(POOLED_POINTS, point_of)

    def worth(self, algorithm: Algorithm) -> int:
        """From how many jobs on they are taken together."""
        return self._worth[algorithm]

    def point(self, job: Job) -> bytes:
        """The point of the job's key: here a record that misstates its key is found out, before others are kept
        waiting for it.

        :raises Refused: store.bad_answer
        """
        point: bytes = self._points.get(job.certificate)
        return point

    def answer(self, algorithm: Algorithm, jobs: Sequence[Job], points: Sequence[bytes]) -> list[bool]:
        """One answer a job, in order: at most eight of one algorithm, each with its point."""
        if len(jobs) < self._worth[algorithm]:
            return self._singles[algorithm].verify(jobs)
        signed = _messages if algorithm is _ED25519 else _sha384 if algorithm is _P384 else _sha256
        held = self._natives[algorithm](list(zip(points, [job.signature for job in jobs], signed(jobs), strict=True)))
        if False in held:
            return [yes or self._oracle.holds(job) for yes, job in zip(held, jobs, strict=True)]
        return held


def _messages(jobs: Sequence[Job]) -> list[bytes]:
    return [job.base for job in jobs]


def _sha256(jobs: Sequence[Job]) -> list[bytes]:
    return [hashlib.sha256(job.base).digest() for job in jobs]


def _sha384(jobs: Sequence[Job]) -> list[bytes]:
    return [hashlib.sha384(job.base).digest() for job in jobs]


def point_of(key: PublicKey) -> bytes:
    """X‖Y of a point on P-256 or P-384 (SEC 1 §2.3.3), or the 32 octets of an Ed25519 key."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key.public_bytes_raw()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
    return b""  # an RSA key under the name of another one: its record is refused


def natives() -> dict[Algorithm, Native]:
    """The real functions.

    :raises ImportError: `gateway._batch` was not built
    """
    from gateway import _batch

    return {_P256: _batch.verify_p256, _P384: _batch.verify_p384, _ED25519: _batch.verify_ed25519}


def library() -> str:
    """Name and version of the library: `crypto_mb 2.3.0`.

    :raises ImportError: `gateway._batch` was not built
    """
    from gateway import _batch

    # As it says itself: "crypto_mb (k1) (ver: 2.3.0 (13.3) build: Sep  8 2026)"
    version = re.search(r"ver:? ([0-9.]+)", _batch.library())
    return "crypto_mb" + (f" {version[1]}" if version else "")

"""Signatures made and spoilt, for engines beside `cryptography`: `python -m tests.fuzz.signatures --help`."""

import argparse
import random
import time
from collections import Counter
from collections.abc import Iterator

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.model import Algorithm, Job
from gateway.signature import batch
from gateway.signature.engine import CryptographyEngine
from tests.support.engines import BATCHED, ED25519, P256, P384, certificate_of, job, lane

ORDERS = {
    P256: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    P384: 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ED25519: 2**252 + 27742317777372353535851937790883648493,
}
SPOILT = (
    "left as it is", "a bit of the signature", "a bit of the message", "another key", "another message's", "zero half",
    "ones half", "halves exchanged", "the other s", "r plus the order", "s plus the order", "order as s", "small r",
)  # fmt: skip
KEYS = 40


class Maker:
    """Makes jobs of one algorithm; the same ones for the same seed but for keys and nonces."""

    def __init__(self, algorithm: Algorithm, seed: int) -> None:
        self.algorithm = algorithm
        self.random = random.Random(seed)
        self.order = ORDERS[algorithm]
        self.octets = 48 if algorithm is P384 else 32
        self.endian = "little" if algorithm is ED25519 else "big"
        keys = [self._new_key() for _ in range(KEYS)]
        self.keys = [(key, certificate_of(key.public_key())) for key in keys]
        self.last = bytes(2 * self.octets)

    def _new_key(self) -> ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
        if self.algorithm is ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        return ec.generate_private_key(ec.SECP256R1() if self.algorithm is P256 else ec.SECP384R1())

    def _sign(self, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, base: bytes) -> bytes:
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(base)
        r, s = decode_dss_signature(key.sign(base, ec.ECDSA(hashes.SHA256() if self.octets == 32 else hashes.SHA384())))
        return r.to_bytes(self.octets, "big") + s.to_bytes(self.octets, "big")

    def make(self) -> tuple[str, Job]:
        """One job, and what was done to it."""
        chance = self.random
        (key, certificate), base = chance.choice(self.keys), chance.randbytes(chance.randrange(600))
        signature = self._sign(key, base)
        how = chance.choice(SPOILT) if chance.random() < 0.7 else SPOILT[0]
        if how == "another key":
            _, certificate = chance.choice(self.keys)
        elif how == "a bit of the message":
            base = _flipped(base or b"\0", chance)
        elif how == "another message's":
            signature, self.last = self.last, signature
        else:
            signature = self._spoil(how, signature)
        return how, job(self.algorithm, certificate, base, signature)

    def _spoil(self, how: str, signature: bytes) -> bytes:
        size, order = self.octets, self.order
        halves = [signature[:size], signature[size:]]
        which = self.random.randrange(2)
        numbers = [int.from_bytes(half, self.endian) for half in halves]  # type: ignore[arg-type]
        if how == "a bit of the signature":
            return _flipped(signature, self.random)
        if how == "halves exchanged":
            return halves[1] + halves[0]
        if how == "zero half":
            numbers[which] = 0
        elif how == "ones half":
            numbers[which] = (1 << 8 * size) - 1
        elif how == "the other s":
            numbers[1] = order - numbers[1]
        elif how == "r plus the order":
            numbers[0] += order
        elif how == "s plus the order":
            numbers[1] += order * self.random.randrange(1, 8)
        elif how == "order as s":
            numbers[1] = order - self.random.randrange(-1, 2)
        elif how == "small r":
            numbers[0] = self.random.randrange(1, 5)
        bound = 1 << 8 * size
        return b"".join((number % bound).to_bytes(size, self.endian) for number in numbers)  # type: ignore[arg-type]


def _flipped(octets: bytes, chance: random.Random) -> bytes:
    changed = bytearray(octets)
    changed[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def disagreements(algorithm: Algorithm, count: int, seed: int) -> Iterator[tuple[str, Job, bool, bool]]:
    """Each of `count` jobs with what the batch function and what `cryptography` says, in lanes of changing number."""
    maker, oracle = Maker(algorithm, seed), CryptographyEngine()
    native = batch.natives()[algorithm]
    while count > 0:
        made = [maker.make() for _ in range(min(count, maker.random.randrange(1, 9)))]
        count -= len(made)
        held = native([lane(each) for _, each in made])
        for (how, each), yes in zip(made, held, strict=True):
            yield how, each, yes, oracle.holds(each)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="example: python -m tests.fuzz.signatures --seconds 60 --seed 7"
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="how long, for all algorithms together (default 60)"
    )
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    worst = 0
    for algorithm in BATCHED:
        until = time.monotonic() + arguments.seconds / len(BATCHED)
        seen: Counter[str] = Counter()
        for _, _, ours, theirs in disagreements(algorithm, 1 << 60, arguments.seed):
            seen["held" if theirs else "refused"] += 1
            seen["accepted falsely"] += ours and not theirs
            seen["refused falsely"] += theirs and not ours
            if time.monotonic() > until:
                break
        worst += seen["accepted falsely"]
        print(f"{algorithm}: " + ", ".join(f"{what} {number}" for what, number in sorted(seen.items())), flush=True)
    return 1 if worst else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""What one signature costs, by algorithm, engine and number of signatures that are verified together.

All ways of one algorithm take turns in short rounds, so that drift meets each of them; the ratio is to `cryptography`
in the same round.
"""

import argparse
import statistics
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks.micro.verify import measure
from benchmarks.record import save
from benchmarks.spread import spread
from gateway._native import ecdsa_der
from gateway.model import Algorithm, Certificate, Job, KeyType
from gateway.signature import batch, fast
from gateway.signature.batch import BatchEngine
from gateway.signature.engine import CryptographyEngine, Engine
from gateway.signature.engines import Engines

BASE_OCTETS = 400
TOGETHER = (1, 2, 3, 4, 8, 64)
P256, P384, ED25519 = Algorithm.ECDSA_P256_SHA256, Algorithm.ECDSA_P384_SHA384, Algorithm.ED25519
CURVES = {P256: (ec.SECP256R1(), hashes.SHA256(), KeyType.P256), P384: (ec.SECP384R1(), hashes.SHA384(), KeyType.P384)}


def job(algorithm: Algorithm, number: int) -> Job:
    """A signature that holds, by a key of its own."""
    base = number.to_bytes(4, "big") * (BASE_OCTETS // 4)
    if algorithm is ED25519:
        key = ed25519.Ed25519PrivateKey.generate()
        return Job(_certificate(key.public_key(), KeyType.ED25519, 256), algorithm, base, key.sign(base), b"")
    curve, digest, kind = CURVES[algorithm]
    signer = ec.generate_private_key(curve)
    r, s = decode_dss_signature(signer.sign(base, ec.ECDSA(digest)))
    size = curve.key_size // 8
    signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    certificate = _certificate(signer.public_key(), kind, curve.key_size)
    return Job(certificate, algorithm, base, signature, ecdsa_der(signature, curve.key_size))


def _certificate(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey, kind: KeyType, bits: int) -> Certificate:
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Certificate("", spki, spki.hex(), kind, bits, 0, 4_000_000_000)


def ways(algorithm: Algorithm) -> dict[tuple[str, int], Callable[[], None]]:
    """Each engine that this machine has, with each number of jobs; `cryptography`, one by one, first."""
    jobs = [job(algorithm, number) for number in range(max(TOGETHER))]
    single = CryptographyEngine()
    found = {("cryptography", 1): _asking(single, jobs[:1])}
    if algorithm in fast.ALGORITHMS and not fast.missing():
        found["awscrt", 1] = _asking(fast.AwsEngine(single), jobs[:1])
    if not batch.missing():
        singles = dict.fromkeys(Algorithm, single)
        always = BatchEngine(single, singles, dict.fromkeys(CURVES, 1) | {ED25519: 1}, batch.natives(), "crypto_mb")
        engines = Engines(singles, always, frozenset({algorithm}))
        for count in TOGETHER:
            found["crypto_mb", count] = _asking(engines, jobs[:count])
    return found


def _asking(engine: Engine, jobs: list[Job]) -> Callable[[], None]:
    expected = [True] * len(jobs)

    def run() -> None:
        if engine.verify(jobs) != expected:
            raise AssertionError("every signature holds")

    return run


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="example: python -m benchmarks.micro.engines"
    )
    parser.add_argument("--rounds", type=int, default=31, help="rounds that each way takes part in (default 31)")
    parser.add_argument("--calls", type=int, default=6, help="calls per way and round (default 6)")
    arguments = parser.parse_args()
    rows, from_how_many = [], []
    for algorithm in (P256, P384, ED25519):
        asked = ways(algorithm)
        for run in asked.values():
            run()
        times = measure(asked, arguments.rounds, arguments.calls)
        one = times["cryptography", 1]
        for (engine, count), own in times.items():
            each = [time / count for time in own]
            rows.append(
                {
                    "algorithm": algorithm.value,
                    "engine": engine,
                    "signatures together": count,
                    "µs per signature": spread(each),
                    "÷ cryptography": spread([a / b for a, b in zip(each, one, strict=True)]),
                }
            )
        for engine in ("cryptography", "awscrt"):
            if (engine, 1) in times and ("crypto_mb", 1) in times:
                ratio = statistics.median([a / b for a, b in zip(times["crypto_mb", 8], times[engine, 1], strict=True)])
                from_how_many.append(f"{algorithm.value} {ratio:.2f} of {engine}")
    says = [
        f"{arguments.rounds} interleaved rounds of {arguments.calls} calls each; CPU time of the process; median, and "
        f"the middle half in brackets. A base has {BASE_OCTETS} octets; hashing and the key look-up are included.",
        "crypto_mb takes as long for one signature as for eight. What that is worth in single signatures, above which "
        f"a batch is cheaper: {'; '.join(from_how_many) or 'not known here, there is no batch engine'}.",
        "Not shown: what a batch adds to the latency of its first signature, at most the batch itself.",
    ]
    packages = ("awscrt",) if not fast.missing() else ()
    path = save("micro-engines", "Verification engines, one signature", rows, says, packages)
    print("\n".join(" | ".join(str(value) for value in row.values()) for row in rows))
    print("\n".join(says))
    print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""What a verification costs above its arithmetic, beside the Python library `http-message-signatures`.

Three ways to judge the same request (POST of a status, body of 1 KiB, P-256, covered: @method @target-uri @authority
content-digest), in turn, in short rounds: the arithmetic alone, the gateway's verification, the library's.
"""

import argparse
import base64
import hashlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from http_message_signatures import HTTPMessageVerifier, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import ECDSA_P256_SHA256

from benchmarks.record import save
from benchmarks.spread import spread
from gateway._native import Head, parse_digest, parse_head, select
from gateway.model import Algorithm, Certificate, Client, KeyType, Status
from gateway.signature.engine import CryptographyEngine
from gateway.signature.verify import check

Name = TypeVar("Name")
URL = "https://wfm.example.com/api/v1/clients/7d3f1c9e-0b0a-4d2b-9c3e-1f2a3b4c5d6e/deployments/a1b2c3/status"
AUTHORITY = b"wfm.example.com"
BODY = bytes(range(256)) * 4
BAR_US = 3.0
BAR_TIMES = 3.0


class Case:
    """The signed request in the forms that the three ways take."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self.public = key.public_key()
        spki = self.public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        keyid = hashlib.sha256(spki).hexdigest()
        self.certificate = Certificate("", spki, keyid, KeyType.P256, 256, 0, 4_000_000_000)
        self.client = Client("default", "bench", Status.ACTIVE, (self.certificate,))
        digest = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
        components = '("@method" "@target-uri" "@authority" "content-digest")'
        self.fields = {
            "User-Agent": "Go-http-client/1.1",
            "Content-Length": str(len(BODY)),
            "Content-Type": "application/json",
            "Content-Digest": f"sha-256=:{digest}:",
            "Signature-Input": f'sig={components};created={int(time.time())};keyid="{keyid}"',
            "Signature": "sig=:AAAA:",
        }
        candidate = select(parse_head(self.raw()))[0]
        self.base = candidate.base(b"https", AUTHORITY)
        self.der = key.sign(self.base, ec.ECDSA(hashes.SHA256()))
        r, s = decode_dss_signature(self.der)
        octets = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        self.fields["Signature"] = f"sig=:{base64.b64encode(octets).decode()}:"

    def raw(self) -> bytes:
        """The head as it arrives."""
        lines = [f"POST {URL.removeprefix('https://wfm.example.com')} HTTP/1.1", "Host: wfm.example.com"]
        lines += [f"{name}: {value}" for name, value in self.fields.items()]
        return "\r\n".join([*lines, "", ""]).encode()


def bare(case: Case) -> Callable[[], None]:
    """The limit: the arithmetic and the hash that nobody can avoid."""
    public, der, base, algorithm = case.public, case.der, case.base, ec.ECDSA(hashes.SHA256())
    sha256 = hashlib.sha256

    def run() -> None:
        public.verify(der, base, algorithm)
        sha256(BODY).digest()

    return run


def gateway(case: Case, parse: bool) -> Callable[[], None]:
    """The gateway: everything from the head (or from its raw octets) to `Verified` and a checked digest."""
    engine, client, certificate = CryptographyEngine(), case.client, case.certificate
    raw = case.raw()
    read: Head = parse_head(raw)
    sha256 = hashlib.sha256

    def run() -> None:
        head = parse_head(raw) if parse else read
        candidate = select(head)[0]
        digest = parse_digest(head)
        check(candidate, client, certificate, Algorithm.ECDSA_P256_SHA256, b"https", AUTHORITY, engine)
        if digest is None or not digest.matches(sha256(BODY).digest(), None):
            raise AssertionError("the digest must match")

    return run


def library(case: Case) -> Callable[[], None]:
    """`http-message-signatures` over a prepared request of `requests`; it leaves the digest to the caller."""

    class Resolver(HTTPSignatureKeyResolver):  # type: ignore[misc]
        def resolve_public_key(self, key_id: str) -> object:
            return case.public

    request = requests.Request("POST", URL, data=BODY, headers=case.fields).prepare()
    verifier = HTTPMessageVerifier(signature_algorithm=ECDSA_P256_SHA256, key_resolver=Resolver())
    sha256 = hashlib.sha256

    def run() -> None:
        verifier.verify(request)
        sha256(BODY).digest()

    return run


def measure(ways: dict[Name, Callable[[], None]], rounds: int, calls: int) -> dict[Name, list[float]]:
    """Microseconds of CPU per call, for each way and round; the ways take turns, so drift meets all of them."""
    times: dict[Name, list[float]] = {name: [] for name in ways}
    shown = sys.stderr.isatty()
    for index in range(rounds):
        for name, run in ways.items():
            before = time.process_time()
            for _ in range(calls):
                run()
            times[name].append((time.process_time() - before) / calls * 1e6)
        if shown:
            print(f"\rround {index + 1} of {rounds}", end="", file=sys.stderr)
    if shown:
        print(file=sys.stderr)
    return times


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="example: python -m benchmarks.micro.verify"
    )
    parser.add_argument("--rounds", type=int, default=151, help="rounds that each way takes part in (default 151)")
    parser.add_argument("--calls", type=int, default=60, help="calls per way and round (default 60)")
    arguments = parser.parse_args()
    case = Case()
    ways = {
        "bare P-256 verify + SHA-256 of the body": bare(case),
        "gateway, from a head that was read": gateway(case, parse=False),
        "gateway, from raw octets": gateway(case, parse=True),
        "http-message-signatures 3.0.0": library(case),
    }
    for run in ways.values():
        run()
    times = measure(ways, arguments.rounds, arguments.calls)
    limit = times["bare P-256 verify + SHA-256 of the body"]
    theirs = times["http-message-signatures 3.0.0"]
    rows = []
    above = {}
    for name, own in times.items():
        extra = [a - b for a, b in zip(own, limit, strict=True)]
        above[name] = statistics.median(extra)
        rows.append(
            {
                "way": name,
                "µs per request": spread(own),
                "µs above bare": spread(extra),
                "÷ bare": spread([a / b for a, b in zip(own, limit, strict=True)]),
                "times faster than the library": spread([b / a for a, b in zip(own, theirs, strict=True)], 1),
            }
        )
    ours = "gateway, from a head that was read"
    times_faster = statistics.median([b / a for a, b in zip(times[ours], theirs, strict=True)])
    says = [
        f"{arguments.rounds} interleaved rounds of {arguments.calls} calls each; CPU time of the process; median, and "
        "the middle half in brackets.",
        f"Bars: at most {BAR_US} µs above bare, at least {BAR_TIMES} times faster than the library. "
        f"Reached: {above[ours]:.2f} µs ({above['gateway, from raw octets']:.2f} µs with the head read as well), "
        f"{times_faster:.1f} times.",
        "Not shown: policy, key look-up, replay claim, proxying.",
    ]
    path = save(
        "micro-verify", "Verification of one request, 1 KiB body, P-256", rows, says, ("http-message-signatures",)
    )
    print("\n".join(" | ".join(str(value) for value in row.values()) for row in rows))
    print("\n".join(says))
    print(f"wrote {path.name}")
    return 0 if above[ours] <= BAR_US and times_faster >= BAR_TIMES else 1


if __name__ == "__main__":
    raise SystemExit(main())

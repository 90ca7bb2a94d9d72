"""Signs requests before the clock starts: status reports as the Margo reference device sends them.

Each has a deployment id of its own, so that no signature base occurs twice and each is claimed in the store; all have
one body. The text of the base is put together here for speed, and compared with what the gateway's signer makes.
"""

import base64
import os
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from benchmarks.load.generator import USABLE, Shots
from benchmarks.macro.fleet import Fleet
from gateway.signing.keys import keyid_of
from gateway.signing.sign import Request, SignOptions, content_digest, sign

AUTHORITY: Final = "wfm.example.com"
PUBLIC_URL: Final = f"https://{AUTHORITY}"
BODY_BYTES: Final = 400
FIELDS: Final = (
    ("User-Agent", "Go-http-client/1.1"),
    ("Content-Type", "application/json"),
    ("Accept-Encoding", "gzip"),
)
_CHUNK: Final = 500
_HASHES: Final = {256: hashes.SHA256(), 384: hashes.SHA384()}

STATUS_TARGET: Final = "/api/v1/clients/{device}/deployments/{new}/status"
"""Of a status report; `{new}` is a UUID of each request's own."""

Job = tuple[Fleet, str, str, Sequence[int], str, int, int]


def status_body(size: int = BODY_BYTES) -> bytes:
    """A deployment's status in JSON, padded to `size` octets."""
    start = b'{"apiVersion":"deployment.margo.org/v1alpha1","kind":"DeploymentStatusManifest","components":[],'
    start += b'"status":{"state":"installed","error":{"code":"","message":""}},"note":"'
    return start + b"x" * (size - len(start) - 2) + b'"}'


def presign(
    folder: Path, fleet: Fleet, devices: Sequence[int], body: bytes, target: str = STATUS_TARGET, method: str = "POST"
) -> Shots:
    """Write one signed request for each of `devices` (numbers; one may occur many times), in their order.

    :param target: with `{device}` for the client id
    """
    _compare()
    created = int(time.time())
    digest = content_digest(body) if body else ""
    chunks = [devices[at : at + _CHUNK] for at in range(0, len(devices), _CHUNK)]
    jobs: list[Job] = [(fleet, method, target, chunk, digest, len(body), created) for chunk in chunks]
    heads = folder / f"{uuid.uuid4()}.heads"
    with heads.open("wb") as out, _pool() as pool:
        for part in pool.map(_heads, jobs):
            out.write(part)
    if not body:
        return Shots(heads, len(devices))
    path = folder / f"{uuid.uuid4()}.body"
    path.write_bytes(body)
    return Shots(heads, len(devices), path)


def _pool() -> ProcessPoolExecutor:
    # On every core, wherever the caller keeps itself: nothing is being measured now.
    return ProcessPoolExecutor(len(USABLE), get_context("fork"), os.sched_setaffinity, (0, USABLE))


def _heads(job: Job) -> bytes:
    fleet, method, template, devices, digest, length, created = job
    heads = []
    for number in devices:
        target = template.format(device=fleet.name(number), new=uuid.UUID(bytes=os.urandom(16), version=4))
        heads.append(_head(*_key(fleet, number), method, target, digest, length, created))
    return b"".join(heads)


def _head(
    key: ec.EllipticCurvePrivateKey, keyid: str, method: str, target: str, digest: str, length: int, created: int
) -> bytes:
    parameters = _parameters(digest, created, keyid)
    size = key.key_size // 8
    signature_der = key.sign(_base(method, target, digest, parameters), ec.ECDSA(_HASHES[key.key_size]))
    r, s = decode_dss_signature(signature_der)
    signature = base64.b64encode(r.to_bytes(size, "big") + s.to_bytes(size, "big")).decode()
    fields = [("Host", AUTHORITY), *FIELDS]
    if digest:
        fields += [("Content-Length", str(length)), ("Content-Digest", digest)]
    fields += [("Signature-Input", f"sig1={parameters}"), ("Signature", f"sig1=:{signature}:")]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in fields), "", ""]).encode()


def _parameters(digest: str, created: int, keyid: str) -> str:
    covered = '"@method" "@target-uri" "@authority"' + (' "content-digest"' if digest else "")
    return f'({covered});created={created};keyid="{keyid}"'


def _base(method: str, target: str, digest: str, parameters: str) -> bytes:
    lines = [f'"@method": {method}', f'"@target-uri": {PUBLIC_URL}{target}', f'"@authority": {AUTHORITY}']
    if digest:
        lines.append(f'"content-digest": {digest}')
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode()


@cache
def _key(fleet: Fleet, number: int) -> tuple[ec.EllipticCurvePrivateKey, str]:
    key = fleet.key(number)
    return key, keyid_of(key)


def _compare() -> None:
    """Our base is the one that the gateway's signer makes."""
    key = ec.derive_private_key(1, ec.SECP256R1())
    for method, body in (("POST", status_body()), ("GET", b"")):
        digest = content_digest(body) if body else ""
        made = sign(Request(method, f"{PUBLIC_URL}/x", body, FIELDS), key, SignOptions(created=1))
        if made.base != _base(method, "/x", digest, _parameters(digest, 1, keyid_of(key))):
            raise RuntimeError("the requests signed here are not those that the gateway's own signer makes")
